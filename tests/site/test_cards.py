"""What previews of links, and searches, are told of the built pages."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from docutils.core import publish_doctree

from vip_site import cards

HOME = cards.address_of("")


class Head(HTMLParser):
    """The meta elements of a page, and its canonical address."""

    def __init__(self, html: str):
        super().__init__()
        self.metas, self.canonical = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "meta":
            key = given.get("name") or given.get("property")
            self.metas.append((key, given.get("content")))
        if tag == "link" and given.get("rel") == "canonical":
            self.canonical.append(given["href"])

    def said(self, key: str) -> str:
        (found,) = [content for name, content in self.metas if name == key]
        return found


@pytest.fixture(scope="module")
def pages(site) -> dict[str, Head]:
    # Not a figure's own page, and none that has moved.
    chapters = [file for file in site.glob("book/*.html") if "." not in file.stem]
    named = {f.relative_to(site).as_posix(): f.read_text("utf-8") for f in chapters}
    heads = {name: Head(page) for name, page in named.items()}
    return {
        name: head for name, head in heads.items() if "robots" not in dict(head.metas)
    }


def test_each_page_says_what_it_is_and_where(pages, site):
    assert len(pages) > 25
    described = set()
    for name, head in pages.items():
        assert [key for key, _ in head.metas].count("viewport") == 1, name
        words = head.said("description")
        assert 40 < len(words) <= 200 and "minutes to read" not in words, (name, words)
        assert head.said("og:description") == words
        described.add(words)
        assert head.said("og:url") == HOME + name and head.canonical == [HOME + name]
        picture = head.said("og:image")
        assert picture.startswith(f"{HOME}_static/cards/"), name
        file = site / picture.removeprefix(HOME)
        assert file.read_bytes().startswith(b"\x89PNG"), name
    assert len(described) == len(pages)  # none says what another says


def test_a_page_with_a_lens_has_a_picture_of_its_own(pages):
    own = pages["book/05-width-branch.html"].said("og:image")
    assert own.endswith("/05-width-branch.png")
    assert (
        pages["book/notation.html"].said("og:image").endswith("/04-height-branch.png")
    )


def test_the_site_map_names_every_page_and_a_lost_reader_finds_home(pages, site):
    tree = ElementTree.parse(site / "sitemap.xml").getroot()
    found = {location.text for location in tree.iter() if location.tag.endswith("loc")}
    assert found == {head.canonical[0] for head in pages.values()}
    assert f'href="{HOME}"' in (site / "404.html").read_text("utf-8")


def test_the_words_are_the_first_that_say_something():
    long = "So it goes on, word after word, " * 9
    head = "*8 minutes to read; runs at once, and says so at some length.*"
    text = f"{head}\n\nShort.\n\n{long}"
    words = cards.words_of(publish_doctree(text))
    assert (
        words.startswith("So it goes on") and words.endswith("…") and len(words) <= 200
    )
    assert cards.words_of(publish_doctree("Short.")).startswith("Vision Permutator's")


def test_text_stays_text():
    tags = cards.card('A "title" <b>', "x & y", "https://a/", "p.png")
    assert 'content="A &quot;title&quot; &lt;b&gt;"' in tags and "x &amp; y" in tags


def test_one_viewport_stays(tmp_path: Path):
    page = tmp_path / "a.html"
    twice = (
        '<meta name="viewport" content="a">\n<p>\n<meta name="viewport" content="b"/>'
    )
    page.write_text(twice, "utf-8")
    for _ in range(2):
        cards._keep_one_viewport(page)
        assert re.findall("content=.a|content=.b", page.read_text()) == ['content="a']
