"""The picture of the live network's flow, mark by mark, against PyTorch's permutes."""

import json

import pytest
import torch

from vip_tutorial.figures import LiveViP
from vip_tutorial.networks import pretrained

C, N = 32, 8
CHANNEL, TOKEN = 13, 35  # that are followed: segment 3, row 4, column 3

DRAWN = """(() => {
  const scene = $live_vip.figure.prepare((key) => data[key]);
  const { network, order, plans, labels } = scene;
  const levels = (name) => $drawing.levelsOf(scene, name).map((level) => level / 16);
  const drawn = ({ name, beside, off, channel, token }) => {
    const changes = off.map((branches) => ({ off: branches }));
    const runOf = (one) => $network.run(network, levels(one), changes);
    const run = runOf(name);
    const flow = { network, run, levels: levels(name), off, order, channel, token };
    if (beside) Object.assign(flow, { beside: runOf(beside), other: levels(beside) });
    flow.labels = labels;
    const sections = ["start", 0, 1, "end"].map((section) => {
      const places = plans.wide[typeof section === "number" ? "block" : section];
      const drawing = new $paint.Drawing(places.width, places.height);
      if (section === "start") $flow_picture.drawStart(drawing, flow, places);
      else if (section === "end") $flow_picture.drawEnd(drawing, flow, places);
      else $flow_picture.drawBlock(drawing, flow, section, places);
      for (const mark of drawing.marks)
        if (mark.bitmap) mark.cells = [...mark.bitmap.cells];
      return { places, marks: drawing.marks, boxes: drawing.boxes };
    });
    const usual = Object.entries($live_vip.figure.fields).map(([k, f]) => [k, f.usual]);
    const state = { ...Object.fromEntries(usual), other: beside };
    state.off = off.map((branches, i) => branches && `${i + 1}${branches}`).join("");
    const said = $live_vip.figure.say(scene, state);
    return { sections, order, shares: run.shares, said };
  };
  return JSON.stringify(asked.map(drawn));
})()"""

ASKED = [
    {"name": "seven", "beside": "", "off": ["", ""]},
    {"name": "seven", "beside": "three", "off": ["", "w"]},
]


@pytest.fixture(scope="module")
def widget():
    return LiveViP(pretrained.load("digits"), pretrained.scale("digits"))


@pytest.fixture(scope="module")
def core(engine_of):
    return engine_of("live_vip.js")


@pytest.fixture(scope="module")
def drawn(core, widget):
    asked = [{**one, "channel": CHANNEL, "token": TOKEN} for one in ASKED]
    core.eval(
        f"var data = {json.dumps(widget.page_state())}; "
        f"var asked = {json.dumps(asked)};"
    )
    return json.loads(core.eval(DRAWN, timeout_sec=120))


class Seen(dict):
    """What stands in the network on its way from a picture to the scores."""

    def __init__(self, model, pixels, off=("", "")):
        scale = pretrained.scale("digits")
        hooks = [model.patch_embed.register_forward_hook(self.note("tokens", False))]
        for i, block in enumerate(model.blocks):
            attn = block.attn
            for b, keep in zip("hwc", (float(b not in off[i]) for b in "hwc")):
                layer = getattr(attn, f"mlp_{b}")
                hooks += [
                    layer.register_forward_pre_hook(self.note(f"{i} rows {b}")),
                    layer.register_forward_hook(self.note(f"{i} mixed {b}", False)),
                ]
                self[f"{i} keep {b}"] = keep
            hooks += [
                attn.register_forward_pre_hook(self.note(f"{i} x")),
                block.norm2.register_forward_pre_hook(self.note(f"{i} middle")),
                block.register_forward_hook(self.note(f"{i} after", False)),
                attn.proj.register_forward_pre_hook(self.blended(attn, i)),
            ]
        hooks += [
            model.norm.register_forward_hook(self.note("last", False)),
            model.head.register_forward_pre_hook(self.note("pooled")),
        ]
        with torch.no_grad():
            model((pixels.double() - scale.mean)[None, None] / scale.spread)
        for hook in hooks:
            hook.remove()

    def note(self, name, given=True):
        return lambda module, inputs, *output: self.__setitem__(
            name, inputs[0] if given else output[0]
        )

    def blended(self, attn, i):
        """The blend, of those branches alone that are on."""

        def before(module, inputs):
            self.update({f"{i} blend": inputs[0]})
            outputs = attn.branches(self[f"{i} x"])
            points = attn.branch_weights(*outputs)[:, 0]  # (3, C)
            self[f"{i} points"] = points
            self.update({f"{i} output {b}": y for b, y in zip("hwc", outputs)})
            keep = torch.tensor([self[f"{i} keep {b}"] for b in "hwc"])
            weights = points * keep[:, None]  # (3, C)
            blend = sum(w * y for w, y in zip(weights, outputs))
            self[f"{i} blend"] = blend
            return (blend,)

        return before


