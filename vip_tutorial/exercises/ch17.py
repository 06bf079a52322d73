"""The exercise of the chapter on speed: a way home without a copy."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..counting import count_bytes_moved
from .runner import Deadline, attempt, described

# B, N = H = W, S
_SIZES = [(2, 4, 3), (3, 5, 2), (1, 3, 7)]

_MOST = 3
"""Read the blend, read the branch, write the blend: in tensors of an image's size."""


def check_adds_home(add_home: Callable[[Tensor, Tensor, Tensor], Any]) -> None:
    """Say whether `add_home(blend, mixed, share)` adds a branch where `blend` lies.

    The bytes that your lines move are counted as they run.

    Args:
        add_home: Your function of `blend`, `(B, H, W, C)`, to which it adds, `mixed`,
            `(B, N, W, H*S)`, what the Linear of the height branch has made, and
            `share`, `(B, C)`, how much of it each channel takes.
    """
    generator, deadline = torch.Generator().manual_seed(0), Deadline()
    for B, N, S in _SIZES:
        blend, mixed = (
            torch.randn(shape, generator=generator)
            for shape in [(B, N, N, N * S), (B, N, N, N * S)]
        )
        share = torch.rand(B, N * S, generator=generator)
        if problem := _problem(add_home, blend, mixed, share, deadline):
            print(f"Not yet. {problem}")
            return
    print(
        f"Right for {len(_SIZES)} sizes, with {_MOST} passes over an image: two are "
        "read and one is written."
    )


def _problem(f: Callable, blend: Tensor, mixed: Tensor, share: Tensor, deadline) -> str:
    B, N, W, C = mixed.shape
    S = C // N
    call = (
        f"add_home(blend, mixed, share) with blend of shape {tuple(blend.shape)}, "
        f"N = {N} and S = {S}"
    )
    home = mixed.reshape(B, N, W, N, S).permute(0, 3, 2, 1, 4)  # (B, H, W, N, S)
    right = blend + share[:, None, None, :] * home.reshape(B, N, W, C)
    given = blend.clone(), mixed.clone(), share.clone()
    if not callable(f):
        return f"The answer must be a function; {described(f)} is none."
    results = []

    @functools.wraps(f)
    def counted() -> int:
        def run(blend: Tensor) -> None:
            results.append(f(blend, *given[1:]))

        return count_bytes_moved(run, given[0])

    moved, problem = attempt(counted, call=call, deadline=deadline)
    if problem:
        return problem
    if not (torch.equal(given[1], mixed) and torch.equal(given[2], share)):
        return f"{call} changed mixed or share. Only blend is to be written to."
    got = given[0]
    if not torch.allclose(got, right, atol=1e-5):
        return _wrong(call, results[0], got, right, blend, mixed, share)
    # What has fewer numbers than an image, such as share, is not worth a word.
    passes = moved // blend.nbytes
    if passes > _MOST:
        return (
            f"{call} adds the right numbers, and makes {passes} passes over an image "
            f"where {_MOST} will do. A product such as share * home is a tensor of its "
            "own, and so is a reshape that copies: addcmul_ multiplies and adds in one "
            "go, and reads a permuted view as it lies."
        )
    return ""


def _wrong(call: str, result, got: Tensor, right: Tensor, blend, mixed, share) -> str:
    shaped = isinstance(result, Tensor) and result.shape == right.shape
    if shaped and torch.allclose(result, right, atol=1e-5):
        return (
            f"{call} returns the right numbers, but blend is as it was: you made a new "
            "tensor. Write to blend, with a method whose name ends in _."
        )
    if torch.equal(got, blend):
        return f"{call} left blend as it was. A method that ends in _ writes to it."
    if torch.allclose(got - blend, share[:, None, None, :] * mixed, atol=1e-5):
        return (
            f"{call} adds mixed as it lies. Its axes are B, N, W and H*S: cut the last "
            "one in two, then exchange N and H."
        )
    B, N, W, C = mixed.shape
    there = mixed.reshape(B, N, W, N, C // N)
    home = there.permute(0, 3, 2, 1, 4).reshape(B, N, W, C)
    row = there.permute(0, 1, 3, 2, 4).reshape(B, N, W, C)
    added = got - blend
    if torch.allclose(added, share[:, None, None, :] * row, atol=1e-5):
        return f"{call} takes the way home of the width branch: it exchanges W and H."
    if torch.allclose(added, home, atol=1e-5):
        return f"{call} leaves out share: how much of it each channel takes."
    return (
        f"{call} adds other numbers. Compare with the end of Branches.height: the "
        "same view and the same permute, and no reshape after them."
    )
