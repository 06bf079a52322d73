"""The flow of the live network and the film of its training, against PyTorch."""

import json
import math
from dataclasses import replace

import ipywidgets
import pytest
import torch
import traitlets

from vip_tutorial.figures import LiveViP
from vip_tutorial.networks import pretrained
from vip_tutorial.study import branch_importance as ask

BRANCHES = "hwc"
C, N = 32, 8
FRAMES = [0, 3, 7, None]  # of the film; None is the network itself


@pytest.fixture(scope="module")
def core(engine_of):
    return engine_of("live_vip.js")


@pytest.fixture(scope="module")
def film():
    return pretrained.film("digits")


@pytest.fixture(scope="module")
def widget(film):
    return LiveViP(pretrained.load("digits"), pretrained.scale("digits"), film=film)


def network_of(film, frame):
    """The network in float64, as it was in a frame."""
    model = pretrained.load("digits")
    if frame is not None:
        model.load_state_dict(film.frames[frame].weights())
    return model.double().eval()


def standardised(picture):
    scale = pretrained.scale("digits")
    return (picture.double() - scale.mean)[None, None] / scale.spread  # (1, 1, 8, 8)


def everything(model, x):
    """What PyTorch computes on the way from a picture to the scores, flat, by name."""
    seen = {}

    def note(name, given=False):
        return lambda module, inputs, *output: seen.update(
            {name: inputs[0] if given else output[0]}
        )

    model.patch_embed.register_forward_hook(note("tokens"))
    model.norm.register_forward_hook(note("last"))
    model.head.register_forward_pre_hook(note("pooled", given=True))
    for i, block in enumerate(model.blocks):
        attn = block.attn
        attn.register_forward_pre_hook(note(f"{i} x", given=True))
        attn.proj.register_forward_pre_hook(note(f"{i} blend", given=True))
        block.norm2.register_forward_pre_hook(note(f"{i} middle", given=True))
        block.register_forward_hook(note(f"{i} after"))
        for b in BRANCHES:
            layer = getattr(attn, f"mlp_{b}")
            layer.register_forward_pre_hook(note(f"{i} rows {b}", given=True))
            layer.register_forward_hook(note(f"{i} mixed {b}"))
    with torch.no_grad():
        seen["scores"] = model(x)
        for i, block in enumerate(model.blocks):
            outputs = block.attn.branches(seen[f"{i} x"])
            for b, output in zip(BRANCHES, outputs):
                seen[f"{i} output {b}"] = output
            seen[f"{i} points"] = block.attn.branch_weights(*outputs)[:, 0]  # (3, C)
        seen["shares"] = ask.output_shares(model, x)  # (blocks, 3)
    return {name: value.flatten().tolist() for name, value in seen.items()}


IN_THE_PAGE = """(() => {
  const data = %s;
  const network = $network.read(data.network, %s);
  const none = { off: "" };
  const run = $network.run(network, %s, network.blocks.map(() => none));
  const found = { scores: run.scores };
  for (const name of ["tokens", "last", "pooled"]) found[name] = [...run[name]];
  found.shares = [];
  run.steps.forEach((step, i) => {
    for (const name of ["x", "blend", "middle", "after"])
      found[`${i} ${name}`] = [...step[name]];
    for (const b of "hwc") {
      found[`${i} rows ${b}`] = [...step.rows[b]];
      found[`${i} mixed ${b}`] = [...step.mixed[b]];
      found[`${i} output ${b}`] = [...step.outputs[b]];
    }
    const points = (b) => step.points.map((point) => point[b]);
    found[`${i} points`] = [..."hwc"].flatMap(points);
    const shares = $network.outputShares(network, i, step, "");
    found.shares.push(shares.h, shares.w, shares.c);
  });
  return JSON.stringify(found);
})()"""


LENGTHS = "$network.read(data.network, $network.readWeights(data.weights)).lengths"


@pytest.mark.parametrize("frame", FRAMES)
def test_every_number_of_the_flow_is_pytorchs(core, widget, film, frame):
    data = widget.page_state()
    weights = (
        f"$network.readWeights({json.dumps(data['weights'])})"
        if frame is None
        else f"$film.readFilm(data.film, {LENGTHS}).numbers({frame})"
    )
    pixels = widget.picture.double().flatten().tolist()
    found = json.loads(core.eval(IN_THE_PAGE % (json.dumps(data), weights, pixels)))
    truth = everything(network_of(film, frame), standardised(widget.picture))
    assert found.keys() == truth.keys()
    for name, numbers in truth.items():
        assert found[name] == pytest.approx(numbers, abs=1e-9), name


