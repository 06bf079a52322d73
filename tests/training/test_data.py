"""The digits and their tokens, and MNIST from small files that are written here."""

import gzip
import struct

import numpy as np
import pytest
import torch

from tables import in_turn
from vip_tutorial._util.arguments import LARGEST_SEED
from vip_tutorial.training import Recipe, fit, small_network
from vip_tutorial.training.data import (
    Labelled,
    Scale,
    as_tokens,
    digit,
    mnist,
    patterns,
)
from vip_tutorial.training.tasks import task


def test_digit_is_a_grey_picture_with_its_label():
    picture, label = digit(7)
    assert picture.shape == (8, 8) and label == 7
    assert picture.min() == 0 and picture.max() == 1


@in_turn("index", [-1, 1797])
def test_digit_that_does_not_exist(index):
    with pytest.raises(ValueError, match=f"no digit {index}.*0 to 1796"):
        digit(index)


def test_tokens_are_the_pixels_times_one_vector():
    picture, _ = digit(7)
    tokens = as_tokens(picture, dim=16)
    assert tokens.shape == (1, 8, 8, 16)
    ink = picture > 0
    per_grey_level = tokens[0][ink] / picture[ink][:, None]
    torch.testing.assert_close(per_grey_level, per_grey_level[:1].expand(ink.sum(), -1))
    assert torch.equal(tokens, as_tokens(picture, dim=16))
    assert not torch.equal(tokens, as_tokens(picture, dim=16, seed=1))


def test_patterns_are_pictures_in_sixteenths():
    pictures = patterns(4, 6)
    for picture in pictures.values():
        assert picture.shape == (4, 6) and picture.dtype == torch.float32
        assert torch.equal((picture * 16).round() / 16, picture)
        assert picture.min() >= 0 and picture.max() <= 1
    assert pictures["horizontal-stripes"].unique(dim=1).shape == (4, 1)
    assert pictures["vertical-stripes"].unique(dim=0).shape == (1, 6)
    for axis in (0, 1):  # told from even grey by no mean of a row or a column
        means = pictures["checkerboard"].mean(dim=axis)
        assert torch.equal(means, pictures["even-grey"].mean(dim=axis))
    assert not torch.equal(patterns(seed=1)["noise"], patterns()["noise"])


@in_turn(
    "images, error, told",
    [
        (torch.full((2, 1, 4, 4), 0.1), ValueError, "32 pixels .* all the same"),
        (torch.ones(1, 1, 1, 1), ValueError, "1 pixels .* all the same"),
        (torch.ones(0, 1, 4, 4), ValueError, "0 pixels .* all the same"),
        (torch.tensor([[[[0.0, torch.nan]]]]), ValueError, "not finite"),
        (torch.tensor([[[[0.0, torch.inf]]]]), ValueError, "not finite"),
        (torch.arange(4).reshape(1, 1, 2, 2).byte(), TypeError, r"uint8.*/ 255"),
    ],
)
def test_images_without_a_scale_are_refused(images, error, told):
    with pytest.raises(error, match=told):
        Scale.of(Labelled(images, torch.zeros(len(images)).long(), 2))


@in_turn(
    "images, error, told",
    [
        (np.zeros((2, 1, 4, 4)), TypeError, r"data\.images is a ndarray.*from_numpy"),
        (torch.zeros(2, 1, 4, 4).to_sparse(), TypeError, r"no dense.*x\.to_dense"),
        (torch.zeros(2, 1, 4, 4, device="meta"), ValueError, "no contents"),
    ],
)
def test_images_in_no_dense_tensor_have_no_scale(images, error, told):
    with pytest.raises(error, match=told):
        Scale.of(Labelled(images, torch.zeros(2).long(), 2))


def test_what_is_no_labelled_has_no_scale():
    with pytest.raises(
        TypeError, match=r"data is a tuple; .* Labelled\(images, labels"
    ):
        Scale.of((torch.rand(2, 1, 4, 4), torch.zeros(2).long(), 2))


def test_the_spread_is_that_of_a_sample():
    images = torch.tensor([1.0, 2.0, 3.0, 6.0]).reshape(1, 1, 2, 2)
    scale = Scale.of(Labelled(images, torch.zeros(1).long(), 2))
    assert scale.mean == pytest.approx(3)
    assert scale.spread == pytest.approx((14 / 3) ** 0.5)  # 4 + 1 + 0 + 9, over 4 - 1


@in_turn(
    "seed, error, told",
    [
        (-1, ValueError, "seed is -1; it must be at least 0"),
        (10**30, ValueError, f"seed is {10**30}; it must be at most {10**13}"),
        (0.5, TypeError, "seed is 0.5; it must be a whole number"),
    ],
)
def test_what_is_no_seed_is_refused(seed, error, told):
    for make in (
        lambda: as_tokens(torch.zeros(2, 2), 4, seed=seed),
        lambda: patterns(seed=seed),
        lambda: task("row", 3, seed=seed),
        lambda: small_network(task("row", 3), seed=seed),
        lambda: Recipe(seed=seed),
    ):
        with pytest.raises(error, match=told):
            make()


