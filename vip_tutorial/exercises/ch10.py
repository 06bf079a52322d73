"""The exercise of the chapter on the network: for which pictures can it be built?"""

from collections.abc import Callable
from typing import Any

import torch

from ..vision_permutator import VisionPermutator
from .runner import Deadline, attempt, described, is_true_or_false

_LARGEST = 256

# Patch, channels of each stage, and where the grid is halved.
_NETWORKS = {
    "Small/7": (7, (192, 384, 384, 384), (True, False, False, False)),
    "Medium/7": (7, (256, 256, 512, 512), (False, True, False, False)),
    # A grid of 8 suits the second width only, and is that of the first stage.
    "a network of two stages": (4, (36, 48), (True, False)),
    # A grid of 4 suits the first width only, and is that of the first stage.
    "a network of three stages": (2, (80, 24, 30), (True, False, False)),
}


def check_fits(fits: Callable[[int, int, tuple, tuple], Any]) -> None:
    """Say whether `fits` knows for which sizes of picture a network can be built.

    The network itself is built, or refuses to be, for every size from 1 to 256.

    Args:
        fits: Your function of `img_size`, `patch_size`, `embed_dims` and
            `transitions`.
    """
    sizes = range(1, _LARGEST + 1)
    refusals = {
        (name, img_size): _refusal(img_size, *network)
        for name, network in _NETWORKS.items()
        for img_size in sizes
    }
    deadline = Deadline()
    for (name, img_size), refusal in refusals.items():
        problem = _problem(fits, img_size, _NETWORKS[name], refusal, deadline)
        if problem:
            print(f"Not yet. For {name}: {problem}")
            return
    count = list(refusals.values()).count("")
    print(f"Right, for {len(_NETWORKS)} networks: {count} sizes fit, and no other.")


def _refusal(img_size: int, patch_size: int, embed_dims, transitions) -> str:
    """What the network says of a size that it cannot be built for; else nothing."""
    try:
        with torch.device("meta"):
            VisionPermutator(
                [1] * len(embed_dims),
                embed_dims,
                transitions,
                patch_size=patch_size,
                img_size=img_size,
            )
    except ValueError as error:
        return str(error)
    return ""


def _problem(
    fits: Callable, img_size: int, network: tuple, refusal: str, deadline: Deadline
) -> str:
    patch_size, embed_dims, transitions = network
    called = f"fits({img_size}, {patch_size}, {embed_dims}, {transitions})"
    got, problem = attempt(fits, img_size, *network, call=called, deadline=deadline)
    if problem:
        return problem
    if got is None:
        return f"{called} returned None. Does your function end in a return?"
    if not is_true_or_false(got):
        return f"{called} returned {described(got)}; it must return True or False."
    if bool(got) == (not refusal):
        return ""
    if refusal:
        return f"{called} returned True, and the network says: {refusal}."
    return (
        f"{called} returned False, and the network can be built. Ask each stage with "
        "the side of its own grid: it is halved after a stage whose entry in "
        "transitions is True, and not before."
    )
