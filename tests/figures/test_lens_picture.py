"""What the lens draws is compared with the numbers of the run."""

import json

import pytest
import torch

from vip_tutorial import WeightedPermuteMLP, trace

DRAWN = """((data, state, position) => {
  const { run, plans } = $permute_lens.figure.prepare(
    (key) => ({ recording: data, hue: "H", light: "W" })[key] ?? null);
  const now = { cell: -1, fill: "birth", numbers: "none", axis: -1, backward: false };
  const drawing = (partsOf) => {
    const { boxes, marks } = $paint.drawWhole(
      partsOf(plans.wide, { ...now, step: Math.ceil(position), ...state }, position));
    return { marks, boxes: boxes.flatMap(({ fill, alpha, layer, cells }) =>
      cells.flatMap((x, i) =>
        i % 4 ? [] : [{ x, y: cells[i + 1], fill, alpha, layer }])) };
  };
  return JSON.stringify([$panes.paneParts, $memory.memoryParts].map(drawing));
})"""


@pytest.fixture(scope="module")
def engine(engine_of):
    return engine_of("permute_lens.js")


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return WeightedPermuteMLP(8, 4)


@pytest.fixture(scope="module")
def run(module):
    x = torch.randn(1, 4, 4, 8)
    return trace(module, x, gradient=torch.randn_like(x))


def drawn(engine, run, position: float, **state) -> tuple[dict, dict]:
    """The picture of a moment, and that of the memory."""
    call = f"({json.dumps(run.to_json())}, {json.dumps(state)}, {position})"
    return tuple(json.loads(engine.eval(DRAWN + call)))


def fills(engine, values: list[float], scale: float) -> list[str]:
    call = f"{json.dumps(values)}.map((v) => $colours.valueFill(v, {scale}))"
    return json.loads(engine.eval(f"JSON.stringify({call})"))


@pytest.mark.parametrize("backward", [False, True])
def test_a_number_meets_its_line_of_the_matrix(engine, run, module, backward):
    """Its row of the weight; on the gradient's way back its column."""
    weight, scale = module.mlp_h.weight, module.mlp_h.weight.abs().max().item()
    for k in (0, 5):  # the element that is followed, of the Linear's first row
        cell = run.tensors[0].shape[3] * 4 * (k // 2) + k % 2  # it is born in column 0
        position = 3 if backward else 4
        state = {"cell": cell, "backward": backward, "step": position}
        picture, _ = drawn(engine, run, position, **state)
        line = weight[:, k] if backward else weight[k]
        colours = set(fills(engine, weight.flatten().tolist(), scale))
        lit = [box for box in picture["boxes"] if box["layer"] == 1]
        lit = [box for box in lit if box["fill"] in colours]  # and no cell of a tensor
        lit = sorted(lit, key=lambda box: (box["y"], box["x"]))
        assert [b["fill"] for b in lit] == fills(engine, line.tolist(), scale)


def test_the_followed_row_goes_first(engine, run):
    for cell, column in ((0, 0), (127, 3)):
        picture, _ = drawn(engine, run, 1.4, cell=cell)  # the permute
        flying = {box["fill"] for box in picture["boxes"] if box["layer"] == 8}
        births = f"[0, 1, 2, 3].map((h) => $colours.birthFill(h, {column}, 4))"
        assert flying == set(json.loads(engine.eval(f"JSON.stringify({births})")))


def test_a_copy_is_written_by_two_heads(engine, run):
    half, done = (drawn(engine, run, position)[1] for position in (2.5, 3))
    heads = [[m for m in at["marks"] if m["kind"] == "outline"] for at in (half, done)]
    assert [len(found) for found in heads] == [2, 0]


def test_what_is_stretched_shows_each_of_its_numbers(engine, run):
    number = next(i for i, step in enumerate(run.steps) if step.op == "mul")
    weights = run.steps[number].inputs[0]
    values = run.values(weights)
    assert run.tensors[weights].shape == [1, 1, 1, 8]
    picture, _ = drawn(engine, run, number + 1, fill="value")
    wanted = fills(engine, values, max(map(abs, values)))
    own = [box for box in picture["boxes"] if box["layer"] == 2 and box["alpha"] == 1]
    assert [
        box["fill"] for box in sorted(own, key=lambda b: (b["y"], b["x"]))
    ] == wanted
