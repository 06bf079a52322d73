"""The rewrite: give a token mixer any branch weights you like, and keep its output."""

from typing import Any

import torch
import traitlets
from torch import Tensor, nn

from ...lens.figure.host import BookWidget
from ...permute_mlp import Mlp, WeightedPermuteMLP


class WeightRewrite(BookWidget):
    """Move scale between the branch weights and what stands around them.

    For one token stand here its three branch outputs, the branch weights, the shares
    of the blend and of the output, and the output itself.  The reader turns the weights
    of a branch up or down; the branch and the projection make up for it.  What is
    computed is what `branch_importance.rescaled` does.

    Args:
        mixer: A mixer whose weights are the same for all images, see `made_static`.
        x: One image of tokens as the mixer gets it, `(1, H, W, C)`.
        at: Row and column of the token that is shown.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;h=-40" for height weights that are
            2 ** -5 times as large before the three are made to sum to 1.

    Raises:
        TypeError: If `mixer` has no branch weights, or `x` is no tensor.
        ValueError: If they depend on the image, a number is not finite, or `at` is no
            token of the one image.
    """

    kind = "weight_rewrite"
    shown = ("weights", "branches", "projection", "offset")

    weights = traitlets.List(help="Branch weights, (3, C).").tag(sync=True)
    branches = traitlets.List(help="Branch outputs at the token, (3, C).").tag(
        sync=True
    )
    projection = traitlets.List(help="The projection's weight, (C, C).").tag(sync=True)
    offset = traitlets.List(help="The projection's bias, (C,).").tag(sync=True)
    name = traitlets.Unicode("rewrite").tag(sync=True)

    def __init__(
        self, mixer: WeightedPermuteMLP, x: Tensor, at: tuple[int, int], **kwargs: Any
    ):
        super().__init__(**_token(mixer, x, at), **kwargs)


@torch.no_grad()
def _token(mixer: Any, x: Tensor, at: Any) -> dict[str, list]:
    if not isinstance(mixer, WeightedPermuteMLP):
        raise TypeError(
            f"got a {type(mixer).__name__}; branch weights are what a "
            "WeightedPermuteMLP has: give one, e.g. a block's attn"
        )
    for name, kind in (("reweight", Mlp), ("proj", nn.Linear)):
        if type(part := getattr(mixer, name)) is not kind:
            raise TypeError(
                f"the mixer's {name} is a {type(part).__name__}; this figure rewrites "
                f"a {kind.__name__}"
            )
    if mixer.proj.bias is None:
        raise ValueError(
            "the projection has no bias; this figure shows one, as WeightedPermuteMLP "
            "has it"
        )
    if not isinstance(x, Tensor):
        raise TypeError(
            f"x is a {type(x).__name__}; it must be a tensor, one image of tokens "
            "(1, H, W, C)"
        )
    for name, numbers in (("x", x), *mixer.named_parameters()):
        if not numbers.isfinite().all():
            raise ValueError(
                f"{name} holds numbers that are not finite; the figure can shade and "
                "add finite ones only"
            )
    if mixer.reweight.fc2.weight.any():
        raise ValueError(
            "the branch weights of this mixer depend on the image, and the rewrite is "
            "exact where they don't: give one of branch_importance.made_static"
        )
    if x.ndim != 4 or len(x) != 1:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; it must be one image of tokens, "
            "(1, H, W, C)"
        )
    branches = torch.stack(mixer.branches(x))  # (3, 1, H, W, C)
    H, W = x.shape[1:3]
    try:
        row, column = (range(size)[i] for i, size in zip(at, (H, W), strict=True))
    except (TypeError, ValueError, IndexError):
        raise ValueError(
            f"at is {at!r}; it must be (row, column) of one of the {H} x {W} tokens"
        ) from None
    weights = mixer.branch_weights(*branches)[:, 0]  # (3, C)
    if not (weights > 0).all():
        raise ValueError(
            "a branch weight of this mixer is 0, rounded from something smaller: no "
            "factor could turn it up"
        )
    return {
        "weights": _short(weights),
        "branches": _short(branches[:, 0, row, column]),
        "projection": _short(mixer.proj.weight),
        "offset": _short(mixer.proj.bias),
    }


def _short(numbers: Tensor) -> list:
    """Five significant digits, as nested lists."""
    if numbers.ndim:
        return [_short(row) for row in numbers]
    return float(f"{numbers.item():.5g}")
