"""A chapter on paper: picture, sentence and choices, and nothing that wants a press."""

import pytest

CONTROLS = """() => [...document.querySelectorAll(".vip :is(button, select, input)")]
  .filter((e) => !e.closest(".vip-argument, .vip-map-acts, .vip-choices"))
  .filter((e) => e.checkVisibility())
  .map((e) => e.outerHTML.slice(0, 80))"""
BREAKS = """() => [...document.querySelectorAll(".vip")]
  .filter((e) => getComputedStyle(e).breakInside !== "avoid").length"""
FOLLOWED = """() => [...document.querySelectorAll('.bd-article a[href^="http"]')]
  .filter((e) => !e.closest(".vip"))
  .map((e) => [e.href, getComputedStyle(e, "::after").content])"""


@pytest.mark.parametrize("page", ["04-height-branch", "09-wrong-but-it-runs"])
def test_a_figure_has_no_controls_on_paper(open_page, places, site, page):
    opened = open_page(places("http", f"_build/html/book/{page}.html"))
    opened.wait_for_selector(".vip-options button", state="visible")
    opened.emulate_media(media="print")
    assert opened.evaluate(CONTROLS) == []
    assert opened.evaluate(BREAKS) == 0
    said = opened.locator(".vip-permute_lens [data-part=say]").first
    assert said.is_visible() and said.inner_text().startswith("Step ")
    opened.emulate_media(media="screen")
    assert opened.evaluate(CONTROLS) != []


def test_a_link_says_on_paper_where_it_leads(open_page, places, site):
    opened = open_page(places("http", "_build/html/book/bibliography.html"))
    opened.emulate_media(media="print")
    links = opened.evaluate(FOLLOWED)
    assert len(links) > 5
    for address, words in links:
        assert address.rstrip("/") in words, (address, words)
