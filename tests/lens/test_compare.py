"""Two answers of the playground, compared: what is said is what PyTorch finds."""

import json
import re

import pytest
import torch

from tables import in_turn

WINDOWS = "B, H, W, C = x.shape\nx = x.reshape(B, H // 2, 2, W // 2, 2, C)\n"
MOVED = "x = x.permute(0, 1, 3, 2, 4, 5)\n"
LINE_UP = "x = x.reshape(-1, 4, C)"


@pytest.fixture(scope="module")
def engine(engine_of):
    return engine_of("compare.js", "interpret.js")


def compared(engine, one: str, other: str, shape) -> dict:
    runs = ", ".join(
        f"$interpret.run({json.dumps(code)}, {json.dumps({'shape': shape})}).recording"
        for code in (one, other)
    )
    return json.loads(
        engine.eval(f"JSON.stringify($compare.compare({runs}, 'the kept answer'))")
    )


@in_turn(
    "one, other, shape",
    [
        (f"{WINDOWS}{LINE_UP}", f"{WINDOWS}{MOVED}{LINE_UP}", [1, 4, 4, 2]),
        ("x = x.flip(0)", "x = x.roll(1, 0)", [3, 2]),
        ("x = x.flip(0)", "x = x.flip(0)[:]", [3, 2]),
        ("x = x * 2", "x = x + x", [2, 2]),
        ("x = x * 2", "x = x + 1", [2, 2]),
        ("x = x.t()", "x = x.reshape(3, 2)", [2, 3]),
        ("x = x.t()", "x = x.flip(0)", [2, 3]),
        ("x = x.reshape(6)", "x = x.flip(0).flip(0)", [2, 3]),
        ("x = x + x.flip(0)", "x = x.flip(0) + x", [3, 2]),
    ],
)
def test_what_differs_is_what_pytorch_finds(engine, one, other, shape):
    answers = []
    for code in (one, other):
        names = {"x": torch.arange(torch.Size(shape).numel()).double().reshape(shape)}
        exec(code, names)
        answers.append(names["x"])
    mine, theirs = answers
    found = compared(engine, one, other, shape)
    if mine.shape != theirs.shape:
        assert found["moved"] is None and not found["same"]
        assert f"yours has {tuple(mine.shape)}" in found["words"]
        in_order = torch.equal(mine.flatten(), theirs.flatten())
        assert in_order == ("Read in order, the numbers are the same" in found["words"])
        return
    differing = (mine != theirs).flatten().nonzero().flatten().tolist()
    assert found["moved"] == differing
    assert found["same"] == (not differing)
    if differing:
        count, size, place = re.match(
            r"(\d+) of (\d+) elements .* The first is at \[(.*?)\]", found["words"]
        ).groups()
        assert (int(count), int(size)) == (len(differing), mine.numel())
        first = (mine != theirs).nonzero()[0].tolist()
        assert [int(c) for c in place.split(", ")] == first


def test_a_zero_that_was_put_in_is_not_the_one_that_came_in(engine):
    """Both are 0, and lie in other places of what came in."""
    found = compared(engine, "x = F.pad(x, (1, 0))[:, :3]", "x = x.flip(1)", [1, 3])
    assert found["moved"] == [0, 1, 2]
    found = compared(engine, "x = F.pad(x[:, 1:], (1, 0))", "x = x[:]", [1, 3])
    assert found["moved"] == [0] and "yours is a 0 that was put in" in found["words"]
