"""The lens as a live front end runs it: a module with anywidget's contract."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from lens_driver import Lens
from lens_pages import height_lens

import vip_tutorial
from vip_tutorial import PermuteMLP, trace
from vip_tutorial.figures import LiveViP, PermuteLens
from vip_tutorial.networks import pretrained

PACKAGE = Path(vip_tutorial.__file__).parent
# A front end: a model that knows what was saved, and an empty element.
FRONT_END = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A notebook</title>
<link rel="icon" href="data:,"><style>{style}</style></head>
<body><div id="{name}"><div class="cell-output"></div></div>
<script type="module">
const values = {values};
const listeners = {{}};
window.saved = [];
window.model = {{
  get: (key) => values[key],
  set: (key, value) => {{ values[key] = value; }},
  save_changes: () => saved.push(values.state),
  on: (event, call) => (listeners[event] ??= new Set()).add(call),
  off: (event, call) => listeners[event]?.delete(call),
}};
window.fromPython = (key, value) => {{
  values[key] = value;
  listeners[`change:${{key}}`]?.forEach((call) => call());
}};
window.listening = () => Object.values(listeners).reduce((n, set) => n + set.size, 0);
const {{ render }} = await load();
const el = document.querySelector(".cell-output");
window.close = render({{ model, el }});

async function load() {{ {load} }}
</script></body></html>
"""
FROM_ONE_TEXT = """
  const source = document.getElementById("esm").textContent;
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return (await import(address)).default;"""
FROM_ITS_MODULES = """
  const { render } = await import("./modules/%s");
  return { render };"""


class LiveLens(Lens):
    def __init__(self, page, name):
        super().__init__(page, name)
        self.box = self.figure.locator(".cell-output")


@pytest.fixture
def open_live(open_page, places):
    def open_live(lens, load=FROM_ONE_TEXT, **options):
        values = json.dumps({**lens.page_state(), "link": ""})  # no page's
        html = FRONT_END.format(
            style=lens._css, name=lens.name, values=values, load=load
        )
        esm = f'<script type="text/plain" id="esm">{lens._esm}</script>'
        html = html.replace('<script type="module">', esm + '<script type="module">')
        (places.folder / "lens/live.html").write_text(html, encoding="utf-8")
        opened = open_page(places("http", "lens/live.html"), **options)
        return LiveLens(opened, lens.name)

    return open_live


def test_the_modules_run_as_they_are(open_live, places, toy):
    for file in PACKAGE.rglob("*.js"):
        copied = places.folder / "lens/modules" / file.relative_to(PACKAGE)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copied)
    entry = PermuteLens.module.relative_to(PACKAGE).as_posix()
    lens = open_live(toy, FROM_ITS_MODULES % entry)
    lens.press("next")
    assert lens.said.startswith("Step 4 of 7")
    assert not lens.is_blank()


def test_the_reader_moves_and_python_hears(open_live, toy):
    lens = open_live(toy)
    assert lens.said.startswith("Step 3 of 7")
    assert lens.page.evaluate("saved") == []
    lens.press("next")
    lens.key("ArrowRight")
    assert lens.page.evaluate("saved.at(-1)") == "v1;step=4;cell=0"
    assert lens.state is None  # a notebook's address is not the figure's


def test_python_moves_and_the_reader_sees(open_live, toy):
    lens = open_live(toy)
    lens.page.evaluate("fromPython('state', 'v1;step=6;cell=5;fill=value')")
    assert lens.said.startswith("Step 6 of 7")
    assert "You follow h0 w0 c5" in lens.said
    assert lens.part("fill").input_value() == "value"
    lens.page.evaluate("fromPython('state', '')")
    assert lens.said.startswith("Step 3 of 7")


def test_another_run_in_the_same_figure(open_live, toy):
    lens = open_live(toy)
    lens.press("next")
    other = trace(PermuteMLP(6, 3).width, torch.ones(1, 3, 3, 6)).to_json()
    lens.page.evaluate("(run) => fromPython('recording', run)", other)
    assert "shape (1, 3" in lens.head[1]
    assert "link" not in lens.said
    assert lens.button("next").count() == 1
    before = lens.position
    lens.press("next")
    assert lens.position == before + 1  # by one: the old figure no longer listens


def test_a_damaged_run_and_then_a_good_one(open_live, toy):
    lens = open_live(toy)
    lens.page.evaluate("fromPython('recording', { format: 'vip-trace', version: 9 })")
    assert "cannot be drawn: this recording has version 9" in lens.figure.inner_text()
    lens.page.evaluate("(run) => fromPython('recording', run)", toy.recording)
    lens.press("next")
    assert lens.said.startswith("Step")


def test_closing_lets_go_of_everything(open_live, toy):
    lens = open_live(toy)
    lens.button("play").click()
    lens.page.evaluate("close()")
    assert lens.page.evaluate("listening()") == 0
    position, saved = lens.position, lens.page.evaluate("saved.length")
    lens.page.clock.run_for(5000)
    assert lens.position == position
    assert lens.page.evaluate("saved.length") == saved


def test_a_lens_has_no_say_over_the_rest_of_a_notebook(open_live):
    lens = open_live(height_lens("two", N=2))
    lens.page.evaluate("document.body.prepend(document.createElement('button'))")
    before = lens.said
    lens.page.locator("body > button").press("n")
    lens.settle()
    assert lens.said == before


def test_copying_gives_the_state_for_python(open_live, toy):
    lens = open_live(toy)
    lens.go_to(5)
    lens.press("copy")
    text = lens.part("link").locator("input").input_value()
    assert text == "v1;step=5"
    again = PermuteLens(toy.trace, name="again", start=text)
    assert open_live(again).said.startswith("Step 5 of 7")


TOLD = """() => {
  window.told = [];
  model.save_changes = () => told.push([model.get("state"), model.get("scores")]);
}"""


def test_python_draws_and_hears_the_scores(open_live):
    model, scale = pretrained.load("digits"), pretrained.scale("digits")
    live = LiveViP(model, scale)
    page = open_live(live).page
    first = page.evaluate("model.get('scores')")
    live.picture = torch.eye(8)
    page.evaluate("(state) => fromPython('state', state)", live.state)
    scores = page.evaluate("model.get('scores')")
    live.set_state({"scores": scores})  # as the front end does
    assert page.evaluate("saved.length") == 2 and live.scores != first
    with torch.no_grad():
        truth = model((torch.eye(8)[None, None] - scale.mean) / scale.spread)[0]
    assert live.scores == pytest.approx(truth.tolist(), abs=1e-4)
    # Who hears of new scores finds the picture that they are of.
    page.evaluate(TOLD)
    page.locator("[data-do=clear]").click()
    states, told = zip(*page.evaluate("told"))
    assert states == (f"v1;picture={'0' * 64}",) * 2 and told[0] == scores != told[1]
    heard = []
    live.observe(lambda change: heard.append(live.picture), "scores")
    live.set_state({"scores": told[1], "state": states[1]})
    assert len(heard) == 1 and not heard[0].any()
