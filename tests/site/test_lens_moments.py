"""What the lens draws and says of each moment, against PyTorch.  No browser."""

import json
import random

import pytest
import torch
from test_numbers import random_program, result_of

from vip_tutorial import WeightedPermuteMLP, trace
from vip_tutorial.lens import PermuteLens

ASK = """
const { readRun } = $recording;
const { looksOf, moment, planScene } = $scene;
const BARE = { step: 1, cell: -1, fill: "birth", numbers: "none", axis: -1 };
BARE.backward = false;
const planOf = (json, options, format) => planScene(readRun(json), options, format);
const at = (plan, step) => moment(plan.run, BARE, step);
function drawnOutside(plan, state, position) {
  const bad = [];
  for (const partsOf of [$panes.paneParts, $memory.memoryParts]) {
    const { width, height, parts } = partsOf(plan, state, position);
    const drawing = $paint.drawWhole({ width, height, parts });
    const look = (x, y, right = x, bottom = y) => {
      const over = Math.max(-x, -y, right - width, bottom - height);
      if (!(over <= 0.6)) bad.push([x, y, right, bottom]); // or it is no number
    };
    for (const { cells: c } of drawing.boxes)
      for (let i = 0; i < c.length; i += 4)
        look(c[i], c[i + 1], c[i] + c[i + 2], c[i + 1] + c[i + 3]);
    for (const { kind, x, y, points } of drawing.marks)
      if (kind === "curve") [points[0], points[2]].forEach((point) => look(...point));
      else look(x, y);
  }
  return bad.slice(0, 3);
}
function faultAt(plan, i, backward, numbers, part) {
  const { run } = plan;
  const fill = numbers === "birth" ? "birth" : "value";
  const [step, cell] = [backward ? i : i + 1, numbers === "order" ? 1 : -1];
  const state = { ...BARE, step, backward, numbers, fill, cell };
  const { headsHtml, sayText } = $lens_html;
  const html = headsHtml(run, state) + $legend.legendHtml(plan, state);
  const said = sayText(run, state, plan) + html;
  const bad = drawnOutside(plan, state, backward ? i + 1 - part : i + part);
  const isBad = bad.length || /undefined|NaN/.test(said);
  return isBad ? [[i, backward, numbers, part, bad, said]] : [];
}
"""


def asking(engine_of, more: str = ""):
    """`ask(recording, code, form)`: what `code` says, with `plan` and `run`."""
    engine = engine_of("permute_lens.js")
    engine.eval(ASK + more)

    def ask(recording, code: str, form: str = "wide"):
        options = json.dumps({"hue": "", "light": ""})
        given = json.dumps(recording.to_json())
        return json.loads(
            engine.eval(
                f"(() => {{ const plan = planOf({given}, {options}, '{form}');"
                f"const {{ run }} = plan; return JSON.stringify({code}); }})()",
                timeout_sec=120,
            )
        )

    return ask


@pytest.fixture(scope="module")
def ask(engine_of):
    return asking(engine_of)


@pytest.fixture(scope="module")
def module() -> WeightedPermuteMLP:
    torch.manual_seed(0)
    return WeightedPermuteMLP(8, 4).eval()


def test_every_moment_of_any_run_can_be_drawn_and_told(ask, module):
    """And nothing is drawn beyond the picture."""
    x = torch.randn(1, 4, 4, 8)
    recordings = [trace(module, x, gradient=torch.randn_like(x))]
    for seed in range(24):
        shape, program = random_program(random.Random(1000 + seed))

        def run(x, program=program):
            for op in program:
                x = result_of(op, x)
            return x

        x = torch.randn(shape, dtype=torch.float64)
        recordings.append(trace(run, x, gradient=torch.ones_like(run(x))))
    code = """run.steps.flatMap((_, i) => [false, true].flatMap((backward) =>
      ["birth", "value", "order"].flatMap((numbers) =>
        [0.05, 0.3, 0.8, 1].flatMap((part) =>
          faultAt(plan, i, backward, numbers, part)))))"""
    for number, recording in enumerate(recordings):
        for form in ("wide", "narrow"):
            assert ask(recording, code, form=form) == [], f"{number} {form}"


def test_numbers_travel_in_the_rows_of_the_linear(ask, module):
    """A permute lifts out the column that becomes a row; the row goes home."""
    x = torch.randn(1, 4, 4, 8)
    code = "[2, 3, 6, 7].map((step) => $flight.flightOf(plan, BARE, at(plan, step)))"
    flights = ask(trace(module.height, x), code)
    numbers = torch.arange(128).reshape(x.shape)
    split = numbers.reshape(1, 4, 4, 4, 2)
    columns = split.permute(0, 3, 2, 1, 4)  # (B, N, W, H, S): H and S are one row
    rows = torch.arange(128).reshape(columns.shape)  # of the Linear, flat
    wanted = [
        rows // 8,  # as they lie down
        rows // 8,
        rows.permute(0, 3, 2, 1, 4) // 8,  # as they go home
        numbers // 8,  # token by token
    ]
    for flight, row in zip(flights, wanted, strict=True):
        order, row = flight["order"], row.flatten().tolist()
        assert len(set(zip(order, row))) == len(set(row)) == flight["count"] == 16
        assert order[0] == 0  # the first row is that of the followed element


