"""Real pictures, small enough to follow every number: scikit-learn's digits.

And some of MNIST, for those who have its files.  Nothing is ever downloaded.
"""

import gzip
import math
import operator
import os
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .._util.arguments import checked_seed, whole_number
from .._util.inputs import check_dense


def digit(index: int) -> tuple[Tensor, int]:
    """One of scikit-learn's 1,797 handwritten digits; nothing is downloaded.

    They are the test part of the UCI set "Optical Recognition of Handwritten Digits"
    (Alpaydin and Kaynak), 8 x 8 pixels each.

    Args:
        index: Which digit, 0 to 1796.

    Returns:
        Grey levels `(8, 8)`, from 0 (paper) to 1 (ink), and the digit's label.

    Raises:
        ValueError: If there is no such digit.
    """
    digits = _digits()
    index, count = operator.index(index), len(digits.images)
    if not 0 <= index < count:
        raise ValueError(
            f"there is no digit {index}: the index goes from 0 to {count - 1}"
        )
    picture = torch.tensor(digits.images[index] / 16, dtype=torch.float32)  # (H, W)
    return picture, int(digits.target[index])


@cache
def _digits() -> Any:
    from sklearn.datasets import load_digits

    return load_digits()  # a text file: reading it again each time is slow


def as_tokens(picture: Tensor, dim: int, seed: int = 0) -> Tensor:
    """Turn each pixel into a token: a patch embedding whose patches are one pixel.

    Args:
        picture: Grey levels `(H, W)`.
        dim: Channels of a token, C.
        seed: Seed of the random embedding.

    Returns:
        Tokens `(1, H, W, C)`, channels last, of the picture's dtype, on its device.
    """
    generator = torch.Generator().manual_seed(checked_seed(seed))
    weight = torch.randn(dim, 1, generator=generator).to(picture)
    return nn.functional.linear(picture[None, :, :, None], weight)  # (1, H, W, C)


def patterns(height: int = 8, width: int = 8, seed: int = 0) -> dict[str, Tensor]:
    """Pictures that are easy to tell: stripes, a checkerboard, noise, nothing.

    Args:
        height: Pixels in a column.
        width: Pixels in a row.
        seed: Seed of the noise.

    Returns:
        By name, grey levels `(height, width)` in sixteenths, from 0 to 1.
    """
    row = torch.arange(height)[:, None].expand(height, width)  # (height, width)
    column = torch.arange(width).expand(height, width)  # (height, width)
    generator = torch.Generator().manual_seed(checked_seed(seed))
    noise = torch.randint(17, (height, width), generator=generator)
    return {
        "horizontal-stripes": (row % 2).float(),
        "vertical-stripes": (column % 2).float(),
        "checkerboard": ((row + column) % 2).float(),
        "even-grey": torch.full((height, width), 0.5),
        "noise": noise / 16,
        "blank": torch.zeros(height, width),
    }


class Labelled(NamedTuple):
    """Images with their labels.

    Attributes:
        images: `(count, in_chans, height, width)`, channels first, real numbers.
        labels: `(count,)`, whole numbers from 0.
        classes: How many classes there are.
    """

    images: Tensor
    labels: Tensor
    classes: int


class Scale(NamedTuple):
    """How pixels are standardised: mean 0 and spread 1 over the training images.

    Attributes:
        mean: Mean of all pixels.
        spread: Their standard deviation, with count - 1, as PyTorch's `std` has it.
    """

    mean: float
    spread: float

    @classmethod
    def of(cls, data: Labelled) -> "Scale":
        """The scale on which these images have mean 0 and spread 1.

        Raises:
            ValueError: If there is none: no two pixels differ, or one is not finite.
            TypeError: If the pixels are no real numbers, or in no dense tensor, or
                `data` is no `Labelled`.
        """
        if not isinstance(data, Labelled):
            raise TypeError(
                f"data is a {type(data).__name__}; it must be a Labelled: "
                "Labelled(images, labels, classes)"
            )
        images = data.images
        check_dense("data.images", images, "a tensor (count, in_chans, height, width)")
        if not images.is_floating_point():
            raise TypeError(
                f"the images have dtype {images.dtype}; they must be real numbers: for "
                "pixels from 0 to 255 use images.float() / 255"
            )
        if not images.isfinite().all():
            raise ValueError(
                "the images have pixels that are not finite, and so no mean: look for "
                "a division by 0"
            )
        if images.numel() == 0 or images.min() == images.max():
            raise ValueError(
                f"the {images.numel()} pixels of the images are all the same: without "
                "any spread they cannot be standardised; look how they were made"
            )
        return cls(images.mean().item(), images.std().item())

    def __call__(self, data: Labelled) -> Labelled:
        """The same images, standardised."""
        return data._replace(images=(data.images - self.mean) / self.spread)


