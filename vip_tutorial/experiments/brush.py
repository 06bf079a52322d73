"""Which brush writes like the data?  The test digits, written anew on their own lines.

A digit of the data was a bitmap once, four small squares to the side of a pixel: the
pixel's level, 0 to 16, is how many of them have ink.  So a pen that covers its share of
each pixel should do.  Which one is chosen on the first half of the test digits, by the
levels alone, and what the network reads is told of the second half.

`python -m vip_tutorial.experiments.brush` writes `results/brush.json` in half a minute.
The pen of the pages, `figures/shared/brush.js`, is the same; a test holds it to that.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..networks import pretrained
from ..training.data import digits
from ..training.loop import predict
from . import results

SQUARES = 4  # small squares to the side of a pixel
SPOTS = 8  # spots to the side of a pixel, in which a pen is looked at
ROUNDS = 4
WIDTHS = [0.5 + step / 8 for step in range(13)]
RIMS = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5]
THRESHOLDS = (0.25, 0.5, 0.75)


class Pen(NamedTuple):
    """A round nib.

    Attributes:
        width: Across, in pixels.
        rim: How wide the ring is in which its ink fades out, half within the width.
    """

    width: float
    rim: float = 0.0


# --- The lines of the digits ----------------------------------------------------------


def bitmaps(levels: Tensor) -> Tensor:
    """Ink or paper for each small square, as smooth as the levels allow.

    Args:
        levels: `(count, H, W)`, 0 to 16.

    Returns:
        `(count, 4 * H, 4 * W)`; of each pixel's 16 squares as many have ink as its
        level says.
    """
    count, H, W = levels.shape
    field = F.interpolate(
        levels[:, None].double(), scale_factor=SQUARES, mode="bicubic"
    )
    reach = torch.arange(-4, 5, dtype=torch.float64)
    bell = (-reach.square() / 2).exp()
    bell = bell / bell.sum()
    for _ in range(ROUNDS):
        squares = field.reshape(count, H, SQUARES, W, SQUARES).movedim(2, 3)
        squares = squares.reshape(count, H, W, -1)
        ranks = squares.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
        ink = (ranks < levels[..., None]).double()
        ink = ink.reshape(count, H, W, SQUARES, SQUARES).movedim(3, 2)
        ink = ink.reshape(count, 1, H * SQUARES, W * SQUARES)
        field = F.conv2d(ink, bell.reshape(1, 1, -1, 1), padding=(4, 0))
        field = F.conv2d(field, bell.reshape(1, 1, 1, -1), padding=(0, 4))
    return ink[:, 0].bool()


def thinned(ink: Tensor) -> Tensor:
    """The middle lines of bitmaps `(count, H, W)`, one square wide (Zhang and Suen)."""
    while True:
        before = ink
        for side in (0, 4):  # squares on the lower right go first, then the others
            ring = _around(ink).roll(-side, dims=0)
            north, _, east, _, south, _, west, _ = ring
            number = ring.sum(dim=0)
            runs = (~ring & ring.roll(-1, dims=0)).sum(dim=0)
            is_edge = ~(east & south & (north | west))
            goes = (number >= 2) & (number <= 6) & (runs == 1) & is_edge
            ink = ink & ~goes
        if torch.equal(ink, before):
            return ink


def _around(ink: Tensor) -> Tensor:
    """The eight neighbours of each square, from the one above on clockwise."""
    H, W = ink.shape[-2:]
    padded = F.pad(ink, [1, 1, 1, 1])
    steps = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    return torch.stack(
        [padded[..., 1 + i : 1 + i + H, 1 + j : 1 + j + W] for i, j in steps]
    )


def lines(levels: Tensor) -> list[Tensor]:
    """The middle lines of pictures, as short straight pieces.

    Args:
        levels: `(count, H, W)`, 0 to 16.

    Returns:
        For each picture `(pieces, 2, 2)`: where a piece begins and ends, x and y in
        pixels.
    """
    return [_pieces(line) for line in thinned(bitmaps(levels))]


def _pieces(line: Tensor) -> Tensor:
    there = set(map(tuple, line.nonzero().tolist()))
    pieces = []
    for i, j in sorted(there):
        for row, column in ((i, j + 1), (i + 1, j), (i + 1, j - 1), (i + 1, j + 1)):
            # Not across a corner that the line goes round.
            is_short_cut = row != i and ((i, column) in there or (row, j) in there)
            is_straight = column == j or not is_short_cut
            if (row, column) in there and is_straight:
                pieces.append([(j, i), (column, row)])
    if not pieces:
        pieces = [[(j, i), (j, i)] for i, j in sorted(there)]
    return (torch.tensor(pieces, dtype=torch.float64).reshape(-1, 2, 2) + 0.5) / SQUARES


# --- Brushes --------------------------------------------------------------------------


def distances(line: Tensor, H: int, W: int) -> Tensor:
    """How far each spot of a picture is from a line `(pieces, 2, 2)`, in pixels."""
    y, x = ((torch.arange(n * SPOTS).double() + 0.5) / SPOTS for n in (H, W))
    spots = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[:, :, None]
    begin = line[:, 0]
    way = line[:, 1] - begin  # (pieces, 2)
    length = way.square().sum(dim=-1).clamp(min=1e-12)
    along = (((spots - begin) * way).sum(dim=-1) / length).clamp(0, 1)
    nearest = begin + along[..., None] * way
    return (spots - nearest).square().sum(dim=-1).amin(dim=-1).sqrt()


def covered(distances: Tensor, pen: Pen) -> Tensor:
    """The levels that a pen leaves: of each pixel the share that it covers.

    Args:
        distances: `(..., 8 * H, 8 * W)`, as `distances` gives them.
        pen: The nib.

    Returns:
        `(..., H, W)`, whole numbers from 0 to 16.
    """
    inside = pen.width / 2 - distances
    ink = (inside / pen.rim + 0.5).clamp(0, 1) if pen.rim else (inside >= 0).double()
    spots = ink.unflatten(-1, (-1, SPOTS)).unflatten(-3, (-1, SPOTS))
    return (spots.sum(dim=(-3, -1)) * 16 / SPOTS**2 + 0.5).floor().long()


def crossed(line: Tensor, H: int, W: int) -> Tensor:
    """The levels `(H, W)` of a hard brush: full ink in each pixel on a line's way."""
    levels = torch.zeros(H, W, dtype=torch.int64)
    for begin, end in line:
        way = end - begin
        count = max(1, math.ceil(way.square().sum().sqrt().item() * SPOTS))
        shares = torch.arange(count + 1).double()[:, None] / count
        x, y = (begin + way * shares).floor().long().T
        inside = (x >= 0) & (x < W) & (y >= 0) & (y < H)
        levels[y[inside], x[inside]] = 16
    return levels


