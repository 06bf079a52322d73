"""The exercises on who sees whom: predict it for two layers in a row."""

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ..beyond.lightweight import LightPermuteMLP
from ..permute_mlp import PermuteMLP
from ..reach import reach
from ..token_mixers import Convolution
from .runner import Deadline, attempt, described, is_true_or_false

_SIDES = (3, 5, 6)
_GROUPS = ((4, 2), (6, 2), (6, 3), (3, 1))  # side of the grid, and groups

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
    with torch.random.fork_rng(devices=[]):  # the reader's own numbers go on
        torch.manual_seed(0)
        truths = [((), _column_then_square(side)) for side in _SIDES]
    _check(sees, truths, "The rows don't matter.")


def check_groups_of_rows(sees: Sees) -> None:
    """Say whether `sees` knows who sees whom in two modules with groups of rows.

    The modules are `LightPermuteMLP(..., groups=groups, across="rows")` with a plain
    sum of their branches; they are really run, as above.

    Args:
        sees: Your function `sees(row, column, other_row, other_column, size)`: whether
            the output token in `row`, `column` depends on the input token in
            `other_row`, `other_column`, where a group holds `size` tokens.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        truths = [
            ((side // groups,), _groups_of_rows(side, groups))
            for side, groups in _GROUPS
        ]
    _check(sees, truths, "Squares of tokens, and no path from one to another.")


def _check(sees: Sees, truths: list[tuple[tuple, Tensor]], praise: str) -> None:
    """Ask for every pair of tokens; `truths` are further arguments and what is true."""
    deadline = Deadline()
    for more, truth in truths:
        side = len(truth)
        for output in product(range(side), repeat=2):
            problem = _problem(sees, truth[output], output, more, deadline)
            if problem:
                print(f"Not yet. {problem}")
                return
    pairs = sum(truth.numel() for _, truth in truths)
    print(f"Right, for each of {pairs} pairs of tokens. {praise}")


def _column_then_square(side: int) -> Tensor:
    """Who sees whom on a grid of `side` x `side` tokens: bools, each axis `side`."""
    height, convolution = PermuteMLP(2 * side, side).height, Convolution(2 * side)
    x = torch.randn(1, side, side, 2 * side)
    return reach(lambda x: convolution(height(x)), x) > 0


def _groups_of_rows(side: int, groups: int) -> Tensor:
    modules = [LightPermuteMLP(2 * side, side, groups=groups) for _ in range(2)]

    def two(x: Tensor) -> Tensor:
        for module in modules:
            x = module.proj(sum(module.branches(x)))
        return x

    return reach(two, torch.randn(1, side, side, 2 * side)) > 0


def _problem(
    sees: Sees, truth: Tensor, output: tuple, more: tuple, deadline: Deadline
) -> str:
    answer = torch.zeros_like(truth)
    side = len(truth)
    for other in product(range(side), repeat=2):
        arguments = (*output, *other, *more)
        call = f"sees{arguments}"
        said, problem = attempt(sees, *arguments, call=call, deadline=deadline)
        if problem:
            return problem
        if said is None:
            return f"{call} returned None. Does it end in a return?"
        if not is_true_or_false(said):
            return f"{call} returned {described(said)}; it must return True or False."
        answer[other] = bool(said)
    if torch.equal(answer, truth):
        return ""
    picture = "\n".join(
        "    " + " ".join(_MARKS[bool(a), bool(t)] for a, t in zip(*rows))
        for rows in zip(answer, truth)
    )
    kinds = [
        f"  {mark}  {words}"
        for pair, (mark, words) in zip(_MARKS, _LEGEND.items())
        if mark in picture
    ]
    cut = f" in groups of {more[0]}" if more else ""
    return (
        f"On {side} x {side} tokens{cut}, the output token in row {output[0]}, column "
        f"{output[1]} depends on others than you say:\n{picture}\n" + "\n".join(kinds)
    )


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
