"""Who sees whom in a height branch and then a convolution?"""

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ..mixers.rivals import Convolution
from ..permute_mlp import PermuteMLP
from ..study.reach import reach
from .runner import Ask, own_luck, run, truth

_SIDES = (3, 5, 6)

Sees = Callable[..., Any]


def check_column_then_square(sees: Sees) -> None:
    """Say whether `sees` knows who sees whom in a height branch and then a convolution.

    The two layers are really run, on grids of several sizes, and your answer is
    compared with their exact derivative, pair by pair.

    Args:
        sees: Your function `sees(row, column, other_row, other_column)`: whether the
            output token in `row`, `column` depends on the input token in `other_row`,
            `other_column`.
    """
    truths = [((), _column_then_square(side)) for side in _SIDES]
    check_who_sees_whom(sees, truths, "The rows don't matter.")


@cache
@own_luck()
def _column_then_square(side: int) -> Tensor:
    """Who sees whom on a grid of `side` x `side` tokens: bools, each axis `side`."""
    height, convolution = PermuteMLP(2 * side, side).height, Convolution(2 * side)
    x = torch.randn(1, side, side, 2 * side)
    return reach(lambda x: convolution(height(x)), x) > 0


def check_who_sees_whom(
    sees: Sees, truths: list[tuple[tuple, Tensor]], praise: str
) -> None:
    """Ask for every pair of tokens; `truths` are further arguments and what is true."""
    pairs = sum(seen.numel() for _, seen in truths)
    run(sees, truths, _judge, f"Right, for each of {pairs} pairs of tokens. {praise}")


def _judge(ask: Ask, case: tuple[tuple, Tensor]) -> str:
    more, seen = case
    side = len(seen)
    for row, column in product(range(side), repeat=2):
        said = torch.zeros_like(seen[row, column])
        for other in product(range(side), repeat=2):
            arguments = (row, column, *other, *more)
            said[other] = ask(f"sees{arguments}", *arguments, gives=truth)
        if not torch.equal(said, seen[row, column]):
            cut = f" in groups of {more[0]}" if more else ""
            return (
                f"On {side} x {side} tokens{cut}, the output token in row {row}, "
                f"column {column} depends on others than you say:\n"
                + _picture(said, seen[row, column])
            )
    return ""


_LEGEND = {
    "#": "seen, as you say",
    ".": "not seen, as you say",
    "?": "seen; you say it is not",
    "x": "not seen; you say it is",
}
# By what the answer says, and what is true.
_MARKS = dict(
    zip([(True, True), (False, False), (False, True), (True, False)], _LEGEND)
)


def _picture(said: Tensor, seen: Tensor) -> str:
    picture = "\n".join(
        "    " + " ".join(_MARKS[bool(s), bool(t)] for s, t in zip(*rows))
        for rows in zip(said, seen)
    )
    legend = [
        f"  {mark}  {words}" for mark, words in _LEGEND.items() if mark in picture
    ]
    return "\n".join([picture, *legend])
