"""The exercises: what holds for each of them, and how an answer is run and stopped."""

import ast
import contextlib
import importlib
import io
import itertools
import random
import re
import signal
import threading
import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from notebooks import paths, read
from vip_tutorial import exercises
from vip_tutorial.exercises import runner

CHAPTERS = [path for path in paths() if path.stem[0].isdigit()]


# --- every chapter's exercise -------------------------------------------------------


@dataclass
class Exercise:
    """The exercise of a chapter: its stub, its check, and the printed solution."""

    stub: str
    check: str
    printed: str
    answer: str

    def run(self, answer: str | None = None, **answers) -> None:
        """The stub, perhaps with another answer in its place, and then the check."""
        names = {"__name__": "__main__", "torch": torch}  # as every chapter has it
        exec(self.stub, names)
        if answer is not None:
            exec(answer, names)
        names.update(answers)
        exec(self.check, names)


def exercise_of(path: Path) -> Exercise:
    cells = read(path)["cells"]
    texts = {cell["id"]: "".join(cell["source"]) for cell in cells}
    assert {"exercise", "text-solution"} <= set(texts), (
        f"{path.name} has no exercise: a code cell with the id exercise, and a "
        "Markdown cell with the id text-solution"
    )
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
        return Exercise(stub, check, blocks[-1], function)
    # The answer is a value: in backticks, behind the words "The answer".
    target = ast.parse(stub).body[-1].targets[0].id
    value = re.search(r"The answer.*?`([^`]+)`", printed, re.S)[1]
    return Exercise(stub, check, f"{target} = {value}", target)


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request) -> Path:
    return request.param


def test_the_stub_is_not_praised_and_the_printed_solution_is(chapter, capsys):
    exercise = exercise_of(chapter)
    for answer, verdict in [(None, "Not yet."), (exercise.printed, "Right")]:
        exercise.run(answer)
        out = capsys.readouterr().out
        assert out.startswith(verdict) and ("Not yet" in out) != ("Right" in out), out


def test_the_check_lies_in_the_file_of_its_chapter(chapter):
    number = chapter.stem.partition("-")[0]
    module = importlib.import_module(f"vip_tutorial.exercises.ch{number}")
    check = exercise_of(chapter).check.partition("(")[0]
    assert getattr(exercises, check).__module__ == module.__name__
    assert check in exercises.__all__


def test_there_are_hints_and_a_solution_to_open(chapter):
    folded = re.findall(
        r"<details>\s*<summary>(.*?)</summary>",
        "".join("".join(c["source"]) for c in read(chapter)["cells"]),
    )
    assert len(folded) >= 2, "a hint, and then the solution"


# --- no answer is too silly for a sentence ------------------------------------------


def nothing(*arguments, **options):
    pass


def explodes(*arguments, **options):
    raise ValueError("made up")


class Unsaid(Exception):
    """An error whose message is none."""

    def __init__(self, say):
        super().__init__()
        self.say = say

    __str__ = __repr__ = lambda self: self.say()


def explodes_again(*arguments, **options):
    raise Unsaid(leaves)


def explodes_for_ever(*arguments, **options):
    raise Unsaid(never_ends)


def nested(layout=torch.strided):
    with warnings.catch_warnings():  # "in prototype stage"
        warnings.simplefilter("ignore")
        parts = [torch.ones(2), torch.ones(3)]
        return torch.nested.nested_tensor(parts, layout=layout)


def leaves(*arguments, **options):
    raise SystemExit


def presses_stop(*arguments, **options):
    raise KeyboardInterrupt


def calls_itself(*arguments, **options):
    return calls_itself(*arguments, **options)


def never_ends(*arguments, **options):
    while True:
        time.sleep(0.001)


def waits(*arguments, **options):
    threading.Event().wait()


def goes_on_after_an_error(*arguments, **options):
    x = torch.ones(3)
    while True:
        try:  # noqa: SIM105
            x = x.view(2)
        except:  # noqa: E722 (as readers write it)
            pass


def yields_for_ever(*arguments, **options):
    for number in itertools.count():
        time.sleep(0.001)
        yield number % 2


