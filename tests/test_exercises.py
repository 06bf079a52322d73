"""The exercises: a right answer is praised, a wrong one is told where it went wrong."""

import json
import re
from pathlib import Path

import pytest
import torch

from vip_tutorial.exercises import check_catches, check_height_rows, check_undoes
from vip_tutorial.mutants import MUTANTS, HeightTransposed, SoftmaxOverBatch

BOOK = Path(__file__).parent.parent / "book"


def cells(chapter: str) -> dict[str, str]:
    notebook = json.loads((BOOK / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}


def solution(chapter: str) -> str:
    return re.findall(r"```python\n(.*?)```", cells(chapter)["text-solution"], re.S)[-1]


def right_rows(x, N):
    B, H, W, C = x.shape
    x = x.reshape(B, H, W, N, C // N).permute(0, 3, 2, 1, 4)
    return x.reshape(B, N, W, H * (C // N))


def test_height_stub_fails_and_printed_solution_passes(capsys):
    exercise = cells("05-height-branch")["exercise"]
    names = {}
    exec(exercise, names)
    assert "Not yet" in capsys.readouterr().out
    exec(solution("05-height-branch"), names)
    names["check_height_rows"](names["rows_of_columns"])
    assert "Right" in capsys.readouterr().out


def no_return(x, N):
    right_rows(x, N)


def raises(x, N):
    return x.reshape(7, 7)


def mutates(x, N):
    rows = right_rows(x, N)
    x.zero_()
    return rows


def rows_of_rows(x, N):
    B, H, W, C = x.shape
    return right_rows(x.transpose(1, 2), N).reshape(B, N, W, -1)


def fast_and_slow_exchanged(x, N):
    B, H, W, C = x.shape
    x = x.reshape(B, H, W, N, C // N).permute(0, 3, 2, 4, 1)
    return x.reshape(B, N, W, -1)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (no_return, "returned None"),
        (raises, "raised RuntimeError"),
        (mutates, "changed its input"),
        (lambda x, N: 3, "returned int"),
        (lambda x, N: x, "has shape"),
        (lambda x, N: torch.zeros_like(right_rows(x, N)), "walks along nothing"),
        (rows_of_rows, "must walk along H and S"),
        (fast_and_slow_exchanged, "H must be the slow axis"),
        (lambda x, N: right_rows(x, N).flip(1), "in the order B, N, W"),
    ],
)
def test_height_rows_says_what_is_wrong(answer, told, capsys):
    check_height_rows(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


def test_height_rows_accepts_any_right_way(capsys):
    check_height_rows(
        lambda x, N: torch.einsum(
            "bhwns->bnwhs", x.unflatten(3, (N, x.shape[3] // N))
        ).flatten(3)
    )
    assert capsys.readouterr().out.startswith("Right")


def test_listing_stub_fails_and_printed_answer_passes(capsys):
    exec(cells("03-listing-as-found")["exercise"], {})
    assert "Not yet" in capsys.readouterr().out
    text = cells("03-listing-as-found")["text-solution"]
    answer = re.search(r"The answer.*?`\(([\d, ]+)\)`", text, re.S)[1]
    check_undoes((0, 3, 1, 2, 4), [int(n) for n in answer.split(",")])
    assert capsys.readouterr().out.startswith("Right")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((0, 3, 1, 2, 4), "place 1 holds axis"),
        ((0, 1, 2, 3), "must hold each axis, 0 to 4, once"),
        ((0, 1, 1, 3, 4), "once"),
        (("a", "b", "c", "d", "e"), "5 whole numbers"),
        (None, "5 whole numbers"),
    ],
)
def test_undoes_says_what_is_wrong(answer, told, capsys):
    check_undoes((0, 3, 1, 2, 4), answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


def test_faults_stub_fails_and_printed_solution_passes(capsys):
    names = {"torch": torch}
    exec(cells("09-wrong-but-it-runs")["exercise"], names)
    assert "accepts everything" in capsys.readouterr().out
    exec(solution("09-wrong-but-it-runs"), names)
    names["check_catches"](names["my_check"], SoftmaxOverBatch)
    out = capsys.readouterr().out
    assert out.startswith("Right") and "It also catches: weights reshaped." in out


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
        (lambda module: alone_or_not(module, torch.allclose), "with a tolerance"),
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
