"""The fan-in: which input tokens come into an output token, through which branch."""

from collections.abc import Callable, Mapping
from typing import Any

import traitlets
from torch import Tensor

from ...lens.figure.host import BookWidget
from ...study.reach import reach

MOST_TOKENS = 64
MOST_BRANCHES = 4


class FanIn(BookWidget):
    """Show what is added up in an output token: which tokens, through which branch.

    Nothing is drawn by rule: `vip_tutorial.study.reach.reach` measures how strongly
    each output token depends on each input token through each branch, and where that
    is exactly 0 there is no line.

    Args:
        branches: The terms of the sum by their letters, e.g. `{"h": module.height,
            "w": module.width, "c": module.channel}`.  Each takes one image of tokens
            `(1, H, W, C)` and gives another.
        x: The image of tokens at which the derivatives are taken, `(1, H, W, C)`.
        at: Row and column of the first output token; the middle of the image if None.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;at=9;only=h".  It says the token,
            too, so `at` must be None.

    Raises:
        TypeError: If `branches` is not such a dict, or `reach` cannot take what is in
            it.
        ValueError: If there are too many branches or tokens, a key is no letter, `at`
            is no token, or `reach` says so.
    """

    kind = "fan_in"
    shown = ("branches", "grid")

    name = traitlets.Unicode("fan-in").tag(sync=True)
    branches = traitlets.List(help="Letter and strengths, output by input.").tag(
        sync=True
    )
    grid = traitlets.List(help="Rows and columns of tokens.").tag(sync=True)

    def __init__(
        self,
        branches: Mapping[str, Callable[[Tensor], Tensor]],
        x: Tensor,
        at: tuple[int, int] | None = None,
        start: str = "",
        **kwargs: Any,
    ):
        if not isinstance(branches, Mapping) or not all(
            map(callable, branches.values())
        ):
            raise TypeError(
                "branches must be a dict from a letter to a function of x, e.g. "
                '{"h": module.height, "w": module.width}'
            )
        if not 1 <= len(branches) <= MOST_BRANCHES or not all(
            map(_is_letter, branches)
        ):
            raise ValueError(
                f"branches has the keys {list(branches)}; it must have 1 to "
                f"{MOST_BRANCHES}, one small letter each, e.g. 'h'"
            )
        is_image = isinstance(x, Tensor) and x.ndim == 4
        if is_image and x.shape[1] * x.shape[2] > MOST_TOKENS:
            raise ValueError(
                f"x has {x.shape[1]} x {x.shape[2]} tokens; each has a line, so there "
                f"may be at most {MOST_TOKENS}: take fewer, e.g. x[:, :4, :4]"
            )
        if start and at is not None:
            raise ValueError("at and start both say where to begin: give one of them")
        measured = [
            {"letter": letter, "strengths": _written(reach(branch, x, name=letter))}
            for letter, branch in branches.items()
        ]
        H, W = x.shape[1:3]
        row, column = (H // 2, W // 2) if at is None else at
        if row not in range(H) or column not in range(W):
            raise ValueError(
                f"at is {at!r}; it must be (row, column) of one of the {H} x {W} tokens"
            )
        super().__init__(
            branches=measured,
            grid=[H, W],
            start=start or f"v1;at={row * W + column}",
            **kwargs,
        )


def _is_letter(key: object) -> bool:
    return isinstance(key, str) and len(key) == 1 and "a" <= key <= "z"


def _written(strength: Tensor) -> list[list[float]]:
    """Three digits of each; what is not 0 stays so."""
    rows = strength.flatten(2).flatten(0, 1)  # (outputs, inputs)
    return [[float(f"{value:.3g}") for value in row] for row in rows.tolist()]
