"""The same lens everywhere: calm, dark, narrow, printed without a script, large."""

import re

import pytest
import torch
from lens_driver import Lens
from lens_pages import figure, height_lens, module_lens, page

SHIFTS = """
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries())
      shifts.push([value, ...sources.map(({ node }) => node?.outerHTML?.slice(0, 90))]);
  }).observe({ type: "layout-shift", buffered: true });
"""
PLACES_OF_PARTS = """(figure) => [...figure.querySelectorAll(".vip > *, .vip-stage")]
  .map((part) => {
    const { top, left, width, height } = part.getBoundingClientRect();
    return [part.className, top, left, width, height].join(" ");
  })"""


@pytest.fixture(scope="session")
def digit():
    """8 x 8 tokens that are the pixels of a picture."""
    return height_lens("digit", N=8, S=1, picture=torch.rand(8, 8))


@pytest.fixture(scope="session")
def whole():
    """The whole module: 36 steps and more, and tensors of every kind."""
    return module_lens("whole", C=8, N=4)


# --- Reduced motion ------------------------------------------------------------------


def test_calm_readers_get_the_last_picture_at_once(toy, open_lens):
    lens = open_lens(toy, reduced_motion="reduce")
    lens.page.clock.pause_at(lens.page.evaluate("Date.now()") + 1000)
    lens.button("next").click()
    assert lens.position == 4
    at_once = lens.pictures()
    lens.page.clock.run_for(3000)
    assert lens.pictures() == at_once


def test_calm_readers_are_told_the_same(toy, open_lens):
    lively, calm = open_lens(toy), open_lens(toy, reduced_motion="reduce")
    assert calm.part("numbers").input_value() == "order"  # what the motion would show
    calm.part("numbers").select_option("none")
    for step in range(1, 8):
        lively.go_to(step)
        calm.go_to(step)
        assert calm.said == lively.said
        assert calm.head == lively.head
        assert calm.pictures() == lively.pictures()


def test_calm_scrubbing_goes_by_whole_steps(toy, open_lens):
    lens = open_lens(toy, reduced_motion="reduce")
    pictures = {lens.go_to(step) or lens.picture() for step in range(1, 8)}
    for value in (1.2, 2.8, 4.4, 6.6):
        lens.part("scrub").evaluate(
            "(range, value) => { range.value = value;"
            "range.dispatchEvent(new Event('input', { bubbles: true })); }",
            value,
        )
        assert lens.picture() in pictures
        assert lens.said.startswith(f"Step {round(value)} of 7")


