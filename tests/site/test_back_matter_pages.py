"""The built pages at the book's end, and what the book does for its readers there."""

import importlib
import json
import re
import sys

import pytest
from test_pages import CHAPTERS, PAGES, ROOT, parsed, yaml

COLAB = "https://colab.research.google.com/"


def colab_links(site, page: str) -> list[str]:
    links = parsed(site / f"{page}.html").links
    return [link for link in links if link.startswith(COLAB)]


@pytest.mark.parametrize("page", PAGES)
def test_colab_is_offered_where_there_is_a_notebook_and_nowhere_else(site, page):
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    slug = settings["repository"]["url"].removeprefix("https://")
    branch = settings["repository"]["branch"]
    notebook = f"{COLAB}{slug.replace('.com', '')}/blob/{branch}/{page}.ipynb"
    links = colab_links(site, page)
    assert set(links) == ({notebook} if page in CHAPTERS else set())
    # The button, and a line under each cell that ends in a check.
    html = (site / f"{page}.html").read_text(encoding="utf-8")
    assert html.count('class="needs-python') == max(0, len(links) - 1)
    if page in CHAPTERS:
        cells = json.loads((ROOT / f"{page}.ipynb").read_text("utf-8"))["cells"]
        ends = ["".join(cell["source"]).splitlines()[-1:] for cell in cells]
        checks = [end for end in ends if end and end[0].startswith("check_")]
        assert len(links) == 1 + len(checks)


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_chapter_links_words_to_the_glossary_once_each(site, page):
    html = (site / f"{page}.html").read_text(encoding="utf-8")
    links = re.findall(
        r'<a class="glossary-term [^>]*href="([^"]+)" title="[^"]+"', html
    )
    assert len(links) > 5
    assert len(set(links)) == len(links)
    assert all(link.startswith("glossary.html#term-") for link in links)


def test_the_traced_tables_are_on_the_page(site):
    html = (site / "book/notation.html").read_text(encoding="utf-8")
    assert html.count("traced-shapes") == 5
    assert "(B, N, W, H*S)" in html


def test_the_api_page_shows_what_the_rooms_offer_and_nothing_else(site):
    rooms = ["lens", "mixers", "training", "study", "study.faults", "networks"]
    rooms += ["figures", "networks.pretrained", "networks.recipe"]
    doors = [importlib.import_module(f"vip_tutorial.{room}") for room in rooms]
    offered = {name for door in doors for name in door.__all__}
    data = {name for name in offered if name.isupper()} | {"pretrained"}
    anchors = {str(anchor) for anchor in parsed(site / "book/api.html").anchors}
    shown = {anchor for anchor in anchors if anchor.startswith("vip_tutorial.")}
    names = {anchor.rpartition(".")[2] for anchor in shown}
    assert offered - data - names == set()
    # A class or a function, not one of its own methods.
    for anchor in shown:
        module, _, name = anchor.rpartition(".")
        if module in sys.modules and module.split(".")[1] in rooms:
            assert name in offered, anchor
    assert "vip_tutorial.permute_mlp.Branches.height" in shown


@pytest.mark.slow
def test_a_link_to_the_glossary_is_discreet_and_can_be_told_without_colour(
    open_page, places, site
):
    path = (site / "book/04-height-branch.html").relative_to(places.folder).as_posix()
    opened = open_page(places("http", path))
    link = opened.locator("a.glossary-term").first
    look = """(el) => {
      const { color, textDecorationLine, textDecorationStyle } = getComputedStyle(el);
      return [color, textDecorationLine, textDecorationStyle];
    }"""
    for theme in ("light", "dark"):
        opened.emulate_media(color_scheme=theme)
        opened.locator(f"html[data-theme={theme}]").wait_for()
        text = link.evaluate("(el) => getComputedStyle(el.parentElement).color")
        assert link.evaluate(look) == [text, "underline", "dotted"]
    link.click()
    opened.wait_for_url("**/glossary.html#term-*")
