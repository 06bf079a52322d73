"""Is the difference more than chance?"""

import math
import random
from collections.abc import Callable
from numbers import Real
from typing import Any

from ..study.permutation_test import chance, deals
from .runner import Ask, described, is_true_or_false, required, run

Chance = Callable[[list[int], list[int]], float]

_CASES = [
    ([2, 6, 7, 8], [1, 3, 4, 5]),  # each usual mistake makes another share of it
    ([5, 6, 7, 8], [1, 2, 3, 4]),  # no overlap
    ([1, 2, 3], [7, 8, 9]),  # none, and the second is better
    ([4, 4], [4, 4]),  # nothing but ties
]


def check_chance(answer: Chance) -> None:
    """Say whether `answer(one, other)` is the p-value of an exact permutation test.

    Args:
        answer: Your function, from two lists of as many whole numbers each to the share
            of all deals whose means differ at least as much as they really did.
    """
    generator = random.Random(0)
    cases = list(_CASES)
    for runs in (2, 3, 4, 5, 5, 5):
        numbers = [generator.randint(480, 495) for _ in range(2 * runs)]
        cases.append((numbers[:runs], numbers[runs:]))
    run(
        answer,
        cases,
        _judge,
        f"Right on {len(cases)} pairs: all deals, both directions, ties counted, and "
        "the deal that really happened among them.",
    )


def _judge(ask: Ask, case: tuple[list[int], list[int]]) -> str:
    one, other = case
    call = f"chance({one}, {other})"
    spoils = "Work on a copy, such as one + other."
    share = ask(call, list(one), list(other), gives=_share, spoils=spoils)
    if math.isclose(share, chance(one, other), abs_tol=1e-6):
        return ""
    return f"{call} returned {described(share)}. {_hint(share, one, other)}"


def _share(got: Any, call: str) -> float:
    try:
        # A tensor or a NumPy number will do, if it is one number.
        share = float(got) if isinstance(got, Real) else float(got.item())
    except Exception:
        share = math.nan
    if not math.isfinite(share) or is_true_or_false(got):
        raise required(got, call, "a share from 0 to 1")
    return share


def _hint(share: float, one: list[int], other: list[int]) -> str:
    """What a wrong share says of how it was counted."""
    real, *_ = differences = deals(one, other)
    count = len(differences)
    wanted = chance(one, other)
    rounded = [round(wanted, places) for places in range(1, 6)]
    mistakes = {
        "That is right, and rounded. Return the share as it is: the small ones are "
        "those that count.": tuple(value for value in rounded if 0 < value < 1),
        "That is the share in percent. Return it from 0 to 1.": 100 * wanted,
        "That says that every deal differs at least as much. List the deals with "
        "itertools.combinations(one + other, len(one)), and count those that do: here "
        f"{round(wanted * count)} of {count}.": 1.0,
        "That is the number of deals; divide it by how many there are.": sum(
            abs(d) >= abs(real) for d in differences
        ),
        "You count one direction only. Would you not have been as surprised by the "
        "same difference the other way round? Compare without signs.": (
            sum(d >= real for d in differences) / count,
            sum(d <= real for d in differences) / count,
        ),
        "You count the deals that differ by more. Those that differ as much belong "
        "to it too, the one that really happened first of all: use >=.": (
            sum(abs(d) > abs(real) for d in differences) / count
        ),
        "That is the share of deals that differ less; the others are asked for.": (
            sum(abs(d) < abs(real) for d in differences) / count
        ),
    }
    for words, values in mistakes.items():
        if any(
            math.isclose(share, value, abs_tol=1e-6)
            for value in (values if isinstance(values, tuple) else (values,))
        ):
            return words
    if abs(share - wanted) < 0.05 and count > 6:
        return (
            f"That is near: did you shuffle at random? There are only {count} deals, "
            "so go through all of them."
        )
    told = f"{round(wanted * count)} of the {count} deals differ at least as much"
    return (
        f"{told}. A deal takes {len(one)} of the {2 * len(one)} numbers for the first "
        "group and leaves the rest to the second."
    )
