"""For which pictures can a network be built?"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from ..vision_permutator import VisionPermutator
from .runner import Ask, run, truth

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

    def praise() -> str:
        count = sum(_refusals(name).count("") for name in _NETWORKS)
        return f"Right, for {len(_NETWORKS)} networks: {count} sizes fit, and no other."

    run(fits, _NETWORKS, _judge, praise)


@cache
def _refusals(name: str) -> list[str]:
    """What the network says of each size, from 1."""
    return [_refusal(size, *_NETWORKS[name]) for size in range(1, _LARGEST + 1)]


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


def _judge(ask: Ask, name: str) -> str:
    patch_size, embed_dims, transitions = network = _NETWORKS[name]
    for img_size, refusal in enumerate(_refusals(name), start=1):
        call = f"fits({img_size}, {patch_size}, {embed_dims}, {transitions})"
        if problem := _compare(ask(call, img_size, *network, gives=truth), refusal):
            return f"For {name}: {call} returned {problem}"
    return ""


def _compare(got: bool, refusal: str) -> str:
    if got == (not refusal):
        return ""
    if refusal:
        return f"True, and the network says: {refusal}."
    return (
        "False, and the network can be built. Ask each stage with the side of its own "
        "grid: it is halved after a stage whose entry in transitions is True, and not "
        "before."
    )
