"""The digits and their tokens."""

import pytest
import torch

from vip_tutorial.data import as_tokens, digit, patterns


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
