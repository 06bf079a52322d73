"""Find an element in the strip of memory."""

import operator
from collections.abc import Sequence
from typing import Any

import torch

from .runner import described, tell


def check_address(answer: Any, shape: Sequence[int], at: Sequence[int]) -> None:
    """Say whether `answer` is the address of element `at` of a fresh tensor.

    Args:
        answer: Your address, counted in elements from the start of the tensor.
        shape: Shape of the tensor; it is contiguous.
        at: Coordinates of the element.
    """
    strides = torch.empty(tuple(shape)).stride()
    sums = " + ".join(f"{c} * {s}" for c, s in zip(at, strides) if c)
    right = sum(c * stride for c, stride in zip(at, strides))
    problem = _problem(answer, right, torch.Size(shape), at)
    tell(problem, f"Right: {sums or 0} = {right}.")


def _problem(answer: Any, right: int, shape: torch.Size, at) -> str:
    number, last = _whole(answer), shape.numel() - 1
    if number is None:
        return f"An address is a whole number, and {described(answer)} is none."
    if not 0 <= number <= last:
        return f"The tensor ends at {last}, and {described(number)} is outside."
    if number == right:
        return ""
    there = tuple(int(c) for c in torch.unravel_index(torch.tensor(number), shape))
    return (
        f"At {number} lies the element {there}; you look for {tuple(at)}. How far "
        "does one step along each axis jump?"
    )


def _whole(answer: Any) -> int | None:
    """The answer as an int; None if it is no whole number."""
    if isinstance(answer, bool):
        return None
    try:
        return operator.index(answer)  # also NumPy's, and a tensor of one
    except Exception:
        return None
