"""The channel branch for channels that stand in front."""

import random
from collections.abc import Callable
from itertools import permutations

import torch
from torch import Tensor

from .runner import Ask, run, tensor_like

Mix = Callable[[Tensor, Tensor], Tensor]

_TRIES = 10


def check_channels_first(mix: Mix) -> None:
    """Say whether `mix(x, weight)` is the channel branch for channels in front.

    Args:
        mix: Your function, from `(B, C, H, W)` and a weight `(C, C)` to
            `(B, C, H, W)`: output channel d of a token is the sum over its channels c
            of `weight[d, c]` times channel c.
    """
    run(
        mix,
        _cases(),
        _judge,
        "Right: the channels of each token are mixed, and tokens do not meet. "
        f"Tried on {_TRIES} shapes.",
    )


def _cases() -> list[list[int]]:
    generator = random.Random(0)
    cases = [generator.sample(range(2, 8), 4) for _ in range(_TRIES)]
    cases[0][3] = cases[0][1]  # with W = C, to mix the wrong axis raises no error
    return cases


def _judge(ask: Ask, sizes: list[int]) -> str:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(sizes, generator=generator)
    weight = torch.randn(sizes[1], sizes[1], generator=generator)
    call = f"mix(x, weight) with x of shape (B, C, H, W) = {tuple(x.shape)}"
    got = ask(call, x, weight, gives=tensor_like(x))
    right = torch.einsum("dc,bchw->bdhw", weight, x)
    if _same(got, right):
        return ""
    return _hint(got, right, x, weight, call)


def _hint(got: Tensor, right: Tensor, x: Tensor, weight: Tensor, call: str) -> str:
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
