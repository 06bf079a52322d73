"""The exercise of the chapter on what the branch weights say: what is not noticed."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from ..branch_importance import SomeBranches
from ..data import Labelled
from ..training import small_network
from .runner import Deadline, attempt_on_tensors

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
    deadline = Deadline()
    moved = 0.0
    for seed, side in enumerate(_SIDES):
        generator = torch.Generator().manual_seed(seed)
        pictures = torch.rand(
            _PICTURES, 1, side, side, generator=generator, dtype=torch.float64
        )
        problem, full = _problem(change, pictures, deadline)
        if problem:
            print(f"Not yet. {problem}")
            return
        moved = max(moved, full)
    print(
        "Right: without the width branch no score changes. A network that has all "
        f"three branches notices; its scores change by up to {moved:.2f}."
    )


def _problem(change: Change, pictures: Tensor, deadline: Deadline) -> tuple[str, float]:
    """What is wrong, and by how much the scores of a whole network change."""
    shape = tuple(pictures.shape)
    called = f"change(pictures) with pictures of shape {shape}"
    got, problem = attempt_on_tensors(change, pictures, call=called, deadline=deadline)
    if problem:
        return problem, 0.0
    if tuple(got.shape) != shape:
        return f"{called} has shape {tuple(got.shape)}; it must stay {shape}.", 0.0
    if torch.equal(got, pictures):
        return (
            f"{called} gives the pictures back as they were, and of course nobody "
            "notices. Change them."
        ), 0.0
    if not got.isfinite().all():
        return f"{called} gives pixels that are not numbers.", 0.0

    def notices(*kept: str) -> float:
        network = _network(shape[-1], kept)
        with torch.no_grad():
            return (network(got) - network(pictures)).abs().max().item()

    gap = notices("height", "channel")
    full = notices("height", "width", "channel")
    if gap < 1e-9 and full < 1e-6:
        return (
            f"{called} changes so little that a network with all three branches does "
            "not notice either. Move something."
        ), 0.0
    if gap < 1e-9:
        return "", full
    told = (
        f"A network with the height and the channel branch notices: a score changes by "
        f"{gap:.2g}."
    )
    if not torch.equal(_sorted(got), _sorted(pictures)):
        return f"{told} Let every picture keep its own pixels, and only move them.", 0.0
    if notices("width", "channel") < 1e-9:
        return (
            f"{told} You have moved whole rows; that is what a network without the "
            "*height* branch does not notice."
        ), 0.0
    return (
        f"{told} The height branch sees each column, from top to bottom: keep every "
        "column as it is."
    ), 0.0


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
