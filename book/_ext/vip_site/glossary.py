"""Link the first use of each glossary term on a page to its entry.

The glossary is a page with the directive `glossary`.  An entry may begin with comments
that list other forms of its term, and phrases in which the word means something else:

    view
      % forms: views
      % not: point of view

      A new rule for an old strip of memory ...

The links are made when a page is written, so the notebooks hold none and read as plain
text elsewhere.  The text of a page is never changed.  A page that is better without
them says so at its head:

    ---
    no_glossary_links: true
    ---
"""

import hashlib
import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

CLASS = "glossary-term"  # of the links; book.css makes them discreet
# In a paragraph, or around one: what is no running text, or is a link already.
_NO_PROSE = (
    nodes.literal,
    nodes.math,
    nodes.raw,
    nodes.reference,
    nodes.block_quote,
    nodes.figure,
    nodes.table,
)


@dataclass(frozen=True)
class Entry:
    """One entry of the glossary.

    Attributes:
        anchor: Its id on the glossary's page.
        forms: The words that lead to it: the term itself and its other forms.
        others: Phrases in which these words mean something else.
        summary: The first sentence of its text.
    """

    anchor: str
    forms: tuple[str, ...]
    others: tuple[str, ...]
    summary: str


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the links with Sphinx; `vip_glossary` names the glossary's page."""
    app.add_config_value("vip_glossary", "glossary", "env")
    # A changed value of an "html" setting makes Sphinx write all pages anew.
    app.add_config_value("vip_glossary_digest", "", "html")
    app.connect("config-inited", _configure)
    app.add_post_transform(GlossaryLinks)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }


def _configure(app: Sphinx, config: Any) -> None:
    file = Path(app.srcdir, f"{config.vip_glossary}.md")
    text = file.read_bytes() if file.exists() else b""
    config.vip_glossary_digest = hashlib.sha256(text).hexdigest()[:16]


class GlossaryLinks(SphinxPostTransform):
    """Turns the first use of each term in a page's prose into a link."""

    default_priority = 100  # after cross-references have become links
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Link the terms of the page that is being written."""
        glossary = self.config.vip_glossary
        page_says = self.env.metadata[self.env.docname]
        if (
            glossary not in self.env.all_docs
            or glossary == self.env.docname
            or "no_glossary_links" in page_says
        ):
            return
        page = self.app.builder.get_relative_uri(self.env.docname, glossary)
        entry_of: dict[str, Entry | None] = {}
        for entry in entries(self.env, glossary):
            entry_of |= dict.fromkeys(entry.forms, entry)
            entry_of |= dict.fromkeys(entry.others)
        words = pattern(entry_of)
        done: set[Entry | None] = {None}
        for text in list(_prose(self.document)):
            parts: list[nodes.Node] = []
            end = 0
            for found in words.finditer(text):
                entry = entry_of[_form(found[0], entry_of)]
                if entry in done:
                    continue
                done.add(entry)
                parts += [
                    nodes.Text(text[end : found.start()]),
                    nodes.reference(
                        "",
                        found[0],
                        internal=True,
                        refuri=f"{page}#{entry.anchor}",
                        reftitle=entry.summary,
                        classes=[CLASS],
                    ),
                ]
                end = found.end()
            if parts:
                text.parent.replace(text, [*parts, nodes.Text(text[end:])])


def entries(env: BuildEnvironment, glossary: str) -> Iterator[Entry]:
    """The entries of the glossary's page, in their order."""
    for item in env.get_doctree(glossary).findall(nodes.definition_list_item):
        term = next(item.findall(nodes.term))
        listed: dict[str, list[str]] = {"forms": [term.astext()], "not": []}
        for comment in item.findall(nodes.comment):
            for line in comment.astext().splitlines():
                kind, _, words = line.partition(":")
                listed[kind.strip()] += [word.strip() for word in words.split(",")]
        text = " ".join(next(item.findall(nodes.paragraph)).astext().split())
        summary = re.split(r"(?<=[.!?]) ", text, maxsplit=1)[0]
        yield Entry(
            term["ids"][0],
            tuple(listed["forms"]),
            tuple(listed["not"]),
            summary,
        )


def pattern(forms: Iterable[str]) -> re.Pattern[str]:
    """What finds any of the forms as a word of its own.

    A form in small letters is also found at the beginning of a sentence; one with
    capitals, "Linear", only as it is.  In "channels-last" no "channels" is found.
    """
    longest_first = sorted(forms, key=len, reverse=True)
    either = "|".join(map(_spelt, longest_first)) or "(?!)"  # which nothing matches
    return re.compile(rf"(?<![\w-])(?:{either})(?![\w-])")


def _spelt(form: str) -> str:
    first, rest = form[0], r"\s+".join(map(re.escape, form[1:].split(" ")))
    return f"[{first}{first.upper()}]{rest}"


def _form(found: str, forms: Container[str]) -> str:
    """The form that was found, whatever its first letter and its spaces."""
    word = " ".join(found.split())
    return word if word in forms else word[0].lower() + word[1:]


def _prose(document: nodes.document) -> Iterator[nodes.Text]:
    for paragraph in document.findall(nodes.paragraph):
        for element in list(paragraph.findall(nodes.TextElement)):
            _join_lines(element)
        for text in paragraph.findall(nodes.Text):
            if not any(isinstance(node, _NO_PROSE) for node in _ancestors(text)):
                yield text


def _join_lines(element: nodes.TextElement) -> None:
    """Make one text of lines that follow each other: a form may go across an end."""
    children: list[nodes.Node] = []
    for child in element.children:
        if isinstance(child, nodes.Text):
            while children and isinstance(children[-1], nodes.Text):
                child = nodes.Text(children.pop() + child)
        children.append(child)
    element.clear()
    element.extend(children)


def _ancestors(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node
