"""A figure in one file: opened from disk, and in a frame that has no origin."""

import pytest
import torch
from lens_driver import Lens

from vip_tutorial import trace
from vip_tutorial.figures import PermuteLens, ShapePuzzles
from vip_tutorial.lens.figure import files

# What another site puts round a file that it does not trust.
HOST = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A blog</title>
<link rel="icon" href="data:,"><body>{frame}</body></html>"""
FRAME = (
    '<iframe sandbox="allow-scripts" width="700" height="900" src="{address}"></iframe>'
)
EVIL = "<img src=x onerror='evil = 1'></script><script>evil = 1</script>"


class FramedLens(Lens):
    """The lens in the one frame of a page."""

    def __init__(self, page, name="toy"):
        self.page, self.name = page, name
        self.frame = page.frames[1]
        self.figure = self.frame.locator(f"#{name}")
        self.box = self.figure.locator(".vip")
        self.figure.locator("[data-ready]").wait_for()


@pytest.fixture
def saved(places):
    """`saved(widget)`: its file, by the path that `places` takes."""

    def saved(widget) -> str:
        path = f"lens/{widget.name}-alone.html"
        widget.save(places.folder / path)
        return path

    return saved


@pytest.fixture
def open_framed(saved, open_page, places):
    """`open_framed(widget, fragment, is_notebook)`: it on a page that distrusts it."""

    def open_framed(widget, fragment="", is_notebook=False) -> FramedLens:
        address = places("http", saved(widget)) + fragment
        frame = FRAME.format(address=address)
        if is_notebook:
            frame = files.framed(widget)
        host = places.folder / "lens/host.html"
        host.write_text(HOST.format(frame=frame), encoding="utf-8")
        page = open_page(places("http", "lens/host.html"), color_scheme="dark")
        framed = FramedLens(page, widget.name)
        assert framed.frame.evaluate("self.origin") == "null"
        return framed

    return open_framed


def step_by_keys(lens: Lens) -> None:
    """Go on from step 3, and follow a cell, without a mouse."""
    before = lens.pictures()
    lens.key("n")
    assert lens.said.startswith("Step 4 of 7, linear")
    assert lens.pictures() != before
    lens.key("ArrowRight")
    assert "You follow h0 w0 c" in lens.said


@pytest.mark.parametrize("width, scheme", [(360, "dark"), (1280, "light")])
def test_it_opens_from_disk(toy, saved, open_page, places, width, scheme):
    page = open_page("about:blank", width=width, color_scheme=scheme)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address := places("file", saved(toy)))
    lens = Lens(page, "toy")
    step_by_keys(lens)
    assert asked == [address]
    assert lens.box.get_attribute("data-vip-theme") == scheme
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") is (scheme == "light")
    assert lens.state.startswith("v1;step=4;cell=")
    page.evaluate("location.hash = '#toy=v1;step=6'")  # as a link within the page does
    lens.part("say").filter(has_text="Step 6 of 7").wait_for()


def test_it_lives_in_a_frame_without_an_origin(toy, open_framed):
    lens = open_framed(toy, "#toy=v1;step=3;numbers=value")
    assert lens.part("numbers").input_value() == "value"
    step_by_keys(lens)
    lens.press("copy")
    field = lens.part("link").locator("input").input_value()
    assert "/lens/toy-alone.html#toy=v1;step=4;cell=" in field


def test_it_lives_in_a_notebook_that_shows_html_alone(toy, open_framed):
    lens = open_framed(toy, is_notebook=True)
    step_by_keys(lens)
    lens.press("copy")  # it has no address, so this is the state
    field = lens.part("link").locator("input").input_value()
    assert field.startswith("v1;step=4;cell=")


def test_an_answer_can_be_given_where_no_form_may_be_sent(open_framed):
    puzzles = open_framed(ShapePuzzles(start="v1;kind=order;number=5"))
    answer = puzzles.figure.locator("input[name=answer]")
    answer.fill("(")
    answer.press("Enter")
    puzzles.figure.locator(".vip-bad, .vip-verdict").first.wait_for()


def test_text_of_a_recording_is_not_run(saved, open_page, places):
    x = torch.ones(2, 2)
    lens = PermuteLens(trace(lambda x: x.mT, x, axes=["H", EVIL]), title=EVIL)
    page = open_page(places("file", saved(lens)))
    opened = Lens(page, lens.name)
    assert EVIL in opened.figure.inner_text()
    assert page.evaluate("typeof evil") == "undefined"
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_a_script_there_is_the_first_frame(
    toy, saved, open_page, places, scheme
):
    options = {"color_scheme": scheme, "java_script_enabled": False}
    page = open_page(places("file", saved(toy)), **options)
    assert "Step 3 of 7" in page.locator('[data-part="say"]').inner_text()
    assert page.locator("svg.vip-wide").first.is_visible()
    assert not page.locator("button[data-do=next]").is_visible()


def test_the_code_of_a_figure_of_the_book_shows_it_on_another_page(
    site, open_page, places
):
    path = (site / "book/04-height-branch.html").relative_to(places.folder).as_posix()
    page = open_page(places("http", f"{path}#height-toy=v1;step=3"))
    lens = Lens(page, "height-toy")
    lens.box.get_by_text("Copy code for your page").click()
    (code,) = lens.box.locator("[data-part=link] input").evaluate_all(
        "(all) => all.map((one) => one.value)"
    )
    assert code.startswith('<iframe src="http://') and "step=3" in code
    host = places.folder / "lens/blog.html"
    host.write_text(HOST.format(frame=code), encoding="utf-8")
    framed = FramedLens(open_page(places("http", "lens/blog.html")), "height-toy")
    assert framed.head == lens.head
    assert not framed.box.get_by_text("Copy code for your page").count()
    # All of it is seen: nothing to scroll inside the frame.
    assert framed.frame.evaluate(
        "document.documentElement.scrollHeight <= innerHeight + 1"
    )
