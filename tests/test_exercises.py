"""The exercises: a right answer is praised, a wrong one is told where it went wrong."""

import ast
import contextlib
import itertools
import re
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from notebooks import paths, read
from vip_tutorial.exercises import (
    check_address,
    check_branch_weights,
    check_channels_first,
    check_height_rows,
    check_undoes,
    runner,
)

CHAPTERS = [path for path in paths() if path.stem != "index"]


# --- every chapter's exercise -------------------------------------------------------


@dataclass
class Exercise:
    """The exercise of a chapter: its stub, its check, and the printed solution."""

    before: list[str]
    stub: str
    check: str
    printed: str
    answer: str

    def run(self, answer: str | None = None, **answers) -> dict:
        """The stub, perhaps with another answer in its place, and then the check."""
        names = {"__name__": "__main__", "torch": torch}  # as every chapter has it
        try:
            exec(self.stub, names)
        except NameError:  # it goes on from the cells above it
            for source in self.before:
                exec(source, names)
            exec(self.stub, names)
        if answer is not None:
            exec(answer, names)
        names.update(answers)
        exec(self.check, names)
        return names


def exercise_of(path: Path) -> Exercise:
    cells = read(path)["cells"]
    texts = {cell["id"]: "".join(cell["source"]) for cell in cells}
    assert {"exercise", "text-solution"} <= set(texts), (
        f"{path.name} has no exercise: a code cell with the id exercise, and a "
        "Markdown cell with the id text-solution"
    )
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    at = [cell["id"] for cell in code].index("exercise")
    before = ["".join(cell["source"]) for cell in code[:at] if cell["id"] != "setup"]
    lines = texts["exercise"].splitlines()
    last = ast.parse(texts["exercise"]).body[-1]
    stub = "\n".join(lines[: last.lineno - 1])
    check = "\n".join(lines[last.lineno - 1 :])
    assert check.startswith("check_"), f"{path.name}: the exercise ends with a check"
    printed = texts["text-solution"]
    blocks = re.findall(r"```python\n(.*?)```", printed, re.S)
    if blocks:
        [*_, function] = [
            node.name
            for node in ast.parse(blocks[-1]).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        ]
        return Exercise(before, stub, check, blocks[-1], function)
    # The answer is a value: in backticks, behind the words "The answer".
    target = ast.parse(stub).body[-1].targets[0].id
    value = re.search(r"The answer.*?`([^`]+)`", printed, re.S)[1]
    return Exercise(before, stub, check, f"{target} = {value}", target)


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def exercise(request) -> Exercise:
    return exercise_of(request.param)


def test_the_untouched_stub_is_not_praised(exercise, capsys):
    exercise.run()
    out = capsys.readouterr().out
    assert "Not yet" in out and "Right" not in out


def test_the_printed_solution_is_right(exercise, capsys):
    exercise.run(exercise.printed)
    out = capsys.readouterr().out
    assert "Right" in out and "Not yet" not in out


def test_there_are_hints_and_a_solution_to_open():
    for path in CHAPTERS:
        cells = {cell["id"]: "".join(cell["source"]) for cell in read(path)["cells"]}
        folded = re.findall(
            r"<details>\s*<summary>(.*?)</summary>", cells["text-solution"]
        )
        assert len(folded) >= 2, f"{path.name}: a hint, and then the solution"


def nothing(*arguments, **options):
    pass


def explodes(*arguments, **options):
    raise ValueError("made up")


def leaves(*arguments, **options):
    raise SystemExit


def never_ends(*arguments, **options):
    while True:
        time.sleep(0.01)


def spoils(*arguments, **options):
    for argument in arguments:
        if isinstance(argument, torch.Tensor):
            argument.zero_()
    return arguments[0]


SILLY = {
    "nothing": nothing,
    "explodes": explodes,
    "leaves": leaves,
    "never ends": never_ends,
    "spoils": spoils,
    "returns text": lambda *a, **k: "text",
    "returns itself": lambda *a, **k: nothing,
    "returns meta": lambda *a, **k: torch.empty(2, 3, device="meta"),
    "returns bools": lambda *a, **k: torch.zeros(2, dtype=torch.bool),
    "takes nothing": lambda: None,
    "None": None,
    "text": "42",
    "minus": -1,
    "half": 1.5,
    "nan": float("nan"),
    "huge": 10**400,
    "endless": itertools.count(),
    "list": list(range(100_000)),
    "tensor": torch.zeros(3, 3),
}


