"""The exercise of the chapter on memory: find an element in the strip."""

import operator
from collections.abc import Sequence
from typing import Any

import torch

from .runner import described


def check_address(answer: Any, shape: Sequence[int], at: Sequence[int]) -> None:
    """Say whether `answer` is the address of element `at` of a fresh tensor.

    Args:
        answer: Your address, counted in elements from the start of the tensor.
        shape: Shape of the tensor; it is contiguous.
        at: Coordinates of the element.
    """
    strides = torch.empty(tuple(shape)).stride()
    right = sum(c * stride for c, stride in zip(at, strides))
    size = torch.Size(shape).numel()
    number = _whole(answer)
    if number is None:
        print(
            f"Not yet. An address is a whole number, and {described(answer)} is none."
        )
    elif not 0 <= number < size:
        print(
            f"Not yet. The tensor ends at {size - 1}, and {described(number)} is "
            "outside."
        )
    elif number != right:
        there = [int(c) for c in torch.unravel_index(torch.tensor(number), shape)]
        print(
            f"Not yet. At {number} lies the element {tuple(there)}; you look for "
            f"{tuple(at)}. One step along each axis jumps {strides}."
        )
    else:
        sums = " + ".join(f"{c} * {s}" for c, s in zip(at, strides) if c)
        print(f"Right: {sums or 0} = {right}.")


def _whole(answer: Any) -> int | None:
    """The answer as an int; None if it is no whole number."""
    if isinstance(answer, bool):
        return None
    try:
        return operator.index(answer)  # also NumPy's, and a tensor of one
    except Exception:
        return None
