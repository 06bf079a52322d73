"""Letters of the axes: one thing in the text and in the figures of a page."""

import pytest
from lens_driver import Lens
from lens_pages import figure, page

TEXT = """<p id="before">The axes H and S meet; NS is no axis, nor is <code>H</code>.
The other H is <em>W</em>. DeiT-S is a network.
<svg width="90" height="20"><text y="15">H in a plot</text></svg></p>"""


@pytest.fixture
def read(open_page, places, toy):
    path = "lens/letters.html"
    html = page(TEXT, figure(toy))
    (places.folder / path).write_text(html, encoding="utf-8")
    return Lens(open_page(f"{places('http', path)}#toy=v1;step=2"), "toy")


def letters(lens):
    return lens.page.locator("#before .vip-letter")


def lit(lens) -> list[str]:
    return lens.page.locator("#before .vip-lit").all_inner_texts()


def heads(lens) -> list[list[str]]:
    sides = (lens.part("left"), lens.part("right"))
    return [side.locator(".vip-lit").all_inner_texts() for side in sides]


def test_letters_of_the_text_are_found_and_nothing_else(read):
    assert letters(read).all_inner_texts() == ["H", "S", "H", "W"]
    text = read.page.locator("#before").inner_text()
    assert text.startswith("The axes H and S meet; NS is no axis, nor is H.")
    assert "rows of tokens" in letters(read).first.get_attribute("title")


def test_a_letter_has_the_colour_of_its_axis(read):
    colour = "(el) => getComputedStyle(el).borderBottomColor"
    in_figure = read.part("right").locator("b", has_text="H").evaluate(colour)
    assert letters(read).first.evaluate(colour) == in_figure


def test_pointing_at_a_letter_lights_its_axis(read):
    plain = read.picture()
    letters(read).nth(2).hover()
    assert heads(read) == [["H"], ["H"]]
    assert read.picture() != plain
    read.page.mouse.move(0, 0)
    assert heads(read) == [[], []]
    assert read.picture() == plain
    assert read.state == "v1;step=2"  # a glance is no choice
    letters(read).nth(2).hover()
    read.key("n")
    assert heads(read) == [[], []]  # nor does it outlast the step


def test_a_letter_of_a_merged_axis_lights_it(read):
    read.go_to(3)
    letters(read).nth(1).hover()
    assert heads(read)[1] == ["H*S"]
    read.page.mouse.move(0, 0)


def test_the_first_of_each_letter_can_be_pressed_by_key(read):
    stops = read.page.locator("#before [tabindex]").all_inner_texts()
    assert stops == ["H", "S", "W"]
    letter = letters(read).nth(1)
    letter.press("Enter")
    assert letter.get_attribute("aria-pressed") == "true"
    assert heads(read) == [["S"], ["S"]]
    letters(read).nth(3).press(" ")
    assert letter.get_attribute("aria-pressed") == "false"
    assert heads(read) == [["W"], ["W"]]
    letters(read).nth(3).press(" ")
    assert heads(read) == [[], []]


def test_an_axis_lit_in_the_figure_lights_its_letters(read):
    read.part("call").locator('[data-value="3"]').click()  # H
    assert lit(read) == ["H", "H"]
    read.page.mouse.move(0, 0)
    assert lit(read) == ["H", "H"]  # it was chosen
    read.page.keyboard.press("Escape")
    assert lit(read) == []
    read.go_to(3)
    read.part("call").locator('[data-value="3"]').hover()  # H*S
    assert lit(read) == ["H", "S", "H"]
