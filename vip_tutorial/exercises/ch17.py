"""Add a branch where the blend lies, without a copy."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..study.cost import count_bytes_moved
from .runner import Ask, anything, is_dense, run

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
    run(
        add_home,
        _SIZES,
        _judge,
        f"Right for {len(_SIZES)} sizes, with {_MOST} passes over an image: two are "
        "read and one is written.",
    )


def _judge(ask: Ask, sizes: tuple[int, int, int]) -> str:
    B, N, S = sizes
    generator = torch.Generator().manual_seed(0)
    blend, mixed = torch.randn(2, B, N, N, N * S, generator=generator)
    share = torch.rand(B, N * S, generator=generator)
    call = (
        f"add_home(blend, mixed, share) with blend of shape {tuple(blend.shape)}, "
        f"N = {N} and S = {S}"
    )
    home = mixed.reshape(B, N, N, N, S).permute(0, 3, 2, 1, 4)  # (B, H, W, N, S)
    right = blend + share[:, None, None, :] * home.reshape(blend.shape)
    got, results = blend.clone(), []

    def counted(answer: Callable, mixed: Tensor, share: Tensor) -> int:
        def adds(blend: Tensor) -> None:
            results.append(answer(blend, mixed, share))

        return count_bytes_moved(adds, got)

    spoils = "Only blend is to be written to, and neither mixed nor share."
    moved = ask(call, mixed, share, gives=anything, spoils=spoils, by=counted)
    if got.shape != right.shape:
        return (
            f"{call} turned blend itself to the shape {tuple(got.shape)}. Write to a "
            "view of it, and leave its axes as they are."
        )
    if not _close(got, right):
        return _hint(call, results[0], got, right, blend, mixed, share)
    # What has fewer numbers than an image, such as share, is not worth a word.
    passes = moved // blend.nbytes
    if passes < 2:
        return (
            f"{call} adds the right numbers, and PyTorch saw nothing that writes them. "
            "Use the methods of the tensors, in the function itself: neither NumPy nor "
            "a thread."
        )
    if passes > _MOST:
        return (
            f"{call} adds the right numbers, and makes {passes} passes over an image "
            f"where {_MOST} will do. A product such as share * home is a tensor of its "
            "own, and so is a reshape that copies: addcmul_ multiplies and adds in one "
            "go, and reads a permuted view as it lies."
        )
    return ""


def _hint(
    call: str, result: Any, got: Tensor, right: Tensor, blend, mixed, share
) -> str:
    if is_dense(result) and _close(result, right):
        return (
            f"{call} returns the right numbers, but blend is as it was: you made a new "
            "tensor. Write to blend, with a method whose name ends in _."
        )
    if torch.equal(got, blend):
        return f"{call} left blend as it was. A method that ends in _ writes to it."
    if _close(got - blend, share[:, None, None, :] * mixed):
        return (
            f"{call} adds mixed as it lies. Its axes are B, N, W and H*S: cut the last "
            "one in two, then exchange N and H."
        )
    B, N, W, C = mixed.shape
    there = mixed.reshape(B, N, W, N, C // N)
    home = there.permute(0, 3, 2, 1, 4).reshape(B, N, W, C)
    row = there.permute(0, 1, 3, 2, 4).reshape(B, N, W, C)
    added = got - blend
    if _close(added, share[:, None, None, :] * row):
        return f"{call} takes the way home of the width branch: it exchanges W and H."
    if _close(added, home):
        return f"{call} leaves out share: how much of it each channel takes."
    return (
        f"{call} adds other numbers. Compare with the end of Branches.height: the "
        "same view and the same permute, and no reshape after them."
    )


def _close(one: Tensor, other: Tensor) -> bool:
    alike = one.shape == other.shape and one.dtype == other.dtype
    return alike and torch.allclose(one, other, atol=1e-5)
