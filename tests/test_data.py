"""The digits and their tokens."""

import pytest
import torch

from vip_tutorial.checks import LARGEST_SEED
from vip_tutorial.data import Labelled, Scale, as_tokens, digit, patterns
from vip_tutorial.tasks import task
from vip_tutorial.training import Recipe, fit, small_network


def test_digit_is_a_grey_picture_with_its_label():
    picture, label = digit(7)
    assert picture.shape == (8, 8) and label == 7
    assert picture.min() == 0 and picture.max() == 1


@pytest.mark.parametrize("index", [-1, 1797])
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


@pytest.mark.parametrize(
    ("images", "error", "told"),
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


@pytest.mark.parametrize(
    ("seed", "error", "told"),
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


@pytest.mark.parametrize(
    ("count", "error"), [(0, ValueError), (-3, ValueError), (2.5, TypeError)]
)
def test_no_pictures_are_no_task(count, error):
    with pytest.raises(error, match=f"count is {count}; it must be"):
        task("row", count)
