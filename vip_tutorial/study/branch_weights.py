"""What the branch weights of a `WeightedPermuteMLP` can see of a picture.

The weights are computed from the pooled vector, one number per channel, and everything
up to that vector is linear.  So it can be had from means over rows and columns alone
(`mixers.early_weights`), and for pictures that are turned into tokens by a
linear embedding it is one matrix times the picture (`pooled_path`).

The letters are those of `permute_mlp`; a picture has its own height and width, since a
token may be a patch of several pixels.
"""

import copy
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..permute_mlp import WeightedPermuteMLP
from ..vision_permutator import PermutatorBlock, VisionPermutator

_TRIES = 4


def pooled_sum(module: WeightedPermuteMLP, x: Tensor) -> Tensor:
    """The mean over all tokens of the branches' sum: what the weights are made from.

    Shape:
        `(B, H, W, C)` to `(B, C)`.
    """
    h, w, c = module.branches(x)  # (B, H, W, C) each
    return (h + w + c).mean(dim=(1, 2))  # (B, C)


def weights_by_block(model: VisionPermutator, images: Tensor) -> dict[str, Tensor]:
    """The branch weights of every block of a network, for every image.

    Args:
        model: A network whose blocks mix tokens with a `WeightedPermuteMLP`; dropout
            and stochastic depth are off while it is asked.
        images: `(B, in_chans, height, width)`.

    Returns:
        By the block's name in the network, e.g. "network.0.1", from the first block to
        the last: weights `(3, B, C)` of height, width and channel.

    Raises:
        TypeError: If a block mixes tokens in another way.
    """
    return ask_each(model, images, lambda m, x: m.branch_weights(*m.branches(x)))


@torch.no_grad()
def ask_each(
    model: VisionPermutator,
    images: Tensor,
    ask: Callable[[WeightedPermuteMLP, Tensor], Tensor],
) -> dict[str, Tensor]:
    """What each token mixer of a network answers on the input that it gets.

    Args:
        model: The network, see `weights_by_block`.
        images: `(B, in_chans, height, width)`.
        ask: From a mixer and its input `(B, H, W, C)` to the answer.

    Returns:
        The answers by the block's name, from the first block to the last.

    Raises:
        TypeError: If a block mixes tokens in another way.
    """
    found: dict[str, Tensor] = {}
    hooks = []
    was_training = model.training
    model.eval()
    try:
        for name, block in model.named_modules():
            if not isinstance(block, PermutatorBlock):
                continue
            if not isinstance(block.attn, WeightedPermuteMLP):
                raise TypeError(
                    f"block {name} mixes tokens with {type(block.attn).__name__}; "
                    "branch weights are what a WeightedPermuteMLP has"
                )

            def keep(mixer: WeightedPermuteMLP, given: tuple[Tensor], name=name):
                found[name] = ask(mixer, given[0])

            hooks.append(block.attn.register_forward_pre_hook(keep))
        model.forward_features(images)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return found


class PooledPath(NamedTuple):
    """From a picture to the pooled vector: `matrix @ picture.flatten() + offset`.

    Attributes:
        matrix: P, `(C, height * width)` of the picture.
        offset: What a blank picture gives, `(C,)`; zero where nothing has a bias.
    """

    matrix: Tensor
    offset: Tensor

    def __call__(self, picture: Tensor) -> Tensor:
        """The pooled vector of one picture, `(C,)`, in float64."""
        return self.matrix @ picture.double().flatten().cpu() + self.offset