def laid(branch, numbers):
    """Numbers `(N, N, C)` as the branch's own permute lays them, row after row."""
    model = pretrained.load("digits").double()
    attn, seen = model.blocks[0].attn, []
    layer = getattr(attn, f"mlp_{branch}")
    layer.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    with torch.no_grad():
        attn.branches(numbers[None].double())
    return seen[0].reshape(-1, C)  # (rows, C)


def shades(core, values):
    """The colours of some numbers, on a scale of their own."""
    values = values.flatten().tolist()
    most = max(map(abs, values))
    return json.loads(
        core.eval(
            f"JSON.stringify({json.dumps(values)}.map((v) => "
            f"$colours.valueShade(v, {most!r})))"
        )
    )


def pictures_of(widget):
    """Grey levels `(N, N)` by name."""
    return {
        name: torch.tensor([int(v, 17) for v in levels]).reshape(N, N) / 16
        for name, levels in widget.pictures
    }


def tiles(values, order):
    """Tokens `(N, N, C)`, or one batch of them, as tiles, eight side by side."""
    by_channel = values.reshape(N * N, C).T[order].reshape(4, 8, N, N)
    return by_channel.permute(0, 2, 1, 3)  # (rows of tiles, N, tiles, N)


def inside(mark, box):
    return all(mark[key] == pytest.approx(box[key]) for key in ("x", "y"))


def image(section, box):
    (found,) = [m for m in section["marks"] if m["kind"] == "image" and inside(m, box)]
    return found


def outlines(section, box):
    """In shares of the box: where what is outlined in it begins and ends."""
    for m in section["marks"]:
        x, y = (m.get("x", -9) - box["x"]), (m.get("y", -9) - box["y"])
        fits = -1 <= x < box["width"] and -1 <= y < box["height"]
        if m["kind"] == "outline" and fits and m["stroke"] != "paper":  # its rim
            across, down = box["width"], box["height"]
            right, bottom = x + m["width"], y + m["height"]
            yield [x / across, y / down, right / across, bottom / down]


