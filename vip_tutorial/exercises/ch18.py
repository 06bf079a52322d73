"""The exercise of the chapter on larger training: which images does a process take?"""

import random
from collections.abc import Callable
from typing import Any

from .runner import Deadline, attempt, described

_STEPS = [(8, 2), (12, 3), (6, 1), (8, 8), (64, 4)]  # images in a step, processes


def check_shares(mine: Callable[[list[int], int, int], Any]) -> None:
    """Say whether `mine(batch, rank, world)` shares out a step's images fairly.

    Fair means that each process gets as many as any other, and that together they get
    each image once.  How they are dealt out is yours to choose.

    Args:
        mine: Your function of the numbers of the images in a step, the process's own
            number, from 0, and how many processes there are; it gives a list of the
            numbers that this process takes.
    """
    generator, deadline = random.Random(0), Deadline()
    for count, world in _STEPS:
        batch = generator.sample(range(1000), count)
        if problem := _problem(mine, batch, world, deadline):
            print(f"Not yet. {problem}")
            return
    print(f"Right in {len(_STEPS)} steps: each image once, and as many for each.")


def _problem(mine: Callable, batch: list[int], world: int, deadline: Deadline) -> str:
    owner: dict[int, int] = {}
    for rank in range(world):
        given = list(batch)
        call = f"mine({batch if len(batch) < 13 else 'batch'}, {rank}, {world})"
        got, problem = attempt(mine, given, rank, world, call=call, deadline=deadline)
        if problem:
            return problem
        if given != batch:
            return f"{call} changed the batch, which the others still need."
        if got is None:
            return f"{call} returned None. Does your function end in a return?"
        try:
            numbers = [int(number) for number in got]
        except (TypeError, ValueError):
            return f"{call} returned {described(got)}; it must return a list of images."
        for number in numbers:
            if number not in batch:
                return (
                    f"{call} returned {number}, which is no image of this step. Give "
                    "what stands in batch, not where it stands."
                )
            if number in owner:
                whose = (
                    "itself" if owner[number] == rank else f"process {owner[number]}"
                )
                return (
                    f"Process {rank} of {world} takes image {number}, which {whose} "
                    "has already. It would count twice in the gradient."
                )
            owner[number] = rank
        if len(numbers) != len(batch) // world:
            return (
                f"{call} returned {len(numbers)} of {len(batch)} images; each of "
                f"{world} processes must take {len(batch) // world}, since the mean "
                "of their means is the mean of all only if they have as many each."
            )
    return ""
