"""Deal the 3C numbers of the re-weighting into branch weights."""

import random
from collections.abc import Callable

import torch
from torch import Tensor

from .runner import Ask, run, tensor_like

_TRIES = 10

Deal = Callable[[Tensor, int], Tensor]


def check_branch_weights(deal: Deal) -> None:
    """Say whether `deal(numbers, C)` makes branch weights as the module does.

    The test numbers differ from each other by amounts that are all different, so the
    check can tell from the weights which numbers were dealt to which channel.

    Args:
        deal: Your function, from numbers `(B, C*3)` and the number of channels C to
            weights `(3, B, C)`.  Numbers 3 * c + 0, 1, 2 belong to channel c, and the
            three weights of every channel sum to 1.
    """
    generator = random.Random(0)
    run(
        deal,
        [generator.sample([2, 4, 5, 6, 7], 2) for _ in range(_TRIES)],
        _judge,
        "Right: three neighbouring numbers for each channel, and their weights sum "
        f"to 1. Tried on {_TRIES} shapes.",
    )


def _judge(ask: Ask, sizes: list[int]) -> str:
    B, C = sizes
    generator = torch.Generator().manual_seed(0)
    numbers = torch.rand(B, C * 3, generator=generator, dtype=torch.float64)
    call = f"deal(numbers, C={C}) with numbers of shape (B, C*3) = {(B, C * 3)}"
    got = ask(call, numbers, C, gives=tensor_like(numbers))
    if got.shape != (3, B, C):
        return f"{call} has shape {tuple(got.shape)}; {_other_shape(got, B, C)}"
    if not torch.allclose(got.sum(dim=0), torch.ones(B, C).double(), atol=1e-5):
        return _other_sum(got, call)
    by_channel = numbers.reshape(B, C, 3).permute(2, 0, 1)  # (3, B, C)
    if torch.allclose(got, by_channel.softmax(dim=0), atol=1e-5):
        return ""
    return f"The sums are right, the dealing is not. {_dealt(got, numbers, C)}"


def _other_shape(got: Tensor, B: int, C: int) -> str:
    needed = f"needed (3, B, C) = {(3, B, C)}, one table of weights a branch."
    if got.shape == (B, C, 3):
        return f"that is (B, C, 3); {needed} Bring the last axis to the front."
    if got.shape == (B, 3, C):
        return f"that is (B, 3, C); {needed} And read again which numbers are whose."
    return needed


def _other_sum(got: Tensor, call: str) -> str:
    """What sums to 1 instead of the three weights of a channel."""
    compete = {1: "the pictures of the batch", 2: "the channels of a branch"}
    for axis, who in compete.items():
        if torch.allclose(got.sum(axis), torch.ones((), dtype=torch.float64)):
            return (
                f"The weights sum to 1 along axis {axis} of (3, B, C): {who} compete. "
                "The three branches must, along axis 0."
            )
    total = got[:, 0, 0].sum().item()
    return (
        f"{call}: the three weights of channel 0 of picture 0 sum to {total:.3f}; "
        "they must sum to 1. That is what a softmax over the three does."
    )


def _dealt(got: Tensor, numbers: Tensor, C: int) -> str:
    """Which numbers the first wrong channel has got, read from its weights."""
    right = numbers.reshape(-1, C, 3).permute(2, 0, 1).softmax(dim=0)  # (3, B, C)
    b, c = (~torch.isclose(got, right, atol=1e-5)).any(dim=0).nonzero()[0].tolist()
    needed = [3 * c, 3 * c + 1, 3 * c + 2]
    found = _numbers_behind(got[:, b, c], numbers)
    if found is None:
        return (
            f"The weights of channel {c} of picture {b} are no softmax of three of "
            f"the numbers; needed numbers {needed} of that picture."
        )
    pictures, places = zip(*(divmod(place, 3 * C) for place in found))
    if set(pictures) != {b}:
        return (
            f"Channel {c} of picture {b} was made from numbers of the pictures "
            f"{list(pictures)}. The batch must stay the first axis until the permute."
        )
    if sorted(places) == needed:
        return (
            f"Channel {c} has its own three numbers, but as {list(places)}: branch k "
            f"must get number 3 * c + k, so {needed}."
        )
    return (
        f"Channel {c} of picture {b} got the numbers {list(places)}, it must get "
        f"{needed}. Which axis moves fastest in (B, C*3): the channels or the three?"
    )


def _numbers_behind(weights: Tensor, numbers: Tensor) -> list[int] | None:
    """The places in `numbers` of which these three weights are the softmax."""
    if not (weights > 0).all():
        return None
    everything = numbers.flatten()
    gaps = everything[:, None] - everything  # gaps[i, j]: number i less number j
    logs = weights.log()
    for i in range(len(everything)):
        others = [(gaps[:, i] - (logs[k] - logs[0])).abs() for k in (1, 2)]
        if all(other.min() < 1e-6 for other in others):
            found = [i, *(int(other.argmin()) for other in others)]
            return found if len(set(found)) == 3 else None
    return None
