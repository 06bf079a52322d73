"""Lay the columns of a picture side by side, as the height branch does."""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from .runner import Ask, run, tensor_like

_TRIES = 20

Rows = Callable[[Tensor, int], Tensor]


class Wanted(NamedTuple):
    """What the rows of a branch hold, in words, as a shape and as an einsum."""

    holds: str
    shape: str
    einsum: str


_HEIGHT = Wanted("column", "B N W H*S", "bhwns->bnwhs")


def check_height_rows(rows: Rows) -> None:
    """Say whether `rows(x, N)` lays every column of the picture out as a row.

    Each element of the test pictures carries its own number, so the check can tell
    not only that something is wrong but where the elements went.

    Args:
        rows: Your function, from `(B, H, W, C)` and the number of segments N to
            `(B, N, W, H*S)` with S = C // N.  All sizes differ here, so that no two
            axes can be confused by accident.
    """
    check_rows(rows, _HEIGHT)


def check_rows(rows: Rows, wanted: Wanted) -> None:
    """Say whether `rows(x, N)` gives the rows that are wanted."""
    generator = random.Random(0)
    run(
        rows,
        [generator.sample(range(2, 8), 5) for _ in range(_TRIES)],
        partial(_judge, wanted),
        f"Right: each row is one {wanted.holds} of the picture. "
        f"Tried on {_TRIES} shapes.",
    )


def _judge(wanted: Wanted, ask: Ask, sizes: list[int]) -> str:
    B, H, W, N, S = sizes
    x = torch.arange(float(math.prod(sizes))).reshape(B, H, W, N * S)
    call = f"rows(x, N={N}) with x of shape (B, H, W, C) = {tuple(x.shape)}"
    got = ask(call, x, N, gives=tensor_like(x))
    right = torch.einsum(wanted.einsum, x.reshape(sizes)).flatten(3)
    if got.shape != right.shape:
        names = "(" + wanted.shape.replace(" ", ", ") + ")"
        return (
            f"{call} has shape {tuple(got.shape)}; needed {names} = "
            f"{tuple(right.shape)}."
        )
    if torch.equal(got, right):
        return ""
    return f"The shape is right, the order is not. {_read(got, right, wanted, sizes)}"


def _read(got: Tensor, right: Tensor, wanted: Wanted, sizes: list[int]) -> str:
    """Which axes the first wrong row walks along, and which it should."""
    row = int((got != right).any(dim=-1).flatten().nonzero()[0])
    found = _axes_along(got.flatten(0, 2)[row], sizes)
    needed = _axes_along(right.flatten(0, 2)[row], sizes)
    if found == needed:
        slow = needed[0]
        return (
            f"Row {row} walks along the right axes in the wrong order: {slow} must be "
            "the slow axis of the row and S the fast one, and the rows must stand in "
            f"the order {wanted.shape.rsplit(' ', 1)[0].replace(' ', ', ')}."
        )
    return (
        f"Row {row} of your result walks along {found}; to hold one {wanted.holds} of "
        f"the picture it must walk along {needed}."
    )


def _axes_along(row: Tensor, sizes: list[int]) -> str:
    # What is no number of the picture, or between two of them, has no place in it.
    inside = [int(v) for v in row.tolist() if v in range(math.prod(sizes))]
    coordinates = torch.unravel_index(torch.tensor(inside, dtype=torch.long), sizes)
    moving = [n for n, at in zip("BHWNS", coordinates) if at.unique().numel() > 1]
    if len(moving) > 1:
        return ", ".join(moving[:-1]) + " and " + moving[-1]
    return moving[0] if moving else "nothing"