def test_calm_play_goes_from_step_to_step(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=4", reduced_motion="reduce")
    lens.page.clock.pause_at(lens.page.evaluate("Date.now()") + 1000)
    lens.button("play").click()
    seen = set()
    for _ in range(60):
        seen.add(lens.position)
        lens.page.clock.run_for(100)
    assert seen == {5, 6, 7}
    assert lens.button("play").get_attribute("aria-pressed") == "false"


def test_a_link_of_a_calm_reader_shows_others_the_same(toy, open_lens, open_page):
    calm = open_lens(toy, reduced_motion="reduce")
    calm.key("ArrowRight")
    calm.press("copy")
    link = calm.part("link").locator("input").input_value()
    for options in ({}, {"reduced_motion": "reduce"}):
        assert Lens(open_page(link, **options)).pictures() == calm.pictures()


def test_start_again_gives_a_calm_reader_the_first_picture(toy, open_lens):
    lens = open_lens(toy, reduced_motion="reduce")
    first = lens.pictures()
    lens.key("ArrowRight")
    lens.press("reset")
    assert lens.pictures() == first


def test_nothing_moves_unasked(toy, open_lens):
    lens = open_lens(toy)
    first = lens.pictures()
    lens.page.clock.run_for(10_000)
    assert lens.pictures() == first
    assert lens.state is None


# --- Light and dark ------------------------------------------------------------------


def paper_and_ink(lens) -> list[str]:
    return lens.box.evaluate(
        "(el) => ['backgroundColor', 'color'].map((name) => getComputedStyle(el)[name])"
    )


def test_the_figure_follows_the_system(toy, open_lens):
    light, dark = open_lens(toy), open_lens(toy, color_scheme="dark")
    assert paper_and_ink(dark) != paper_and_ink(light)
    assert dark.picture() != light.picture()  # the frames and arcs are in ink
    dark.page.emulate_media(color_scheme="light")
    dark.page.wait_for_function("document.querySelector('[data-vip-theme=light]')")
    assert dark.pictures() == light.pictures()


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_page_has_the_last_word(toy, open_lens, system):
    lens = open_lens(toy, color_scheme=system)
    found = {}
    for theme in ("light", "dark", "light"):
        lens.page.evaluate("(t) => document.documentElement.dataset.theme = t", theme)
        lens.page.wait_for_function(
            "(t) => document.querySelector(`[data-vip-theme=${t}]`)", arg=theme
        )
        now = paper_and_ink(lens), lens.pictures()
        assert found.setdefault(theme, now) == now
    assert found["light"] != found["dark"]


# --- Narrow --------------------------------------------------------------------------


@pytest.mark.parametrize("width", [360, 320])
def test_narrow(toy, whole, open_lens, width):
    for made in (toy, whole):
        lens = open_lens(made, width=width)
        page_width = lens.page.evaluate("document.documentElement.scrollWidth")
        assert page_width <= width
        inside = lens.box.locator("button, select, input, canvas")
        for part in inside.all():
            box = part.bounding_box()
            assert box is None or (box["x"] >= 0 and box["x"] + box["width"] <= width)
    assert not lens.is_blank()


def test_narrow_cells_can_be_followed(toy, open_lens):
    lens = open_lens(toy, width=360)
    lens.click_cell("h2 w1 c5")
    assert "You follow h2 w1 c5" in lens.said


def test_turning_the_phone_redraws(toy, open_lens):
    lens, other = open_lens(toy, width=360), open_lens(toy)
    narrow = lens.picture()
    lens.page.set_viewport_size({"width": 1280, "height": 1000})
    lens.page.wait_for_function(
        "() => document.querySelector('canvas').width > 400 * devicePixelRatio"
    )
    assert lens.pictures() == other.pictures()
    assert lens.pictures()[0] != narrow


def test_it_fits_a_screen(toy, whole, open_lens):
    """Picture, player and sentence; on a phone the player stays in reach of a thumb."""
    for made in (toy, whole):
        lens = open_lens(made, height=900)
        lens.figure.evaluate("(el) => el.scrollIntoView()")
        parts = [lens.part("panes"), lens.button("next"), lens.part("say")]
        boxes = [part.bounding_box() for part in parts]
        assert all(box["y"] > 0 and box["y"] + box["height"] <= 900 for box in boxes)
    phone = open_lens(toy, width=360, height=500)
    for edge in ("start", "end"):
        phone.part("panes").evaluate(
            "(el, at) => el.scrollIntoView(at)", edge == "start"
        )
        box = phone.button("next").bounding_box()
        assert 0 < box["y"] < 500 - box["height"]


# --- Before and without a script -----------------------------------------------------


@pytest.mark.parametrize("width", [1280, 768, 360])
def test_nothing_shifts_when_the_figure_comes_to_life(
    open_page, places, toy, digit, whole, width
):
    html = page(*map(figure, (toy, digit, whole)))
    asleep = html.replace('<script src="vip_widgets.js" defer></script>', "")
    (places.folder / "lens/alive.html").write_text(html, encoding="utf-8")
    (places.folder / "lens/asleep.html").write_text(asleep, encoding="utf-8")
    before = open_page(places("http", "lens/asleep.html"), width=width)
    after = open_page(places("http", "lens/alive.html"), width=width, script=SHIFTS)
    after.locator("#whole [data-ready]").wait_for()
    for name in ("toy", "digit", "whole"):
        still, alive = before.locator(f"#{name}"), after.locator(f"#{name}")
        assert alive.evaluate(PLACES_OF_PARTS) == still.evaluate(PLACES_OF_PARTS)
    # Of the screen; a line of text that is set anew on a busy machine is less.
    assert [shift for shift in after.evaluate("shifts") if shift[0] > 0.001] == []


@pytest.mark.parametrize("width", [704, 344])  # as wide as on the site
def test_no_step_changes_the_height_of_the_figure(open_lens, toy, width):
    lens = open_lens(toy, width=width)
    heights, tops = [], set()
    for step in (*range(1, 8), 2):
        lens.go_to(step)
        heights.append(round(lens.figure.bounding_box()["height"]))
        tops.add(lens.part("say").evaluate("(say) => say.offsetTop"))
    assert len(tops) == 1
    # A sentence that needs more room than all before gets it, and it stays.
    assert heights == sorted(heights) and len(set(heights)) <= 3


@pytest.mark.parametrize("width", [1280, 360])
def test_without_javascript(open_page, places, toy, width):
    (places.folder / "lens/toy.html").write_text(page(figure(toy)), encoding="utf-8")
    address = places("http", "lens/toy.html")
    opened = open_page(address, width=width, java_script_enabled=False)
    pictures = opened.locator("#toy .vip-stage svg:visible")
    assert pictures.count() == 2
    for picture in pictures.all():
        box = picture.bounding_box()
        assert box["width"] > 250
        assert box["height"] > 40
        assert picture.get_attribute("role") == "img"
        assert len(picture.get_attribute("aria-label")) > 20
    sentence = opened.locator("#toy [data-part=say]")
    assert sentence.is_visible()
    assert sentence.inner_text().startswith("Step 3 of 7, reshape(1, 4, 4, 8): a copy")
    # Nothing that looks alive is dead.
    controls = opened.locator("#toy").locator(
        "button:visible:enabled, select:visible, input:visible, "
        ".vip-keys summary:visible, [tabindex]:visible"
    )
    assert controls.count() == 0


def test_without_javascript_the_picture_is_the_same(open_page, open_lens, toy):
    lens = open_lens(toy)
    address = lens.page.url
    still = open_page(address, java_script_enabled=False)
    drawn = still.locator("#toy .vip-wide").first.evaluate(
        "(svg) => [...svg.querySelectorAll('path')].map((p) => p.style.fill)"
    )
    painted = {tuple(colour) for colour in lens.colours(centres(lens))}
    numbers = [re.findall(r"\d+", fill) for fill in drawn if fill.startswith("rgb")]
    shown = {tuple(map(int, rgb)) for rgb in numbers}
    assert shown - painted == {
        (17, 17, 17)
    }  # the marks, which no cell has in its middle
    assert painted < shown


def centres(lens) -> list[tuple[float, float]]:
    boxes = [box for side in lens.cells().values() for _, box in side.values()]
    return [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes]


# --- Spoken --------------------------------------------------------------------------


def test_the_live_region_speaks_of_every_change(toy, open_lens):
    lens = open_lens(toy)
    region = lens.part("say")
    assert region.get_attribute("aria-live") == "polite"
    region.evaluate("(el) => { el.same = true; }")
    sentences = [lens.said]
    lens.press("next")
    sentences.append(lens.said)
    lens.key("ArrowRight")
    sentences.append(lens.said)
    lens.part("call")
    lens.key("p", "p")
    sentences.append(lens.said)
    lens.part("call").locator("[data-value='0']").click()
    sentences.append(lens.said)
    assert len(set(sentences)) == len(sentences)
    assert all(sentence.endswith(".") for sentence in sentences)
    assert region.evaluate("(el) => el.same")  # a replaced region is not read out


def test_the_picture_describes_itself(toy, open_lens):
    lens = open_lens(toy)
    stage = lens.part("panes")
    assert stage.get_attribute("role") == "application"
    name = stage.get_attribute("aria-label")
    assert name.startswith("Lens toy. Step 3 of 7")
    assert "reads h0 w0 c0, h0 w0 c1, h1 w0 c0, h1 w0 c1, h2 w0 c0" in name
    lens.key("ArrowDown", "ArrowDown")
    assert "reads h0 w1 c0, h0 w1 c1, h1 w1 c0" in stage.get_attribute("aria-label")


# --- Other runs ----------------------------------------------------------------------


def test_a_picture_travels_with_its_tokens(digit, open_lens):
    lens = open_lens(digit, "digit=v1;step=0;fill=picture")
    cells = lens.cells()["left"]
    levels = {f"h{h} w{w}": digit.picture[h][w] for h in range(8) for w in range(8)}
    names = [
        f"{token} c{c}" for token in sorted(levels, key=levels.get) for c in (0, 7)
    ]
    boxes = [cells[name][1] for name in names]
    colours = lens.colours([((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes])
    for shades in zip(*colours):  # the more ink, the darker
        assert shades == pytest.approx(sorted(shades, reverse=True), abs=2)
        assert shades[0] - shades[-1] > 100
    assert lens.part("fill").input_value() == "picture"


def test_every_step_of_the_whole_module(whole, open_lens):
    lens = open_lens(whole, "whole=v1;step=0")
    steps = whole.trace.steps
    for number, step in enumerate(steps, 1):
        lens.key("n")
        call = re.split(r"\((?:tensor|weight)", step.call)[0]
        assert lens.said.startswith(f"Step {number} of {len(steps)}, {call}")
        assert not lens.is_blank()
    lens.key("ArrowRight")
    assert "it has seen 128 numbers: h 0 to 3, w 0 to 3, c 0 to 7" in lens.said


def test_the_largest_run_that_is_drawn(open_lens):
    lens = open_lens(module_lens("large", C=32, N=8), "large=v1;step=7")
    assert not lens.is_blank()
    lens.key("ArrowRight", "n", "p")
    assert "it" in lens.said
    lens.key("End")  # what is followed has seen everything, and the page stays awake
    assert "it has seen 2048 numbers" in lens.said


def test_a_run_beyond_the_bound_says_what_it_leaves_out(open_lens):
    lens = open_lens(module_lens("huge", C=512, N=8), "huge=v1;step=3")
    assert "shape (1, 8, 8, 512)" in lens.head[1]
    assert "more than 2,048 elements" in lens.box.inner_text()
    assert "too many numbers to draw" in lens.part("memory").inner_text()
    for _ in range(3):
        lens.key("n")
    lens.key("End", "Home", "ArrowRight")
    lens.go_to(18)  # a mean over 32,768 elements that leaves 512
    assert lens.said.startswith("Step 18 of")
