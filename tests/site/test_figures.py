"""What every figure must do: one core on every host, for every reader."""

import json
import re
from functools import partial

import pytest
import torch
from figure_driver import Figure
from lens_pages import height_lens

from vip_tutorial import PermuteMLP, WeightedPermuteMLP, trace
from vip_tutorial.figures import (
    BranchMatrix,
    BranchMixer,
    CheckGrid,
    CostCalculator,
    FanIn,
    LiveViP,
    MemoryStrip,
    ModuleMap,
    MutantSpotter,
    ReachProbe,
    SeedComparison,
    ShapePuzzles,
    WeightRewrite,
)
from vip_tutorial.networks import pretrained
from vip_tutorial.study.faults import MUTANTS
from vip_tutorial.training.data import as_tokens

axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")


def reach_probe() -> ReachProbe:
    torch.manual_seed(0)
    module = WeightedPermuteMLP(8, 4)
    maps = {"height": module.height, "sum": PermuteMLP(8, 4), "whole": module}
    x, picture = torch.randn(1, 4, 4, 8), torch.rand(4, 4)
    return ReachProbe(maps, x, picture=picture, at=(0, 0))  # what a link leaves unsaid


def memory_strip() -> MemoryStrip:
    moves = {
        "x.permute(1, 0)": lambda x: x.permute(1, 0),
        "x[:, 1:3]": lambda x: x[:, 1:3],
        "x.permute(1, 0).reshape(12)": lambda x: x.permute(1, 0).reshape(12),
    }
    return MemoryStrip(torch.arange(12.0).reshape(3, 4), moves)


def branch_matrix() -> BranchMatrix:
    torch.manual_seed(0)
    module = WeightedPermuteMLP(8, 4)
    return BranchMatrix(module.height, module.mlp_h, (4, 4, 8))


def fan_in() -> FanIn:
    torch.manual_seed(0)
    module = WeightedPermuteMLP(8, 4)
    branches = {"h": module.height, "w": module.width, "c": module.channel}
    return FanIn(branches, torch.randn(1, 4, 4, 8), at=(0, 0))


def module_map() -> ModuleMap:
    torch.manual_seed(0)
    return ModuleMap(trace(WeightedPermuteMLP(8, 4), torch.randn(1, 4, 4, 8)))


def weight_rewrite() -> WeightRewrite:
    torch.manual_seed(0)
    mixer = WeightedPermuteMLP(16, 4)
    torch.nn.init.zeros_(mixer.reweight.fc2.weight)
    return WeightRewrite(mixer, torch.randn(1, 4, 4, 16), at=(1, 2))


def seed_comparison() -> SeedComparison:
    right = {"a": [1, 2, 3, 4, 5], "b": [6, 7, 8, 9, 10], "c": [3, 9, 4, 4, 7]}
    models = [
        {"name": name, "label": f"model {name}", "group": "tiny", "right": counts}
        for name, counts in right.items()
    ]
    return SeedComparison(models, of=10)


# One of each kind, and a state that is not its first.
EXAMPLES = {
    "permute_lens": (
        lambda: height_lens("height", start="v1;step=3"),
        "v1;step=4;cell=77;numbers=order",
    ),
    "branch_mixer": (
        lambda: BranchMixer(
            WeightedPermuteMLP(16, 8), partial(as_tokens, dim=16), temperature=1
        ),
        "v1;picture=noise;other=even-grey;channel=5;zoom=2;temperature=0.5",
    ),
    "cost_calculator": (lambda: CostCalculator(), "v1;H=14;W=14;N=14;C=392"),
    "live_vip": (
        lambda: LiveViP(pretrained.load("digits"), pretrained.scale("digits")),
        "v1;picture=noise;other=seven;off=1h;hold=2third;open=1;channel=5;token=9;"
        "branch=h;step=3;fill=value",
    ),
    "module_map": (module_map, "v1;step=11;cell=77;view=lens"),
    "reach_probe": (reach_probe, "v1;map=2;at=5;shade=log;read=11"),
    "seed_comparison": (seed_comparison, "v1;one=b;other=c;seeds=3"),
    "shape_puzzles": (lambda: ShapePuzzles(), "v1;kind=order;number=5"),
    "weight_rewrite": (weight_rewrite, "v1;h=-50;c=7"),
    "memory_strip": (memory_strip, "v1;view=1;at=9"),
    "branch_matrix": (branch_matrix, "v1;step=4;entry=129"),
    "fan_in": (fan_in, "v1;at=9;only=w"),
    "check_grid": (
        lambda: CheckGrid(MUTANTS[:3]),
        "v1;mutant=height-transposed;check=formula",
    ),
    "mutant_spotter": (lambda: MutantSpotter(), "v1;round=2;guess=A"),
}


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request):
    make, state = EXAMPLES[request.param]
    widget = make()
    widget.another = state
    return widget


@pytest.fixture(scope="module")
def axe():
    return axe_module.Axe()


