"""The exercise of the chapter on the channel branch: channels that stand in front."""

import random
from collections.abc import Callable
from itertools import permutations

import torch
from torch import Tensor

from .runner import Deadline, attempt_on_tensors

Mix = Callable[[Tensor, Tensor], Tensor]

_TRIES = 10


def check_channels_first(mix: Mix) -> None:
    """Say whether `mix(x, weight)` is the channel branch for channels in front.

    Args:
        mix: Your function, from `(B, C, H, W)` and a weight `(C, C)` to
            `(B, C, H, W)`: output channel d of a token is the sum over its channels c
            of `weight[d, c]` times channel c.
    """
    generator, deadline = random.Random(0), Deadline()
    for attempt_number in range(_TRIES):
        B, C, H, W = generator.sample(range(2, 8), 4)
        # First with W = C, where to mix the wrong axis raises no error.
        problem = _problem(mix, B, C, H, C if attempt_number == 0 else W, deadline)
        if problem:
            print(f"Not yet. {problem}")
            return
    print(
        "Right: the channels of each token are mixed, and tokens do not meet. "
        f"Tried on {_TRIES} shapes."
    )


def _problem(mix: Mix, B: int, C: int, H: int, W: int, deadline: Deadline) -> str:
    generator = torch.Generator().manual_seed(B + 10 * C + 100 * H + 1000 * W)
    x = torch.randn(B, C, H, W, generator=generator)
    weight = torch.randn(C, C, generator=generator)
    called = f"mix(x, weight) with x of shape (B, C, H, W) = {tuple(x.shape)}"
    got, problem = attempt_on_tensors(mix, x, weight, call=called, deadline=deadline)
    if problem:
        return problem
    right = torch.einsum("dc,bchw->bdhw", weight, x)
    if _same(got, right):
        return ""
    return _diagnosis(got, right, x, weight, called)


def _diagnosis(got: Tensor, right: Tensor, x: Tensor, weight: Tensor, call: str) -> str:
    if _same(got, x):
        return "Nothing is mixed: the result is x itself."
    for order in permutations(range(4)):
        if _same(got, right.permute(order)):
            axes = ", ".join("BCHW"[axis] for axis in order)
            return (
                f"The numbers are right, but the axes stand as ({axes}); bring them "
                "back to (B, C, H, W)."
            )
    if got.shape != right.shape:
        return (
            f"{call} gave the shape {tuple(got.shape)}; needed is (B, C, H, W) = "
            f"{tuple(right.shape)}."
        )
    if _same(got, torch.einsum("cd,bchw->bdhw", weight, x)):
        return (
            "The weight is used the other way round: output d takes weight[d, c] times "
            "channel c, row d of the weight."
        )
    if weight.shape[0] == x.shape[3]:
        for equation in ("vw,bchw->bchv", "wv,bchw->bchv"):
            if _same(got, torch.einsum(equation, weight, x)):
                return (
                    "That mixes the tokens of a row: linear and @ work on the last "
                    "axis, and here the last axis is W. Bring C there first."
                )
    return (
        "The shape is right, the numbers are not. Which axis stands last when the "
        "weight is applied?"
    )


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, 1e-4, 1e-5)
