"""The exercise of the chapter on the whole module: what does it cost?"""

from collections.abc import Callable
from typing import Any

import torch

from ..counting import count_multiply_adds
from ..permute_mlp import WeightedPermuteMLP
from .runner import Deadline, attempt, described

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
    deadline = Deadline()
    for side, C in _SIZES:
        with torch.device("meta"):
            module, x = WeightedPermuteMLP(C, side), torch.empty(1, side, side, C)
        right = count_multiply_adds(module, x)
        problem = _problem(multiply_adds, side, C, right, deadline)
        if problem:
            print(f"Not yet. {problem}")
            return
    sizes = ", ".join(f"{side} x {side} x {C}" for side, C in _SIZES)
    print(f"Right: as many as PyTorch counts, for H x W x C = {sizes}.")


def _problem(f: Callable, side: int, C: int, right: int, deadline: Deadline) -> str:
    called = f"multiply_adds(H={side}, W={side}, C={C})"
    got, problem = attempt(f, side, side, C, call=called, deadline=deadline)
    if problem:
        return problem
    if got is None:
        return f"{called} returned None. Does your function end in a return?"
    if isinstance(got, bool) or not isinstance(got, int | float):
        return f"{called} returned {described(got)}; it must return a number."
    if got == right:
        return ""
    slips = [words for words, slip in _SLIPS.items() if got == slip(side**2, C, C // 4)]
    hint = slips[0] if slips else "Go through the forward and count each Linear."
    return f"{called} returned {described(got)}, PyTorch counts {right}. {hint}"
