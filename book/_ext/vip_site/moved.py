"""Old addresses of pages: each leads to the page that it has become.

A link to a section or to a figure's state lies in the fragment, so the fragment has to
come along, and a script takes it there. Without a script there is a link.
"""

import html
import posixpath
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

# Addresses that are out in the world.  Add to this table; never remove an entry.
MOVED = {
    "book/03-listing-as-found": "book/08-listing-as-found",
    "book/04-channel-branch": "book/03-channel-branch",
    "book/05-height-branch": "book/04-height-branch",
    "book/06-width-branch": "book/05-width-branch",
    "book/07-re-weighting": "book/06-re-weighting",
    "book/08-fuse-and-project": "book/07-fuse-and-project",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>This page has moved</title>
<script>location.replace("{address}" + location.search + location.hash);</script>
</head>
<body><main><h1>This page has moved</h1>
<p>It is now <a href="{address}">{title}</a>.</p></main></body>
</html>
"""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx what is to be written after the site's own pages."""
    app.connect("build-finished", _write)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    titles = {name: title.astext() for name, title in app.env.titles.items()}
    write_moved(Path(app.outdir), titles)


def write_moved(folder: Path, titles: dict[str, str]) -> None:
    """Write a page at each old address.

    Args:
        folder: The built site.
        titles: The title of each page of the site, by its name without ending.
    """
    for old, new in MOVED.items():
        if old in titles or new not in titles:
            raise ValueError(
                f"{old} is said to have moved to {new}, but the site has "
                f"{'a page' if old in titles else 'none'} at "
                f"{old if old in titles else new}; mend MOVED in {__file__}"
            )
        address = posixpath.relpath(new, posixpath.dirname(old)) + ".html"
        page = _PAGE.format(address=address, title=html.escape(titles[new]))
        (folder / f"{old}.html").write_text(page, encoding="utf-8")
