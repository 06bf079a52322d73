"""The map shows all of a run, each step once, and nothing on it hides anything else."""

import json
import math
import re
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vip_tutorial import PermuteMLP, Trace, WeightedPermuteMLP, trace
from vip_tutorial.lens import ModuleMap, PermuteLens


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.proj = nn.Linear(8, 8)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(B, T, 3, 2, 4).permute(2, 0, 3, 1, 4)
        shares = (q @ k.transpose(-2, -1) / 2).softmax(-1)
        return x + self.proj((shares @ v).transpose(1, 2).reshape(B, T, C))


class Gate(nn.Module):
    """Numbers meet in its mean, too."""

    def __init__(self):
        super().__init__()
        self.gate = nn.ModuleDict({"fc": nn.Linear(8, 8)})
        self.gate.forward = lambda x: self.gate.fc(x.mean((1, 2)))

    def forward(self, x):
        return x * self.gate(x)[:, None, None]


def windows(x):
    B, H, W, C = x.shape
    x = x.roll((-1, -1), (1, 2)).reshape(B, H // 2, 2, W // 2, 2, C)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, C)


TOKENS = torch.randn(1, 4, 4, 8)
RUNS = {
    "module": (WeightedPermuteMLP(8, 4), torch.randn(1, 4, 4, 8)),
    "plain": (PermuteMLP(8, 4), torch.randn(2, 4, 4, 8)),
    "height": (WeightedPermuteMLP(8, 4).height, torch.randn(1, 4, 4, 8)),
    "attention": (Attention(), torch.randn(1, 6, 8)),
    "windows": (windows, torch.randn(1, 4, 4, 3)),
    "two outputs": (lambda x: (x.mean(1), x.t().relu()), torch.randn(3, 5)),
    "convolution": (lambda x: F.conv2d(x, x[:, :, :2, :2]), torch.randn(1, 2, 6, 6)),
    "large": (lambda x: x.reshape(64, 64).t() + 1, torch.randn(4096)),
    "no elements": (lambda x: x.permute(1, 0) + 1, torch.zeros(2, 0)),
    "no tokens": (nn.Linear(4, 4), torch.zeros(2, 0, 4)),
    "nothing taken": (partial(F.linear, weight=torch.zeros(4, 0)), torch.zeros(2, 0)),
    "nothing given": (partial(F.linear, weight=torch.zeros(0, 4)), torch.zeros(2, 4)),
    "not a number": (lambda x: (x / 0).softmax(0), torch.zeros(3, 4)),
    "one number": (lambda x: x.reshape(1, 1) + 1, torch.tensor(3.0)),
    "many steps": (lambda x: sum(x * k for k in range(40)), torch.randn(2, 3)),
}
MAP = """((data, opened) => {
  const run = $recording.readRun(data);
  const groups = $map_graph.groupsOf(run, opened);
  const layouts = ["wide", "narrow"].map((format) => {
    const layout = $map_layout.layOut(run, groups, format);
    const [stations, links] = [[...layout.stations.values()], layout.links.length];
    return { ...layout, stations, links };
  });
  const ends = groups.map((group) => [...$map_flight.endsOf(run, group)]);
  const rows = groups.map((group) => $map_flight.rowsOf(run, group));
  const names = groups.map((group) => $map_graph.nameOf(run, group));
  return JSON.stringify({ groups, layouts, ends, rows, names });
})"""


@pytest.fixture(scope="module")
def engine(engine_of):
    return engine_of("module_map.js")


def mapped(engine, recording: Trace, opened="") -> dict:
    data = json.dumps(recording.to_json())
    return json.loads(engine.eval(f"{MAP}({data}, {json.dumps(opened)})"))


def test_the_module_in_nine_acts(engine):
    found = mapped(engine, trace(*RUNS["module"]))
    acts = [
        (name, len(group["steps"]), len(group["inputs"]))
        for name, group in zip(found["names"], found["groups"])
    ]
    assert acts == [
        ("reshape", 3, 1),  # the columns laid down as rows
        ("mlp_h", 4, 1),  # mixed, and home again
        ("reshape", 3, 1),
        ("mlp_w", 4, 1),
        ("mlp_c", 1, 1),
        ("add · mean", 3, 3),
        ("reweight · softmax", 9, 1),
        ("mul · add", 8, 4),
        ("proj", 2, 1),
    ]


def test_each_step_is_on_the_map_once_and_nothing_lies_on_anything(engine):
    for name, (function, x) in RUNS.items():
        recording = trace(function, x)
        count = len(recording.steps)
        for opened in ("", "all"):
            found = mapped(engine, recording, opened)
            steps = sorted(i for group in found["groups"] for i in group["steps"])
            assert steps == list(range(count)), name
            if opened == "all":
                assert len(found["groups"]) == count, name
            for layout in found["layouts"]:
                check_places(name, layout, found["groups"])


def check_places(name: str, layout: dict, groups: list[dict]) -> None:
    boxes = {}
    for station in layout["stations"]:
        x, y, w, h = (station[key] for key in ("x", "y", "width", "height"))
        assert 0 <= x - w / 2 and x + w / 2 <= layout["width"], name
        assert 0 <= y and y + h <= layout["height"], name
        for other, (left, top, right, bottom) in boxes.items():
            apart = (
                x - w / 2 >= right or x + w / 2 <= left or y >= bottom or y + h <= top
            )
            assert apart, (name, station["id"], other)
        boxes[station["id"]] = (x - w / 2, y, x + w / 2, y + h)
    for group in groups:  # what is made stands under what it is made from
        for source in group["inputs"]:
            assert boxes[source][3] <= boxes[group["output"]][1], name
    assert layout["links"] == sum(len(group["inputs"]) for group in groups)


def test_numbers_fly_where_the_code_brings_them(engine):
    """Each act is compared with the recording's own values, element by element."""
    for name in ("module", "windows", "attention"):
        recording = trace(*RUNS[name])
        found = mapped(engine, recording)
        for group, ends, rows in zip(found["groups"], found["ends"], found["rows"]):
            kinds = {recording.steps[i].kind for i in group["steps"]}
            after = recording.values(group["output"])
            assert len(rows) == len(after), name
            if kinds != {"move"}:
                continue
            ((source, to),) = ends
            before = recording.values(source)
            assert sorted(k for k in to if k >= 0) == list(range(len(after))), name
            assert all(after[k] == before[e] for e, k in enumerate(to) if k >= 0), name


def test_the_rows_that_travel_are_those_that_the_linear_takes(engine):
    recording = trace(*RUNS["module"])
    found = mapped(engine, recording)
    rows = found["rows"][found["names"].index("mlp_h")]
    # What comes home from one row is one segment of one column of tokens.
    home = torch.tensor(rows).reshape(4, 4, 4, 2)  # (H, W, N, S)
    assert all(len(home[:, w, n].unique()) == 1 for w in range(4) for n in range(4))
    assert len(home.unique()) == 16


DRAWN = """((data, view, progress) => {
  const { run, plans } = $module_map.figure.prepare(
    (key) => ({ recording: data, hue: "H", light: "W" })[key] ?? null);
  const groups = $map_graph.groupsOf(run, "");
  const layout = $map_layout.layOut(run, groups, "wide");
  const plan = { run, groups, layout, lens: plans.wide, flights: new Map() };
  const drawing = new $paint.Drawing(layout.width, layout.height);
  $map_picture.drawMap(
    plan, drawing,
    { lit: [], cell: -1, fill: "birth", here: null, misfits: [], ...view }, progress);
  const boxes = drawing.boxes.flatMap(({ fill, alpha, layer, cells }) =>
    cells.flatMap((x, i) => i % 4 ? [] :
      [{ x, y: cells[i + 1], width: cells[i + 2], height: cells[i + 3],
         fill, alpha, layer }]));
  return JSON.stringify({
    boxes, marks: drawing.marks, side: $map_layout.MATRIX,
    stations: [...layout.stations.values()],
    acts: groups.map((one) => layout.acts.get(one)) });
})"""


def drawn(engine, data: str, progress: float = 1, **view) -> dict:
    return json.loads(engine.eval(f"{DRAWN}({data}, {json.dumps(view)}, {progress})"))


def test_an_axis_that_does_not_fit_is_marked(engine):
    data = json.dumps(
        trace(lambda x: x.permute(1, 2, 0), torch.ones(2, 3, 4)).to_json()
    )
    picture = drawn(
        engine, data, position=1, moving=False, current=-1, misfits=[[1, 0], [0, 2]]
    )
    names = [mark["text"] for mark in picture["marks"] if mark["kind"] == "text"]
    assert "(d0, d1, ✗ d2)" in names and "(✗ d1, d2, d0)" in names, names


def test_the_picture_is_that_of_the_numbers(engine):
    torch.manual_seed(0)
    module = WeightedPermuteMLP(8, 4)
    recording = trace(module, torch.randn(1, 4, 4, 8))
    data = json.dumps(recording.to_json())
    whole = drawn(engine, data, position=37, moving=False, current=-1)
    assert {box["alpha"] for box in whole["boxes"]} == {1}

    def inside(picture, x, y, width, height):
        found = [
            box
            for box in picture["boxes"]
            if x - 1 < box["x"] < x + width and y - 1 < box["y"] < y + height
        ]
        return sorted(found, key=lambda box: (round(box["y"], 3), box["x"]))

    # The matrix of mlp_h, its rows from the top.
    act, side = whole["acts"][1], whole["side"]
    place = (act["x"] - side / 2, act["y"] - side / 2, side, side)
    weight = module.mlp_h.weight.flatten().tolist()
    fill = f"(v) => $colours.valueFill(v, {max(map(abs, weight))})"
    fills = json.loads(engine.eval(f"JSON.stringify({weight}.map({fill}))"))
    assert [box["fill"] for box in inside(whole, *place)] == fills

    # The shares of each channel: height's at the top, then width's, then channel's.
    shares = next(step for step in recording.steps if step.op == "softmax").output
    kept = recording.steps[26].output  # the same numbers, with two more axes
    station = next(one for one in whole["stations"] if one["id"] == kept)
    left = station["x"] - station["width"] / 2
    bars = inside(whole, left, station["y"], station["width"], station["height"])
    for c in range(8):
        column = [
            box["height"] / station["height"]
            for box in bars
            if box["x"] == pytest.approx(left + c * station["width"] / 8)
        ]
        wanted = recording.values(shares)[c::8]
        assert column == pytest.approx(wanted, abs=1e-4)

    # Before anything has happened, all but the input stands back.
    start = drawn(engine, data, position=0, moving=False, current=-1)
    of_input = start["stations"][0]
    for box in start["boxes"]:
        is_input = box["y"] < of_input["y"] + of_input["height"]
        assert (box["alpha"] == 1) == is_input

    # At rest one row is framed where it was, 8 side by side, and where it came to: a
    # column of 4 tokens, 2 channels of each.
    rest = drawn(engine, data, position=7, moving=False, current=1)
    frames = [mark for mark in rest["marks"] if mark.get("thickness") == 1.25]
    frames = [mark["width"] for mark in frames if mark["kind"] == "outline"]
    cell = rest["stations"][1]["cell"]["width"]
    assert [round((width - 0.75) / cell) for width in frames].count(8) == 1
    assert len(frames) == 5
    # On its way it goes alone at first.
    early = drawn(engine, data, 0.4, position=1.2, moving=True, current=0)
    late = drawn(engine, data, 0.8, position=2.4, moving=True, current=0)
    flying = [[b for b in at["boxes"] if b["layer"] == 3] for at in (early, late)]
    assert len(flying[0]) == 8 < len(flying[1])


def frame(engine, state: dict, start: str) -> str:
    return engine.eval(
        f"$module_map.firstFrame({json.dumps({**state, 'start': start})})"
    )


def two_tokens_a_row(x):
    B, H, W, C = x.shape
    return x.reshape(B, H, W // 2, 2 * C).transpose(1, 2).relu()


def channels_first(x):
    B, H, W, C = x.shape
    return x.permute(0, 3, 1, 2).relu()


def tiles(x):
    B, H, W, C = x.shape
    x = x.reshape(B, H // 2, 2, W, C).permute(0, 1, 3, 2, 4)
    return x.reshape(B, H // 2, W // 2, 4 * C).relu()


# What is said of a run when so many of its steps are done.
WORDS = [
    (*RUNS["module"], 3, "Act 1 of 9: columns lie down as rows, 2 channels at a time:"),
    (*RUNS["module"], 4, "mlp_h mixes each row of 8 numbers along H*S; nothing else"),
    (*RUNS["module"], 7, "Then home, by reshape, permute, reshape: (B, H, W, C)."),
    (*RUNS["module"], 10, ": what stands in a row lies side by side, 2 channels at"),
    (
        two_tokens_a_row,
        TOKENS,
        2,
        "stands in a row lies side by side, 8 channels",
    ),
    (
        channels_first,
        TOKENS,
        1,
        "stands in a row lies side by side, 1 channel at",
    ),
    (tiles, TOKENS, 3, "Act 1 of 2: reshape, permute, reshape. No number changes;"),
    (
        *RUNS["module"],
        36,
        "proj mixes each row of 8 numbers along C; nothing else meets.<",
    ),
    (
        *RUNS["module"],
        18,
        "averaged over H and W: (B, C), one number for each channel.",
    ),
    (*RUNS["module"], 19, "(3, B, 1, 1, C), 3 shares for each channel."),
    (
        Gate(),
        RUNS["module"][1],
        1,
        "(d0, d1, d2, d3) is taken through gate: (d0, 1, 1, d3).",
    ),
    (
        Attention(),
        RUNS["attention"][1],
        1,
        "Act 1 of 9: (B, T, C) is taken through norm: (B, T, C).",
    ),
    (torch.relu, torch.zeros(2), 0, "Press Next for the first of 1 act."),
    (
        torch.relu,
        torch.zeros(2),
        1,
        "The whole run: 1 step in 1 act. Press Play to see",
    ),
]


def test_the_words_on_an_act_are_true(engine):
    for function, x, step, words in WORDS:
        state = ModuleMap(trace(function, x)).page_state()
        assert words in frame(engine, state, f"v1;step={step}"), words
    linear = trace(lambda x: F.linear(x, x).softmax(-1) * 2, torch.ones(3, 3))
    said = frame(engine, ModuleMap(linear).page_state(), "v1;step=1")
    assert "nothing else meets" not in said  # in the softmax all of a row does


def test_a_first_frame_shows_every_line_and_every_act(engine):
    for name, (function, x) in RUNS.items():
        state = ModuleMap(trace(function, x)).page_state()
        for start in ("", "v1;step=0", "v1;step=1;open=all", "v1;step=1;view=lens"):
            html = frame(engine, state, start)
            assert "cannot be drawn" not in html, (name, html[:200])
            assert "NaN" not in html and "undefined" not in html, name
            assert html.count("<svg") == 2 or "view=lens" in start, name
    lines = engine.eval(f"$module_map.firstFrame({json.dumps(state)})")
    assert "x * k" in lines


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(4), nn.Linear(3, 3)
        self.mlp = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4))

    def forward(self, x):
        x = x + self.mix(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mlp(x)


class Deep(nn.Module):
    """Twelve blocks; `skip` uses what one of them made inside."""

    def __init__(self, blocks=12):
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        kept = []
        self.blocks[2].mix.register_forward_hook(lambda *given: kept.append(given[2]))
        for block in self.blocks:
            x = block(x)
        return self.head((x.transpose(1, 2) + kept[-1]).mean(2))


def test_a_long_run_folds_by_module(engine):
    """Each of them opens; but for one that the rest of the run looks into."""
    x = torch.randn(1, 3, 4)
    recording = trace(Deep(), x)
    blocks = [f"blocks.{i}" for i in range(12)]
    folded = [name for name in blocks if name != "blocks.2"]

    def modules(found):
        return [group["module"] for group in found["groups"] if "module" in group]

    found = mapped(engine, recording)
    assert modules(found) == folded
    assert len(found["groups"]) < 20
    opened = mapped(engine, recording, "blocks.7")
    assert modules(opened) == [name for name in folded if name != "blocks.7"]
    assert "mix" in " ".join(opened["names"])
    for each in (found, opened):
        steps = [i for group in each["groups"] for i in group["steps"]]
        assert sorted(steps) == list(range(len(recording.steps)))
        made = {0}
        for group in each["groups"]:  # each takes what stands on the map before it
            assert set(group["inputs"]) <= made
            made.add(group["output"])
    # What goes into the first block comes out of it, number by number.
    (number, to), *_ = found["ends"][0]
    assert number == 0 and to == list(range(12))
    assert modules(mapped(engine, trace(Deep(3), x))) == []

    data = json.dumps(ModuleMap(recording).page_state())
    engine.eval(f"var DEEP = (start) => $module_map.firstFrame({{...{data}, start}});")
    html = engine.eval('DEEP("v1;step=9")')
    assert 'data-do="unfold" data-value="blocks.3"' in html
    assert "blocks.0, 9 steps in one: (d0, d1, d2) becomes (d0, d1, d2)." in html
    html = engine.eval('DEEP("v1;step=9;open=blocks.3")')
    assert 'data-value="blocks.3"' not in html and "Fold blocks.3 again" in html
    assert "undefined" not in html and "NaN" not in html


@pytest.mark.slow
def test_a_large_tensor_is_a_part_of_it_on_the_map(engine):
    """That part in which the followed number is, and never more than one draws."""
    recording = trace(
        lambda x: ((x.t().contiguous() + 1) @ x).softmax(-1),
        torch.randn(60, 60),
        max_elements=3600,
    )
    data = json.dumps(ModuleMap(recording).page_state())
    engine.eval(
        f"""var [WINDOWED, LARGE] = [$module_map.figure, {data}];
        var LARGE_MAP = WINDOWED.prepare((key) => LARGE[key]);"""
    )
    usual = {"view": "map", "fill": "birth", "open": "", "cell": -1, "window": ""}
    for more in ({}, {"cell": 3000}, {"open": "all"}, {"window": "0.3599"}):
        for moving in (0.4, 1.7, 2.5, None):
            state = {**usual, "step": 5, **more}
            if moving is not None:
                state |= {"step": math.ceil(moving), "moving": moving, "playing": True}
            html = engine.eval(
                f"WINDOWED.html(LARGE_MAP, {json.dumps(state)}, true).join('')"
            )
            assert "NaN" not in html and "undefined" not in html, state
            assert "of a large tensor: a part" in html
            boxes = re.sub("<button.*?</button>", "", html).count("z")
            tensors = 8 if state["open"] else 5  # those of bars twice
            assert 0.75 < boxes / (2 * tensors * 2040) < 1.01  # in both formats
            followed = html.count('stroke-width="1.75"') / 2
            assert followed == (state["cell"] >= 0) * (3 if moving is None else 2)


def test_a_small_map_says_where_the_chapter_is(engine):
    recording = trace(*RUNS["module"])
    state = ModuleMap(recording, here="height").page_state()
    html = engine.eval(f"$module_map.firstFrame({json.dumps(state)})")
    assert "You are here: height" in html
    assert html.count("vip-back") == 2 * 7  # of nine acts, in two sizes
    state = ModuleMap(recording, here="proj").page_state()  # a module is a place, too
    html = engine.eval(f"$module_map.firstFrame({json.dumps(state)})")
    assert html.count("vip-back") == 2 * 8
    small, other = ModuleMap(recording, here="height"), trace(torch.relu, torch.ones(2))
    for show in (lambda: ModuleMap(recording, here="hight"), lambda: small.show(other)):
        with pytest.raises(ValueError, match="nothing of this run is called that"):
            show()
    assert small.recording == recording.to_json()


def test_what_is_no_run_and_a_run_that_did_nothing():
    for figure in (ModuleMap, PermuteLens):
        with pytest.raises(TypeError, match=f"{figure.__name__} shows a recorded run"):
            figure(nn.ReLU())
        nothing = trace(nn.Identity(), torch.ones(1, 4, 4, 8))
        with pytest.raises(ValueError, match=r"picture has shape \(2, 2\)"):
            figure(nothing, picture=torch.ones(2, 2))


def test_a_damaged_picture_and_a_run_without_a_name(engine):
    state = ModuleMap(trace(*RUNS["module"]), picture=torch.zeros(4, 4)).page_state()
    for figure in ("module_map", "permute_lens"):

        def drawn(figure=figure, **changed) -> str:
            data = json.dumps({**state, **changed})
            return engine.eval(f"${figure}.firstFrame({data})")

        assert "vip-problem" not in drawn()
        for picture in ("x", [], [0] * 4, [[0] * 3] * 4, [[None] * 4] * 4, {"0": [0]}):
            told = drawn(picture=picture)
            assert "its picture is no grid of grey levels" in told, (figure, picture)
        nameless = {**state["recording"], "name": ""}
        assert "<strong>A recorded run</strong>" in drawn(recording=nameless)


def test_what_an_action_leads_to(engine):
    data = json.dumps(trace(*RUNS["module"]).to_json())

    def act(state: dict, here="", **action) -> dict:
        call = f"""JSON.stringify($module_map.figure.act($module_map.figure.prepare(
          (key) => ({{ recording: {data}, here: "{here}" }})[key]), {json.dumps(state)},
          {json.dumps(action)}) ?? {{}})"""
        return json.loads(engine.eval(call))

    at = {"view": "map", "step": 7, "open": ""}
    # Who wants no motion sees whole acts while the slider is dragged.
    assert act(at, name="scrub", value="8.6") == {"step": 10, "moving": 8.6}
    assert act(at, name="scrub", value="8.6", calm=True) == {"step": 10}
    assert act(at, name="scrub", value="0") == {"step": 0}
    # A small map says nothing of acts, and walks through none.
    assert act(at, name="walk", key="N")["step"] == 10
    assert act(at, "height", name="walk", key="N") == {}
    assert act(at, "height", name="walk", key="Escape") == {"cell": -1}
    # The map has no way back, so one leaves that of the lens behind.
    back = act({**at, "view": "lens", "dir": "back", "axis": 1}, name="map")
    assert (back["view"], back["dir"], back["axis"]) == ("map", "", -1)
