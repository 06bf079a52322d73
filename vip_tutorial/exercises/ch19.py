"""The exercise of the chapter on other sizes: which rows does an output row hear of?"""

from collections.abc import Callable
from typing import Any

import torch

from ..beyond.any_size import WAYS, AnySizePermuteMLP
from ..reach import reach
from .runner import Deadline, attempt, described

_GRIDS = [(4, 8), (4, 12), (3, 6), (2, 8), (4, 4)]  # rows in training, rows now


def check_heard(heard: Callable[[str, int, int, int], Any]) -> None:
    """Say whether `heard(how, row, N, H)` knows what an output row of a branch hears.

    The height branch itself is asked, by the exact derivative.

    Args:
        heard: Your function of the way ("resample", "tiles" or "strided"), the number
            of an output row, the rows of the training and the rows of the grid now; it
            gives the numbers of the input rows that this output row depends on.
    """
    deadline, asked = Deadline(), 0
    for N, H in _GRIDS:
        for how in WAYS:
            truth = _rows(how, N, H)
            for row in range(H):
                if problem := _problem(heard, how, row, N, H, truth[row], deadline):
                    print(f"Not yet. {problem}")
                    return
                asked += 1
    print(f"Right for all {asked} output rows of {len(_GRIDS)} grids, in three ways.")


def _rows(how: str, N: int, H: int) -> list[list[int]]:
    """For each output row the input rows that it depends on, by the derivative."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = AnySizePermuteMLP(4 * N, N, how=how).double()
        # One column would do, but pieces want as many columns as rows.
        strength = reach(module.height, torch.randn(1, H, N, 4 * N).double())
    seen = strength[:, 0, :, 0] > 0  # (H, H)
    return [row.nonzero().flatten().tolist() for row in seen]


def _problem(heard, how, row, N, H, truth, deadline) -> str:
    call = f"heard({how!r}, {row}, N={N}, H={H})"
    got, problem = attempt(heard, how, row, N, H, call=call, deadline=deadline)
    if problem:
        return problem
    if got is None:
        return f"{call} returned None. Does your function end in a return?"
    try:
        rows = sorted({int(number) for number in got})
    except (TypeError, ValueError):
        return f"{call} returned {described(got)}; it must return the numbers of rows."
    if rows == truth:
        return ""
    return f"{call} gave the rows {rows}; the branch says {truth}. {_HINTS[how]}"


_HINTS = {
    "resample": "Stretched weights stand between all rows, however many there are.",
    "tiles": "A piece is N rows that lie together; which piece is this row in?",
    "strided": "A piece takes one row, leaves out H // N - 1, takes the next.",
}
