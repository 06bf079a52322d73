"""A branch of the live network, step by step: its numbers against PyTorch's own run."""

import json

import pytest
import torch

from vip_tutorial import trace
from vip_tutorial.figures import LiveViP
from vip_tutorial.figures.live_vip.live_vip import MOST_DRAWN
from vip_tutorial.networks import pretrained
from vip_tutorial.vision_permutator import VisionPermutator

BRANCHES = {"h": "height", "w": "width", "c": "channel"}
C, N = 32, 8


@pytest.fixture(scope="module")
def core(engine_of):
    return engine_of("live_vip.js")


@pytest.fixture(scope="module")
def widget():
    return LiveViP(pretrained.load("digits"), pretrained.scale("digits"))


@pytest.fixture(scope="module")
def recorded(widget):
    """`recorded(block, branch)`: PyTorch's run of it on the first digit, in float64."""
    model = pretrained.load("digits").double().eval()
    scale = pretrained.scale("digits")
    picture = (widget.picture.double() - scale.mean) / scale.spread
    seen = {}
    for number, block in enumerate(model.blocks, start=1):
        block.attn.register_forward_pre_hook(
            lambda module, given, number=number: seen.update({number: given[0]})
        )
    with torch.no_grad():
        model(picture[None, None])  # (1, 1, 8, 8)

        def recorded(block, branch):
            mixer = model.blocks[block - 1].attn
            return trace(getattr(mixer, BRANCHES[branch]), seen[block], axes="BHWC")

        yield recorded


def lens_of(core, widget, block, branch, code):
    """What `code` says of a living lens, in JavaScript."""
    state = {"open": block, "branch": branch, "step": 1, "axis": -1, "fill": "value"}
    state |= {"token": 0, "channel": 0, "picture": "", "off": "", "hold": ""}
    state |= {"other": "", "frame": -1, "follow": 1, "speed": "1"}
    return json.loads(
        core.eval(
            f"""(() => {{
          const data = {json.dumps(widget.page_state())};
          const {{ figure, momentOf }} = $live_vip;
              const {{ exhibitOf, formatOf, moment: momentAt }} = $scene;
          const scene = figure.prepare((key) => data[key]);
          const state = {json.dumps(state)};
          const moment = momentOf(scene, state);
          const {{ run, plans }} = $live_lens.lensOf(scene, state, moment);
          return JSON.stringify({code});
        }})()"""
        )
    )


@pytest.mark.parametrize("block", [1, 2])
@pytest.mark.parametrize("branch", BRANCHES)
def test_every_number_of_every_step_is_pytorchs(core, widget, recorded, block, branch):
    truth = recorded(block, branch)
    found = lens_of(
        core, widget, block, branch, "run.tensors.map(({ id }) => run.values(id))"
    )
    assert len(found) == len(truth.tensors) == {"h": 8, "w": 8, "c": 2}[branch]
    for record, numbers in zip(truth.tensors, found, strict=True):
        assert numbers == pytest.approx(truth.values(record.id), abs=1e-9)


@pytest.mark.parametrize("branch", BRANCHES)
def test_the_steps_are_those_that_run(core, widget, recorded, branch):
    """With the moves, which the page makes by itself."""
    truth = recorded(2, branch).to_json()
    assert lens_of(core, widget, 2, branch, "run.steps") == truth["steps"]
    for tensor in truth["tensors"]:
        tensor["dtype"], tensor["values"] = "float32", None
    assert widget.recordings[branch]["tensors"] == truth["tensors"]
    assert len(json.dumps(widget.recordings)) < 10_000


def home_of(token, channel):
    return token * C + channel


def value_said(figure):
    """The followed number's value, as the sentence under the picture has it."""
    words = figure.box.locator(".vip-live-words").inner_text()
    assert figure.heard in ("", words)
    assert ": the network answers " in figure.said
    return float(words.split("value ")[1].split(",")[0].rstrip(". ").split(". ")[0])


