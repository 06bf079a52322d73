"""The Sphinx extension that makes the book's site: figures that move, also offline.

It shows widgets without a kernel, keeps every request on the site's own origin, re-runs
the chapters whenever the package changes, and mends what the stock theme gets wrong.
What can stand alone is an extension of its own:

    figures.py      the scripts, styles and first pictures of a page's figures
    glossary.py     links the first use of each term on a page to its entry
    shapes.py       tables of the module's lines and what came out of each
    notebooks.py    runs the notebooks that changed, several at a time
    warm.py         the process whose forks those runs are
    whole.py        one build at a time, and no site from half of one
    api.py          what the page "API" leaves out of the docstrings
    moved.py        old addresses lead to the pages that they have become
    cards.py        what previews of links and searches are told of a page
    your_turn.py    where an exercise can be answered that needs Python
"""

import hashlib
import html
import json
import platform
import re
from collections import Counter
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

import vip_tutorial
from vip_tutorial.lens.figure.files import page_json

from .figures import first_frame, page_alone, set_apart, site_script, site_style

_HERE = Path(__file__).parent
_PACKAGE = Path(vip_tutorial.__file__).parent
_FIGURE = re.compile(
    r'<div data-vip-widget="(?P<kind>\w+)"(?P<attributes>[^>]*)>'
    r'<div class="(?P<classes>[^"]*)">(?P<still>(?:<svg.*?</svg>)?)</div>'
    r'<script type="application/json">(?P<state>.*?)</script></div>',
    re.DOTALL,
)
_ID = re.compile(r'<[^<>]*?\sid="([^"]*)"')
# A page opened from disk may not fetch the pages that it would sum up; found they are.
_NO_SUMMARIES_FROM_DISK = (
    'if (location.protocol === "file:") '
    "DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;"
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    for part in (
        "api",
        "cards",
        "glossary",
        "moved",
        "notebooks",
        "shapes",
        "whole",
        "your_turn",
    ):
        app.setup_extension(f"{__name__}.{part}")
    # A changed value of a "env" setting makes Sphinx read, and so run, all pages anew.
    app.add_config_value("vip_package_digest", "", "env")
    # That of the figures' scripts and styles makes it write them anew; no cell runs.
    app.add_config_value("vip_figures_digest", "", "html")
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(_inline_math, None),
        block_renderers=(_block_math, None),
    )
    app.connect("config-inited", _configure, priority=900)
    app.connect("html-page-context", _finish_page, priority=900)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }


def _configure(app: Sphinx, config: Any) -> None:
    config.vip_package_digest = package_digest()
    # And what else decides how a page is written.
    config.vip_figures_digest = _digest(_PACKAGE, ".js", ".css") + _digest(
        _HERE, ".js", ".py"
    )
    config.nb_execution_mode = "off"  # `notebooks` runs them
    config.nb_mime_priority_overrides = [("html", "text/html", 1)]
    config.nb_ipywidgets_js = {}  # no require.js and no html-manager from elsewhere
    config.html_math_renderer = "mathml"
    # Else the theme shows a second search button, in a bar of its own.  Said in
    # _config.yml it would replace all theme options that Jupyter Book sets.
    config.html_theme_options["navbar_persistent"] = []


def package_digest() -> str:
    """Names the state of all of the package that a notebook can notice."""
    package = _digest(_PACKAGE, ".py", ".json", ".safetensors")
    python = ".".join(platform.python_version_tuple()[:2])
    return f"{package}-{python}-{version('torch')}"