# --- What the network reads -----------------------------------------------------------


def interval(right: int, of: int) -> tuple[float, float]:
    """Between which shares the true one lies, with 95 per cent (Wilson)."""
    share, z = right / of, 1.96
    middle = share + z * z / (2 * of)
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - reach) / (1 + z * z / of), (middle + reach) / (1 + z * z / of)


class Reader:
    """The network of the package, at some of the test digits."""

    def __init__(self, part: slice):
        _, test = digits()
        self.levels = (test.images[part, 0] * 16).long()
        self.labels = test.labels[part]
        self.lines = lines(self.levels)
        self.distances = torch.stack([distances(line, 8, 8) for line in self.lines])
        self.network = pretrained.load("digits")
        self.scale = pretrained.scale("digits")

    def said(self, levels: Tensor) -> Tensor:
        """Which digits the network takes pictures `(count, 8, 8)` for."""
        mean, spread = self.scale
        images = (levels[:, None] / 16 - mean) / spread
        return predict(self.network, images).argmax(dim=1)

    def told(self, levels: Tensor) -> dict[str, Any]:
        """How pictures `(count, 8, 8)` are read, and how far they are from the true.

        Returns:
            How many are "right", what was "said" of each, digit by digit, the mean
            "difference" of a pixel from that of the data, and how many pixels have each
            of the 17 "levels".
        """
        said = self.said(levels)
        return {
            "right": (said == self.labels).sum().item(),
            "said": "".join(map(str, said.tolist())),
            "difference": (levels - self.levels).abs().double().mean().item(),
            "levels": levels.flatten().bincount(minlength=17).tolist(),
        }

    def written(self, pen: Pen) -> Tensor:
        """The digits, written anew with a pen, `(count, 8, 8)`."""
        return covered(self.distances, pen)

    def hard(self) -> Tensor:
        """The digits, written anew with the hard brush."""
        return torch.stack([crossed(line, 8, 8) for line in self.lines])

    def swelling(self) -> Tensor:
        """The digits, written with a pen as wide everywhere as the stroke was there.

        What is still wrong with these, the lines have lost and not the pen.
        """
        written = []
        for ink, line in zip(bitmaps(self.levels), thinned(bitmaps(self.levels))):
            paper = _middles(~F.pad(ink, [1, 1, 1, 1])) - 1 / SQUARES
            radii = torch.cdist(_middles(line), paper).amin(dim=1) - 0.5 / SQUARES
            dots = _middles(line).flip(-1)[:, None].expand(-1, 2, -1)
            far = [distances(dot[None], 8, 8) - r for dot, r in zip(dots, radii)]
            written.append(covered(torch.stack(far).amin(dim=0), Pen(0)))
        return torch.stack(written)


def _middles(squares: Tensor) -> Tensor:
    """Where the squares are that are set, row and column in pixels."""
    return (squares.nonzero().double() + 0.5) / SQUARES


FIRST, SECOND = slice(0, 250), slice(250, 500)
PENS = [Pen(width, rim) for width in WIDTHS for rim in RIMS]


def compared(reader: Reader, pen: Pen) -> dict[str, Tensor]:
    """The digits as they are, written in several ways, and told in ink and paper."""
    cut = {f"above {t}": (reader.levels > 16 * t).long() * 16 for t in THRESHOLDS}
    return {
        "as they are": reader.levels,
        "swelling pen": reader.swelling(),
        "pen": reader.written(pen),
        "hard brush": reader.hard(),
    } | cut


def measure() -> dict[str, Any]:
    """Choose a pen on the first half, and tell of the second; prints as it goes."""
    first = Reader(FIRST)
    grid = []
    for pen in PENS:
        told = first.told(first.written(pen))
        grid.append(pen._asdict() | {k: told[k] for k in ("right", "difference")})
    best = PENS[min(range(len(PENS)), key=lambda i: grid[i]["difference"])]
    second = Reader(SECOND)
    pictures = compared(second, best)
    told = {name: second.told(levels) for name, levels in pictures.items()}
    for name, one in told.items():
        low, high = interval(one["right"], len(second.labels))
        print(f"{name:13}{one['right']:4}  {low:.3f} to {high:.3f}", end="")
        print(f"{one['difference']:7.2f}", flush=True)
    return {
        "halves": [len(first.labels), len(second.labels)],
        "grid": grid,
        "pen": best._asdict(),
        "second": told,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    results.write("brush", measure())
