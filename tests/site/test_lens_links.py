"""The state of a lens in the page's address: links that work, old ones, broken ones."""

import random

import pytest
from lens_driver import Lens
from lens_pages import figure, height_lens, page

# Links that are out in the world.  Add to this list; never change or remove an entry.
# Each with what it must show: step, followed cell, colour, numbers, backward, lit axis.
GOLDEN = {
    "v1;step=0": (0, None, "birth", "none", False, None),
    "v1;step=7": (7, None, "birth", "none", False, None),
    "v1;step=3;cell=69": (3, "h2 w0 c5", "birth", "none", False, None),
    "v1;step=4;cell=77;numbers=order": (4, "h2 w1 c5", "birth", "order", False, None),
    "v1;step=2;axis=1": (2, None, "birth", "none", False, "N"),
    "v1;step=6;cell=0;fill=value;numbers=value": (
        (6, "h0 w0 c0", "value", "value", False, None)
    ),
    "v1;step=3;fill=gradient": (3, None, "gradient", "none", False, None),
    "v1;step=5;dir=back": (5, None, "gradient", "none", True, None),
    "v1;step=2;numbers=birth;axis=3;dir=back": (
        2,
        None,
        "gradient",
        "birth",
        True,
        "H*S",
    ),
    # As mail programs and chats write them, and in another order.
    "v1%3Bstep%3D3%3Bcell%3D69": (3, "h2 w0 c5", "birth", "none", False, None),
    "v1;cell=69;step=3": (3, "h2 w0 c5", "birth", "none", False, None),
    "v1;step=3;": (3, None, "birth", "none", False, None),
}
# Links that say nothing which the figure could show.
BROKEN = [
    "v9;step=2",
    "V1;step=2",
    "step=2",
    "v1",
    "v1;cell=5",
    "v1;step=8",
    "v1;step=999",
    "v1;step=-1",
    "v1;step=2.5",
    "v1;step=",
    "v1;step=2e0",
    "v1;step=0x2",
    "v1;step=99999999999999999999",
    "garbage",
    "%E0%A4%A",
    "%",
    "%00",
    "<img src=x onerror=alert(1)>",
    "constructor",
    "v1;__proto__=1",
    "null",
    "{}",
    "v1;" + "x=1;" * 20_000,
    "v" * 100_000,
]
# Links of which a part can be shown, and the part that cannot.
HALF_BROKEN = {
    "v1;step=4;cell=128": "cell=128",
    "v1;step=4;cell=-2": "cell=-2",
    "v1;step=4;fill=plasma": "fill=plasma",
    "v1;step=4;fill=picture": "fill=picture",
    "v1;step=4;numbers=many": "numbers=many",
    "v1;step=4;dir=up": "dir=up",
    "v1;step=4;axis=4": "axis=4",
    "v1;step=4;later=1": "later=1",
    "v1;step=4;toString": "toString",
}


def shown(lens) -> tuple:
    _, marker, rest = lens.said.partition("You follow ")
    lit = lens.part("right").locator(".vip-lit").all_inner_texts()
    return (
        lens.position,
        rest.split(",")[0] if marker else None,
        lens.part("fill").input_value(),
        lens.part("numbers").input_value(),
        lens.part("backward").is_checked(),
        lit[0] if lit else None,
    )


def follow(lens, fragment: str) -> None:
    """Go to a link to the page that is open."""
    lens.page.evaluate("(fragment) => { location.hash = fragment; }", fragment)
    lens.page.wait_for_function("() => true")  # hashchange is a task of its own


@pytest.mark.parametrize("text", GOLDEN)
def test_golden_links(toy, open_lens, text):
    lens = open_lens(toy, f"toy={text}")
    expected = list(GOLDEN[text])
    if text.endswith("dir=back") and expected[5]:
        expected[5] = None  # it stands on the left then
        assert lens.part("left").locator(".vip-lit").inner_text() == "H*S"
    assert shown(lens) == tuple(expected)
    assert "link" not in lens.said
    assert not lens.is_blank()


def check_first_picture(lens) -> None:
    assert shown(lens) == (3, None, "birth", "none", False, None)
    sentence, _, rest = lens.said.partition(" Step 3 of 7")
    assert sentence.startswith("This link ")
    assert sentence.endswith("shows its first picture.")
    assert len(sentence) < 300
    assert rest.startswith(", reshape")
    assert not lens.is_blank()


@pytest.mark.parametrize("text", BROKEN[::4], ids=lambda text: text[:24])
def test_pages_opened_by_broken_links(toy, open_lens, text):
    lens = open_lens(toy, f"toy={text}")
    check_first_picture(lens)
    lens.press("next")  # and it works
    assert lens.said.startswith("Step 4 of 7")


def test_broken_links(toy, open_lens):
    lens = open_lens(toy)
    for text in BROKEN:
        follow(lens, "toy=v1;step=6;cell=5;fill=value")
        assert lens.position == 6
        follow(lens, f"toy={text}")
        check_first_picture(lens)


def test_half_broken_links(toy, open_lens):
    lens = open_lens(toy)
    for text, part in HALF_BROKEN.items():
        follow(lens, f"toy={text}")
        assert shown(lens) == (4, None, "birth", "none", False, None)
        words = f"asks for “{part}”, which this figure does not have; the rest"
        assert words in lens.said
        assert "Step 4 of 7" in lens.said
        assert not lens.is_blank()