@pytest.mark.parametrize("answer", SILLY)
def test_no_answer_is_too_silly_for_a_sentence(exercise, answer, capsys, monkeypatch):
    monkeypatch.setattr(runner, "SECONDS", 0.3)
    run = partial(exercise.run, **{exercise.answer: SILLY[answer]})
    problems = []

    def guarded():
        try:
            run()
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "the check never ends"
    assert problems == []
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and len(out) < 700


# --- running an answer --------------------------------------------------------------


def tried(function, *arguments, seconds=0.3):
    deadline = runner.Deadline(seconds)
    return runner.attempt(function, *arguments, call="f(3)", deadline=deadline)


def test_a_result_comes_back_as_it_is():
    result = object()
    assert tried(lambda x: result, 3) == (result, "")


def test_an_error_is_told_with_its_line():
    def divides(x):
        y = x + 1
        return y / 0

    assert tried(divides, 3) == (
        None,
        "f(3) raised ZeroDivisionError: division by zero\nThe line: return y / 0",
    )


def counting(seen: list) -> None:
    while True:
        seen.append(time.monotonic())
        time.sleep(0.001)


def test_one_that_cannot_be_stopped_is_told():
    enough, begun = threading.Event(), time.monotonic()

    def stubborn():
        while not enough.is_set():
            with contextlib.suppress(BaseException):
                time.sleep(0.001)

    _, problem = tried(stubborn)
    enough.set()
    assert "restart the kernel" in problem
    assert time.monotonic() - begun < 10


def test_the_time_is_for_all_runs_together(capsys, monkeypatch):
    monkeypatch.setattr(runner, "SECONDS", 0.3)

    def slow(x, N):
        time.sleep(0.1)
        return right_rows(x, N)

    check_height_rows(slow)
    assert "still running after 0.3 seconds" in capsys.readouterr().out


# --- the rows of a branch -----------------------------------------------------------


def right_rows(x, N):
    B, H, W, C = x.shape
    x = x.reshape(B, H, W, N, C // N).permute(0, 3, 2, 1, 4)
    return x.reshape(B, N, W, H * (C // N))


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


# --- channels in front --------------------------------------------------------------


def mixed(x, weight):
    return torch.einsum("dc,bchw->bdhw", weight, x)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda x, weight: x, "Nothing is mixed"),
        (lambda x, weight: None, "returned None"),
        (lambda x, weight: x @ weight.T, "mixes the tokens of a row"),
        (lambda x, weight: mixed(x, weight.T), "the other way round"),
        (
            lambda x, weight: mixed(x, weight).permute(0, 2, 3, 1),
            "stand as (B, H, W, C)",
        ),
        (lambda x, weight: mixed(x, weight).mT, "stand as (B, C, W, H)"),
        (lambda x, weight: mixed(x, weight) + 1, "Which axis stands last"),
        (lambda x, weight: mixed(x, weight)[:1], "gave the shape"),
        (lambda x, weight: mixed(x, weight).double(), "gave numbers of torch.float64"),
        (lambda x, weight: mixed(x, weight.zero_()), "changed its input"),
        (lambda x, weight: x.view(7, 7), "raised RuntimeError"),
    ],
)
def test_channels_first_says_what_is_wrong(answer, told, capsys):
    check_channels_first(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


@pytest.mark.parametrize(
    "answer",
    [
        mixed,
        lambda x, weight: torch.nn.functional.conv2d(x, weight[:, :, None, None]),
        lambda x, weight: (weight @ x.flatten(2)).reshape(x.shape),
    ],
)
def test_channels_first_accepts_any_right_way(answer, capsys):
    check_channels_first(answer)
    assert capsys.readouterr().out.startswith("Right")


# --- values -------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [77, np.int64(77), torch.tensor(77)])
def test_an_address_may_be_any_whole_number(answer, capsys):
    check_address(answer, shape=(1, 4, 4, 8), at=(0, 2, 1, 5))
    assert capsys.readouterr().out.startswith("Right: 2 * 32 + 1 * 8 + 5 * 1 = 77.")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (0, "lies the element (0, 0, 0, 0)"),
        (True, "True is none"),
        (77.0, "77.0 is none"),
        (None, "None is none"),
        (128, "ends at 127"),
        (-1, "-1 is outside"),
    ],
)
def test_an_address_says_what_is_wrong(answer, told, capsys):
    check_address(answer, shape=(1, 4, 4, 8), at=(0, 2, 1, 5))
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


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


# --- the branch weights ---------------------------------------------------------------


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
        lambda n, C: torch.stack([n[:, k::3] for k in range(3)]).softmax(0)
    )
    assert capsys.readouterr().out.startswith("Right")