def test_each_element_has_a_look_of_its_own(ask, module):
    recording = trace(module.height, torch.randn(1, 4, 4, 8))
    code = """["mark", "fill"].map((more) => run.steps.slice(0, 3).map(({ output }) =>
      new Set(looksOf(plan, output, "birth").map(
        (look) => look.fill + look[more])).size))"""
    assert ask(recording, code) == [
        [128] * 3,
        [16] * 3,
    ]  # colour alone tells tokens apart


@pytest.mark.parametrize(
    "branch, hues, shades, marks",
    [("height", 4, 1, 2), ("width", 1, 4, 2), ("channel", 1, 1, 8)],
)
def test_a_blend_shows_along_which_axes_it_has_met_others(
    ask, module, branch, hues, shades, marks
):
    recording = trace(getattr(module, branch), torch.randn(1, 4, 4, 8), axes="BHWC")
    code = """looksOf(plan, run.steps.at(-1).output, "birth").map(
      ({ seen, also, span }) => [seen?.length ?? 1, also ?? null, span ?? [0, 0]])"""
    for seen, also, (start, end) in ask(recording, code):
        assert seen == max(hues, shades) and also is None
        assert round((end - start) * 7) + 1 == marks


def test_what_is_written_is_where_it_was_born(module):
    """All of it, along each axis that is longer than 1."""
    site = pytest.importorskip("vip_site.figures", exc_type=ImportError)
    torch.manual_seed(0)
    recording = trace(module.channel, torch.randn(1, 4, 4, 8), axes="BHWC")
    lens = PermuteLens(recording, hue="C", light="W", start="v1;step=1;numbers=birth")
    frame = site.first_frame("permute_lens", lens.page_state())
    assert "where it was born: h, w, c" in frame
    written = (f">{k // 32}{k // 8 % 4}{k % 8}</text>" for k in range(128))
    assert all(text in frame for text in written)


def test_gradients_of_the_other_branches_come_in_beside_a_branchs_own(ask, module):
    x, blame = torch.randn(1, 4, 4, 8), torch.randn(1, 4, 4, 8)
    recording = trace(module, x, gradient=blame)
    uses = [i for i, step in enumerate(recording.steps) if 0 in step.inputs]
    assert len(uses) == 3
    leaves = [x.clone().requires_grad_() for _ in range(3)]
    branches = [getattr(module, name) for name in ("height", "width", "channel")]
    h, w, c = (branch(leaf) for branch, leaf in zip(branches, leaves))
    a_h, a_w, a_c = module.branch_weights(h, w, c)
    y = module.proj(a_h * h + a_w * w + a_c * c)
    own = torch.autograd.grad(y, leaves, blame)
    for use, mine in zip(uses, own, strict=True):
        code = f"$middle.middleOf(run, run.steps[{use}], true)"
        sent = ask(recording, code)
        assert sent["kind"] == "gradients"
        assert sent["uses"] == [i for i in uses if i != use]
        rest = sum(own) - mine
        assert sent["values"] == pytest.approx(
            rest.flatten().tolist(), rel=1e-3, abs=1e-4
        )


def test_sums_are_what_pytorch_makes_of_them(ask, module):
    """And what is no sum, or does not hold, is not told as one."""
    x = torch.randn(1, 4, 4, 8)
    code = """run.steps.map((_, i) =>
      $sums.sumWords(run, { ...BARE, step: i + 1, cell: 77 }))"""
    recording = trace(module, x)
    said = ask(recording, code)
    for step, words in zip(recording.steps, said, strict=True):
        summed = step.op in ("linear", "add", "mul", "mean", "softmax")
        assert bool(words) == summed, (step.op, words)
    by_op = {step.op: words for step, words in zip(recording.steps, said)}
    h = recording.values(recording.steps[6].output)[77]
    a_h = recording.values(recording.steps[27].output)[77 % 8]
    mul = said[30].replace("\N{MINUS SIGN}", "-")
    left, _, right, _, result = mul.rpartition(": ")[2].rstrip(".").split()
    assert [float(left), float(right)] == pytest.approx([a_h, h], rel=6e-3)
    assert float(result) == pytest.approx(a_h * h, rel=6e-3)
    assert "÷ 16 = " in by_op["mean"] and by_op["softmax"].count("e^") == 4
    recording.operands[0].values[8 * 5] += 5  # in the line that 77 is made with
    assert ask(recording, code)[3] == ""
