"""Lay the rows of a picture out, segment by segment, as the width branch does."""

from .ch04 import Rows, Wanted, check_rows

_WIDTH = Wanted("row", "B N H W*S", "bhwns->bnhws")


def check_width_rows(rows: Rows) -> None:
    """Say whether `rows(x, N)` lays every row of the picture out, segment by segment.

    Args:
        rows: Your function, from `(B, H, W, C)` and the number of segments N to
            `(B, N, H, W*S)` with S = C // N; see `check_height_rows`.
    """
    check_rows(rows, _WIDTH)