def digits() -> tuple[Labelled, Labelled]:
    """All of scikit-learn's digits, to train and to test with: 1,297 and 500.

    The split is random and fixed.  The pictures come from 13 writers, who are in both
    parts, so the accuracy on the second is that for known hands.

    Returns:
        Training and test images `(count, 1, 8, 8)` with their labels; grey levels from
        0 (paper) to 1 (ink).  Standardise them with `Scale` before training.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, target = load_digits(return_X_y=True)
    parts = train_test_split(
        torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8),
        torch.tensor(target),
        test_size=500,
        random_state=0,
        stratify=target,
    )
    train, test, train_labels, test_labels = parts
    return Labelled(train, train_labels, 10), Labelled(test, test_labels, 10)


# --- MNIST, from files that the reader has ------------------------------------------

_SIDE = 28
_BORDER = 2  # of paper: 32 has more divisors than 28


def mnist(
    folder: str | os.PathLike[str],
    train: int = 5_000,
    test: int = 1_000,
    seed: int = 0,
) -> tuple[Labelled, Labelled]:
    """Some of MNIST's handwritten digits, from the four files that it comes in.

    A border of paper makes their 28 x 28 pixels 32 x 32, so that patches of 4 x 4
    pixels give 8 x 8 tokens, as many as the small digits have.  Fashion-MNIST comes in
    files of the same names and the same form.

    Args:
        folder: Where the files lie, packed with gzip or not; or the folder that was
            given to `torchvision.datasets.MNIST`, which puts them in `MNIST/raw`.
        train: How many of the training images.
        test: How many of the test images.
        seed: Seed of the choice.

    Returns:
        Training and test images `(count, 1, 32, 32)` with their labels; grey levels
        from 0 (paper) to 1 (ink).  Standardise them with `Scale` before training.

    Raises:
        FileNotFoundError: If a file is missing; it says where the files can be had.
        ValueError: If a file is damaged, is not what its name says, or has fewer images
            than are wanted.
        TypeError: If a number is no whole number.
    """
    counts = whole_number("train", train), whole_number("test", test)
    generator = torch.Generator().manual_seed(checked_seed(seed))
    files = [  # all are there before the first is read
        [
            _found(Path(folder), f"{part}-{kind}")
            for kind in ("images-idx3", "labels-idx1")
        ]
        for part in ("train", "t10k")
    ]
    train_part, test_part = (
        _drawn(images, labels, count, generator)
        for (images, labels), count in zip(files, counts)
    )
    return train_part, test_part


def _found(folder: Path, name: str) -> Path:
    name += "-ubyte"
    for place in (folder, folder / "raw", folder / "MNIST" / "raw"):
        for file in (place / name, place / f"{name}.gz"):
            if file.is_file():
                return file
    raise FileNotFoundError(
        f"{folder} holds no {name} or {name}.gz: put MNIST's four files there, e.g. "
        "from https://ossci-datasets.s3.amazonaws.com/mnist/, or call "
        f"torchvision.datasets.MNIST({str(folder)!r}, download=True)"
    )


def _drawn(
    images_file: Path, labels_file: Path, count: int, generator: torch.Generator
) -> Labelled:
    images, labels = _idx(images_file, axes=3), _idx(labels_file, axes=1)
    if images.shape[1:] != (_SIDE, _SIDE):
        raise ValueError(
            f"{images_file} has images of {images.shape[1]} x {images.shape[2]} "
            f"pixels; those of MNIST have {_SIDE} x {_SIDE}: take its files"
        )
    if len(images) != len(labels):
        raise ValueError(
            f"{images_file} has {len(images)} images and {labels_file} {len(labels)} "
            "labels: take both files from one place"
        )
    if count > len(images):
        raise ValueError(
            f"{count} images are wanted and {images_file} has {len(images)}: ask for "
            "no more than those"
        )
    if labels.max() > 9:
        raise ValueError(
            f"{labels_file} has the label {labels.max()}; MNIST has ten classes, 0 to "
            "9: take its files"
        )
    chosen = torch.randperm(len(images), generator=generator)[:count]
    pixels = images[chosen, None] / 255  # (count, 1, 28, 28)
    padded = nn.functional.pad(pixels, [_BORDER] * 4)  # (count, 1, 32, 32)
    return Labelled(padded, labels[chosen].long(), 10)


def _idx(file: Path, axes: int) -> Tensor:
    """The bytes of an idx file: a number for their kind, the sizes, then the bytes."""
    content = file.read_bytes()
    if content.startswith(b"\x1f\x8b"):  # gzip, whatever the file is called
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as fault:
            raise ValueError(
                f"{file} is damaged or cut off ({fault}): get it again"
            ) from fault
    head, wanted = 4 * (1 + axes), 0x800 + axes
    magic = int.from_bytes(content[:4], "big")
    if magic != wanted:
        raise ValueError(
            f"{file} begins with {magic:#x}; a file of bytes with {axes} axes begins "
            f"with {wanted:#x}: it is another file, or not of the idx format"
        )
    shape = struct.unpack_from(f">{axes}I", content.ljust(head, b"\0"), 4)
    if len(content) != head + math.prod(shape):
        raise ValueError(
            f"{file} says that it has {' x '.join(map(str, shape))} bytes and a head "
            f"of {head}, and has {len(content)} in all: it is cut off or damaged, get "
            "it again"
        )
    numbers = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    return numbers[head:].reshape(shape)
