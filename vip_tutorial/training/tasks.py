"""Made-up pictures of which it is known which branch can tell them apart.

The classifiers of this book average their tokens at the end.  With only the width and
the channel branch such a network gives the same answer whatever order the rows stand
in, so it cannot tell *which row* something is in: `row` needs the height branch.  With
only the height and channel branch the columns never meet, so it cannot tell four dots
in one row from four dots in four rows: `linerow` needs the width branch.  The channel
branch alone sees a bag of pixels.

With all tokens side by side at the end, `global_pool="flatten"`, every branch alone can
tell which row: the same pictures with that head are called `rowflat` in this book.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .._util.arguments import checked_seed, whole_number
from .data import Labelled

SIDE = 8
CELL, NOISE = 4, 0.4  # of `nested`


def row(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which of the eight rows holds the dot?  Only the height branch can tell."""
    at = torch.randint(SIDE, (2, count), generator=generator)
    images = torch.zeros(count, 1, SIDE, SIDE)
    images[torch.arange(count), 0, at[0], at[1]] = 1
    return images, at[0]


def linerow(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Are the four dots in one row (1) or in four (0)?  Only the width branch can tell.

    The four columns differ in both classes.
    """
    columns = _four_of_eight(count, generator)
    scattered = _four_of_eight(count, generator)
    label = torch.randint(2, (count,), generator=generator)
    rows = torch.where(label[:, None] == 1, scattered[:, :1], scattered)
    return _dots(rows, columns), label


def stripes(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Horizontal (1) or vertical (0) stripes?  Height or width: either one can tell."""
    phase, frequency = torch.rand(2, count, 1, 1, generator=generator)
    place = torch.arange(float(SIDE)).reshape(1, SIDE, 1).expand(count, SIDE, SIDE)
    images = torch.sin(2 * torch.pi * (place * (1 + frequency) / 4 + phase))
    label = torch.randint(2, (count,), generator=generator)
    flat = label[:, None, None] == 1
    return torch.where(flat, images, images.mT)[:, None], label


def colour(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which of four colours have the six dots?  Every branch alone can tell."""
    label = torch.randint(4, (count,), generator=generator)
    order = torch.rand(count, SIDE * SIDE, generator=generator).argsort(1)
    images = torch.zeros(count, SIDE * SIDE, 4)
    images[torch.arange(count)[:, None], order[:, :6], label[:, None]] = 1
    return images.mT.reshape(count, 4, SIDE, SIDE), label


def nested(
    count: int, generator: torch.Generator, noise: float = NOISE
) -> tuple[Tensor, Tensor]:
    """Which of four strokes, and of which of four marks is it made?  Two sizes at once.

    The picture is a lattice of 4 x 4 cells with 4 x 4 pixels each.  The stroke takes
    four cells, in a row, a column or a diagonal; each holds the same mark, three pixels
    in a row, a column or a diagonal, a little displaced.  Over it all lies noise, with
    a standard deviation of `noise`.
    """
    big, small, at = torch.randint(4, (3, count), generator=generator)
    step = torch.arange(4).expand(count, 4)
    fixed = at[:, None].expand(count, 4)
    ways_down = torch.stack([fixed, step, step, step.flip(1)])  # by kind of stroke
    ways_along = torch.stack([step, fixed, step, step])
    each = torch.arange(count)
    down, along = ways_down[big, each], ways_along[big, each]  # (count, 4) each
    shift = torch.randint(2, (2, count, 4), generator=generator)
    images = torch.zeros(count, 4 * CELL, 4 * CELL)
    for y, x in ((0, 0), (1, 1), (2, 2)):  # the pixels of a mark, as a diagonal
        marks = torch.tensor([[1, x], [y, 1], [y, x], [2 - y, x]])  # by kind of mark
        pixel = marks[small][:, :, None] + shift.permute(1, 0, 2)  # (count, 2, 4)
        rows, columns = CELL * down + pixel[:, 0], CELL * along + pixel[:, 1]
        images[each[:, None], rows, columns] = 1
    images += noise * torch.randn(images.shape, generator=generator)
    return images[:, None], 4 * big + small


TASKS: dict[str, tuple[Callable, int, int]] = {  # how made, channels, classes
    "row": (row, 1, SIDE),
    "linerow": (linerow, 1, 2),
    "stripes": (stripes, 1, 2),
    "colour": (colour, 4, 4),
    "nested": (nested, 1, 16),
}


def task(name: str, count: int, seed: int = 0) -> Labelled:
    """Pictures of one of the tasks.

    Args:
        name: "row", "linerow", "stripes", "colour" or "nested".
        count: How many pictures.
        seed: Seed of their making.

    Returns:
        Images `(count, 1, 8, 8)` with their labels; those of "colour" have 4 channels
        and those of "nested" 16 x 16 pixels.

    Raises:
        ValueError: If there is no such task, or a number is out of range.
        TypeError: If a number is no whole one.
    """
    if name not in TASKS:
        raise ValueError(f"there is no task {name!r}: take one of {', '.join(TASKS)}")
    make, _, classes = TASKS[name]
    generator = torch.Generator().manual_seed(checked_seed(seed))
    images, labels = make(whole_number("count", count), generator)
    return Labelled(images, labels, classes)


def _four_of_eight(count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, SIDE, generator=generator).argsort(1)[:, :4]


def _dots(rows: Tensor, columns: Tensor) -> Tensor:
    images = torch.zeros(len(rows), 1, SIDE, SIDE)
    images[torch.arange(len(rows))[:, None], 0, rows, columns] = 1
    return images
