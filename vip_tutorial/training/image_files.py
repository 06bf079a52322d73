"""Your own pictures, in a folder for each class, as images to train with.

    folder/train/cat/*.jpg   folder/train/dog/*.jpg
    folder/val/cat/*.jpg     folder/val/dog/*.jpg

Pillow reads them; it comes with matplotlib and torchvision.  A picture is taken as a
viewer shows it, or refused with a sentence; it is never trained on as something else.
"""

import os
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from .._util.arguments import whole_number
from .data import Labelled

# By what a file is, not by its name.  Pillow knows more, and runs another program for
# one of them: a picture.png that is PostScript would start Ghostscript.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
_MOST = 4e9  # bytes of all images together
_SHOWN = 20  # faults


def read_folder(
    folder: str | os.PathLike[str], size: int = 32
) -> tuple[Labelled, Labelled]:
    """Read the pictures of a folder, all into memory.

    Of each picture the middle square is kept and made `size` pixels wide.  Files whose
    names begin with a dot, and those that have no ending of a picture, are left alone.

    Args:
        folder: Holds the folders "train" and "val", and each of them a folder for each
            class, with pictures in it: PNG, JPEG, WebP, BMP or GIF.
        size: Side of the images, in pixels.

    Returns:
        Images to train and to test with, `(count, 3, size, size)`, red, green, blue
        from 0 to 1, with their labels: label 0 is the first of `class_names(folder)`.
        Standardise them with `Scale` before training.

    Raises:
        FileNotFoundError: If a folder is missing.
        OSError: If a folder cannot be read.
        ValueError: If there are fewer than two classes, one has no pictures, "train"
            and "val" have not the same, or pictures cannot be read: it names them all,
            and says of each why.  Or if they are too many to lie in memory.
        ModuleNotFoundError: If Pillow is not installed.
    """
    size, names = whole_number("size", size), class_names(folder)
    parts = [_found(Path(folder, part), names) for part in ("train", "val")]
    count = sum(len(paths) for paths, _ in parts)
    if (needed := count * 3 * size**2 * 4) > _MOST:
        raise ValueError(
            f"{folder} has {count:,} pictures; of {size} x {size} pixels they take "
            f"{needed / 1e9:,.1f} GB of memory, and at most {_MOST / 1e9:.0f} GB are "
            "read: take a smaller size, fewer pictures, or timm's training script, "
            "which reads them on the way"
        )
    images, faults = [], []
    for path in (path for paths, _ in parts for path in paths):
        try:
            images.append(pixels(path, size))
        except ValueError as fault:
            faults.append(str(fault))
    if faults:
        more = len(faults) - _SHOWN
        told = faults[:_SHOWN] + [f"and {more} more"] * (more > 0)
        raise ValueError(
            "\n  ".join([f"{len(faults)} of {count} pictures cannot be taken:", *told])
            + "\nsave them anew as PNG or JPEG, or remove them"
        )
    of_each = torch.stack(images).split([len(paths) for paths, _ in parts])
    train, test = (
        Labelled(some.permute(0, 3, 1, 2) / 255, torch.tensor(labels), len(names))
        for some, (_, labels) in zip(of_each, parts)
    )
    return train, test


def class_names(folder: str | os.PathLike[str]) -> list[str]:
    """Names of the classes in a folder, in the order of their labels: of the alphabet.

    Raises:
        FileNotFoundError: If there is no folder "train" or "val" in it.
        OSError: If they cannot be read.
        ValueError: If they have not the same classes, or fewer than two.
    """
    train, val = (_folders(Path(folder, part)) for part in ("train", "val"))
    if train != val:
        only = sorted(set(train) ^ set(val))
        raise ValueError(
            f"{folder} has in only one of train and val the classes {only}: both must "
            "have a folder for each class"
        )
    if len(train) < 2:
        raise ValueError(
            f"{Path(folder, 'train')} has the classes {train}: it must have a folder "
            "for each of two or more"
        )
    return train


def pixels(path: str | os.PathLike[str], size: int) -> Tensor:
    """The middle square of one picture, `(size, size, 3)`, from 0 to 255, as bytes.

    It is what a viewer shows: turned as the camera says, on white where it is
    transparent, with 16 bits rounded down to 8.  A colour profile is not applied.

    Args:
        path: A PNG, JPEG, WebP, BMP or GIF file, whatever its name.
        size: Side of the square that is made of it.

    Raises:
        ValueError: If it is no such file, damaged, cut off, moves, or has more pixels
            than Pillow holds for harmless.
        ModuleNotFoundError: If Pillow is not installed.
    """
    Image = _pillow()
    path = Path(path)
    try:
        if not path.is_file():  # a pipe would be waited for
            raise ValueError("it is no file")
        with warnings.catch_warnings():
            # About what lies beside the pixels, where a viewer says nothing, either.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                picture = _shown(image)
        side = min(picture.size)
        left, top = ((length - side) // 2 for length in picture.size)
        box = (left, top, left + side, top + side)
        return torch.from_numpy(np.array(picture.resize((size, size), box=box)))
    except Image.UnidentifiedImageError:
        raise ValueError(f"{path}: it is none of {', '.join(FORMATS)}") from None
    except Exception as fault:  # each format of Pillow has its own
        raise ValueError(f"{path}: {fault}") from fault


def _shown(image):
    """A picture in red, green and blue, as a viewer shows it."""
    from PIL import Image, ImageOps

    # A camera's JPEG may hold a second picture, e.g. for depth, that no viewer shows.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise ValueError("it moves: save one of its pictures")
    # Pillow compares such a colour, told with the file's own bits, with pixels of 8.
    if image.mode in ("P", "PA"):
        colours = len(image.getpalette("RGB")) // 3
        if (highest := np.asarray(image.getchannel("P")).max()) >= colours:
            raise ValueError(
                f"it has the colour {highest} of a palette of {colours}, so it is "
                "damaged"
            )
    key = "transparency" in image.info and image.mode in ("1", "L", "RGB", "I;16", "I")
    if key and image.format == "PNG" and image.tile[0][3] not in ("L", "RGB"):
        raise ValueError(
            "one of its colours stands for nothing, which is read with 8 bits a "
            "channel only: save it with an alpha channel"
        )
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        high = np.asarray(image).astype(np.int32) >> 8
        image = Image.fromarray(high.astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _found(part: Path, names: list[str]) -> tuple[list[Path], list[int]]:
    """The pictures of one part, class by class, and their labels."""
    endings = _pillow().registered_extensions()
    paths, labels = [], []
    for label, name in enumerate(names):
        files = [
            part / name / file
            for file in sorted(os.listdir(part / name))
            if file[0] != "." and Path(file).suffix.lower() in endings
        ]
        if not files:
            raise ValueError(
                f"{part / name} has no pictures: it must have files such as 1.png or "
                "1.jpg, in no folder of their own"
            )
        paths += files
        labels += [label] * len(files)
    return paths, labels


def _folders(part: Path) -> list[str]:
    if not part.is_dir():
        raise FileNotFoundError(
            f"there is no folder {part}: it must be there, and hold a folder for each "
            "class"
        )
    names = sorted(name for name in os.listdir(part) if name[0] != ".")
    return [name for name in names if (part / name).is_dir()]


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ModuleNotFoundError as fault:
        raise ModuleNotFoundError(
            "pillow is not installed, and to read pictures takes it: pip install "
            "pillow",
            name="PIL",
        ) from fault
    return Image
