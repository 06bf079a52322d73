"""The exercise of the chapter on scales."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from vip_tutorial.beyond.multi_scale import MultiScalePermuteMLP
from vip_tutorial.exercises import check_coarser


def pooled(x, p):
    B, H, W, C = x.shape
    return x.reshape(B, H // p, p, W // p, p, C).mean((2, 4))


def spread(x, p):
    return x.repeat_interleave(p, 1).repeat_interleave(p, 2)


def right(branch, x, p):
    return spread(branch(pooled(x, p)), p)


def test_the_packages_own_steps_are_right(capsys):
    def by_the_package(branch, x, p):
        module = MultiScalePermuteMLP(36, 36, pool=p)  # all these p divide 36
        return module.spread(branch(module.pooled(x)))

    check_coarser(by_the_package)
    assert capsys.readouterr().out.startswith("Right on 4 grids")


def test_torchs_pooling_and_interpolation_are_right(capsys):
    def by_torch(branch, x, p):
        small = avg_pool2d(x.permute(0, 3, 1, 2), p).permute(0, 2, 3, 1)
        mixed = branch(small).permute(0, 3, 1, 2)
        return interpolate(mixed, scale_factor=p, mode="nearest").permute(0, 2, 3, 1)

    check_coarser(by_torch)
    assert capsys.readouterr().out.startswith("Right on 4 grids")


def scrambles(branch, x, p):
    B, H, W, C = x.shape
    small = x.reshape(B, H // p, W // p, p, p, C).mean((3, 4))
    return spread(branch(small), p)


def in_the_corner(branch, x, p):
    y = torch.zeros_like(x)
    y[:, ::p, ::p] = branch(pooled(x, p))
    return y


def mutates(branch, x, p):
    y = right(branch, x, p)
    x += 1
    return y


def flat(branch, x, p):
    branch(pooled(x, p).flatten(1))
    return x


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda branch, x, p: branch(x), "was given (2, 6, 4, 3); with one token"),
        (lambda branch, x, p: x, "called the branch 0 times"),
        (lambda b, x, p: right(b, x, p) + 0 * b(x), "called the branch 2 times"),
        (lambda b, x, p: (b(3), x)[1], "the branch was given 3, and needs a tensor"),
        (flat, "was given (2, 18); with one token"),
        (lambda b, x, p: b(pooled(x, p)), "that is the coarser grid. Hand each"),
        (lambda b, x, p: right(b, x, p)[:, 1:], "has shape (2, 5, 4, 3); needed (2, 6"),
        (lambda b, x, p: spread(b(x[:, ::p, ::p]), p), "the first token of each"),
        (lambda b, x, p: spread(b(pooled(x, p) * p * p), p), "the sum of each square"),
        (
            lambda b, x, p: spread(
                b(torch.nn.MaxPool2d(p)(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)), p
            ),
            "the largest of each square",
        ),
        (scrambles, "but not those of a square"),
        (lambda b, x, p: spread(b(pooled(x, p) + 1), p), "the mean of that square is"),
        (lambda b, x, p: right(b, x, 2), "(3, 6, 9, 2) raised RuntimeError"),
        (lambda b, x, p: b(pooled(x, p)).repeat(1, p, p, 1), "2 x 2 times, side by"),
        (lambda b, x, p: right(b, x, p) / p**2, "give all of it to each"),
        (lambda b, x, p: x + right(b, x, p), "you add x"),
        (in_the_corner, "the token in row 0, column 1 must get"),
        (lambda b, x, p: right(b, x, p).flip(1), "the token in row 0, column 0 must"),
        (mutates, "changed its input"),
        (lambda b, x, p: right(b, x, p).float(), "should stay torch.float64"),
        (lambda b, x, p: None, "returned None"),
        (lambda b, x: x, "raised TypeError"),
    ],
)
def test_a_wrong_answer_is_told_where_it_went_wrong(answer, told, capsys):
    check_coarser(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out, out
