"""Plots as part of the page: sharp at any size, and light or dark as the page is.

A kernel draws them as SVG, in the colours of `matplotlibrc`.  Here each is put into the
page itself, where the page's style sheet can reach it: what is drawn in ink takes the
colour of the text, and what is drawn in paper that of the page.
"""

import re
from html import escape
from pathlib import Path

from nbformat import NotebookNode

# For the kernels, and for the process that imports matplotlib for them.
ENVIRONMENT = {"MATPLOTLIBRC": str(Path(__file__).with_name("matplotlibrc"))}
ARGUMENTS = ["--InlineBackend.figure_formats=svg"]

_SVG = "image/svg+xml"
_HEAD = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>\s*|<!--.*?-->\s*", re.DOTALL)
_SIZE = re.compile(r'<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>')
_ID = re.compile(r' id="([^"]*)"')
_USE = re.compile(r'(?<=url\(#)[^)]*|(?<=href="#)[^"]*')
_COLOURS = {
    "#000000": "currentColor",
    "#1b1f24": "currentColor",
    "#ffffff": "var(--pst-color-background)",
    "#b0b0b0": "var(--pst-color-border)",
}
_ANY_COLOUR = re.compile("|".join(_COLOURS))


def put_into_page(notebook: NotebookNode) -> None:
    """Make each SVG among the outputs HTML, with what its cell says that it shows."""
    count = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if _SVG in output.get("data", ()):
                count += 1
                alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                drawn = as_html(output.data[_SVG], f"plot{count}", alt)
                output.data = NotebookNode({"text/html": drawn})


def as_html(svg: str, name: str, alt: str) -> str:
    """A plot as HTML.

    Args:
        svg: What matplotlib drew.
        name: Begins the ids in it, of which a page has each once.
        alt: What it shows, for those who can't see it.
    """
    svg = _HEAD.sub("", svg)
    width, height = (float(n) for n in _SIZE.search(svg).groups())
    svg = _SIZE.sub(
        f'<svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{escape(alt)}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width * 4 / 3:.0f}" height="{height * 4 / 3:.0f}">',
        svg,
        count=1,
    )
    used = set(_USE.findall(svg))
    svg = _ID.sub(
        lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", svg
    )
    svg = _USE.sub(lambda found: f"{name}-{found[0]}", svg)
    svg = _ANY_COLOUR.sub(lambda found: _COLOURS[found[0]], svg)
    return f'<div class="plot">{svg}</div>'
