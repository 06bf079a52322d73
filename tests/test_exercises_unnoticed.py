"""The exercise of the chapter on what the branch weights say."""

import pytest
import torch

from vip_tutorial.exercises import check_unnoticed


@pytest.mark.parametrize(
    "answer",
    [
        lambda pictures: pictures.flip(3),
        lambda pictures: pictures.roll(1, dims=3),
        lambda pictures: pictures[..., torch.arange(pictures.shape[-1]).flip(0)],
    ],
    ids="mirror roll order".split(),
)
def test_columns_may_change_places(answer, capsys):
    check_unnoticed(answer)
    out = capsys.readouterr().out
    assert out.startswith("Right") and "by up to 0.00" not in out


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda pictures: pictures, "gives the pictures back as they were"),
        (lambda pictures: pictures + 1e-13, "changes so little"),
        (lambda pictures: pictures.clone(), "gives the pictures back as they were"),
        (lambda pictures: pictures.flip(2), "You have moved whole rows"),
        (lambda pictures: pictures.roll(1, dims=2), "You have moved whole rows"),
        (lambda pictures: pictures.mT, "keep every column as it is"),
        (lambda pictures: pictures.rot90(1, (2, 3)), "keep every column as it is"),
        (lambda pictures: pictures.flip(2, 3), "keep every column as it is"),
        (lambda pictures: pictures.flip(0), "keep its own pixels"),
        (lambda pictures: 1 - pictures, "keep its own pixels"),
        (lambda pictures: pictures / 0, "not numbers"),
        (lambda pictures: pictures[:, :, 1:], "it must stay (3, 1, 4, 4)"),
        (lambda pictures: None, "returned None"),
        (lambda pictures: pictures.flip(3).float(), "they should stay torch.float64"),
        (lambda pictures: pictures.copy_(pictures.flip(3)), "changed its input"),
    ],
)
def test_what_is_wrong_is_told(answer, told, capsys):
    check_unnoticed(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


def test_it_leaves_the_readers_random_numbers_alone(capsys):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    check_unnoticed(lambda pictures: pictures.flip(3))
    assert torch.equal(torch.rand(3), expected)
