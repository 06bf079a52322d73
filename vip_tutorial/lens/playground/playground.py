"""The playground: a few lines of PyTorch, interpreted in the page, as map and lens."""

from collections.abc import Sequence
from typing import Any

import traitlets

from ..figure.host import BookWidget


class Playground(BookWidget):
    """Show what lines of code do to a tensor `x`, while they are being typed.

    The lines are read by an interpreter of the figure's own, which knows a part of
    Python and PyTorch; no kernel runs them.

    Args:
        code: The lines to begin with; an example if empty.
        shape: Sizes of the axes of `x`.
        axes: Names of the axes of `x`, e.g. "BHWC"; if empty they are read from a line
            `B, H, W, C = x.shape`.
        values: "numbered", for 0, 1, 2 and so on, or "random".
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        state: Program and state of the figure now; empty at the start.

    Raises:
        TypeError: If an argument is not one of these.
        ValueError: If `axes` does not name the axes of `shape`, or a size is no whole
            number of at least 1.
    """

    kind = "playground"
    styles = (
        "../permute_lens/permute_lens.css",
        "../module_map/module_map.css",
        "playground.css",
    )
    shown = ("code", "shape", "axes", "values")

    name = traitlets.Unicode("playground").tag(sync=True)
    code = traitlets.Unicode("").tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    axes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    values = traitlets.Enum(["numbered", "random"], "numbered").tag(sync=True)

    def __init__(
        self,
        code: str = "",
        shape: Sequence[int] = (1, 4, 4, 2),
        axes: str | Sequence[str] = (),
        **kwargs: Any,
    ):
        shape, axes = list(shape), list(axes)
        if not all(type(n) is int and n > 0 for n in shape):
            raise ValueError(
                f"shape is {shape}; it must hold whole numbers of at least 1, the "
                "sizes of the axes of x"
            )
        if axes and len(axes) != len(shape):
            raise ValueError(
                f"axes names {len(axes)} axes, {axes}, but x has shape {tuple(shape)}, "
                f"{len(shape)} axes"
            )
        super().__init__(code=code, shape=shape, axes=axes, **kwargs)
