"""The digits and their tokens."""

import pytest
import torch

from vip_tutorial.data import as_tokens, digit


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
