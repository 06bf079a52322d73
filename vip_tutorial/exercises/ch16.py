"""Who sees whom in two modules with groups of rows?"""

from functools import cache

import torch
from torch import Tensor

from ..mixers.lightweight import LightPermuteMLP
from ..study.reach import reach
from .ch01 import Sees, check_who_sees_whom
from .runner import own_luck

_GROUPS = ((4, 2), (6, 2), (6, 3), (3, 1))  # side of the grid, and groups


def check_groups_of_rows(sees: Sees) -> None:
    """Say whether `sees` knows who sees whom in two modules with groups of rows.

    The modules are `LightPermuteMLP(..., groups=groups, across="rows")` with a plain
    sum of their branches; they are really run, and your answer is compared with their
    exact derivative, pair by pair.

    Args:
        sees: Your function `sees(row, column, other_row, other_column, size)`: whether
            the output token in `row`, `column` depends on the input token in
            `other_row`, `other_column`, where a group holds `size` tokens.
    """
    truths = [
        ((side // groups,), _groups_of_rows(side, groups)) for side, groups in _GROUPS
    ]
    check_who_sees_whom(
        sees, truths, "Squares of tokens, and no path from one to another."
    )


@cache
@own_luck()
def _groups_of_rows(side: int, groups: int) -> Tensor:
    modules = [LightPermuteMLP(2 * side, side, groups=groups) for _ in range(2)]

    def two(x: Tensor) -> Tensor:
        for module in modules:
            x = module.proj(sum(module.branches(x)))
        return x

    return reach(two, torch.randn(1, side, side, 2 * side)) > 0
