"""The exercise of the chapter on the listing: undo a permute."""

import operator
from collections.abc import Sequence
from itertools import islice
from typing import Any

from .runner import described


def check_undoes(way_in: Sequence[int], way_back: Any) -> None:
    """Say whether `permute(way_back)` undoes `permute(way_in)`.

    Args:
        way_in: Order of the axes on the way in.
        way_back: Your answer: an order of the axes for the way back.
    """
    axes = range(len(way_in))
    try:
        # One more than there are axes is enough to see that there are too many.
        answer = [operator.index(axis) for axis in islice(way_back, len(way_in) + 1)]
    except Exception:
        print(
            f"Not yet. {described(way_back)} is no order: give {len(way_in)} whole "
            "numbers, e.g. (0, 1, 2, 3, 4)."
        )
        return
    if sorted(answer) != list(axes):
        last = len(way_in) - 1
        print(f"Not yet. {described(way_back)} must hold each axis, 0 to {last}, once.")
        return
    after = [way_in[axis] for axis in answer]
    wrong = [place for place in axes if after[place] != place]
    if wrong:
        place = wrong[0]
        print(
            f"Not yet. After the way in and your way back, place {place} holds axis "
            f"{after[place]}. On the way in, axis {place} went to place "
            f"{list(way_in).index(place)}; fetch it from there."
        )
        return
    print("Right: there and back again, every axis is home.")
