"""The built pages at the book's end, and what the book does for its readers there."""

import re

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
    expected = [notebook] if page in CHAPTERS else []
    assert colab_links(site, page) == expected


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


def test_the_api_page_shows_what_the_package_offers(site):
    import vip_tutorial
    from vip_tutorial import exercises, figures
    from vip_tutorial.study import oracles

    anchors = parsed(site / "book/api.html").anchors
    shown = {str(anchor).rpartition(".")[2] for anchor in anchors}
    offered = [*vip_tutorial.__all__, *figures.__all__, *exercises.__all__]
    offered += [name for name in vars(oracles) if name.endswith(("_einsum", "_loops"))]
    assert [name for name in offered if name not in shown] == []


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
