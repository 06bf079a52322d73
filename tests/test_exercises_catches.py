"""The exercise of the chapter on faults: a check that catches one."""

import pytest
import torch

from vip_tutorial.exercises import check_catches
from vip_tutorial.mutants import MUTANTS, HeightTransposed, SoftmaxOverBatch


def close(one, other):
    return torch.allclose(one, other, atol=1e-5)


def alone_or_not(module, compare=close):
    x = torch.randn(3, 4, 4, 8)
    alone = torch.cat([module(one[None]) for one in x])
    return compare(module(x), alone)


def no_verdict(module):
    alone_or_not(module)


def heavy_handed(module):
    torch.nn.init.zeros_(module.proj.bias)
    return True


def by_luck(module):
    return bool(module.proj.bias[0] > 0)


def lucky_catch(module):
    return type(module) is not SoftmaxOverBatch or by_luck(module)


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (lambda module: True, "accepts everything"),
        (lambda module: False, "rejects everything"),
        (lambda module: not alone_or_not(module), "wrong way round"),
        (no_verdict, "returned None"),
        (lambda module: module(torch.randn(4, 4, 8)), "raised ValueError: input has"),
        (lambda module: alone_or_not(module, torch.eq), "of many values"),
        (heavy_handed, "changes the module (proj.bias)"),
        (lambda module: alone_or_not(module, torch.equal), "with a tolerance"),
        (lucky_catch, "misses it with others"),
        (lambda m: type(m).__name__ == "WeightedPermuteMLP", "what the module is"),
        (3, "give it your function itself"),
    ],
)
def test_catches_says_what_is_wrong(check, told, capsys):
    check_catches(check, SoftmaxOverBatch)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


def test_catches_counts_what_else_is_caught(capsys):
    def height_stays_in_its_column(module):
        x = torch.zeros(1, 4, 4, 8)
        x[0, 2, 1] = 1
        seen = module.height(x)[0].abs().sum(-1) > 0
        return bool(seen[:, 1].all()) and int(seen.sum()) == 4

    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    check_catches(height_stays_in_its_column, HeightTransposed)
    assert torch.equal(torch.rand(3), expected)
    out = capsys.readouterr().out
    assert out.startswith("Right") and "height unpermuted" in out
    assert "height transposed" not in out and len(MUTANTS) > out.count(",")