@pytest.mark.parametrize("branch", BRANCHES)
def test_stepping_by_key_through_a_branch(open_figure, widget, recorded, branch):
    figure = open_figure(widget, "live=v1;open=2;channel=9;token=17")
    truth = recorded(2, branch)
    figure.box.locator(f'[data-do=branch][data-value="{branch}"]').click()
    assert figure.state == f"v1;open=2;channel=9;token=17;branch={branch}"
    assert figure.heard.startswith(f"Block 2, {BRANCHES[branch]} branch. ")
    assert " Step 1 of " in figure.heard
    figure.box.locator("[data-keys=walk]").focus()
    homes = list(range(N * N * C))
    for number, step in enumerate(truth.steps, start=1):
        homes = [homes[k] for k in step.map] if step.map else homes
        values = truth.values(step.output)
        expected = values[homes.index(home_of(17, 9))]
        assert value_said(figure) == pytest.approx(expected, rel=6e-4)
        assert step.source.text.strip() in figure.box.locator(
            ".vip-code"
        ).inner_text().replace("\n", " ")
        head = figure.box.locator(".vip-heads > div").last.inner_text()
        axes = truth.tensors[step.output].axes
        assert f"({', '.join(axes)})" in head
        current = figure.box.locator("[data-do=step][aria-current]").inner_text()
        assert current == f"{number} {step.op}"
        figure.page.keyboard.press("n")
    # Home again, it is the number under the map of this branch.
    assert f"What comes out are the tiles of {BRANCHES[branch]} above" in figure.heard
    under = figure.box.locator(".vip-live-map b").nth(1 + "hwc".index(branch))
    assert value_said(figure) == pytest.approx(
        float(under.inner_text().replace("\N{MINUS SIGN}", "-")), abs=6e-4
    )
    figure.page.keyboard.press("Home")
    assert "the tokens before, normalised. The input, " in figure.heard
    assert "Nothing has happened yet." in figure.heard
    before = truth.values(truth.inputs[0])[home_of(17, 9)]
    assert value_said(figure) == pytest.approx(before, rel=6e-4)
    figure.page.keyboard.press("p")
    assert "Nothing has happened yet." in figure.heard
    assert figure.box.locator("[data-keys=walk]").evaluate(
        "(el) => el === document.activeElement"
    )


PIXEL = """(canvas, [x, y]) => {
  const scale = canvas.width / canvas.clientWidth;
  const at = [x, y].map((v) => Math.round(v * scale));
  return [...canvas.getContext("2d").getImageData(...at, 1, 1).data].slice(0, 3);
}"""


def places(core, widget, branch, step, width):
    """Where in a picture of this width the cells of a step's result stand."""
    plan = f"plans[formatOf({width})]"
    code = f"""(() => {{
      const plan = {plan};
      const {{ right }} = exhibitOf(plan, momentAt(run, {{}}, {step}));
      const scale = {width} / plan.size.width;
      return run.homes(right.id).map((_, k) => $cells.corner(right, k)).map(([x, y]) =>
        [(x + right.cell.width / 3) * scale, (y + right.cell.height / 3) * scale]);
    }})()"""
    return lens_of(core, widget, 1, branch, code)