SHIFTS = """
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value } of list.getEntries()) shifts.push(value);
  }).observe({ type: "layout-shift", buffered: true });
"""
TOO_WIDE = """(box) => [...box.querySelectorAll("*")]
  .filter((el) => !el.closest(".vip-scroll")
    && el.getBoundingClientRect().right > box.getBoundingClientRect().right + 0.5)
  .map((el) => el.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("protocol", ["http", "file"])
def test_it_comes_to_life_without_a_jump(example, open_figure, protocol):
    for width in (1280, 360):
        opened = open_figure(example, protocol=protocol, script=SHIFTS, width=width)
        assert opened.page.evaluate("shifts") == []
        assert opened.box.evaluate(TOO_WIDE) == []
        assert opened.state is None  # nothing is written into the address unasked


def test_the_living_picture_is_the_first_frame(example, open_figure):
    still = open_figure(example, java_script_enabled=False)
    frame = still.locator("[data-part=body]").inner_html()
    words = still.locator("[data-part=say]").inner_text()
    assert words.strip()
    assert " Press " not in words  # a button that is not there
    assert not still.locator(".vip-options").is_visible()
    living = open_figure(example)
    assert drawn_anew(living.html()) == drawn_anew(frame)


def drawn_anew(html: str) -> str:
    """Without what only sleeps or only wakes: a canvas is painted, and may be used."""
    stage = r'(<div class="vip-stage" style="[^"]*").*?(</div>)'
    html = re.sub(stage, r"\1\2", html, flags=re.S)
    # Of a flow what lies over its canvases stays.
    flow = r'(<div class="vip-stage vip-flow" style="[^"]*" data-flow="\w+")[^>]*>'
    html = re.sub(flow, r"\1>", html)
    drawn = r'<svg class="vip-(wide|narrow)".*?</svg>|<canvas.*?</canvas>'
    html = re.sub(drawn, "", html, flags=re.S)
    return re.sub(' (aria-disabled="true"|disabled="")', "", html)


@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing(example, open_figure, axe, width):
    for theme in ("light", "dark"):
        opened = open_figure(example, width=width, color_scheme=theme)
        assert opened.box.get_attribute("data-vip-theme") == theme
        # The rules for whole pages are for the book's own pages.
        found = axe.run(opened.page, context=f"#{example.name}")
        assert found.violations_count == 0, found.generate_report()


def test_a_link_shows_the_state_that_it_names(example, open_figure, open_page):
    first = open_figure(example)
    linked = open_figure(example, f"{example.name}={example.another}")
    assert linked.html() != first.html()
    linked.press("copy")
    link = linked.part("link").locator("input").input_value()
    assert link.endswith(f"#{example.name}={example.another}")
    again = Figure(open_page(link), example.name)
    assert (again.html(), again.painted()) == (linked.html(), linked.painted())
    linked.press("reset")
    assert linked.html() == first.html()


@pytest.mark.parametrize("text", ["v9;x=1", "nonsense", "v1;no=such", "v1;%%%;=;;"])
def test_a_broken_link_gets_a_sentence(example, open_figure, text):
    # Of what a link leaves unsaid; one that is no link of ours says nothing at all.
    known = f"{example.name}=v1" if text.startswith("v1") else ""
    usual = open_figure(example, known)
    opened = open_figure(example, f"{example.name}={text}")
    assert opened.said.startswith("This link")
    assert opened.html() == usual.html()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "null",
        lambda text: '{"name": 7}',
        lambda text: json.dumps(
            {k: v for k, v in json.loads(text).items() if k in ("name", "start")}
            | {"start": "v9"}
        ),
    ],
    ids="cut null number bare".split(),
)
def test_damaged_data_harms_nothing_else(example, open_figure, damage):
    opened = open_figure(example, damage=damage)
    figure = opened.locator(f"#{example.name}")
    assert figure.inner_text().strip()
    assert opened.locator("#elsewhere").is_visible()


def test_everything_can_be_reached_by_key(example, open_figure):
    opened = open_figure(example)
    opened.page.locator("body").press("Tab")
    reached, before = 0, None
    while opened.page.evaluate(
        "(id) => Boolean(document.activeElement.closest(`#${id}`))", example.name
    ):
        reached += 1
        before = opened.page.evaluate("document.activeElement.outerHTML")
        opened.page.keyboard.press("Tab")
        if reached > 200 or before == opened.page.evaluate(
            "document.activeElement.outerHTML"
        ):
            break
    targets = opened.box.locator(
        "button:enabled:visible, input:enabled:visible, select:enabled:visible,"
        " summary:visible, [tabindex='0']:visible"
    )
    assert reached >= targets.count() > 2


@pytest.mark.parametrize(
    "kind, state, button, presses",
    [
        ("shape_puzzles", "v1;kind=order;number=3", '[data-do="walk"]', 3),
        ("shape_puzzles", "v1;kind=order;number=1", '[data-do="move"]:last-child', 3),
        ("shape_puzzles", "v1;kind=order;number=1", '[data-do="hint"]', 5),
        ("cost_calculator", "v1;H=14;W=13;N=14;C=392", '[data-do="fit"]', 2),
        ("branch_matrix", "v1;step=1", '[data-do="go"]', 2),
        ("module_map", "v1;step=3", '[data-do="back"]', 2),
        ("permute_lens", "v1;step=6", '[data-do="next"]', 2),
    ],
)
def test_a_button_that_has_done_all_keeps_the_focus(
    kind, state, button, presses, open_figure
):
    widget = EXAMPLES[kind][0]()
    opened = open_figure(widget, f"{widget.name}={state}")
    at = opened.figure.locator(button).first
    for _ in range(presses):
        at.press("Enter")
        opened.settle()
    opened.page.clock.run_for(100)  # the browser takes it away with its next picture
    assert at.is_disabled()
    focused = opened.page.evaluate("document.activeElement.outerHTML")
    assert focused == at.evaluate("(el) => el.outerHTML")


def test_python_and_the_page_agree_on_the_state(example):
    widget = type(example)  # a trait that can be observed and linked, like any other
    assert {"state", "start", "title", "name"} <= set(
        widget.class_trait_names(sync=True)
    )
