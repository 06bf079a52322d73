"""Which class is taken for which?"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .runner import Ask, run, tensor_like

# Pictures and classes; with so many of few classes each pair occurs often.
_SIZES = [(60, 3), (40, 10), (200, 4)]


def check_confusion(confusion: Callable[[Tensor, Tensor, int], Any]) -> None:
    """Say whether `confusion(guesses, labels, classes)` counts what is taken for what.

    Args:
        confusion: Your function; it gives a tensor of whole numbers, `(classes,
            classes)`, whose rows are the labels.
    """
    sizes = ", ".join(str(classes) for _, classes in _SIZES)
    run(confusion, _SIZES, _judge, f"Right, for {sizes} classes, pair by pair.")


def _judge(ask: Ask, sizes: tuple[int, int]) -> str:
    count, classes = sizes
    generator = torch.Generator().manual_seed(0)
    guesses, labels = (
        torch.randint(classes - 1, (count,), generator=generator) for _ in range(2)
    )  # the last class never occurs
    call = f"confusion(guesses, labels, {classes}) of {count} pictures"
    got = ask(call, guesses, labels, classes, gives=tensor_like(labels))
    if got.shape != (classes, classes):
        hint = ""
        if got.ndim == 2 and max(got.shape) < classes:
            hint = " A class that never occurs has a row and a column, too."
        return (
            f"{call} has shape {tuple(got.shape)}; it must be ({classes}, {classes})."
            + hint
        )
    right = torch.zeros(classes, classes, dtype=torch.int64)
    for i, j in zip(labels.tolist(), guesses.tolist()):
        right[i, j] += 1
    if torch.equal(got, right):
        return ""
    if torch.equal(got, right.T):
        return (
            f"{call} is right when turned: the rows must be the labels, and the "
            "columns what was guessed."
        )
    if torch.equal(got, right.clamp(max=1)):
        return (
            f"{call} says which pairs occur, and not how often: an assignment to "
            "counts[labels, guesses] writes each place once."
        )
    i, j = (got != right).nonzero()[0].tolist()
    return (
        f"{call} has {got[i, j].item()} in row {i}, column {j}. There are "
        f"{right[i, j].item()} pictures with label {i} that were taken for {j}."
    )