def _digest(folder: Path, *endings: str) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix in endings:
            digest.update(file.relative_to(folder).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _finish_page(app, pagename, templatename, context, doctree) -> None:
    body = context.get("body", "")
    _refuse_double_names(pagename, body)
    if kinds := sorted({figure["kind"] for figure in _FIGURE.finditer(body)}):
        draw = partial(_draw_figure, app, pagename, context)
        context["body"] = _FIGURE.sub(draw, _with_ids_of_their_own(body))
        _add_assets(app, kinds)
    _refuse_double_ids(pagename, context.get("body", ""))
    if pagename == "search":
        app.add_js_file(None, body=_NO_SUMMARIES_FROM_DISK)
    # The same list that add_js_file has just added to.
    context["script_files"][:] = filter(_is_read, context["script_files"])


def _add_assets(app: Sphinx, kinds: list[str]) -> None:
    """Give the page a script with the widgets that stand on it, and no other."""
    name = f"vip-{'-'.join(kinds)}"
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)
    (static / f"{name}.css").write_text(site_style(*kinds), encoding="utf-8")
    (static / f"{name}.js").write_text(site_script(*kinds), encoding="utf-8")
    app.add_css_file(f"{name}.css")
    app.add_js_file(f"{name}.js", loading_method="defer")


def _refuse_double_names(pagename: str, body: str) -> None:
    """A link names a figure of its page, so no two may have the same name."""
    names = [json.loads(figure["state"])["name"] for figure in _FIGURE.finditer(body)]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ValueError(
            f"{pagename} has several figures called {', '.join(double)}; give each "
            "its own, e.g. PermuteLens(..., name='height-toy')"
        )


def _with_ids_of_their_own(body: str) -> str:
    """Let go of a figure's id where a heading or an anchor of the page has the same.

    A link to a section goes by its id; one to a figure's state goes by the figure's
    name, which stays.
    """
    count = Counter(_ID.findall(body))

    def renamed(figure: re.Match[str]) -> str:
        name = json.loads(figure["state"])["name"]
        own = name if count[name] < 2 else f"figure-{name}"
        return figure[0].replace(f' id="{name}"', f' id="{own}"', 1)

    return _FIGURE.sub(renamed, body)


def _refuse_double_ids(pagename: str, body: str) -> None:
    double = [id_ for id_, times in Counter(_ID.findall(body)).items() if times > 1]
    if double:
        raise ValueError(
            f"{pagename} has several elements with the id {', '.join(double)}, so a "
            "link could not tell them: give a heading, an anchor or a figure another"
        )


def _is_read(script: Any) -> bool:
    """False for scripts that nobody on these pages reads."""
    # sphinx-thebe's comes twice, which is an error in every browser; MyST-NB's widget
    # state is for the html-manager, which the book does without.
    kind = getattr(script, "attributes", {}).get("type", "")
    return "thebe" not in str(script) and "widget-state" not in kind


def _draw_figure(app, pagename, context, found: re.Match[str]) -> str:
    """Draw a figure's first frame, and give the figure a page of its own, too."""
    kind, state = found["kind"], json.loads(found["state"])
    # Beside the page it stands on, so that what it links to is found from there.
    alone = Path(app.outdir, f"{pagename}.{state['name']}.html")
    alone.parent.mkdir(parents=True, exist_ok=True)
    alone.write_text(page_alone(kind, state), encoding="utf-8")
    state["alone"] = alone.name

    rest, script = set_apart(kind, state)
    if script:
        name = f"vip-data/{hashlib.sha256(script.encode()).hexdigest()[:16]}.js"
        file = Path(app.outdir, "_static", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script, encoding="utf-8")
        rest["apart"] = context["pathto"](f"_static/{name}", 1)

    html, begin = found.string, found.start()
    still, json_ = found.span("still"), found.span("state")
    parts = [html[begin : still[0]], first_frame(kind, state)]
    parts += [html[still[1] : json_[0]], page_json(rest), html[json_[1] : found.end()]]
    return "".join(parts)


def _inline_math(self: Any, node: nodes.math) -> None:
    self.body.append(_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _block_math(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="formula">{_mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def _mathml(latex: str, display: str) -> str:
    # The converter does not lay these out; better no page than a wrong formula.
    for unknown in (r"\begin{align", r"\begin{split", "'"):
        if unknown in latex:
            raise ValueError(
                f"formula {latex!r} uses {unknown}, which MathML output lacks"
            )
    math = convert(latex, display=display)
    return math.replace("<math ", f'<math alttext="{html.escape(latex)}" ', 1)
