"""Run a branch on a coarser grid."""

from collections.abc import Callable

import torch
from torch import Tensor

from .runner import Ask, described, is_dense, run, tensor_like

_CASES = [  # B, H, W, C, p: no two axes alike where it could hide a mistake
    (2, 6, 4, 3, 2),
    (3, 6, 9, 2, 3),
    (2, 8, 4, 5, 4),
    (3, 4, 5, 2, 1),
]

Branch = Callable[[Tensor], Tensor]
Coarser = Callable[[Branch, Tensor, int], Tensor]


def check_coarser(coarser: Coarser) -> None:
    """Say whether `coarser(branch, x, p)` runs a branch on squares of p x p tokens.

    The branch that your function gets looks like any other and writes down what it is
    given, so that the check can tell the way in from the way back.

    Args:
        coarser: Your function, from a branch, a picture of tokens `(B, H, W, C)` and
            the side of the squares to a picture of tokens of the same shape.
    """
    run(
        coarser,
        _CASES,
        _judge,
        f"Right on {len(_CASES)} grids: each square is averaged, the branch sees the "
        "coarser grid, and every token gets what its square got.",
    )


class _Branch:
    """Mixes each column and each row, no two places alike, and remembers its input."""

    def __init__(self):
        self.given: list = []

    def __call__(self, x: Tensor) -> Tensor:
        self.given.append(x.clone() if isinstance(x, Tensor) else x)
        if not isinstance(x, Tensor) or x.ndim != 4:
            return x  # the check says what is wrong with it
        return x.cumsum(1) + 2 * x.cumsum(2)  # (B, H, W, C)


def _judge(ask: Ask, sizes: tuple[int, ...]) -> str:
    B, H, W, C, p = sizes
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(B, H, W, C, generator=generator, dtype=torch.float64)
    branch = _Branch()
    call = f"coarser(branch, x, p={p}) with x of shape (B, H, W, C) = {B, H, W, C}"
    got = ask(call, branch, x, p, gives=tensor_like(x))
    small = _mean(x, p)
    if problem := _way_in(branch.given, x, small, p):
        return f"{call}: {problem}"
    return _way_back(got, _Branch()(small), x, p, call)


def _mean(x: Tensor, p: int) -> Tensor:
    squares = x.unfold(1, p, p).unfold(2, p, p)  # (B, H/p, W/p, C, p, p)
    return squares.mean((4, 5))  # (B, H/p, W/p, C)


def _way_in(given: list, x: Tensor, small: Tensor, p: int) -> str:
    """What is wrong with what the branch was given, or nothing."""
    if len(given) != 1:
        return (
            f"it called the branch {len(given)} times. Once is enough: on the coarser "
            "grid."
        )
    (got,) = given
    if not is_dense(got):
        return f"the branch was given {described(got)}, and needs a tensor."
    if got.shape != small.shape:
        return (
            f"the branch was given {tuple(got.shape)}; with one token for each {p} x "
            f"{p} of them it is (B, H/p, W/p, C) = {tuple(small.shape)}."
        )
    if torch.allclose(got, small):
        return ""
    B, H, W, C = x.shape
    scrambled = x.reshape(B, H // p, W // p, p, p, C)
    squares = x.unfold(1, p, p).unfold(2, p, p)  # (B, H/p, W/p, C, p, p)
    mistakes = {
        "the branch was given the first token of each square, and the others were "
        "thrown away. Take the mean of the square.": x[:, ::p, ::p],
        "the branch was given the sum of each square. Take the mean, or its numbers "
        "grow with p.": small * p * p,
        "the branch was given the largest of each square. Take the mean.": (
            squares.amax((4, 5))
        ),
        "you average p x p tokens, but not those of a square: reshape cuts an axis "
        "where it stands, so cut H into H/p and p, and then W into W/p and p.": (
            scrambled.mean((3, 4))
        ),
    }
    for words, wrong in mistakes.items():
        if torch.allclose(got, wrong):
            return words
    at = _first((got - small).abs() > 1e-6)
    return (
        f"the branch was given {got[at].item():.3f} in picture {at[0]}, row {at[1]}, "
        f"column {at[2]}, channel {at[3]} of the coarser grid; the mean of that square "
        f"is {small[at].item():.3f}."
    )


def _way_back(got: Tensor, mixed: Tensor, x: Tensor, p: int, call: str) -> str:
    """What is wrong with the result of an answer whose way in is right, or nothing."""
    if got.shape == mixed.shape != x.shape:
        return (
            f"{call} has shape {tuple(got.shape)}: that is the coarser grid. Hand each "
            "of its tokens back to all those that it came from."
        )
    if got.shape != x.shape:
        return f"{call} has shape {tuple(got.shape)}; needed {tuple(x.shape)}."
    rows = torch.arange(x.shape[1]) // p
    columns = torch.arange(x.shape[2]) // p
    right = mixed[:, rows][:, :, columns]  # (B, H, W, C)
    if torch.allclose(got, right):
        return ""
    if torch.allclose(got, mixed.repeat(1, p, p, 1)):
        return (
            f"The way in is right. But {call} has the whole coarser grid {p} x {p} "
            "times, side by side. Each of its tokens must be repeated in place: "
            "repeat_interleave does that, repeat does not."
        )
    if torch.allclose(got, right / (p * p)):
        return (
            "The way in is right. On the way back you share each result among the "
            "tokens of its square; give all of it to each."
        )
    if torch.allclose(got, right + x):
        return (
            "The way in and back are right. But you add x, which is the block's "
            "business: return what the branch says."
        )
    _, row, column, _ = _first((got - right).abs() > 1e-6)
    return (
        f"The way in is right. On the way back, the token in row {row}, column "
        f"{column} must get what the branch says in row {row // p}, column "
        f"{column // p} of the coarser grid, and gets something else."
    )


def _first(wrong: Tensor) -> tuple[int, ...]:
    return tuple(wrong.nonzero()[0].tolist())
