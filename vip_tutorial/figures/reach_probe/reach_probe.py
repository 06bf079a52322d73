"""The reach probe: choose an output token and see which input tokens it depends on."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import traitlets
from torch import Tensor

from ...lens.figure.host import BookWidget
from ...study.reach import reach

MOST_TOKENS = 256
MOST_MAPS = 8
_POWERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class ReachProbe(BookWidget):
    """Show which input tokens each output token depends on, and how strongly.

    The strengths are exact: see `vip_tutorial.study.reach.reach`, which measures them.

    Args:
        maps: The functions to probe, by the label that each has in the figure, e.g.
            `{"height": module.height, "all three": module}`.  Each takes one image of
            tokens `(1, H, W, C)` and gives another.
        x: The image of tokens at which the derivatives are taken, `(1, H, W, C)`.
        picture: Grey levels 0 to 1, `(H, W)`, if the tokens are pieces of a picture.
        at: Row and column of the first output token; the middle of the image if None.
        one_scale: Whether all maps are shaded on one scale, so that they can be
            compared; else each is shaded from its own weakest to its own strongest.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, as the figure's "copy" button gives it, e.g.
            "v1;map=1;at=27;shade=log".  It says the token, too, so `at` must be None.

    Raises:
        TypeError: If `maps` is not such a dict, or `reach` cannot take what is in it.
        ValueError: If there are too many maps or tokens, a label is empty, `at` is not
            a token or `picture` not a picture of the tokens, or `reach` says so.
    """

    kind = "reach_probe"
    shown = ("maps", "grid", "picture", "one_scale")

    maps = traitlets.List(help="The strengths of each map; see `_pack`.").tag(sync=True)
    grid = traitlets.List(help="Rows and columns of tokens.").tag(sync=True)
    picture = traitlets.List(allow_none=True, default_value=None).tag(sync=True)
    one_scale = traitlets.Bool(False).tag(sync=True)
    name = traitlets.Unicode("reach").tag(sync=True)

    def __init__(
        self,
        maps: Mapping[str, Callable[[Tensor], Tensor]],
        x: Tensor,
        picture: Any = None,
        at: tuple[int, int] | None = None,
        start: str = "",
        **kwargs: Any,
    ):
        packed = _packed(maps, x)
        H, W = x.shape[1:3]
        if picture is not None:
            picture = _as_rows(picture, H, W)
        if not start:
            start = f"v1;at={_token(at, H, W)}"
        elif at is not None:
            raise ValueError("at and start both say where to begin: give one of them")
        super().__init__(
            maps=packed, grid=[H, W], picture=picture, start=start, **kwargs
        )

    def show(self, maps: Mapping[str, Callable[[Tensor], Tensor]], x: Tensor) -> None:
        """Probe other functions, or at another image, in the same figure."""
        packed, grid = _packed(maps, x), list(x.shape[1:3])
        with self.hold_sync():
            if grid != self.grid:
                self.picture = None
                self.start = f"v1;at={_token(None, *grid)}"
            self.grid, self.maps = grid, packed


def _packed(maps: Any, x: Any) -> list[dict[str, Any]]:
    if not isinstance(maps, Mapping) or not all(callable(f) for f in maps.values()):
        raise TypeError(
            "maps must be a dict from a label to a function of x, e.g. "
            '{"height": module.height}'
        )
    labels = list(maps)
    if not 1 <= len(labels) <= MOST_MAPS:
        raise ValueError(
            f"maps has {len(labels)} entries; it must have 1 to {MOST_MAPS}"
        )
    if not all(isinstance(label, str) and label.strip() for label in labels):
        raise ValueError(f"the labels of maps are {labels}; each must be some text")
    is_image = isinstance(x, Tensor) and not x.is_nested and x.ndim == 4
    if is_image and x.shape[1] * x.shape[2] > MOST_TOKENS:
        raise ValueError(
            f"x has {x.shape[1]} x {x.shape[2]} tokens; the figure has room for "
            f"{MOST_TOKENS}: take fewer, e.g. x[:, :16, :16]"
        )
    return [_pack(label, reach(f, x, name=repr(label))) for label, f in maps.items()]


def _pack(label: str, strength: Tensor) -> dict[str, Any]:
    """The strengths of one map, `(H, W, H, W)`, as text that compresses well.

    Each strength is kept to three significant digits.  `powers` has one letter for
    each, "a" where it has the power of ten of the strongest, "b" where it has one
    less, and so on, and a point where it is exactly 0; `digits` has three digits for
    each that is not 0.  So with `top` 2, "a" and "314" are 314, "b" and "314" are 31.4.
    Fifty-one powers below the strongest the letters end; what is weaker is written as
    the weakest that they can say, since it is not 0.
    """
    written = [f"{value:.2e}".split("e") for value in strength.flatten().tolist()]
    numbers = [(digits.replace(".", ""), int(power)) for digits, power in written]
    top = max((power for digits, power in numbers if digits != "000"), default=0)
    last = len(_POWERS) - 1
    powers, kept = [], []
    for digits, power in numbers:
        if digits == "000":
            powers.append(".")
            continue
        weaker = top - power > last
        powers.append(_POWERS[last if weaker else top - power])
        kept.append("100" if weaker else digits)
    return {
        "label": label,
        "top": top,
        "powers": "".join(powers),
        "digits": "".join(kept),
    }


def _token(at: Any, H: int, W: int) -> int:
    """Number of the token in row and column `at`, counted row by row."""
    if at is None:
        at = (H // 2, W // 2)
    try:
        row, column = (range(size)[i] for i, size in zip(at, (H, W), strict=True))
    except (TypeError, ValueError, IndexError):
        raise ValueError(
            f"at is {at!r}; it must be (row, column) of one of the {H} x {W} tokens"
        ) from None
    return row * W + column


def _as_rows(picture: Any, H: int, W: int) -> list[list[float]]:
    try:
        picture = torch.as_tensor(picture, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as fault:
        raise TypeError(
            f"picture is a {type(picture).__name__} that cannot be read as numbers "
            f"({fault}); it must be ({H}, {W}) grey levels from 0 to 1"
        ) from None
    if picture.shape != (H, W) or not ((picture >= 0) & (picture <= 1)).all():
        raise ValueError(
            f"picture has shape {tuple(picture.shape)} and goes from "
            f"{picture.min() if picture.numel() else 0:g} to "
            f"{picture.max() if picture.numel() else 0:g}; it must be ({H}, {W}), a "
            "grey level from 0 to 1 for each token"
        )
    return picture.tolist()
