"""A change of pictures that a network without the width branch does not notice."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from ..study.branch_importance import SomeBranches
from ..training.data import Labelled
from ..training.fit import small_network
from .runner import Ask, run, tensor_like

_SIDES = (4, 6, 8)
_PICTURES = 3

Change = Callable[[Tensor], Tensor]


def check_unnoticed(change: Change) -> None:
    """Say whether no network without the width branch notices your change of pictures.

    Networks with random weights are asked, on pictures of several sizes: those that
    lack the width branch must give the same scores before and after.

    Args:
        change: Your function, from pictures `(B, 1, H, W)` to other pictures of this
            shape.
    """
    moved = []  # by how much the scores of a whole network change

    def praise() -> str:
        return (
            "Right: without the width branch no score changes. A network that has all "
            f"three branches notices; its scores change by up to {max(moved):.2f}."
        )

    run(change, _SIDES, partial(_judge, moved), praise)


def _judge(moved: list[float], ask: Ask, side: int) -> str:
    generator = torch.Generator().manual_seed(side)
    shape = (_PICTURES, 1, side, side)
    pictures = torch.rand(shape, generator=generator, dtype=torch.float64)
    call = f"change(pictures) with pictures of shape {shape}"
    got = ask(call, pictures, gives=tensor_like(pictures))
    if tuple(got.shape) != shape:
        return f"{call} has shape {tuple(got.shape)}; it must stay {shape}."
    if torch.equal(got, pictures):
        return (
            f"{call} gives the pictures back as they were, and of course nobody "
            "notices. Change them."
        )
    if not got.isfinite().all():
        return f"{call} gives pixels that are not numbers."

    def notices(*kept: str) -> float:
        network = _network(shape[-1], kept)
        with torch.no_grad():
            return (network(got) - network(pictures)).abs().max().item()

    gap = notices("height", "channel")
    full = notices("height", "width", "channel")
    if gap < 1e-9 and full < 1e-6:
        return (
            f"{call} changes so little that a network with all three branches does "
            "not notice either. Move something."
        )
    if gap < 1e-9:
        moved.append(full)
        return ""
    told = (
        f"A network with the height and the channel branch notices: a score changes by "
        f"{gap:.2g}."
    )
    if not torch.equal(_sorted(got), _sorted(pictures)):
        return f"{told} Let every picture keep its own pixels, and only move them."
    if notices("width", "channel") < 1e-9:
        return (
            f"{told} You have moved whole rows; that is what a network without the "
            "*height* branch does not notice."
        )
    return (
        f"{told} The height branch sees each column, from top to bottom: keep every "
        "column as it is."
    )


def _sorted(pictures: Tensor) -> Tensor:
    return pictures.flatten(1).sort(dim=1).values  # (B, H*W)


def _network(side: int, kept: tuple[str, ...]) -> nn.Module:
    """A network in which nothing is 0 by chance."""
    labelled = Labelled(torch.empty(1, 1, side, side), torch.zeros(1), 4)
    mixer = partial(SomeBranches, kept=kept)
    network = small_network(labelled, dim=4 * side, qkv_bias=True, token_mixer=mixer)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return network.double().eval()
