"""The links to the glossary: the first use of a term, in prose, and nothing else."""

import html
import re
from pathlib import Path

import pytest

pytest.importorskip("sphinx")
pytest.importorskip("myst_parser")

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from tables import in_turn
from vip_site.glossary import CLASS, pattern

GLOSSARY = """# Glossary

::::{glossary}
block
  A small matrix. It has a second sentence.

block matrix
  % forms: block matrices

  A matrix of blocks.

copy
  % forms: copies, copied
  % not: copy link

  A new strip, with `code` in its
  first sentence. And more of the copy.

Linear
  A layer.
::::
"""


class Book:
    """A small book with a glossary, and what Sphinx makes of its pages."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.extensions = ["myst_parser", "vip_site.glossary"]
        self.write("glossary", GLOSSARY)

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.md").write_text(text, encoding="utf-8")

    def build(self) -> None:
        source, out = str(self.folder), str(self.folder / "_build")
        settings = {
            "root_doc": "index",
            "extensions": self.extensions,
            "myst_enable_extensions": ["colon_fence", "dollarmath"],
            "html_theme": "basic",
        }
        with patch_docutils(), docutils_namespace():
            Sphinx(
                source, None, out, out, "html", settings, status=None, warning=None
            ).build()

    def page(self, name: str = "index") -> str:
        return (self.folder / "_build" / f"{name}.html").read_text(encoding="utf-8")

    def links(self, name: str = "index") -> list[str]:
        """The linked words of a page, each with the anchor that it leads to."""
        link = rf'<a class="{CLASS}[^>]*#([^"]+)"[^>]*>(.*?)</a>'
        found = re.findall(link, self.page(name), re.DOTALL)
        return [f"{words} > {anchor}" for anchor, words in found]


@pytest.fixture
def book(tmp_path) -> Book:
    return Book(tmp_path)


def links_in(book: Book, text: str) -> list[str]:
    book.write("index", f"# Title\n\n{text}\n")
    book.build()
    return book.links()


def test_the_first_use_of_each_term_becomes_a_link(book):
    text = "A block, a copy.\n\n- Another block and a copy."
    assert links_in(book, text) == ["block > term-block", "copy > term-copy"]
    address = re.search(
        rf'<a class="{CLASS} reference internal" href="(.*?)"', book.page()
    )
    assert address[1] == "glossary.html#term-block"


@in_turn(
    "text, links",
    [
        ("It is copied. Two copies, a copy.", ["copied > term-copy"]),
        ("Copies are made.", ["Copies > term-copy"]),
        ("Of Linear maps; it is linear.", ["Linear > term-Linear"]),
        ("It is linear.", []),
        (
            "A block matrix of a block.",
            ["block matrix > term-block-matrix", "block > term-block"],
        ),
        ("It has block\nmatrices.", ["block\nmatrices > term-block-matrix"]),
        ("A **copy** and *a block*.", ["copy > term-copy", "block > term-block"]),
        ("The block's copy.", ["block > term-block", "copy > term-copy"]),
        ("Blocked, copy-paste, recopied, copyist.", []),
        ("Press copy link.", []),
        ("Press copy link, then copy.", ["copy > term-copy"]),
    ],
)
def test_words_and_their_forms(tmp_path, text, links):
    assert links_in(Book(tmp_path), text) == links


@in_turn(
    "text",
    [
        "`copy`",
        "```\ncopy\n```",
        "## The copy",
        "[the copy](glossary.md)",
        "<copy@example.org>",
        "$copy$",
        "$$copy$$",
        "> a copy",
        "| copy |\n| --- |\n| copy |",
        "![copy](x.png)",
        "```{figure} x.png\na copy\n\na copy below it\n```",
        "<b title='copy'></b>",
        "% copy",
    ],
)
def test_what_is_no_prose_holds_no_link(tmp_path, text):
    book = Book(tmp_path)
    assert links_in(book, f"{text}\n\nA copy.") == ["copy > term-copy"]
    assert f'<p>A <a class="{CLASS}' in book.page()


def test_a_link_shows_the_first_sentence_of_its_entry(book):
    links_in(book, "A copy of a block.")
    titles = re.findall(rf'<a class="{CLASS}[^>]* title="(.*?)"', book.page())
    assert titles == [
        "A new strip, with code in its first sentence.",
        "A small matrix.",
    ]


def test_the_text_of_a_page_is_not_changed(book):
    text = (
        "Copies & <b>parts</b>, *a block “matrix”*; a block\nmatrix.  `copy`\\\n"
        "1 < 2 copied: $x$, block.\n"
    )
    linked = links_in(book, text)
    assert len(linked) == 3

    def words(page: str) -> str:
        return html.unescape(re.sub(r"<[^>]+>", "", page.partition("<h1>")[2]))

    with_links = words(book.page())
    book.extensions.pop()
    book.write("glossary", GLOSSARY)
    links_in(book, text)
    assert book.links() == []
    assert words(book.page()) == with_links


def test_the_glossary_itself_and_a_page_that_asks_for_it_have_none(book):
    book.write(
        "quiet", "---\norphan: true\nno_glossary_links: true\n---\n\n# A\n\nA copy.\n"
    )
    assert links_in(book, "A copy.") == ["copy > term-copy"]
    assert book.links("quiet") == book.links("glossary") == []


def test_a_book_without_a_glossary_builds(book):
    (book.folder / "glossary.md").unlink()
    assert links_in(book, "A copy.") == []


def test_a_new_form_reaches_pages_that_did_not_change(book):
    # Not on the first page, which Sphinx writes anew whatever changes.
    book.write("other", "---\norphan: true\n---\n\n# Other\n\nA duplicate.\n")
    links_in(book, "Nothing.")
    assert book.links("other") == []
    book.write("glossary", GLOSSARY.replace("copied", "copied, duplicate"))
    book.build()
    assert book.links("other") == ["duplicate > term-copy"]


def test_the_longest_form_is_found():
    found = pattern(["block", "block matrix", "a+b"]).findall("block matrix, a+b, aab")
    assert found == ["block matrix", "a+b"]
