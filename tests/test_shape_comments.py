"""The shape comments of permute_mlp.py are true: they are checked by running it.

A comment such as `# (B, N, W, H*S)` at the end of a line speaks of the tensor that the
line assigns or returns, `# (B, 1, 1, C) each` of each of several.  The code is run and
traced; every such tensor is found in the recording, and its axes must have the sizes
and the names of the comment.  The sizes alone would not do: H, W and N are equal.
"""

import ast
import linecache
import math
import re
import sys
import types
from pathlib import Path

import torch
from torch import Tensor

from tables import in_turn
from vip_tutorial import Trace, permute_mlp, trace

SOURCE = Path(permute_mlp.__file__).read_text(encoding="utf-8")
COMMENT = re.compile(r"# \((.*)\)( each)?$")
B, N, S = 2, 4, 3
C = N * S
SIZES = {"B": B, "H": N, "W": N, "N": N, "S": S, "C": C}


def runs(code: types.ModuleType):
    """Functions that together run every commented line, each with an input."""
    x = torch.randn(B, N, N, C)
    yield code.WeightedPermuteMLP(C, N), x
    yield code.WeightedPermuteMLP(C, N, branch_order="cwh"), x
    yield code.PermuteMLP(C, N), x
    yield code.Mlp(5, 7, 6), torch.randn(2, 3, 5)


class Watch:
    """Notes the tensors that each commented line assigns or returns."""

    def __init__(self, source: str, file: str):
        self.file = file
        self.comments = {
            number: match.groups()
            for number, line in enumerate(source.splitlines(), 1)
            if (match := COMMENT.search(line))
        }
        self.targets = {
            statement.end_lineno: [
                node.id
                for target in statement.targets
                for node in ast.walk(target)
                if isinstance(node, ast.Name)
            ]
            for statement in ast.walk(ast.parse(source))
            if isinstance(statement, ast.Assign)
        }
        self.running: dict[int, int] = {}  # line that a frame is at, by the frame's id
        self.made: list[tuple[int, list[Tensor], object]] = []

    def __call__(self, frame, event, value):
        """What `sys.settrace` calls when a line is about to run, or has returned."""
        if frame.f_code.co_filename != self.file:
            return None
        done = self.running.pop(id(frame), None)
        if done in self.comments and event in ("line", "return"):
            names = self.targets.get(done)
            values = [frame.f_locals[n] for n in names] if names else [value]
            self.made.append((done, values, frame.f_locals.get("self")))
        if event != "return":
            self.running[id(frame)] = frame.f_lineno
        return self


def axes_of(recording: Trace, x: Tensor) -> list[str]:
    """The recorded names of the axes of a tensor, which is known by its values."""
    values = x.detach().double().flatten().tolist()
    return next(
        record.axes
        for record in reversed(recording.tensors)
        if record.shape == list(x.shape) and recording.values(record.id) == values
    )


def complaint(comment: str, recording: Trace, x: Tensor, owner) -> str | None:
    """What is wrong with a comment on a tensor; None if nothing is."""
    claimed = comment.replace(" ", "").split(",")
    shape, axes = list(x.shape), axes_of(recording, x)
    found = f"({comment}) is ({', '.join(axes)}) of {tuple(shape)}"
    if claimed[0] == "...":
        claimed, shape, axes = claimed[1:], shape[-1:], axes[-1:]
    sizes = dict(SIZES)
    if isinstance(owner, torch.nn.Module) and hasattr(owner, "fc1"):
        sizes["hidden_features"] = owner.fc1.out_features
        sizes["out_features"] = owner.fc2.out_features
    size = [
        math.prod(int(n) if n.isdigit() else sizes.get(n, -1) for n in axis.split("*"))
        for axis in claimed
    ]
    # An axis that the recording has no name for is called by its size there.
    known = [c if name == str(n) else name for c, name, n in zip(claimed, axes, shape)]
    return None if size == shape and claimed == known else found


