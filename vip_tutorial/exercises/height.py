"""The exercise of the chapter on the height branch: lay the columns side by side."""

import math
import random
from collections.abc import Callable

import torch
from torch import Tensor

_TRIES = 20


def check_height_rows(rows: Callable[[Tensor, int], Tensor]) -> None:
    """Say whether `rows(x, N)` lays every column of the picture out as a row.

    Each element of the test pictures carries its own number, so the check can tell
    not only that something is wrong but where the elements went.

    Args:
        rows: Your function, from `(B, H, W, C)` and the number of segments N to
            `(B, N, W, H*S)` with S = C // N.  All sizes differ here, so that no two
            axes can be confused by accident.
    """
    random.seed(0)
    for _ in range(_TRIES):
        B, H, W, N, S = random.sample(range(2, 8), 5)
        problem = _problem(rows, B, H, W, N, S)
        if problem:
            print(f"Not yet. {problem}")
            return
    print(f"Right: each row is one column of the picture. Tried on {_TRIES} shapes.")


def _problem(rows, B: int, H: int, W: int, N: int, S: int) -> str:
    x = torch.arange(float(B * H * W * N * S)).reshape(B, H, W, N * S)
    given = x.clone()
    called = f"rows(x, N={N}) with x of shape (B, H, W, C) = {tuple(x.shape)}"
    try:
        got = rows(x, N)
    except Exception as error:
        return f"{called} raised {type(error).__name__}: {error}"
    if got is None:
        return f"{called} returned None. Does your function end in a return?"
    if not isinstance(got, Tensor):
        return f"{called} returned {type(got).__name__}; it must return a tensor."
    if not torch.equal(x, given):
        return f"{called} changed its input. Build a new tensor instead."
    needed = (B, N, W, H * S)
    if tuple(got.shape) != needed:
        return (
            f"{called} has shape {tuple(got.shape)}; needed (B, N, W, H*S) = {needed}."
        )
    right = torch.einsum("bhwns->bnwhs", x.reshape(B, H, W, N, S)).reshape(needed)
    if torch.equal(got, right):
        return ""
    return f"The shape is right, the order is not. {_read(got, right, (B, H, W, N, S))}"


def _read(got: Tensor, right: Tensor, sizes: tuple[int, ...]) -> str:
    """Which axes the first wrong row walks along, and which it should."""
    row = int((got != right).any(dim=-1).flatten().nonzero()[0])
    found = _axes_along(got.flatten(0, 2)[row], sizes)
    needed = _axes_along(right.flatten(0, 2)[row], sizes)
    if found == needed:
        return (
            f"Row {row} holds the right numbers in the wrong order: H must be the slow "
            "axis of the row and S the fast one."
        )
    return (
        f"Row {row} of your result walks along {found}; to hold one column of the "
        f"picture it must walk along {needed}."
    )


def _axes_along(row: Tensor, sizes: tuple[int, ...]) -> str:
    numbers = [int(value) for value in row]
    inside = [value for value in numbers if 0 <= value < math.prod(sizes)]
    coordinates = torch.stack(torch.unravel_index(torch.tensor(inside), sizes))
    moving = [name for name, at in zip("BHWNS", coordinates) if at.unique().numel() > 1]
    return " and ".join(moving) or "nothing"
