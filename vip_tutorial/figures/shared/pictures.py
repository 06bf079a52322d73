"""Small grey pictures as text, as figures show them and readers draw them."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

# A grey level in sixteenths is one of these letters, so a picture can stand in a link.
LEVELS = "0123456789abcdefg"
MOST_PIXELS = 1024


def written(pictures: Mapping[str, Tensor]) -> tuple[tuple[int, int], list[list[str]]]:
    """What a page needs of some pictures.

    Args:
        pictures: Grey levels `(height, width)`, 0 to 1, by name.

    Returns:
        The size of the pictures, and each with its name and its levels as text.

    Raises:
        TypeError: If they are not pictures by name.
        ValueError: If there are none, they do not have one size, or are no pictures.
    """
    if not isinstance(pictures, Mapping) or not all(map(_is_name, pictures)):
        raise TypeError(
            f"pictures is a {type(pictures).__name__}; give pictures by name, e.g. "
            "{'seven': images[0, 0]}"
        )
    if not pictures:
        raise ValueError("pictures is empty; give at least one picture by name")
    found, size = [], None
    for name, picture in pictures.items():
        if not name.replace("-", "").isalnum() or not name.isascii():
            raise ValueError(
                f"a picture is called {name!r}; the name stands in links, so it may "
                "hold letters, digits and hyphens only, e.g. 'even-grey'"
            )
        try:
            picture = torch.as_tensor(picture, dtype=torch.float32).detach()
        except (TypeError, ValueError, RuntimeError, OverflowError) as fault:
            raise TypeError(
                f"picture {name!r} is a {type(picture).__name__} that is no grid of "
                f"numbers ({fault}); it must be (height, width), a grey level from 0 "
                "to 1 for each pixel"
            ) from fault
        size = size or tuple(picture.shape)
        if picture.ndim != 2 or not picture.numel() or tuple(picture.shape) != size:
            raise ValueError(
                f"picture {name!r} has shape {tuple(picture.shape)}; it must be "
                f"(height, width){f' = {size}' if len(size) == 2 else ''}, a grey "
                "level for each pixel"
            )
        if picture.numel() > MOST_PIXELS:
            raise ValueError(
                f"picture {name!r} has {picture.numel()} pixels; the figure draws each "
                f"of them, so it takes at most {MOST_PIXELS}: make it smaller"
            )
        if not picture.isfinite().all():
            raise ValueError(
                f"picture {name!r} has pixels that are no finite numbers; grey levels "
                "go from 0 (paper) to 1 (ink): look at where they were computed"
            )
        levels = (picture * 16).round().flatten().tolist()
        if not all(0 <= level <= 16 for level in levels):
            raise ValueError(
                f"picture {name!r} goes from {picture.min():g} to {picture.max():g}; "
                "grey levels go from 0 (paper) to 1 (ink): divide those up to 255 by "
                "255"
            )
        found.append([name, "".join(LEVELS[int(level)] for level in levels)])
    return size, found


def _is_name(name: object) -> bool:
    return isinstance(name, str)


def shown_picture(
    state: str, pictures: Sequence[Sequence[str]], size: Sequence[int]
) -> Tensor:
    """The picture that a figure shows.

    Args:
        state: The figure's state; the field "picture" has a name or levels.
        pictures: Names and levels, the first is shown first.
        size: Height and width.

    Returns:
        Grey levels `(height, width)`, 0 to 1.
    """
    name = said(state, "picture")
    text = dict(pictures).get(name, name)
    if len(text) != math.prod(size) or not set(text) <= set(LEVELS):
        text = pictures[0][1]  # as the page does with what it cannot read
    levels = torch.tensor([LEVELS.index(letter) for letter in text])
    return levels.reshape(*size) / 16  # (height, width)


def said(state: str, field: str) -> str:
    """What a figure's state says of a field; empty if it says nothing."""
    fields = [part.partition("=") for part in state.split(";")]
    return next((value for name, _, value in fields if name == field), "")


def with_said(state: str, field: str, value: str) -> str:
    """The state with another value of a field; with none of it if that is empty."""
    parts = [part for part in state.split(";") if part.partition("=")[0] != field]
    first = parts[0] or "v1"
    return ";".join([first, *([f"{field}={value}"] if value else []), *parts[1:]])