def spoils(*arguments, **options):
    for argument in arguments:
        if isinstance(argument, torch.Tensor):
            argument.zero_()
        if isinstance(argument, list | dict):
            argument.clear()
    return arguments[0]


# Each with what is said of it if it is the function that was asked for.
SILLY = {
    "nothing": (nothing, ""),
    "explodes": (explodes, "raised ValueError: made up\nThe line: raise ValueError("),
    "leaves": (leaves, "raised SystemExit\nThe line: raise SystemExit"),
    "presses stop": (presses_stop, "raised KeyboardInterrupt\nThe line: raise Key"),
    "calls itself": (calls_itself, "raised RecursionError"),
    "never ends": (never_ends, "Time ran out"),
    "waits": (waits, "Time ran out"),
    "goes on": (goes_on_after_an_error, "Time ran out"),
    "yields for ever": (yields_for_ever, ""),
    "spoils": (spoils, ""),
    "explodes again": (explodes_again, "raised Unsaid: (its message cannot be read)"),
    "returns text": (lambda *a, **k: "text", ""),
    "returns itself": (lambda *a, **k: nothing, ""),
    "returns meta": (lambda *a, **k: torch.empty(2, 3, device="meta"), ""),
    "returns bools": (lambda *a, **k: torch.zeros(2, dtype=torch.bool), ""),
    "returns nested": (lambda *a, **k: nested(), ""),
    "returns jagged": (lambda *a, **k: nested(torch.jagged), ""),
    "returns rows": (lambda *a, **k: torch.eye(2).to_sparse_csr(), ""),
    "returns an error": (lambda *a, **k: Unsaid(never_ends), ""),
    "returns huge": (lambda *a, **k: torch.zeros(1).expand(10**6, 10**6), ""),
    "returns huge number": (lambda *a, **k: 10**5000, ""),
    "returns long text": (lambda *a, **k: "long" * 10**6, ""),
    "returns a long list": (lambda *a, **k: list(range(10**6)), ""),
    "returns endless": (lambda *a, **k: itertools.count(), ""),
    "returns nan": (lambda *a, **k: float("nan"), ""),
    "takes nothing": (lambda: None, "raised TypeError"),
    "a class": (dict, ""),
    "None": (None, "must be a function"),
    "text": ("42", "must be a function"),
    "minus": (-1, "must be a function"),
    "half": (1.5, "must be a function"),
    "nan": (float("nan"), "must be a function"),
    "huge": (10**400, "must be a function"),
    "endless": (itertools.count(), "must be a function"),
    "list": (list(range(100_000)), "must be a function"),
    "tensor": (torch.zeros(3, 3), "must be a function"),
    "nested": (nested(), "must be a function"),
    "an error": ([Unsaid(never_ends)], "must be a function; [<Unsaid>] is none"),
}
ENDLESS = [never_ends, waits, goes_on_after_an_error, yields_for_ever]


def test_no_answer_is_too_silly_for_a_sentence(chapter, capsys, monkeypatch):
    exercise = exercise_of(chapter)
    is_function = "def " in exercise.printed
    threads = threading.active_count()
    for name, (answer, told) in SILLY.items():
        with monkeypatch.context() as patch:
            if any(answer is endless for endless in ENDLESS):
                patch.setattr(runner, "SECONDS", 0.03)
                patch.setattr(runner, "PATIENCE", 0.06)
            exercise.run(**{exercise.answer: answer})
        out = capsys.readouterr().out
        assert out.startswith("Not yet."), (name, out)
        assert len(out) < 700, (name, out)
        if is_function:
            assert told in out, (name, out)
    assert threading.active_count() == threads, threading.enumerate()


def draw() -> tuple[float, ...]:
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_random_numbers_are_the_readers_and_the_answers_always_the_same(chapter):
    exercise, drawn = exercise_of(chapter), {}

    def seeded(seed):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        drawn[seed] = []
        return lambda *given: drawn[seed].append(draw())

    for seed in (7, 8):
        seeded(seed)
        expected = draw()
        exercise.run(**{exercise.answer: seeded(seed)})
        assert draw() == expected
    assert drawn[7] == drawn[8]
    exercise.run(exercise.printed)
    exercise.run(**{exercise.answer: seeded(9)})
    assert drawn[9] == drawn[8]


