"""The branch mixer: every channel's three branch weights, as a cloud in a triangle."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
import traitlets
from torch import Tensor, nn

from ..branch_weights import pooled_path
from ..data import digit, patterns
from ..permute_mlp import WeightedPermuteMLP
from .host import BookWidget, script, style
from .pictures import shown_picture, written

_DIGITS = 6  # of each number on the page: enough for weights to better than 1e-6


class BranchMixer(BookWidget):
    """Choose or draw a picture; see which branches each channel takes.

    A channel's weights for the height, the width and the channel branch sum to 1, so
    they are a point in a triangle.  They are computed on the page, without a kernel:
    up to the pooled vector everything is linear, so a matrix and the two layers of
    `reweight` are all that they need.

    Args:
        module: A `WeightedPermuteMLP`.
        embed: From a picture `(height, width)` to the module's input, `(1, H, W, C)`;
            linear, up to a constant.
        pictures: Grey levels `(height, width)`, 0 to 1, by name, rounded to sixteenths;
            the first is shown first.  If None a handwritten seven, stripes and their
            like, 8 x 8.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;picture=noise;channel=3".
        state: State of the figure now, in the same words; empty at the start.

    Raises:
        TypeError: If `module` has no branch weights, or an argument has the wrong type.
        ValueError: If `embed` is not linear, if the module makes its weights in a way
            that this figure does not know, or if the pictures do not fit.
    """

    kind = "mixer"
    module = "mixer.js"
    render = "renderMixer"
    frame = "mixerFirstFrame"
    shown = ("size", "pictures", "blocks")
    _esm = script(module, render)
    _css = style("drawing", kind)

    name = traitlets.Unicode("mixer").tag(sync=True)
    size = traitlets.List(help="Height and width of a picture.").tag(sync=True)
    pictures = traitlets.List(help="Names and grey levels.").tag(sync=True)
    blocks = traitlets.List(help="One dict a module.").tag(sync=True)

    def __init__(
        self,
        module: WeightedPermuteMLP,
        embed: Callable[[Tensor], Tensor],
        pictures: Mapping[str, Tensor] | None = None,
        **kwargs: Any,
    ):
        if pictures is None:
            pictures = {"seven": digit(7)[0], **patterns()}
        size, levels = written(pictures)
        block = _block(module, embed, size)
        super().__init__(size=list(size), pictures=levels, blocks=[block], **kwargs)

    def picture(self) -> Tensor:
        """The picture that is shown now, `(height, width)`, drawn or chosen."""
        return shown_picture(self.state or self.start, self.pictures, self.size)


def _block(
    module: WeightedPermuteMLP, embed: Callable[[Tensor], Tensor], size: tuple[int, int]
) -> dict[str, Any]:
    """What the page needs of a module."""
    path = pooled_path(module, embed, size)
    fc1, fc2 = module.reweight.fc1, module.reweight.fc2

    def block_of(numbers: Callable[[Tensor], Any]) -> dict[str, Any]:
        return {
            "name": "",
            "order": module.branch_order,
            "matrix": numbers(path.matrix),
            "offset": numbers(path.offset),
            "fc1": {"weight": numbers(fc1.weight), "bias": numbers(fc1.bias)},
            "fc2": {"weight": numbers(fc2.weight), "bias": numbers(fc2.bias)},
        }

    # A subclass, or another activation, may make its weights in another way.
    picture = torch.rand(size, generator=torch.Generator().manual_seed(1))
    exact = copy.deepcopy(module).cpu().double().eval()
    with torch.no_grad():
        tokens = embed(picture.to(module.mlp_c.weight)).cpu().double()
        real = exact.branch_weights(*exact.branches(tokens))
    shown = _on_page(block_of(Tensor.tolist), picture)[:, None]  # (3, 1, C)
    if real.shape != shown.shape or not torch.allclose(real, shown, atol=1e-5):
        raise ValueError(
            "this module makes its branch weights in another way than the figure "
            "does: the mean over tokens of the branches' sum, two Linear layers with "
            "an exact GELU between them, a softmax over three"
        )
    return block_of(_numbers)


def _on_page(block: Mapping[str, Any], picture: Tensor) -> Tensor:
    """What js/mixer.js computes from the same numbers: `(3, C)` of h, w and c."""
    matrix, offset, *layers = (
        torch.tensor(numbers, dtype=torch.float64)
        for numbers in (
            block["matrix"],
            block["offset"],
            *block["fc1"].values(),
            *block["fc2"].values(),
        )
    )
    pooled = matrix @ picture.double().flatten() + offset  # (C,)
    hidden = nn.functional.gelu(nn.functional.linear(pooled, *layers[:2]))  # (C//4,)
    scores = nn.functional.linear(hidden, *layers[2:])  # (C*3,)
    shares = scores.reshape(-1, 3).softmax(dim=1)  # (C, 3)
    return shares.T[[block["order"].index(letter) for letter in "hwc"]]  # (3, C)


def _numbers(x: Tensor) -> list[Any]:
    """Nested lists of rounded numbers."""
    if x.ndim > 1:
        return [_numbers(row) for row in x]
    return [float(f"{number:.{_DIGITS}g}") for number in x.tolist()]