@pytest.mark.parametrize("width", [1280, 360])
def test_a_cell_has_the_colour_of_its_number_and_can_be_followed(
    open_figure, core, widget, recorded, width
):
    figure = open_figure(
        widget, "live=v1;open=1;branch=w;step=4;fill=value", width=width
    )
    stage = figure.box.locator("[data-point=follow]")
    canvas = stage.locator("canvas")
    wide = stage.evaluate("(el) => el.clientWidth")
    where = places(core, widget, "w", 4, wide)
    values = recorded(1, "w").values(recorded(1, "w").steps[3].output)
    most = max(map(abs, values))
    row = range(32)  # the row of the followed number; the others stand back
    for k in (3, 12, 20, 31):
        assert k in row
        colour = core.eval(f"$colours.valueFill({values[k]}, {most})")
        expected = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert canvas.evaluate(PIXEL, where[k]) == pytest.approx(expected, abs=2)
    homes = list(range(N * N * C))
    for step in recorded(1, "w").steps[:3]:
        homes = [homes[k] for k in step.map]
    k = 1234
    x, y = where[k]
    stage.click(position={"x": x, "y": y})
    token, channel = divmod(homes[k], C)
    assert figure.state == (
        f"v1;open=1;channel={channel};token={token};branch=w;step=4;fill=value"
    )
    said = f"h{token // N} w{token % N} c{channel}"
    assert f"You follow {said}," in figure.heard
    assert value_said(figure) == pytest.approx(values[k], rel=6e-4)
    # The map above has the same place.
    assert figure.box.locator(".vip-live-map").count() == 6
    assert f"Row {token // N}, column {token % N}, channel {channel}" in (
        figure.part("body").inner_text()
    )


def test_arrows_follow_the_neighbour_in_the_picture(open_figure, widget):
    figure = open_figure(widget, "live=v1;open=1;branch=h;step=3;token=17;channel=9")
    stage = figure.box.locator("[data-keys=walk]")
    stage.focus()
    # A row of the merged tensor holds the segment's channels of a whole column.
    for key, follows in [
        ("ArrowRight", "h2 w1 c10"),
        ("ArrowRight", "h2 w1 c11"),
        ("ArrowRight", "h3 w1 c8"),
        ("ArrowDown", "h3 w2 c8"),
        ("Shift+ArrowDown", "h3 w2 c8"),
        ("Shift+ArrowRight", "h3 w2 c12"),
        ("ArrowLeft", "h2 w2 c15"),
        ("ArrowUp", "h2 w1 c15"),
    ]:
        figure.page.keyboard.press(key)
        assert f"You follow {follows}," in figure.heard, key
    assert "token=17" in figure.state and "channel=15" in figure.state
    figure.page.keyboard.press("x")
    assert "You follow h2 w1 c15," in figure.heard


def test_its_speed(core, widget):
    """How long a step's way takes."""
    state = {"open": 1, "branch": "w", "step": 2, "axis": -1, "fill": "value"}
    state |= {"token": 0, "channel": 0, "picture": "", "off": "", "hold": ""}
    state |= {"other": "", "frame": -1, "follow": 1, "moving": 1}
    states = [state | {"speed": speed} for speed in ("1", "2", "0.5")]
    lasts = [
        core.eval(
            f"""(() => {{
          const data = {json.dumps(widget.page_state())};
          const scene = $live_vip.figure.prepare((key) => data[key]);
          return $live_vip.figure.motion.lasts(scene, {json.dumps(one)});
        }})()"""
        )
        for one in states
    ]
    assert lasts == pytest.approx([lasts[0], lasts[0] / 2, lasts[0] * 2])


