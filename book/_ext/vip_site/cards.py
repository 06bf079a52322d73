"""What previews of links, and searches, are told of a page: words, address, picture.

The picture is that of the page's first lens; a page without one has the picture of the
height branch.  Links and pictures in a preview need whole addresses, so these are of
the site that the package names as its home.
"""

import html
import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from vip_tutorial.lens import PermuteLens
from vip_tutorial.lens.figure.pictures import png_of
from vip_tutorial.lens.playground.from_run import address_of

_USUAL = "book/04-height-branch"
_LONGEST = 200  # characters of the words; more is cut off where they are shown
_LENS = re.compile(
    r'data-vip-widget="permute_lens".*?<script type="application/json">(.*?)</script>',
    re.DOTALL,
)
_VIEWPORT = re.compile(r'\s*<meta name="viewport"[^>]*>')
_LOST = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>There is no such page</title>
</head>
<body><main><h1>There is no such page</h1>
<p>It may have moved, or never been. <a href="{home}">The front page</a> lists them all,
and <a href="{home}search.html">the search</a> looks through them.</p></main></body>
</html>
"""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx what each page, and the whole site, is to say of itself."""
    app.connect("config-inited", _name_home)
    app.connect("html-page-context", _tell, priority=800)  # as long as states are there
    app.connect("build-finished", _finish)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }


def _name_home(app: Sphinx, config: Any) -> None:
    config.html_baseurl = address_of("")  # the theme makes canonical addresses of it


def _tell(app, pagename, templatename, context, doctree) -> None:
    # The theme says it, too.
    tags = _VIEWPORT.sub("", context.get("metatags", ""))
    if doctree is not None:
        own = _draw(app, pagename, context.get("body", ""))
        picture = _file(pagename if own else _USUAL)
        title = html.unescape(re.sub("<[^>]*>", "", context.get("title", "")))
        tags += card(title, words_of(doctree), address_of(f"{pagename}.html"), picture)
    context["metatags"] = tags


def card(title: str, words: str, address: str, picture: str) -> str:
    """The elements of a page's head that previews and searches read."""
    said = {
        "description": words,
        "og:type": "article",
        "og:title": title,
        "og:description": words,
        "og:url": address,
        "og:image": address_of(picture),
        "og:image:alt": "Coloured cells of a tensor, before and after a step",
        "twitter:card": "summary_large_image",
    }
    lines = []
    for name, text in said.items():
        key = "property" if name.startswith("og:") else "name"
        lines.append(f'<meta {key}="{name}" content="{html.escape(text)}" />')
    return "\n" + "\n".join(lines)


def words_of(doctree: nodes.document) -> str:
    """The first paragraph that says more than how long a page takes, cut to fit."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text) > 60 and not re.match(r"\d+ minutes to read", text):
            break
    else:
        return "Vision Permutator's Permute-MLP, step by step, in figures that move."
    if len(text) <= _LONGEST:
        return text
    return text[: _LONGEST - 1].rsplit(" ", 1)[0] + "…"


def _draw(app: Sphinx, pagename: str, body: str) -> bool:
    """Draw the picture of a page; whether it has one of its own."""
    lens = _LENS.search(body)
    if lens:
        file = Path(app.outdir, _file(pagename))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png_of(PermuteLens, json.loads(lens[1])))
    return bool(lens)


def _file(pagename: str) -> str:
    return f"_static/cards/{pagename.rpartition('/')[2]}.png"


def _finish(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    if not (folder / _file(_USUAL)).is_file():
        raise ValueError(
            f"{_USUAL} has no lens, and its picture is that of other pages"
        )
    names = sorted(app.env.all_docs)
    (folder / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        + "".join(f"<url><loc>{address_of(f'{n}.html')}</loc></url>\n" for n in names)
        + "</urlset>\n",
        encoding="utf-8",
    )
    lost = _LOST.format(home=address_of(""))
    (folder / "404.html").write_text(lost, encoding="utf-8")
    for name in [*names, "search", "genindex"]:
        _keep_one_viewport(folder / f"{name}.html")


def _keep_one_viewport(file: Path) -> None:
    """Two layouts of the theme each say it."""
    page = file.read_text(encoding="utf-8")
    first = _VIEWPORT.search(page)
    kept = page[: first.end()] + _VIEWPORT.sub("", page[first.end() :])
    if kept != page:
        file.write_text(kept, encoding="utf-8")
