"""The exercise of the chapter on memory: find an element in the strip."""

from collections.abc import Sequence
from typing import Any

import torch


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
    if isinstance(answer, bool) or not isinstance(answer, int):
        print(f"Not yet. An address is a whole number, and {answer!r} is none.")
    elif not 0 <= answer < size:
        print(f"Not yet. The tensor ends at {size - 1}, and {answer} is outside.")
    elif answer != right:
        there = [int(c) for c in torch.unravel_index(torch.tensor(answer), shape)]
        print(
            f"Not yet. At {answer} lies the element {tuple(there)}; you look for "
            f"{tuple(at)}. One step along each axis jumps {strides}."
        )
    else:
        sums = " + ".join(f"{c} * {s}" for c, s in zip(at, strides) if c)
        print(f"Right: {sums or 0} = {right}.")
