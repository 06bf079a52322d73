"""What does the whole module cost?"""

from collections.abc import Callable
from typing import Any

import torch

from ..permute_mlp import WeightedPermuteMLP
from ..study.cost import count_multiply_adds
from .runner import Ask, described, is_true_or_false, required, run

# Grid sides and channels; in the second C is no multiple of 4.
_SIZES = [(8, 64), (6, 18), (16, 384)]

# What typical slips come to, with T tokens and q = C // 4.
_SLIPS = {
    "You left out the projection: it mixes the C channels of every token.": (
        lambda T, C, q: 3 * T * C * C + 4 * C * q
    ),
    "You left out the re-weighting. It runs once an image: C to C // 4 to 3 * C.": (
        lambda T, C, q: 4 * T * C * C
    ),
    "The re-weighting runs once an image, on the mean over all tokens, and not once "
    "a token.": lambda T, C, q: T * (4 * C * C + 4 * C * q),
    "The re-weighting has two layers, C to C // 4 and C // 4 to 3 * C; you counted "
    "the first.": lambda T, C, q: 4 * T * C * C + C * q,
    "The re-weighting has two layers, C to C // 4 and C // 4 to 3 * C; you counted "
    "the second.": lambda T, C, q: 4 * T * C * C + 3 * C * q,
    "Those are the branches alone; the re-weighting and the projection follow.": (
        lambda T, C, q: 3 * T * C * C
    ),
    "C // 4 is rounded down. With C = 18 it is 4, not 4.5.": (
        lambda T, C, q: 4 * T * C * C + C * C
    ),
    "That is twice as much: a multiplication and its addition are one multiply-add.": (
        lambda T, C, q: 2 * (4 * T * C * C + 4 * C * q)
    ),
    "That is for one token. Each branch and the projection run for all H * W.": (
        lambda T, C, q: 4 * C * C + 4 * C * q
    ),
}


def check_multiply_adds(multiply_adds: Callable[[int, int, int], Any]) -> None:
    """Say whether `multiply_adds(H, W, C)` is what a `WeightedPermuteMLP` needs.

    PyTorch counts the products of the real module, and your number must be the same.

    Args:
        multiply_adds: Your function of the sizes, for one image.
    """
    sizes = ", ".join(f"{side} x {side} x {C}" for side, C in _SIZES)
    run(
        multiply_adds,
        _SIZES,
        _judge,
        f"Right: as many as PyTorch counts, for H x W x C = {sizes}.",
    )


def _judge(ask: Ask, sizes: tuple[int, int]) -> str:
    side, C = sizes
    with torch.device("meta"):
        module, x = WeightedPermuteMLP(C, side), torch.empty(1, side, side, C)
    right = count_multiply_adds(module, x)
    call = f"multiply_adds(H={side}, W={side}, C={C})"
    got = ask(call, side, side, C, gives=_number)
    if got == right:
        return ""
    slips = [words for words, slip in _SLIPS.items() if got == slip(side**2, C, C // 4)]
    hint = slips[0] if slips else "Go through the forward and count each Linear."
    return f"{call} returned {described(got)}, PyTorch counts {right}. {hint}"


def _number(got: Any, call: str) -> int | float:
    if is_true_or_false(got) or not isinstance(got, int | float):
        raise required(got, call, "a number")
    return got