# --- running an answer --------------------------------------------------------------


def say(capsys, answer, cases=(3,), judge=None) -> str:
    """What the check of an exercise says that asks f(3) and takes everything."""

    def ask_and_praise(ask, case):
        ask(f"f({case})", case, gives=runner.anything)
        return ""

    runner.run(answer, cases, judge or ask_and_praise, "Right.")
    return capsys.readouterr().out


def test_the_reader_sees_the_line_that_failed(capsys):
    def divides(x):
        y = x + 1
        return y / 0

    assert say(capsys, divides) == (
        "Not yet. f(3) raised ZeroDivisionError: division by zero\n"
        "The line: return y / 0\n"
    )


class Clocks:
    """Clocks that go as the test wants it; without them a test hangs on the load."""

    def __init__(self, monkeypatch):
        self.computed = self.passed = 0.0
        clocks = SimpleNamespace(
            thread_time=lambda: self.computed,
            process_time=lambda: self.computed,
            monotonic=lambda: self.passed,
        )
        monkeypatch.setattr(runner, "time", clocks)

    def go_on(self, computed: float, passed: float) -> None:
        self.computed += computed
        self.passed += passed


LONG_ENOUGH_TO_BE_SEEN = partial(time.sleep, 4 * runner._TICK)


@pytest.fixture
def clocks(monkeypatch):
    return Clocks(monkeypatch)


@pytest.mark.parametrize(
    ("computed", "passed", "told"),
    [
        (11, 11, "f(3) was still running after 10 seconds of computing"),
        (1, 61, "f(3) had not ended after 60 seconds by the clock"),
        (9, 59, "Right."),  # the machine did something else
        (100, 1, "Right."),  # in many threads
    ],
)
def test_what_counts_is_what_is_computed(computed, passed, told, clocks, capsys):
    def works(x):
        clocks.go_on(computed, passed)
        waits() if told != "Right." else LONG_ENOUGH_TO_BE_SEEN()

    assert told in say(capsys, works)


def test_each_case_has_its_own_time(clocks, capsys):
    def works(again):
        clocks.go_on(6, 6)
        waits() if again else LONG_ENOUGH_TO_BE_SEEN()

    def twice(ask, case):
        for again in (False, True):
            ask(f"f({again})", again, gives=runner.anything)
        return ""

    assert say(capsys, works, cases=[False] * 5) == "Right.\n"
    out = say(capsys, works, judge=twice)
    assert out.startswith("Not yet. Time ran out: f(True) was still running after 10 ")


def test_an_answer_that_is_ready_when_its_time_is_up_is_too_late(monkeypatch, capsys):
    monkeypatch.setattr(runner, "SECONDS", 0.03)

    def clever(x):
        with contextlib.suppress(KeyboardInterrupt):
            never_ends()
        return x

    def makes_another_error(x):
        try:
            never_ends()
        except KeyboardInterrupt as error:
            raise ValueError("not mine") from error

    monkeypatch.setattr(runner, "PATIENCE", 0.3)
    for answer in (clever, makes_another_error, explodes_for_ever):
        assert say(capsys, answer).startswith("Not yet. Time ran out")


def test_an_answer_in_one_long_step_is_too_late(clocks, capsys):
    """Nothing interrupts it: the watching thread has no turn before it ends."""
    for computed, passed in ((11, 11), (0, 61)):
        out = say(capsys, lambda x: clocks.go_on(computed, passed))  # noqa: B023
        assert out.startswith("Not yet. Time ran out: f(3)")


def test_what_a_thread_hands_in_later_is_not_the_answer(capsys):
    begin, threads = threading.Event(), []

    def writes_later(x):
        out = torch.zeros_like(x)

        def write():
            begin.wait()
            out.copy_(x)

        threads.append(threading.Thread(target=write))
        threads[0].start()
        return out

    def judge(ask, case):
        got = ask("f(x)", torch.ones(2), gives=runner.tensor_like(torch.ones(2)))
        begin.set()
        threads[0].join()
        return "" if got.any() else "It was late."

    assert say(capsys, writes_later, judge=judge) == "Not yet. It was late.\n"