def test_a_figure_without_gradient_or_picture_says_so(open_lens):
    lens = height_lens("poor")
    recording = lens.recording
    for tensor in recording["tensors"]:
        tensor["gradient"] = None
    lens.recording = dict(recording)
    opened = open_lens(lens, "poor=v1;step=4;dir=back;fill=gradient")
    assert opened.position == 4
    assert "“dir=back”, “fill=gradient”" in opened.said
    assert opened.part("backward").count() == 0
    options = opened.part("fill").locator("option").all_inner_texts()
    assert options == ["where it was born", "its value"]


@pytest.mark.slow
def test_no_text_at_all_makes_a_figure_blank(toy, open_lens):
    lens = open_lens(toy)
    rng = random.Random(0)
    words = "v1 v2 step cell axis fill dir numbers back birth toy é 1 2 99".split()
    words += "= = ; ; & # % %3B -".split()
    for _ in range(60):
        text = "".join(rng.choices(words, k=rng.randint(1, 12)))
        follow(lens, f"toy=v1;step=3;{text}" if rng.random() < 0.5 else f"toy={text}")
        assert 0 <= lens.position <= 7, text
        assert lens.said, text
        assert lens.part("fill").input_value(), text
        assert not lens.is_blank(), text


@pytest.mark.parametrize("protocol", ["http", "file"])
def test_a_copied_link_gives_the_same_picture(toy, open_lens, open_page, protocol):
    lens = open_lens(toy, protocol=protocol)
    lens.go_to(4)
    lens.click_cell("h3 w1 c6")
    lens.part("numbers").select_option("birth")
    lens.press("copy")
    link = lens.part("link").locator("input").input_value()
    lens.page.mouse.move(0, 0)
    again = Lens(open_page(link))
    assert again.pictures() == lens.pictures()
    lens.press("next")  # the sentence had been "Link copied."
    again.press("next")
    assert again.said == lens.said
    assert again.state == lens.state


def test_a_copied_link_is_in_the_clipboard(toy, open_lens):
    lens = open_lens(toy, permissions=["clipboard-read", "clipboard-write"])
    lens.press("copy")
    lens.part("say").get_by_text("Link copied.").wait_for()
    copied = lens.page.evaluate("navigator.clipboard.readText()")
    assert copied == lens.part("link").locator("input").input_value()
    assert copied.endswith("/lens/toy.html#toy=v1;step=3")


def test_a_reload_keeps_the_picture(toy, open_lens):
    lens = open_lens(toy)
    lens.go_to(6)
    lens.key("ArrowRight")
    before = lens.said, lens.pictures()
    lens.page.reload()
    again = Lens(lens.page)
    assert (again.said, again.pictures()) == before


def test_a_link_on_the_page_moves_the_figure(toy, open_lens):
    lens = open_lens(toy)
    lens.button("play").click()
    lens.page.clock.run_for(300)  # the cells are on their way
    follow(lens, "toy=v1;step=6;cell=0")
    lens.page.clock.run_for(5000)
    assert lens.position == 6
    assert lens.said.startswith("Step 6 of 7")
    assert "You follow h0 w0 c0" in lens.said


def test_a_link_to_a_heading_leaves_the_figure_alone(toy, open_lens):
    lens = open_lens(toy)
    lens.go_to(6)
    before = lens.said, lens.pictures()
    follow(lens, "elsewhere")
    assert (lens.said, lens.pictures()) == before
    lens.press("back")
    assert lens.state == "v1;step=5"


def test_a_link_brings_its_figure_into_view(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=5", height=200)
    box = lens.figure.bounding_box()
    assert abs(box["y"]) < 50


@pytest.fixture
def open_two(open_page, places):
    figures = (
        figure(height_lens("one", start="v1;step=1")),
        figure(height_lens("one-b")),
    )
    path = places.folder / "lens/two.html"
    path.write_text(page(*figures), encoding="utf-8")

    def open_two(fragment=""):
        opened = open_page(places("http", f"lens/two.html#{fragment}"))
        return Lens(opened, "one"), Lens(opened, "one-b")

    return open_two


def test_two_lenses_keep_their_states_apart(open_two):
    one, two = open_two()
    pictures = two.pictures()
    one.go_to(5)
    assert (one.position, two.position) == (5, 1)
    assert two.pictures() == pictures
    two.key("ArrowRight")
    assert "You follow" in two.said
    assert "You follow" not in one.said
    assert (one.state, two.state) == ("v1;step=5", "v1;step=1;cell=0")


def test_one_link_holds_the_states_of_two_lenses(open_two):
    one, two = open_two("one=v1;step=2&one-b=v1;step=6;cell=3")
    assert one.said.startswith("Step 2 of 7")
    assert two.said.startswith("Step 6 of 7")
    assert "You follow h0 w0 c3" in two.said


def test_both_play_at_once_and_one_stops(open_two):
    one, two = open_two("one=v1;step=0&one-b=v1;step=0")
    one.button("play").click()
    two.button("play").click()
    one.page.clock.run_for(3600)
    one.button("play").click()
    stopped = one.position
    one.page.clock.run_for(30_000)
    assert (one.position, two.position) == (stopped, 7)


def test_a_broken_link_for_one_does_not_touch_the_other(open_two):
    one, two = open_two("one=v1;step=77&one-b=v1;step=6")
    assert one.said.startswith("This link asks for “step=77”")
    assert two.said.startswith("Step 6 of 7")
