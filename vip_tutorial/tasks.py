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

from .checks import checked_seed, whole_number
from .data import Labelled

SIDE = 8


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


TASKS: dict[str, tuple[Callable, int, int]] = {  # how made, channels, classes
    "row": (row, 1, SIDE),
    "linerow": (linerow, 1, 2),
    "stripes": (stripes, 1, 2),
    "colour": (colour, 4, 4),
}


def task(name: str, count: int, seed: int = 0) -> Labelled:
    """Pictures of one of the tasks.

    Args:
        name: "row", "linerow", "stripes" or "colour".
        count: How many pictures.
        seed: Seed of their making.

    Returns:
        Images `(count, 1 or 4, 8, 8)` with their labels.

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
