"""The exercises: a right answer is praised, a wrong one is told where it went wrong."""

import json
import re
from pathlib import Path

import pytest
import torch

from vip_tutorial.exercises import (
    check_branch_weights,
    check_height_rows,
    check_undoes,
)

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


def test_weights_stub_fails_and_printed_solution_passes(capsys):
    names = {}
    exec(cells("07-re-weighting")["exercise"], names)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and "Channel 0 of picture 0 got" in out
    exec(solution("07-re-weighting"), names)
    names["check_branch_weights"](names["deal"])
    assert capsys.readouterr().out.startswith("Right")


def right_weights(numbers, C):
    return numbers.reshape(-1, C, 3).permute(2, 0, 1).softmax(dim=0)


def zeroes_its_input(numbers, C):
    weights = right_weights(numbers, C)
    numbers.zero_()
    return weights


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda n, C: None, "returned None"),
        (lambda n, C: n.reshape(7, 7), "raised RuntimeError"),
        (lambda n, C: 3, "returned int"),
        (zeroes_its_input, "changed its input"),
        (lambda n, C: n, "needed (3, B, C)"),
        (lambda n, C: n.reshape(-1, C, 3).softmax(2), "Bring the last axis to"),
        (lambda n, C: n.reshape(-1, 3, C).softmax(1), "that is (B, 3, C)"),
        (
            lambda n, C: n.reshape(-1, C, 3).permute(2, 0, 1).softmax(1),
            "along axis 1 of (3, B, C): the pictures of the batch compete",
        ),
        (
            lambda n, C: n.reshape(-1, C, 3).permute(2, 0, 1).softmax(-1),
            "along axis 2 of (3, B, C): the channels of a branch compete",
        ),
        (lambda n, C: n.reshape(-1, C, 3).permute(2, 0, 1), "they must sum to 1"),
        (lambda n, C: right_weights(n, C) / 3, "sum to 0.333"),
        (
            lambda n, C: n.reshape(-1, 3, C).permute(1, 0, 2).softmax(0),
            "Channel 0 of picture 0 got the numbers [0, 7, 14], it must get [0, 1, 2]",
        ),
        (lambda n, C: n.reshape(3, -1, C).softmax(0), "of the pictures [0, 2, 4]"),
        (lambda n, C: right_weights(n, C).flip(2), "got the numbers [18, 19, 20]"),
        (lambda n, C: right_weights(n, C).flip(0), "its own three numbers, but as [2"),
        (lambda n, C: right_weights(n, C).flip(1), "from numbers of the pictures"),
        (lambda n, C: right_weights(n * 2, C), "no softmax of three of the numbers"),
        (lambda n, C: right_weights(n, C) * 0 + 1 / 3, "no softmax of three"),
    ],
)
def test_weights_say_what_is_wrong(answer, told, capsys):
    check_branch_weights(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


def test_weights_accept_any_right_way(capsys):
    check_branch_weights(
        lambda n, C: torch.stack([n[:, k::3] for k in range(3)]).softmax(0).float()
    )
    assert capsys.readouterr().out.startswith("Right")