def test_branches_that_are_off_make_up_nothing(core, widget):
    data = json.dumps(widget.page_state())
    shares = core.eval(
        f"""(() => {{
          const data = {data};
          const weights = $network.readWeights(data.weights);
          const network = $network.read(data.network, weights);
          const picture = Array.from({{ length: 64 }}, (_, k) => (k % 5) / 4);
          const changes = network.blocks.map(() => ({{ off: "hw" }}));
          const [step] = $network.run(network, picture, changes).steps;
          return JSON.stringify($network.outputShares(network, 0, step, "hw"));
        }})()"""
    )
    assert json.loads(shares) == {"h": 0, "w": 0, "c": 1}


# --- What is seen --------------------------------------------------------------------

SCENE = """(() => {
  const data = %s;
  const scene = $live_vip.figure.prepare((key) => data[key]);
  const plan = scene.plans.%s;
  const { lanes, blend, middle, after } = plan.block;
  const [h, w, c] = [lanes.h.home, lanes.w.home, lanes.c.home];
  const boxes = { h, w, c, blend, middle, after, matrix: lanes.h.matrix };
  const { width, height } = plan.block;
  return JSON.stringify({ order: scene.order, boxes, width, height });
})()"""

PIXEL = """(canvas, [x, y]) => {
  const at = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)];
  return [...canvas.getContext("2d").getImageData(...at, 1, 1).data].slice(0, 3);
}"""


def value_colour(core, value, scale):
    shade = f"$colours.valueShade({value}, {scale})"
    return json.loads(core.eval(f"JSON.stringify($colours.VALUE_PALETTE[{shade}])"))


