"""Real pictures, small enough to follow every number: scikit-learn's digits."""

import operator
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .checks import checked_seed


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
        spread: Their standard deviation.
    """

    mean: float
    spread: float

    @classmethod
    def of(cls, data: Labelled) -> "Scale":
        """The scale on which these images have mean 0 and spread 1.

        Raises:
            ValueError: If there is none: no two pixels differ, or one is not finite.
            TypeError: If the pixels are no real numbers.
        """
        images = data.images
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
