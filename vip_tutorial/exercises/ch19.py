"""Which rows does an output row hear of, on another size?"""

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import torch

from ..mixers.any_size import WAYS, AnySizePermuteMLP
from ..study.reach import reach
from .runner import Ask, described, list_of, own_luck, run

_GRIDS = [(4, 8), (4, 12), (3, 6), (2, 8), (4, 4)]  # rows in training, rows now


def check_heard(heard: Callable[[str, int, int, int], Any]) -> None:
    """Say whether `heard(how, row, N, H)` knows what an output row of a branch hears.

    The height branch itself is asked, by the exact derivative.

    Args:
        heard: Your function of the way ("resample", "tiles" or "strided"), the number
            of an output row, the rows of the training and the rows of the grid now; it
            gives the numbers of the input rows that this output row depends on.
    """
    asked = len(WAYS) * sum(H for _, H in _GRIDS)
    run(
        heard,
        product(_GRIDS, WAYS),
        _judge,
        f"Right for all {asked} output rows of {len(_GRIDS)} grids, in three ways.",
    )


def _judge(ask: Ask, case: tuple[tuple[int, int], str]) -> str:
    (N, H), how = case
    for row, truth in enumerate(_rows(how, N, H)):
        call = f"heard({how!r}, {row}, N={N}, H={H})"
        got = ask(call, how, row, N, H, gives=list_of("the numbers of rows"))
        rows = sorted(set(got))
        if rows != truth:
            return (
                f"{call} gave the rows {described(rows)}; the branch says {truth}. "
                f"{_HINTS[how]}"
            )
    return ""


@cache
@own_luck()
def _rows(how: str, N: int, H: int) -> list[list[int]]:
    """For each output row the input rows that it depends on, by the derivative."""
    module = AnySizePermuteMLP(4 * N, N, how=how).double()
    # One column would do, but pieces want as many columns as rows.
    strength = reach(module.height, torch.randn(1, H, N, 4 * N).double())
    seen = strength[:, 0, :, 0] > 0  # (H, H)
    return [row.nonzero().flatten().tolist() for row in seen]


_HINTS = {
    "resample": "Stretched weights stand between all rows, however many there are.",
    "tiles": "A piece is N rows that lie together; which piece is this row in?",
    "strided": "A piece takes one row, leaves out H // N - 1, takes the next.",
}