@pytest.mark.parametrize("width", [1280, 360])
def test_a_tile_has_the_colours_of_its_channel_and_can_be_followed(
    open_figure, core, widget, film, width
):
    wanted = "wide" if width > 800 else "narrow"
    scene = json.loads(core.eval(SCENE % (json.dumps(widget.page_state()), wanted)))
    truth = everything(network_of(film, None), standardised(widget.picture))
    size = {
        "width": width,
        "height": 2500,
        "device_scale_factor": 3,
    }  # a cell is more than a pixel
    figure = open_figure(widget, "live=v1", **size)
    stage = figure.box.locator('[data-flow="1"]')
    canvas = stage.locator("canvas")
    across = 8
    names = {"h": "output h", "c": "output c", "blend": "blend", "after": "after"}
    for key, name in names.items():
        values = truth[f"1 {name}"]
        most = max(map(abs, values))
        box = scene["boxes"][key]
        tile = box["width"] / across
        for place, token in ((0, 27), (9, 3), (31, 60)):
            channel = scene["order"][place]
            x = box["x"] + (place % across + (token % N + 0.5) / N) * tile
            y = box["y"] + (place // across + (token // N + 0.5) / N) * tile
            at = [x / scene["width"], y / scene["height"]]
            colour = value_colour(core, values[token * C + channel], most)
            assert canvas.evaluate(PIXEL, at) == pytest.approx(colour, abs=2), (
                key,
                place,
            )
    size = stage.bounding_box()
    stage.click(
        position={"x": at[0] * size["width"], "y": at[1] * size["height"]},
    )
    assert f"channel={channel};" in figure.state
    assert f"You follow channel {channel}, token row 7, column " in figure.heard
    if width > 800:  # on a phone a token is hardly a pixel wide
        assert figure.state == f"v1;channel={channel};token={token}"


def test_a_press_on_a_branch_opens_its_lens_there(open_figure, widget):
    figure = open_figure(widget, "live=v1")
    for value, words in (
        ("1h2", "Block 1, height branch. Step 2 of 7, permute"),
        ("2w4", "Block 2, width branch. Step 4 of 7, linear"),
        ("2c1", "Block 2, channel branch. "),
    ):
        button = figure.box.locator(f'.vip-flow-over.vip-wide [data-value="{value}"]')
        assert f"Block {value[0]}, " in button.first.get_attribute("aria-label")
        button.first.focus()
        figure.page.keyboard.press("Enter")
        figure.settle()
        assert figure.heard.startswith(words)
        assert (
            f"open={value[0]}" in figure.state and f"branch={value[1]}" in figure.state
        )
        assert figure.box.locator(".vip-live-lens").count() == 1
    bars = figure.box.locator('.vip-flow-over.vip-wide [data-do="blend"]')
    assert bars.count() == 6
    bars.first.click()
    assert "open=1" in figure.state and figure.heard.startswith("Row 0, column 0")
    home = figure.box.locator('.vip-flow-over.vip-wide [data-value="1h6"]')
    home.first.click()
    assert figure.heard.startswith("Block 1, height branch. Step 6 of 7, permute")
    fresh = open_figure(widget)
    fresh.box.locator('.vip-flow-over.vip-wide [data-value="1h2"]').click()
    assert "follow=0" in fresh.state and "You follow" not in fresh.heard


def test_the_lens_of_a_branch_plays(open_figure, widget):
    figure = open_figure(widget, "live=v1;open=1;branch=w;step=5")
    figure.button("play").click()
    for _ in range(4):
        figure.settle()
    assert figure.state == "v1;open=1;branch=w;step=7"
    assert figure.button("play").get_attribute("aria-pressed") == "false"


def test_a_branch_that_is_off_is_said_and_drawn_to_be(open_figure, widget):
    figure = open_figure(widget, "live=v1")
    canvas = figure.box.locator('[data-flow="0"] canvas')
    before = canvas.evaluate("(el) => el.toDataURL()")
    figure.setting("on1w").uncheck()
    assert canvas.evaluate("(el) => el.toDataURL()") != before
    clouds = figure.box.locator(".vip-live-cloud")
    assert "Off: width." in clouds.first.inner_text()
    assert "Off:" not in clouds.last.inner_text()
    cells = clouds.first.locator("tbody tr").nth(1).locator("td").all_inner_texts()
    assert cells == ["off", "0 %"]


def test_the_cloud_of_a_block(open_figure, widget, film):
    figure = open_figure(widget, "live=v1;channel=9")
    truth = everything(network_of(film, None), standardised(widget.picture))
    shares = torch.tensor(truth["shares"]).reshape(2, 3)
    for i, cloud in enumerate(figure.box.locator(".vip-live-cloud").all()):
        points = torch.tensor(truth[f"{i} points"]).reshape(3, C)
        cells = cloud.locator("tbody td").all_inner_texts()
        for b in range(3):
            mean, spread = map(float, cells[2 * b].split(" ± "))
            assert mean == pytest.approx(points[b].mean().item(), abs=6e-3)
            assert spread == pytest.approx(points[b].std(correction=0).item(), abs=6e-3)
            share = float(cells[2 * b + 1].removesuffix(" %")) / 100
            assert share == pytest.approx(shares[i, b].item(), abs=6e-3)
        ring = cloud.locator(".vip-triangle-ring")
        place = [float(ring.get_attribute(name)) for name in ("cx", "cy")]
        corners = torch.tensor([[200.0, 30], [372, 328], [28, 328]])
        wanted = (points[:, 9] @ corners).tolist()
        assert place == pytest.approx(wanted, abs=0.1)


def test_all_that_changes_is_painted_anew(open_figure, widget):
    """Which of the canvases look otherwise: start, a block, its lens, a block, end."""
    figure = open_figure(
        widget, "live=v1;other=two;open=1;branch=w;step=4;fill=value", height=3000
    )
    before = figure.painted()
    assert len(before) == 5
    for change, wanted in (
        (lambda: figure.setting("on2h").uncheck(), {3, 4}),
        (lambda: figure.setting("hold2").select_option("third"), {3, 4}),
        (lambda: figure.setting("beside").check(), {0, 1, 3, 4}),
        (lambda: figure.setting("frame").press("ArrowLeft"), {0, 1, 2, 3, 4}),
        (lambda: figure.setting("channel").press("ArrowRight"), {0, 1, 2, 3, 4}),
        (lambda: figure.press("clear"), {0, 1, 2, 3, 4}),
    ):
        change()
        after = figure.painted()
        changed = {k for k, (a, b) in enumerate(zip(before, after)) if a != b}
        assert changed == wanted, figure.state
        before = after


COVERED = """(figure) => {
  const cells = [...figure.querySelectorAll(".vip-live-weights td")];
  return cells.filter((cell) => {
    const { x, y, width, height } = cell.getBoundingClientRect();
    const top = document.elementFromPoint(x + width / 2, y + height / 2);
    return top && !cell.contains(top);
  }).length;
}"""


def test_the_desk_that_stays_in_sight_covers_no_weights(open_figure, widget):
    figure = open_figure(widget, height=720)
    desk = figure.box.locator(".vip-live-desk")
    weights = figure.box.locator(".vip-live-weights")
    figure.page.mouse.move(640, 400)
    met = 0
    for _ in range(12):
        figure.page.mouse.wheel(0, 100)
        figure.page.wait_for_timeout(30)
        bottom = desk.evaluate("(el) => el.getBoundingClientRect().bottom")
        met += bottom > weights.evaluate("(el) => el.getBoundingClientRect().top")
        assert figure.box.evaluate(COVERED) == 0
    assert met  # or nothing could have been covered


# --- The film ------------------------------------------------------------------------


def test_the_film_shows_the_network_as_it_was(open_figure, core, widget, film):
    figure = open_figure(widget, "live=v1")
    slider = figure.setting("frame")
    assert slider.get_attribute("max") == str(len(film.frames) - 1)
    slider.focus()
    last = len(film.frames) - 1
    for name, numbers in (
        ("loss", [f.loss / max(g.loss for g in film.frames) for f in film.frames]),
        ("accuracy", [f.accuracy for f in film.frames]),
    ):
        curve = figure.box.locator(f"polyline.vip-film-{name}").get_attribute("points")
        places = [tuple(map(float, pair.split(","))) for pair in curve.split()]
        assert [y for _, y in places] == pytest.approx(
            [40 - 36 * number for number in numbers], abs=0.06
        )
    scene = json.loads(core.eval(SCENE % (json.dumps(widget.page_state()), "wide")))
    box, canvas = scene["boxes"]["matrix"], figure.box.locator("canvas").nth(1)
    x = box["x"] + box["width"] * 11.5 / C
    y = box["y"] + box["height"] * 20.5 / C
    middle = [x / scene["width"], y / scene["height"]]
    for back in (1, 2, 3):
        figure.page.keyboard.press("ArrowLeft")
        frame = film.frames[last - back]
        assert figure.state == f"v1;frame={last - back}"
        assert f"after {frame.step} steps of its training" in figure.said
        line = figure.box.locator(".vip-film-now").get_attribute("d")
        assert line.startswith(f"M{places[last - back][0]:.1f},0V")
        told = slider.get_attribute("aria-valuetext")
        assert f"step {frame.step} of 630: loss {frame.loss:.2f}" in told
        weight = frame.weights()["network.0.0.attn.mlp_h.weight"]
        assert canvas.evaluate(PIXEL, middle) == pytest.approx(
            value_colour(core, weight[20, 11].item(), weight.abs().max().item()), abs=2
        )
        with torch.no_grad():
            scores = network_of(film, last - back)(standardised(widget.picture))
        cells = figure.box.locator(".vip-live-scores td.vip-number").all_inner_texts()
        assert [float(cell) for cell in cells] == pytest.approx(
            scores.softmax(1)[0].tolist(), abs=6e-4
        )
    figure.page.keyboard.press("End")
    assert figure.state == "v1"
    shown = open_figure(widget, "live=v1;frame=0;open=2;branch=h;step=4")
    assert "after 0 steps" in shown.said


def test_the_film_plays_to_its_end_and_stops_where_it_is_told(
    open_figure, widget, film
):
    figure = open_figure(widget, f"live=v1;frame={len(film.frames) - 3}")
    figure.page.clock.pause_at(figure.page.evaluate("Date.now() / 1000 + 1"))
    roll = figure.button("roll")
    for frame in (len(film.frames) - 2, -1):
        was = "false" if frame > 0 else "true"
        assert roll.get_attribute("aria-pressed") == was
        if frame > 0:
            roll.click()
        figure.page.clock.run_for(750)
        step = film.frames[frame].step
        assert (
            figure.setting("frame")
            .get_attribute("aria-valuetext")
            .startswith(f"step {step} of")
        )
    figure.page.clock.run_for(750)
    assert roll.get_attribute("aria-pressed") == "false"
    roll.click()  # from the beginning, then
    assert "after 0 steps of its training" in figure.said
    figure.page.clock.run_for(750)
    roll.click()
    figure.page.clock.run_for(3000)
    assert f"after {film.frames[1].step} steps" in figure.said


DAMAGED_FILMS = {
    "no steps": lambda film: film.pop("steps"),
    "steps back": lambda film: film["steps"].reverse(),
    "scales": lambda film: film["scales"].pop(),
    "nan": lambda film: film["loss"].__setitem__(0, None),
    "texts": lambda film: film.update(base64=[1] * 11),
    "a cut frame": lambda film: film["base64"].__setitem__(3, film["base64"][3][4:]),
    "no base64": lambda film: film["base64"].__setitem__(3, "?" * 26_148),
    "parts": lambda film: film["scales"][3].pop(),
}


def test_a_damaged_film_leaves_the_figure(core, widget):
    for name, change in DAMAGED_FILMS.items():
        data = json.loads(json.dumps(widget.page_state()))
        change(data["film"])
        html = core.eval(f"$live_vip.firstFrame({json.dumps(data)})")
        assert "shown without the film of its training, which is damaged" in html, name
        assert 'data-set="frame"' not in html and "vip-live-scores" in html, name
    data["film"] = None
    html = core.eval(f"$live_vip.firstFrame({json.dumps(data)})")
    assert "damaged" not in html and 'data-set="frame"' not in html


def test_a_film_that_does_not_fit_is_refused(film):
    model, scale = pretrained.load("digits"), pretrained.scale("digits")
    other = pretrained.load("digits")

    def changed(**facts):
        frames = [film.frames[0], replace(film.frames[3], **facts), film.frames[-1]]
        return replace(film, frames=tuple(frames))

    wide = {name: whole.int() for name, whole in film.frames[3].whole.items()}
    scales = dict.fromkeys(wide, math.nan)
    with torch.no_grad():
        other.head.weight += 0.05
    for network, given, error, words in (
        (model, "digits", TypeError, "film is a str; it must be a Film"),
        (pretrained.load("row"), film, ValueError, "other parameters than the network"),
        (other, film, ValueError, "ends with another head.weight"),
        (model, changed(step=630), ValueError, r"\[0, 630, 630\]; they must rise"),
        (model, changed(loss=math.nan), ValueError, "step 75 has loss nan"),
        (model, changed(accuracy=37), ValueError, "accuracy 37 .*shares of 0 to 1"),
        (model, changed(whole=wide), ValueError, "weights that are not int8"),
        (model, changed(scale=scales), ValueError, "step 75 .*finite numbers"),
    ):
        with pytest.raises(error, match=words):
            LiveViP(network, scale, film=given)


# --- From Python, and back -----------------------------------------------------------


def test_python_drives_the_figure(film):
    model, scale = pretrained.load("digits"), pretrained.scale("digits")
    live = LiveViP(model, scale, film=film)
    seen = []
    live.observe(lambda change: seen.append(change["new"]), "picture")
    image = torch.zeros(8, 8)
    image[2:6, 3] = 1
    live.picture = image
    assert (
        live.state == f"v1;picture={'0' * 19}g{'0' * 7}g{'0' * 7}g{'0' * 7}g{'0' * 20}"
    )
    assert torch.equal(live.picture, image)
    live.frame = 4
    assert live.state.startswith("v1;frame=4;picture=")
    live.state = "v1;picture=three"  # as the page does
    assert live.frame == -1 and len(seen) == 2
    _, test = pretrained.pictures("digits")
    three = test.images[test.labels == 3][0, 0]
    assert torch.equal(live.picture, three)
    for bad, error, words in (
        (
            torch.zeros(4, 4),
            ValueError,
            r"shape \(4, 4\) and the network takes \(8, 8\)",
        ),
        (torch.full((8, 8), torch.nan), ValueError, "pixels that are no finite"),
        (image * 255, ValueError, "goes from 0 to 255; .*divide"),
        ("seven", TypeError, "no grid of numbers"),
        (None, TypeError, "no grid of numbers"),
        ([[10**400] * 8] * 8, TypeError, "no grid of numbers"),
    ):
        with pytest.raises(error, match=words):
            live.picture = bad
    with pytest.raises(
        ValueError, match="it must be -1, the network itself, or 0 to 10"
    ):
        live.frame = 11
    with pytest.raises(traitlets.TraitError, match="read-only"):
        live.scores = [1.0]
    assert live.state == "v1;picture=three" and torch.equal(live.picture, three)
    live.frame = True
    assert live.state == "v1;frame=1;picture=three"
    for unknown in ("11", "-2", "\N{ARABIC-INDIC DIGIT THREE}", "9" * 5000):
        live.state = f"v1;frame={unknown}"  # the page shows the network itself, too
        assert live.frame == -1
    live.state = "v1;picture=three"
    slider = ipywidgets.IntSlider(min=-1, max=10, value=-1)
    ipywidgets.link((slider, "value"), (live, "frame"))
    slider.value = 7
    assert live.state == "v1;frame=7;picture=three"
    live.state = "v1;frame=2"
    assert slider.value == 2