def complaints(source: str, runs=runs, package: str = "vip_tutorial") -> dict[int, str]:
    """For each line with a wrong or a missing comment what is wrong."""
    file = "code_under_test.py"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    code = types.ModuleType("code_under_test")
    code.__package__ = package  # for its relative imports
    exec(compile(source, file, "exec"), code.__dict__)
    watch = Watch(source, file)
    found = {line: "no run came here" for line in watch.comments}
    checked: dict[int, list[str | None]] = {}
    for function, x in runs(code):
        watch.made.clear()
        before = sys.gettrace()
        sys.settrace(watch)
        try:
            recording = trace(function, x)
        finally:
            sys.settrace(before)
        for line, values, owner in watch.made:
            comment, each = watch.comments[line]
            results = [complaint(comment, recording, y, owner) for y in values]
            if bool(each) != (len(values) > 1):
                results.append(f"{len(values)} tensors")
            checked.setdefault(line, []).extend(results)
        for step in recording.steps:
            first, after = (recording.tensors[i] for i in (step.inputs[0], step.output))
            same = first.shape == after.shape and first.axes == after.axes
            here = step.source.file == file
            if here and not same and step.source.line not in watch.comments:
                checked[step.source.line] = [f"{step.call} has no shape comment"]
    for line, results in checked.items():
        found[line] = next(filter(None, results), None)
    return {line: what for line, what in sorted(found.items()) if what}


def test_every_shape_comment_is_there_and_true():
    assert complaints(SOURCE) == {}


# --- and the check is worth something ----------------------------------------------


def spoilt(spoil) -> tuple[str, list[int]]:
    """The source with every comment spoilt, and the lines they are on."""
    lines = SOURCE.splitlines()
    numbers = [n for n, line in enumerate(lines, 1) if COMMENT.search(line)]
    for n in numbers:
        comment, each = COMMENT.search(lines[n - 1]).groups()
        axes = spoil(comment.split(", "))
        lines[n - 1] = COMMENT.sub(f"# ({', '.join(axes)}){each or ''}", lines[n - 1])
    return "\n".join(lines), numbers


@in_turn(
    "spoil",
    [
        lambda axes: [*axes[:-1], "Q"],
        lambda axes: [*axes[:-1], axes[-1] + "*2"],
        lambda axes: [*axes, "1"],
        lambda axes: axes[::-1],
    ],
    ids=["unknown letter", "wrong size", "one too many", "reversed"],
)
def test_every_comment_is_missed_when_it_is_wrong(spoil):
    source, lines = spoilt(spoil)
    assert len(lines) > 25
    assert list(complaints(source)) == lines


@in_turn(
    "right, wrong",
    [
        # The sizes are right, the names are not.
        ("# (B, N, W, H*S)", "# (B, W, N, H*S)"),
        ("# (B, N, W, H*S)", "# (B, N, W, N*S)"),
        ("# (B, H, N, W, S)", "# (B, N, H, W, S)"),
        ("# (B, 1, 1, C) each", "# (B, 1, 1, C)"),
        ("# (B, C*3)", "# (B, C*N)"),
        ("permute(2, 0, 1)  # (3, B, C)", "permute(2, 0, 1)"),
        ("  # (B, N, W, H, S)\n", "\n"),
        # The comments are right, the code is not, and every shape is.
        (
            "x = x.permute(0, 3, 2, 1, 4)  # (B, N",
            "x = x.permute(0, 3, 1, 2, 4)  # (B, N",
        ),
        ("        x = x.permute(0, 1, 3, 2, 4)  # (B, H, W, N, S)\n", ""),
        ("x.reshape(B, N, W, H, S)", "x.reshape(B, W, N, H, S).transpose(1, 2)"),
    ],
)
def test_a_mistake_is_found(right, wrong):
    source = SOURCE.replace(right, wrong, 1)
    assert source != SOURCE
    assert complaints(source)