def test_its_controls(open_figure, widget):
    figure = open_figure(widget, "live=v1;open=1;branch=h")
    figure.press("next")
    assert figure.state == "v1;open=1;branch=h;step=2"
    lit = figure.box.locator("[data-do=axis]")
    lit.nth(1).click()
    assert figure.heard.startswith("Block 1, height branch. Step 2 of 7, permute")
    assert "Axis 1 of the output is N, 8 long" in figure.heard
    assert lit.nth(1).get_attribute("aria-pressed") == "true"
    assert figure.state == "v1;open=1;branch=h;step=2;axis=1"
    figure.box.locator('[data-do=branch][data-value="w"]').click()
    assert figure.state == "v1;open=1;branch=w"  # another tensor has other axes
    figure.box.locator('[data-do=branch][data-value="h"]').click()
    figure.box.locator("[data-do=step]", has_text="permute").first.click()
    lit.nth(1).click()
    lit.nth(1).click()
    assert figure.state == "v1;open=1;branch=h;step=2"
    figure.setting("fill").select_option("value")
    assert "its value" in figure.box.locator(".vip-looks").inner_text()
    # Another block, the same branch and step.
    figure.button("open").nth(1).click()
    assert figure.state == "v1;open=2;branch=h;step=2;fill=value"
    # Another digit, other numbers, the same step.
    before = value_said(figure)
    figure.setting("picture").select_option("three")
    assert value_said(figure) != before
    # A branch with one step only; a link may say more.
    figure.box.locator('[data-do=branch][data-value="c"]').click()
    assert figure.state == "v1;picture=three;open=2;branch=c;fill=value"
    figure.box.locator('[data-do=branch][aria-expanded="true"]').click()
    assert figure.box.locator(".vip-live-lens").count() == 0
    assert figure.box.locator("[data-do=branch]").count() == 3
    figure.box.locator('[data-do=branch][data-value="w"]').click()
    figure.button("open").nth(1).click()
    assert figure.state == "v1;picture=three;fill=value"


def test_links(open_figure, widget):
    text = "v1;open=2;channel=31;token=63;branch=w;step=0;fill=value;axis=0"
    figure = open_figure(widget, f"live={text}")
    figure.press("copy")
    link = figure.part("link").locator("input").input_value()
    assert link.endswith(f"#live={text}") and "asks for" not in figure.said
    for bad in ("branch=x", "step=8", "step=-1", "fill=birthday", "axis=10"):
        broken = open_figure(widget, f"live=v1;open=1;{bad}")
        assert broken.said.startswith(f"This link asks for “{bad}”")
    # What only another step or branch has is shown as far as there is something.
    late = open_figure(widget, "live=v1;open=1;branch=c;step=7;axis=9")
    words = late.box.locator(".vip-live-words").inner_text()
    assert words.startswith("Block 1, channel branch. What comes out are the tiles of")
    assert "Step 1 of 1, linear" in words


@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_in_an_open_branch(open_figure, widget, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for theme in ("light", "dark"):
        figure = open_figure(
            widget, "live=v1;open=1;branch=h", width=width, color_scheme=theme
        )
        found = axe.run(figure.page, context="#live")
        assert found.violations_count == 0, found.generate_report()
        assert figure.box.evaluate("(el) => el.scrollWidth <= el.clientWidth")


@pytest.mark.parametrize("width", [1280, 360])
def test_the_first_frame_has_the_picture_too(open_figure, width):
    start = "v1;open=1;branch=h;step=3;channel=9;token=17"
    widget = LiveViP(pretrained.load("digits"), pretrained.scale("digits"), start=start)
    still = open_figure(widget, java_script_enabled=False, width=width)
    stage = still.locator(".vip-live-lens .vip-stage")
    assert stage.locator("svg:visible").count() == 1
    assert not still.locator("[data-do=branch]").first.is_visible()
    box = stage.bounding_box()
    living = open_figure(widget, width=width)
    canvas = living.box.locator(".vip-live-lens canvas")
    assert canvas.bounding_box()["height"] == pytest.approx(box["height"], abs=1)
    assert living.box.locator(".vip-live-lens svg.vip-wide").count() == 0


@pytest.mark.slow
def test_too_many_numbers_are_not_drawn(open_figure, core):
    assert core.eval("$recording.MOST_DRAWN") == MOST_DRAWN
    torch.manual_seed(0)
    model = VisionPermutator(
        layers=[1],
        embed_dims=[16],
        patch_size=1,
        img_size=16,
        in_chans=1,
        num_classes=3,
    ).eval()
    widget = LiveViP(model, pretrained.scale("digits"))
    assert widget.recordings == {}
    figure = open_figure(widget, "live=v1;open=1")
    assert "The steps of a branch are not shown" in figure.part("body").inner_text()
    broken = open_figure(widget, "live=v1;open=1;branch=h")
    assert broken.said.startswith("This link asks for “branch=h”")
