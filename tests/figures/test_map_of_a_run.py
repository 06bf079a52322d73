"""The map shows all of a run, each step once, and nothing on it hides anything else."""

import json
import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vip_tutorial import PermuteMLP, Trace, WeightedPermuteMLP, trace
from vip_tutorial.lens import ModuleMap


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


def windows(x):
    B, H, W, C = x.shape
    x = x.roll((-1, -1), (1, 2)).reshape(B, H // 2, 2, W // 2, 2, C)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, C)


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
    "one number": (lambda x: x.reshape(1, 1) + 1, torch.tensor(3.0)),
    "many steps": (lambda x: sum(x * k for k in range(40)), torch.randn(2, 3)),
}
MAP = """((data, opened) => {
  const run = $recording.readRun(data);
  const groups = $map_graph.groupsOf(run, opened === "all");
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


def test_a_first_frame_shows_every_line_and_every_act(engine):
    for name, (function, x) in RUNS.items():
        state = ModuleMap(trace(function, x)).page_state()
        for start in ("", "v1;step=0", "v1;step=1;open=all"):
            data = json.dumps({**state, "start": start})
            html = engine.eval(f"$module_map.firstFrame({data})")
            assert "cannot be drawn" not in html, (name, html[:200])
            assert "NaN" not in html and "undefined" not in html, name
            assert html.count("<svg") == 2, name
    lines = engine.eval(f"$module_map.firstFrame({json.dumps(state)})")
    assert "x * k" in lines


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
    with pytest.raises(ValueError, match="nothing of this run is called that"):
        ModuleMap(recording, here="hight")