@pytest.mark.parametrize("case", range(len(ASKED)))
def test_a_block_is_drawn_as_it_ran(core, widget, drawn, case):
    asked, order = ASKED[case], drawn[case]["order"]
    model = pretrained.load("digits").double()
    pictures = pictures_of(widget)
    seen = Seen(model, pictures[asked["name"]], asked["off"])
    other = asked["beside"] and Seen(model, pictures[asked["beside"]], asked["off"])
    shown = lambda name: seen[name] - other[name] if other else seen[name]  # noqa: E731
    ink = pictures[asked["name"]]
    places = torch.arange(N * N * C).reshape(N, N, C)
    darkest = core.eval("$colours.pixelShade(1)")
    for i, section in enumerate(drawn[case]["sections"][1:3]):
        for b in "hwc":
            lane = section["places"]["lanes"][b]
            alpha = 0.25 if b in asked["off"][i] else 1
            # Which rows have the followed channel's segment, and the followed token.
            homes = laid(b, places).long()  # (rows, C)
            if b == "c":
                rows = list(range(N * N))
            else:
                segment = homes % C // (C // N) == CHANNEL // (C // N)
                rows = segment.all(1).nonzero().flatten().tolist()
            followed = [TOKEN * C + CHANNEL in homes[row].tolist() for row in rows]
            row = followed.index(True)
            tokens = sorted(set((homes[rows[row]] // C).tolist()))
            weight = getattr(model.blocks[i].attn, f"mlp_{b}").weight.detach()
            grey = laid(b, ink[..., None].expand(N, N, C))[rows]
            expected = {
                "picture": ink,
                "rows": grey,
                "matrix": weight,
                "mixed": shown(f"{i} mixed {b}").reshape(-1, C)[rows],
                "home": tiles(shown(f"{i} output {b}"), order),
            }
            whole = shown(f"{i} mixed {b}").abs().max()
            for name, values in expected.items():
                found = image(section, lane[name])
                assert found["alpha"] == alpha, (i, b, name)
                if name in ("picture", "rows"):
                    wanted = (values * darkest).flatten().tolist()
                elif name == "mixed":  # all of it is on one scale
                    values = torch.cat([values.flatten(), whole[None]])
                    wanted = shades(core, values)[:-1]
                else:
                    wanted = shades(core, values)
                assert found["cells"] == pytest.approx(wanted, abs=1.01), (i, b, name)
            line = [(t % N, t // N) for t in tokens]
            left, top = min(line)
            right, bottom = max(line)
            edges = [left / N, top / N, (right + 1) / N, (bottom + 1) / N]
            (outlined,) = outlines(section, lane["picture"])
            assert outlined == pytest.approx(edges, abs=0.03), (i, b)
            for name in ("rows", "mixed"):
                (outlined,) = outlines(section, lane[name])
                edges = [0, row / len(rows), 1, (row + 1) / len(rows)]
                assert outlined == pytest.approx(edges, abs=0.04), (i, b, name)
            check_bars(core, section, lane["bars"], b, order, seen, i)
        faint = [m for m in section["marks"] if m.get("stroke") == "faint"]
        assert len(faint) == len(asked["off"][i])  # their ways to the blend
        for name in ("blend", "middle", "after"):
            found = image(section, section["places"][name])
            wanted = shades(core, tiles(shown(f"{i} {name}"), order))
            assert found["cells"] == pytest.approx(wanted, abs=1.01), (i, name)
            (outlined,) = outlines(section, section["places"][name])
            place = order.index(CHANNEL)
            edges = [place % 8 / 8, place // 8 / 4]
            assert outlined[:2] == pytest.approx(edges, abs=0.01), (i, name)


def check_bars(core, section, box, b, order, seen, i):
    """The branch's weight of each channel, none if it is off, and their mean."""
    weights = seen[f"{i} points"]["hwc".index(b)] * seen[f"{i} keep {b}"]
    colour = core.eval(f"$colours.axisColour('{b.upper()}')")
    groups = [g for g in section["boxes"] if g["fill"] == colour]
    bars = [g["cells"][k : k + 4] for g in groups for k in range(0, len(g["cells"]), 4)]
    bars = sorted(bars)
    assert len(bars) == C
    heights = [bar[3] / box["height"] for bar in bars]
    assert heights == pytest.approx(weights[order].tolist(), abs=1e-6)
    (followed,) = [g["cells"] for g in groups if g["alpha"] == 1]
    assert followed == bars[order.index(CHANNEL)]
    (said,) = [
        m["text"]
        for m in section["marks"]
        if m["kind"] == "text" and m["y"] == pytest.approx(box["y"] - 2)
    ]
    mean = f"{weights.mean().item():.2f}"
    assert said == (mean if seen[f"{i} keep {b}"] else "off")


def check_parting(said, one, differ, other):
    """Where two pictures part, and how many of their tokens have parted then."""
    counts = []
    for name in ("tokens", "0 after", "1 after"):
        gaps = (one[name] - other[name]).reshape(-1, C).abs().amax(1)
        counts.append((gaps > gaps.max() / 10).sum().item())
    row, column = divmod(differ[0], N)
    assert (
        f"They part in {len(differ)} of 64 pixels, first in row {row}, "
        f"column {column}. " in said
    )
    come, first, second = counts
    told = f": {come} as they come in, {first} after block 1, {second} after block 2."
    assert told in said


def test_the_ends_are_drawn_as_they_ran(core, widget, drawn):
    model = pretrained.load("digits").double()
    pictures = pictures_of(widget)
    for asked, found in zip(ASKED, drawn):
        start, *_, end = found["sections"]
        one = pictures[asked["name"]]
        other = pictures[asked["beside"] or asked["name"]]
        differ = (one != other).flatten().nonzero().flatten().tolist()
        marks = list(outlines(start, start["places"]["boxes"][0]))
        assert [edges[:2] for edges in marks] == [
            pytest.approx([k % N / N, k // N / N], abs=0.02) for k in differ
        ]
        pooled, shares = Seen(model, one, asked["off"])["pooled"][0], found["shares"]
        if asked["beside"]:
            pooled = pooled - Seen(model, other, asked["off"])["pooled"][0]
            check_parting(
                found["said"],
                Seen(model, one, asked["off"]),
                differ,
                Seen(model, other, asked["off"]),
            )
        _, mean, scores = end["places"]["boxes"]
        boxes = [
            (g["fill"], *g["cells"][k : k + 4])
            for g in end["boxes"]
            for k in range(0, len(g["cells"]), 4)
        ]
        bars = sorted(b[1:] for b in boxes if b[1] < mean["x"] + mean["width"])
        middle = mean["y"] + mean["height"] / 2
        signed = [h if y < middle else -h for _, y, _, h in bars]
        wanted = pooled[found["order"]] / pooled.abs().max() * mean["height"] / 2
        assert signed == pytest.approx(wanted.tolist(), abs=0.41)
        columns = sorted(b[1:] for b in boxes if b[0] == "accent")
        heights = [h / (scores["height"] - 2) for _, _, _, h in columns]
        assert heights == pytest.approx(shares)
    runs = [Seen(model, picture) for picture in pictures_of(widget).values()]
    after = [run[f"{i} after"].reshape(-1, C) for run in runs for i in (0, 1)]
    spreads = torch.cat(after).var(0)
    in_order = spreads[drawn[0]["order"]]
    assert (in_order.diff() <= 1e-9).all()  # the liveliest channel comes first