def pooled_path(
    module: WeightedPermuteMLP,
    embed: Callable[[Tensor], Tensor],
    size: tuple[int, int],
) -> PooledPath:
    """The way from a picture to the module's pooled vector, as one matrix.

    A column of the matrix is what one inked pixel adds.  It is found by trying: each
    picture with a single inked pixel goes through `embed` and the three branches.

    Args:
        module: The module.
        embed: From a picture `(height, width)` to tokens `(1, H, W, C)`; linear, up to
            a constant.
        size: Height and width of a picture, in pixels.

    Returns:
        Matrix and offset in float64, on the CPU.

    Raises:
        ValueError: If `embed` is not linear, or its tokens do not fit the module.
        TypeError: If the module has no branch weights, or `embed` returns no tensor.
    """
    if not isinstance(module, WeightedPermuteMLP):
        raise TypeError(
            f"got a {type(module).__name__}; branch weights are what a "
            "WeightedPermuteMLP has: give one, e.g. a block's attn"
        )
    if not callable(embed):
        raise TypeError(
            f"embed is a {type(embed).__name__}; it must be a function from a picture "
            "(height, width) to its tokens (1, H, W, C)"
        )
    like = module.mlp_c.weight
    if like.is_meta or not all(p.isfinite().all() for p in module.parameters()):
        what = "has no contents: it is on meta" if like.is_meta else "is not finite"
        raise ValueError(f"a weight of the module {what}")
    exact = copy.deepcopy(module).cpu().double()  # not every device has float64

    def pooled(picture: Tensor) -> Tensor:
        try:
            tokens = embed(picture.to(like))
        except RuntimeError as fault:
            raise ValueError(
                f"embed cannot take a picture {tuple(picture.shape)} of {like.dtype} "
                f"on {like.device}, the dtype and device of the module ({fault}): make "
                "it, and what it is made with, of that dtype, or the module float32"
            ) from fault
        if not isinstance(tokens, Tensor):
            raise TypeError(
                f"embed returned {type(tokens).__name__}; it must return the tokens "
                f"of the picture, a tensor (1, H, W, C) with C = {module.dim}"
            )
        return pooled_sum(exact, tokens.cpu().double())[0]  # (C,)

    height, width = size
    with torch.no_grad():
        offset = pooled(torch.zeros(height, width))  # (C,)
        units = torch.eye(height * width).reshape(-1, height, width)
        columns = [pooled(unit) - offset for unit in units]
        path = PooledPath(torch.stack(columns, dim=1), offset)
        generator = torch.Generator().manual_seed(0)
        for _ in range(_TRIES):
            picture = torch.rand(height, width, generator=generator).to(like).cpu()
            gap = (pooled(picture) - path(picture)).abs().max().item()
            scale = path.matrix.abs().sum(dim=1).max().item() + 1e-30
            if not gap <= 1e3 * torch.finfo(like.dtype).eps * scale:
                raise ValueError(
                    "embed is not linear: the pooled vector of a random picture "
                    f"differs by {gap:.1e} from what its pixels give one by one. Give "
                    "an embed without a norm, an activation or dropout, such as one "
                    "Conv2d or vip_tutorial.training.data.as_tokens"
                )
    return path


def exchanged_order(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights trained in one branch order, for a module with the other.

    The orders h, w, c and c, w, h are each other read backwards.  Row 3 * c + k of
    `reweight.fc2` is for channel c and branch number k, so in every three rows the
    first and the last change places; the same call leads back.

    Args:
        state: State dict of a `WeightedPermuteMLP`, or of a network with some.

    Returns:
        A new state dict; `state` stays as it is.

    Raises:
        ValueError: If nothing in `state` is called `reweight.fc2`.
    """
    rows = [k for k in state if k.rpartition(".")[0].endswith("reweight.fc2")]
    if not rows:
        raise ValueError(
            "the state dict has no reweight.fc2, whose rows would change places; "
            f"it has {', '.join(list(state)[:4]) or 'nothing'}"
            ": rename the layers to the authors' names first"
        )
    exchanged = dict(state)
    for key in rows:
        by_branch = state[key].unflatten(0, (-1, 3))  # (C, 3, ...)
        exchanged[key] = by_branch.flip(1).flatten(0, 1)  # (C*3, ...)
    return exchanged
