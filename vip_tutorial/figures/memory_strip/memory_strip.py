"""The memory strip: a tensor, the strip that it lies in, and the jumps between."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import traitlets
from torch import Tensor

from ...lens.figure.host import BookWidget

MOST_NUMBERS = 48
MOST_AXES = 4


class MemoryStrip(BookWidget):
    """Show a tensor beside its strip of memory, and how strides lead from one to it.

    A number is followed through all that is made of `x`.  Each move is run, on `x`
    with its elements numbered; strides, and whether the memory is the same, are read
    off what came out.

    Args:
        x: A fresh tensor of up to 48 numbers on up to 4 axes.
        moves: What to make of it, by the line that says so, e.g.
            `{"x.permute(1, 0)": lambda x: x.permute(1, 0)}`.
        at: Address of the number that is followed first.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;view=1;at=9".  It says the address,
            too, so `at` must be None.

    Raises:
        TypeError: If `x` is no tensor, or `moves` are no functions by name.
        ValueError: If `x` is too large or no fresh tensor, a move gives something that
            is not a part of `x`, or `at` is outside of it.
    """

    kind = "memory_strip"
    styles = ("../shared/strip.css", "memory_strip.css")
    shown = ("tensors", "numbers")

    name = traitlets.Unicode("strip").tag(sync=True)
    tensors = traitlets.List(help="See `_reading`.").tag(sync=True)
    numbers = traitlets.List(help="What stands in x, as text.").tag(sync=True)

    def __init__(
        self,
        x: Tensor,
        moves: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
        at: int | None = None,
        start: str = "",
        **kwargs: Any,
    ):
        _check(x)
        moves = {} if moves is None else moves
        if not isinstance(moves, Mapping) or not all(map(callable, moves.values())):
            raise TypeError(
                "moves must be a dict from a line to a function of x, e.g. "
                '{"x.permute(1, 0)": lambda x: x.permute(1, 0)}'
            )
        if start and at is not None:
            raise ValueError("at and start both say where to begin: give one of them")
        if at is not None and at not in range(x.numel()):
            raise ValueError(
                f"at is {at!r}; it must be an address, 0 to {x.numel() - 1}"
            )
        whole = {"x": lambda x: x, **moves}
        super().__init__(
            tensors=[_reading(line, move, x) for line, move in whole.items()],
            numbers=[f"{number:.3g}" for number in x.flatten().tolist()],
            start=start or f"v1;at={at or 0}",
            **kwargs,
        )


def _check(x: Any) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"x is a {type(x).__name__}; it must be a torch.Tensor")
    if not 1 <= x.ndim <= MOST_AXES or not 1 <= x.numel() <= MOST_NUMBERS:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; each number is drawn, so it must have 1 "
            f"to {MOST_NUMBERS} of them on 1 to {MOST_AXES} axes"
        )
    if not x.is_contiguous():
        raise ValueError(
            f"x has strides {x.stride()}, so it is a view of another tensor; begin "
            "with a fresh one, e.g. x.contiguous(), and give the view among moves"
        )


def _reading(line: str, move: Callable[[Tensor], Tensor], x: Tensor) -> dict[str, Any]:
    """The rule by which what `move` makes is read, and the strip that it reads."""
    fresh = torch.arange(x.numel())  # each element is its own address
    y = move(fresh.view(x.shape))
    if not isinstance(y, Tensor) or not 1 <= y.ndim <= MOST_AXES:
        raise ValueError(f"{line} must give a tensor of 1 to {MOST_AXES} axes")
    born = y.flatten().tolist()
    if not born or not set(born) <= set(range(x.numel())) or len(set(born)) < len(born):
        raise ValueError(
            f"{line} must hold numbers of x, each once at most; the figure follows each"
        )
    memory = y.untyped_storage().data_ptr()
    copy = memory != fresh.untyped_storage().data_ptr()
    strip = torch.empty(0, dtype=y.dtype).set_(y.untyped_storage())
    return {
        "label": line,
        "shape": list(y.shape),
        "strides": list(y.stride()),
        "start": y.storage_offset(),
        "strip": strip.tolist(),
        "copy": copy,
    }