def test_one_that_cannot_be_stopped_is_told_while_it_runs(monkeypatch, capsys):
    monkeypatch.setattr(runner, "PATIENCE", 0.1)
    monkeypatch.setattr(runner, "_GRACE", 0.0)
    screen = io.StringIO()
    monkeypatch.setattr("sys.stdout", screen)

    def stubborn(x):
        while "restart" not in screen.getvalue():
            with contextlib.suppress(BaseException):
                time.sleep(0.001)

    say(capsys, stubborn)
    first, second = screen.getvalue().splitlines()
    assert "f(3) is still running, and can't be interrupted" in first
    assert "restart the kernel" in first
    assert second.startswith("Not yet. Time ran out: f(3)")


def test_outside_the_main_thread_nothing_is_interrupted_and_that_is_told(
    monkeypatch, capsys
):
    monkeypatch.setattr(runner, "PATIENCE", 0.1)
    monkeypatch.setattr(runner, "_GRACE", 0.0)
    told = []

    def patient(x):
        for _ in range(1000):
            if "can't be interrupted" in "".join(told):
                return
            time.sleep(0.01)
            told.append(capsys.readouterr().out)

    thread = threading.Thread(target=lambda: told.append(say(capsys, patient)))
    thread.start()
    thread.join()
    assert told[-1].startswith("Not yet. Time ran out: f(3)")
    assert "can't be interrupted" in "".join(told)


def test_the_readers_own_stop_button_stops_the_check(capsys):
    def pressed(x):
        signal.raise_signal(signal.SIGINT)
        never_ends()

    before, threads = signal.getsignal(signal.SIGINT), threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        say(capsys, pressed)
    assert signal.getsignal(signal.SIGINT) is before
    assert threading.active_count() == threads


def test_a_late_interrupt_hits_nobody(monkeypatch, capsys):
    """It may come when the answer has just ended."""
    monkeypatch.setattr(runner, "PATIENCE", 0.1)
    late, clock = [], []

    def judge(ask, case):
        clock.append(ask._clock)
        with contextlib.suppress(runner.TimeRanOut):
            ask("f(3)", case, gives=runner.anything)
        for _ in range(2):
            ask.afresh()
            clock[0]._unheard = True
            signal.raise_signal(signal.SIGINT)  # in nobody's time
            late.append(ask("f(0)", 0, gives=runner.anything))
        return ""

    def answer(x):
        if x:
            never_ends()
        clock[0]._unheard = True
        signal.raise_signal(signal.SIGINT)  # in the next call's
        return "on time"

    assert say(capsys, answer, judge=judge) == "Right.\n"
    assert late == ["on time", "on time"]


def test_what_an_answer_prints_is_cut(capsys):
    def prints_much(x):
        for _ in range(10_000):
            print("here")

    out = say(capsys, prints_much)
    assert out.startswith("here\nhere\n") and out.endswith("Right.\n")
    assert out.count("prints further is cut") == 1 and len(out) < 3000
    assert say(capsys, lambda x: print("x is", x)) == "x is 3\nRight.\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda x, items, table: x.add_(1),
        lambda x, items, table: x.resize_(0),
        lambda x, items, table: x.unsqueeze_(0),
        lambda x, items, table: items.append(1),
        lambda x, items, table: items.__setitem__(0, "one"),
        lambda x, items, table: table.update(a=torch.ones(1)),
        lambda x, items, table: table["a"].mul_(2),
        lambda x, items, table: table.pop("a"),
    ],
)
def test_an_answer_leaves_its_input_alone(change, capsys):
    def judge(ask, case):
        given = torch.ones(2), [1, 2], {"a": torch.full((1,), 3.0)}
        ask("f(x)", *given, gives=runner.anything, spoils="Copy it.")
        return ""

    assert say(capsys, change, judge=judge) == (
        "Not yet. f(x) changed its input. Copy it.\n"
    )
    assert say(capsys, lambda *given: None, judge=judge) == "Right.\n"
