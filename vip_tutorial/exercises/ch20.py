"""Which of some networks does no other beat?"""

import random
from collections.abc import Callable
from typing import Any

from .runner import Ask, described, list_of, run

_CASES = [
    ([20, 10], [80, 80]),  # as good, and cheaper
    ([10, 10], [80, 81]),  # as cheap, and better
    ([10, 10, 20], [80, 80, 79]),  # two that are alike: neither beats the other
    ([30, 10, 20], [90, 70, 80]),  # each is the best for some purse
    ([10, 20, 30, 40], [83, 82, 81, 80]),
]


def check_front(front: Callable[[list[int], list[int]], Any]) -> None:
    """Say whether `front(costs, shares)` gives the networks that no other beats.

    One beats another if it costs no more and is right no less often, and one of the
    two is really better.

    Args:
        front: Your function, from what each network costs and how many answers in a
            hundred it gives right to the numbers, from 0, of those that none beats.
    """
    generator = random.Random(0)
    cases = list(_CASES)
    for many in (1, 4, 6, 8, 8):
        costs = [generator.randint(1, 6) for _ in range(many)]
        cases.append((costs, [generator.randint(80, 85) for _ in range(many)]))
    run(
        front,
        cases,
        _judge,
        f"Right on {len(cases)} groups of networks, those that tie among them.",
    )


def _judge(ask: Ask, case: tuple[list[int], list[int]]) -> str:
    costs, shares = case
    call = f"front({costs}, {shares})"
    spoils = "Work on copies, such as list(costs)."
    numbers = list_of("the numbers of networks")
    got = sorted(
        set(ask(call, list(costs), list(shares), gives=numbers, spoils=spoils))
    )
    beaten = {
        one: next((two for two in range(len(costs)) if _beats(case, two, one)), None)
        for one in range(len(costs))
    }
    truth = [one for one, by in beaten.items() if by is None]
    if got == truth:
        return ""
    return f"{call} gave {described(got)}. {_hint(case, got, truth, beaten)}"


def _beats(case: tuple[list[int], list[int]], one: int, two: int) -> bool:
    costs, shares = case
    is_better = costs[one] < costs[two] or shares[one] > shares[two]
    return is_better and costs[one] <= costs[two] and shares[one] >= shares[two]


def _hint(case, got: list[int], truth: list[int], beaten: dict[int, int | None]) -> str:
    costs, shares = case

    def told(number: int) -> str:
        return f"network {number} ({costs[number]}, {shares[number]} %)"

    if strange := [number for number in got if number not in beaten]:
        return f"There is no network {strange[0]}: they go from 0 to {len(costs) - 1}."
    if left_out := [number for number in truth if number not in got]:
        return f"No other beats {told(left_out[0])}: none is better and costs no more."
    worse = next(number for number in got if number not in truth)
    return f"{told(beaten[worse])} beats {told(worse)}.".capitalize()
