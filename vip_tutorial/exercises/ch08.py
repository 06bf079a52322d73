"""Undo a permute."""

import operator
from collections.abc import Sequence
from itertools import islice
from typing import Any

from .runner import described, tell


def check_undoes(way_in: Sequence[int], way_back: Any) -> None:
    """Say whether `permute(way_back)` undoes `permute(way_in)`.

    Args:
        way_in: Order of the axes on the way in.
        way_back: Your answer: an order of the axes for the way back.
    """
    tell(
        _problem(list(way_in), way_back),
        "Right: there and back again, every axis is home.",
    )


def _problem(way_in: list[int], way_back: Any) -> str:
    axes = range(len(way_in))
    try:
        # One more than there are axes is enough to see that there are too many.
        answer = [operator.index(axis) for axis in islice(way_back, len(way_in) + 1)]
    except Exception:
        return (
            f"{described(way_back)} is no order: give {len(way_in)} whole numbers, "
            f"e.g. {tuple(axes)}."
        )
    if sorted(answer) != list(axes):
        return f"{described(way_back)} must hold each axis, 0 to {axes[-1]}, once."
    after = [way_in[axis] for axis in answer]
    wrong = [place for place in axes if after[place] != place]
    if not wrong:
        return ""
    place = wrong[0]
    return (
        f"After the way in and your way back, place {place} holds axis {after[place]}. "
        f"On the way in, axis {place} went to place {way_in.index(place)}; fetch it "
        "from there."
    )
