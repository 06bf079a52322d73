"""Recordings changed at random: each is refused in a sentence, or works everywhere."""

import copy
import json
import math
import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vip_tutorial import Trace, WeightedPermuteMLP, trace

MARKUP = "<img src=x onerror=alert(1)>\"'&</script>"
JUNK = [None, True, False, -1, 0, 1, 2, 3, 7, 0.5, -0.0, 10**9, 2**53, 2**63, -(10**30)]
JUNK += [10**400, math.nan, math.inf, 1e308, "", "x", "0", "nan", "-inf", MARKUP, "ÄÖ𝄞"]
JUNK += [[], [0], [-1], [None], [[]], [[0]], ["x"], [2] * 64, {}, {"axis": 0, "at": []}]
JUNK += ["move", "collect", "mix", "pointwise", "norm", "reduce", "other"]
JUNK += ["exact", "bound", "unknown", "B", "H*W", "softmax", "permute"]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(4, 12), nn.Linear(4, 4)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).reshape(B, T, 3, 2, 2).permute(2, 0, 3, 1, 4)
        shares = (q @ k.transpose(-2, -1)).softmax(-1)
        return x + self.proj((shares @ v).transpose(1, 2).reshape(B, T, C))


def windows(x):
    B, H, W, C = x.shape
    x = x.roll((-1, -1), (1, 2)).reshape(B, H // 2, 2, W // 2, 2, C)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, C)


def collected(x):
    B, H, W, C = x.shape
    y = torch.cat([x.flip(1), x], 3)
    return F.pad(y, (0, 0, 1, 0)) * 2, torch.stack([x, x], 0)


def convolved(x):
    B, C, H, W = x.shape
    y = F.conv2d(x, torch.ones(4, 1, 2, 2), stride=2, padding=1, groups=2)
    return F.avg_pool2d(y, 2).cumsum(1).mean((2, 3))


def written(x):
    B, H, W = x.shape
    y = x * 2
    y[:, 1] = 7.0
    y[0].transpose(0, 1).mul_(x[0].t())
    return y.clone()


@pytest.fixture(scope="module")
def recordings() -> list[dict]:
    torch.manual_seed(0)
    x = torch.randn(1, 2, 2, 4)
    runs = [
        trace(WeightedPermuteMLP(4, 2), x, gradient=x),
        trace(windows, torch.randn(1, 4, 4, 2), gradient=torch.ones(4, 4, 2)),
        trace(collected, torch.randn(1, 2, 2, 2)),
        trace(Attention(), torch.randn(1, 3, 4), gradient=torch.ones(1, 3, 4)),
        trace(convolved, torch.randn(1, 2, 4, 4)),
        trace(written, torch.randn(2, 2, 3)),
    ]
    return [json.loads(json.dumps(run.to_json())) for run in runs]


def somewhere(data: Any, rng: random.Random) -> tuple:
    """A path into JSON; each level of it is as likely as the others."""
    path = ()
    while isinstance(data, dict | list) and data and (not path or rng.random() < 0.85):
        key = rng.choice([*data] if isinstance(data, dict) else range(len(data)))
        path, data = (*path, key), data[key]
    return path


def alike(data: Any, key: Any) -> Iterator[Any]:
    """All that stands under a key, wherever it is."""
    if isinstance(data, dict | list):
        for k in data if isinstance(data, dict) else range(len(data)):
            if k == key:
                yield data[k]
            yield from alike(data[k], key)


def mutate(data: dict, rng: random.Random) -> str:
    *way, last = somewhere(data, rng)
    place = data
    for key in way:
        place = place[key]
    old = place[last]
    kinds = ["junk", "junk", "another", "another", "near", "drop", "double", "swap"]
    kind = rng.choice([*kinds, "add", "text", "whole"])
    if kind == "another" and isinstance(last, str):  # what another step or tensor has
        place[last] = copy.deepcopy(rng.choice([*alike(data, last)]))
    elif kind == "near" and type(old) in (int, float):
        place[last] = old + rng.choice([-1, 1, 2, 10, 2**31])
    elif kind == "text" and isinstance(old, str):
        place[last] = rng.choice([old + MARKUP, old[::-1], old[: len(old) // 2]])
    elif kind == "drop":
        del place[last]
    elif kind == "double" and isinstance(place, list):
        place.insert(last, copy.deepcopy(old))
    elif kind == "swap" and isinstance(place, list):
        place[last], place[0] = place[0], place[last]
    elif kind == "add" and isinstance(place, dict):
        place[rng.choice(["colour", MARKUP, "__proto__", "result"])] = 1
    elif kind == "whole" and data.get("steps") and data.get("tensors"):
        # A step or a tensor that another one stands for, with its own number.
        many, own = rng.choice([("steps", "output"), ("tensors", "id")])
        if isinstance(data[many], list):
            one, other = rng.choice(data[many]), rng.choice(data[many])
            if isinstance(one, dict) and isinstance(other, dict):
                one |= {k: copy.deepcopy(v) for k, v in other.items() if k != own}
    else:
        kind, place[last] = "junk", copy.deepcopy(rng.choice(JUNK))
    return f"{kind} at {'.'.join(map(str, (*way, last)))}"


def mutants(recordings: list[dict], count: int) -> Iterator[tuple[str, dict]]:
    rng = random.Random(14)
    for number in range(count):
        data = copy.deepcopy(recordings[number % len(recordings)])
        told = [mutate(data, rng) for _ in range(rng.choice([1, 1, 2]))]
        yield f"{number}: {', '.join(told)}", data


def exercise(run: Trace) -> None:
    """Ask a recording everything that can be asked."""
    for record in run.tensors:
        size = math.prod(record.shape)
        for ask in (run.values, run.homes, run.gradient):
            found = ask(record.id)
            assert found is None or len(found) == size, (ask.__name__, record.id)
    assert 0 <= run.copies <= len(run.steps)
    assert all(step.memory in ("new", "write", "view") for step in run.steps)
    for count in range(1, len(run.steps) + 1):
        run.first(count).table()
    json.dumps(run.to_json(), allow_nan=False)
    again = Trace.from_json(copy.deepcopy(run).to_json())
    assert again.table() == run.table()
    assert again.to_json() == run.to_json()


# ruff: noqa: E501  JavaScript has lines of 120
TRIAL = """
const [lens, map] = [$permute_lens.figure, $module_map.figure];
const POINTS = [0.1, 0.5, 0.9].flatMap((x) => [0.1, 0.3].map((y) => ({ x, y, width: 720 })));
const KEYS = ["ArrowLeft", "ArrowDown"].map((key) => ({ name: "walk", key, shift: key === "ArrowDown" }));
const FILLS = ["birth", "value", "gradient"];
const text = (is) => { if (typeof is !== "string" || /undefined|\\[object/.test(is)) throw new Error(`said: ${is}`); };
function ask(figure, scene, state) {
  for (const asleep of [true, false]) [figure.html(scene, state, asleep)].flat().forEach(text);
  text(figure.say(scene, state));
  text(figure.options(scene, state));
  text(figure.foot(scene));
  figure.lit(scene, state).forEach(text);
  text(JSON.stringify(figure.motion.next(scene, state) ?? {}) + figure.motion.shows(scene, state));
  if (!(figure.motion.lasts(scene, state) > 0)) throw new Error("it takes no time");
  for (const place of POINTS) text(figure.hint(scene, state, place));
  const acts = [...KEYS, ...POINTS.map((place) => ({ name: "follow", ...place })), { name: "glance", value: "1" }];
  for (const action of acts) figure.act(scene, state, action);
}
function trial(data, number) {
  const first = $permute_lens.firstFrame(data);
  const second = $module_map.firstFrame(data);
  if (first.includes("vip-problem") !== second.includes("vip-problem")) throw new Error(second.slice(0, 300));
  if (first.includes("vip-problem")) return first;
  const scene = lens.prepare((key) => data[key]);
  const whole = map.prepare((key) => data[key]);
  whole.format = number % 2 ? "wide" : "narrow";
  const { run } = scene;
  const cells = Math.min(2048, $recording.sizeOf(run.tensors[run.root].shape));
  const usual = { cell: -1, fill: "birth", numbers: "none", axis: -1, speed: "1", dir: "", view: "map", open: "" };
  for (let step = 0; step <= run.steps.length; step++) {
    const n = number + step;
    const cell = n % 3 && cells ? n % cells : -1;
    const numbers = Object.keys(scene.numbers)[n % 4];
    const fill = FILLS[n % (run.hasGradient() ? 3 : 2)];
    const state = { ...usual, step, cell, fill, numbers, dir: n % 4 === 3 && run.hasGradient() ? "back" : "" };
    const rank = run.tensors[run.steps[Math.max(0, step - 1)].output].shape.length;
    ask(lens, scene, n % 5 === 2 && rank && !state.dir ? { ...state, axis: n % rank } : state);
    const now = { ...state, backward: state.dir === "back" };
    for (const plan of Object.values(scene.plans))
      for (const position of [step, Math.max(0, step - 0.6), Math.max(0, step - 0.05)])
        for (const partsOf of [$panes.paneParts, $memory.memoryParts]) $paint.drawWhole(partsOf(plan, now, position));
    const shown = { ...state, open: n % 2 ? "all" : "", moving: n % 3 ? undefined : Math.max(0.2, step - 0.4) };
    if (shown.moving > step) shown.moving = undefined;
    ask(map, whole, shown);
  }
  return "";
}
"""


def page(recording: Any) -> str:
    """What the figures get, as JSON; it has no number that is not finite."""
    usual = {"title": "", "name": "a", "start": "", "hue": "H", "light": "W"}
    text = json.dumps({**usual, "recording": recording, "here": ""})
    return re.sub("NaN|-?Infinity", "null", text)


def check(recordings: list[dict], count: int, engine=None) -> dict[str, int]:
    """Each mutant is refused by name, or works in all methods and in both figures."""
    counts = {"refused": 0, "works": 0}
    for number, (told, data) in enumerate(mutants(recordings, count)):
        try:
            fault = run = None
            try:
                run = Trace.from_json(data)
            except ValueError as error:
                fault = str(error)
                assert len(fault) < 300, fault
            if run is not None:
                exercise(run)
            counts["works" if run else "refused"] += 1
            if engine is None:
                continue
            refused = engine.eval(f"trial({page(data)}, {number})", timeout_sec=300)
            assert len(refused) < 400, refused
            if run is not None and run.steps:
                assert not refused, refused
        except BaseException as error:
            error.add_note(f"mutant {told}; Python said: {fault}")
            raise
    return counts


@pytest.fixture
def engine(engine_of):
    engine = engine_of("permute_lens.js", "module_map.js")
    engine.eval(TRIAL)
    return engine


def test_what_is_mutated_is_refused_or_works(recordings, engine):
    counts = check(recordings, 60, engine)
    assert min(counts.values()) > 10, counts


@pytest.mark.slow
def test_of_many_mutants_each_is_refused_or_works(recordings, engine):
    counts = check(recordings, 2_500, engine)
    assert min(counts.values()) > 400, counts


def moved_on(steps: int) -> dict:
    """A run of so many moves, each of which has what the last but one took, too."""
    run = trace(lambda x: x.flip(0), torch.randn(4), gradient=torch.ones(4)).to_json()
    (before, after), (step,) = run["tensors"], run["steps"]
    tensors = [after | {"id": i, "gradient": None} for i in range(steps + 1)]
    tensors[0], tensors[-1] = before, after | {"id": steps}
    many = [
        step | {"inputs": [i, i - 1] if i else [i], "output": i + 1}
        for i in range(steps)
    ]
    return run | {"tensors": tensors, "steps": many, "outputs": [steps]}


def huge(function: Callable, *shape: int) -> dict:
    return trace(function, torch.empty(*shape, device="meta")).to_json()


def placed(data: dict, **parts: Any) -> dict:
    first, *others = data["tensors"]
    return data | {"tensors": [first | parts, *others]}


@pytest.mark.slow
def test_what_is_very_large_works_or_is_refused_at_once(engine):
    """Where nothing is said it works; a sentence is said within seconds."""
    plain = trace(lambda x: x + 1, torch.randn(2, 3)).to_json()
    endless: list = []
    for _ in range(10**5):
        endless = [endless]
    around = dict(plain)
    around["operands"] = [around]
    rows = [
        (huge(lambda x: x.reshape(10**5, 10**4).t().sum(0) * 2, 10**9), None),
        (huge(lambda x: torch.cat([x, x])[:4].reshape(2, 2) * 2, 10**9), None),
        (huge(lambda x: x[None].mean(1), 10**16, 2), None),
        (huge(lambda x: x.permute(*reversed(range(64))) * 2, *[1] * 64), None),
        (placed(plain, offset=2**62), None),
        (placed(plain, strides=[2**40, 2**50]), None),
        (placed(plain, offset=2**63 - 1), "tensor 0 ends beyond any memory"),
        (placed(plain, strides=[1, 2**62]), "tensor 0 ends beyond any memory"),
        (placed(plain, values=[0] * 30_000_000), "too large, with its 'tensors'"),
        (placed(plain, dtype="f" * 10**8), "too large, with its 'tensors'"),
        (placed(plain, dtype="f" * 10**5), "dtype of tensor 0"),
        (placed(plain, shape=[1] * 300), "tensor 0 has 300 axes"),
        (plain | {"omitted": ["left out" * 10**4] * 10**3}, "too large, with its 'omi"),
        (plain | {"steps": plain["steps"] * 10**4}, "too large, 10,000 steps"),
        (plain | {"operands": endless}, "not a dict"),
        (around, "too large, with its 'operands'"),
        (plain | {"version": True}, "has version True"),
        (plain | {"version": "1" * 10**6}, "this package reads version 1"),
        (moved_on(110), None),
    ]
    for number, (data, said) in enumerate(rows):
        began = time.process_time()
        if said is not None:
            with pytest.raises(ValueError, match=re.escape(said)) as fault:
                Trace.from_json(data)
            assert len(str(fault.value)) < 300
            assert time.process_time() - began < 60, number
            continue
        exercise(Trace.from_json(data))
        assert not engine.eval(f"trial({page(data)}, {number})", timeout_sec=300)
    longest = Trace.from_json(moved_on(1024))
    assert len(longest.gradient(0)) == len(longest.values(1024)) == 4
    for figure in ("permute_lens", "module_map"):
        frame = engine.eval(f"${figure}.firstFrame({page(longest.to_json())})")
        assert "vip-problem" not in frame
