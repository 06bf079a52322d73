"""Which images of a step does a process take?"""

import random
from collections.abc import Callable
from typing import Any

from .runner import Ask, described, list_of, run

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
    run(
        mine,
        _STEPS,
        _judge,
        f"Right in {len(_STEPS)} steps: each image once, and as many for each.",
    )


def _judge(ask: Ask, step: tuple[int, int]) -> str:
    count, world = step
    batch = random.Random(0).sample(range(1000), count)
    owner: dict[int, int] = {}
    for rank in range(world):
        call = f"mine({batch if count < 13 else 'batch'}, {rank}, {world})"
        spoils = "The others still need the batch."
        images = list_of("a list of images")
        numbers = ask(call, list(batch), rank, world, gives=images, spoils=spoils)
        for number in numbers:
            if number not in batch:
                return (
                    f"{call} returned {described(number)}, which is no image of this "
                    "step. Give what stands in batch, not where it stands."
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
