"""The exercise of the chapter on the listing: undo a permute."""

from collections.abc import Sequence


def check_undoes(way_in: Sequence[int], way_back: Sequence[int]) -> None:
    """Say whether `permute(way_back)` undoes `permute(way_in)`.

    Args:
        way_in: Order of the axes on the way in.
        way_back: Your answer: an order of the axes for the way back.
    """
    axes = range(len(way_in))
    try:
        answer = [int(axis) for axis in way_back]
    except (TypeError, ValueError):
        print(f"Not yet. {way_back!r} is no order: give {len(way_in)} whole numbers.")
        return
    if sorted(answer) != list(axes):
        last = len(way_in) - 1
        print(f"Not yet. {tuple(answer)} must hold each axis, 0 to {last}, once.")
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