def test_the_largest_seed_can_be_trained_with():
    pictures = task("linerow", 20, seed=LARGEST_SEED)
    model = small_network(pictures, seed=LARGEST_SEED)
    fit(model, pictures, pictures, Recipe(1, seed=LARGEST_SEED), verbose=False)


@in_turn("count, error", [(0, ValueError), (-3, ValueError), (2.5, TypeError)])
def test_no_pictures_are_no_task(count, error):
    with pytest.raises(error, match=f"count is {count}; it must be"):
        task("row", count)


# --- MNIST --------------------------------------------------------------------------

COUNTS = {"train": 30, "t10k": 20}
IMAGES = "train-images-idx3-ubyte"
LABELS = "t10k-labels-idx1-ubyte"


def idx(numbers: torch.Tensor) -> bytes:
    head = struct.pack(f">{1 + numbers.ndim}I", 0x800 + numbers.ndim, *numbers.shape)
    return head + bytes(numbers.flatten().tolist())


def pictures(labels: torch.Tensor) -> torch.Tensor:
    """An image for each label, which tells it, and which way up it is."""
    row = torch.arange(28)[:, None]
    images = (labels[:, None, None] * 20 + row).repeat(1, 1, 28)
    images[..., 0] = 255
    return images  # (count, 28, 28), from 0 to 255


def write_mnist(folder, pack=bytes, ending=""):
    """Files as MNIST has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in COUNTS.items():
        labels = torch.arange(count) % 10
        for kind, numbers in {
            "images-idx3": pictures(labels),
            "labels-idx1": labels,
        }.items():
            file = folder / f"{part}-{kind}-ubyte{ending}"
            file.write_bytes(pack(idx(numbers)))


@in_turn("below", ["", "raw", "MNIST/raw"])
@in_turn("ending", ["", ".gz"])
def test_mnist_is_read_from_wherever_its_files_usually_lie(tmp_path, below, ending):
    write_mnist(tmp_path / below, gzip.compress if ending else bytes, ending)
    for part, count in zip(mnist(tmp_path, train=12, test=7), (12, 7)):
        assert part.images.shape == (count, 1, 32, 32)
        assert part.images.dtype == torch.float32
        assert part.labels.dtype == torch.int64 and part.classes == 10
        expected = torch.zeros(count, 1, 32, 32)
        expected[:, 0, 2:-2, 2:-2] = pictures(part.labels) / 255
        assert torch.equal(part.images, expected)


def test_the_seed_of_mnist_chooses_and_no_image_is_taken_twice(tmp_path):
    write_mnist(tmp_path)
    train, test = mnist(tmp_path, train=30, test=20, seed=1)
    assert train.labels.bincount().tolist() == [3] * 10
    assert test.labels.bincount().tolist() == [2] * 10
    again, _ = mnist(tmp_path, train=30, test=20, seed=1)
    other, _ = mnist(tmp_path, train=30, test=20, seed=2)
    assert torch.equal(train.labels, again.labels)
    assert not torch.equal(train.labels, other.labels)


def test_without_its_files_mnist_says_where_they_are_to_be_had(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"https://.*torchvision.*=True"):
        mnist(tmp_path / "nowhere")
    write_mnist(tmp_path)
    (tmp_path / LABELS).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no {LABELS}"):
        mnist(tmp_path, train=1, test=1)


@in_turn(
    "name, damage, says",
    [
        (IMAGES, lambda old: old[:-1], "cut off or damaged"),
        (IMAGES, lambda old: old + b"0", "cut off or damaged"),
        (IMAGES, lambda old: old[:9], "cut off or damaged"),
        (IMAGES, lambda old: b"", "begins with 0x0; .* 3 axes begins with 0x803"),
        (IMAGES, lambda old: b"<html>", "begins with 0x3c68746d"),
        (IMAGES, lambda old: gzip.compress(old)[:-20], "is damaged or cut off"),
        (IMAGES, lambda old: gzip.compress(old)[:5], "is damaged or cut off"),
        (
            IMAGES,
            lambda old: b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 9,
            "is damaged or cut off",
        ),
        (IMAGES, lambda old: idx(torch.zeros(30, 8, 8).int()), "images of 8 x 8 pix"),
        (IMAGES, lambda old: idx(torch.zeros(29, 28, 28).int()), "29 images and .* 30"),
        (IMAGES, lambda old: idx(torch.zeros(30).int()), "begins with 0x801"),
        (LABELS, lambda old: idx(torch.full((20,), 10)), "has the label 10; .* 0 to 9"),
        (LABELS, lambda old: idx(torch.zeros(20, 1, 1).int()), "begins with 0x803"),
    ],
)
def test_a_damaged_file_of_mnist_is_refused(tmp_path, name, damage, says):
    write_mnist(tmp_path)
    file = tmp_path / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=says) as refused:
        mnist(tmp_path, train=1, test=1)
    assert name in str(refused.value)


@in_turn(
    "options, says",
    [
        ({"train": 31}, "31 images are wanted and .* has 30"),
        ({"test": 21}, "21 images are wanted and .* has 20"),
        ({"train": 0}, "train is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_mnist_gives_no_more_than_there_is(tmp_path, options, says):
    write_mnist(tmp_path)
    with pytest.raises(ValueError, match=says):
        mnist(tmp_path, **({"train": 1, "test": 1} | options))
