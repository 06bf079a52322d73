"""Figures as files: one that lives in any browser, or a picture.

The file asks nothing of anyone: style, script and state are in it, and a policy that
keeps it from asking.  It opens from disk and in a frame that has no origin.  Its first
frame stands in it as HTML, for where no script runs.
"""

import base64
import gzip
import html
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import engine, pictures
from .bundle import bundle, constant

if TYPE_CHECKING:
    from .host import BookWidget

FIGURE_CSS = Path(__file__).with_name("figure.css")
PAGE = Path(__file__).with_name("page.js")
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:"
)
_DARK = re.compile(r'html\[data-theme="dark"\] \.vip,[^{]*\{([^}]*)\}')
_FILE_CSS = """
html { color-scheme: light dark; }
body { margin: 0; padding: 8px; background: #ffffff; }
body .vip { margin: 0 auto; }
@media (prefers-color-scheme: dark) {
body { background: #0d1013; }
.vip:not([data-vip-theme]) { %s }
}
"""
# What stands in the page is its first frame; the state and the script are packed.
_UNPACK = """
const bytes = Uint8Array.from(atob("%s"), (c) => c.charCodeAt(0));
const gunzip = new DecompressionStream("gzip");
const unpacked = new Response(new Blob([bytes]).stream().pipeThrough(gunzip)).json();
unpacked.then(({ state, script: text }) => {
  document.querySelector("script[type='application/json']").textContent = state;
  document.body.append(Object.assign(document.createElement("script"), { text }));
});
"""


def page_script(widgets: Iterable[type["BookWidget"]], page: Path = PAGE) -> str:
    """A classic script that brings the widgets of a page to life.

    Args:
        widgets: Classes of the widgets that stand on the page.
        page: A module that exports `hydrate`, which takes what draws each kind.
    """
    widgets = list(widgets)
    renderers = ", ".join(f'"{w.kind}": {constant(w.module)}.render' for w in widgets)
    source = bundle(*(widget.module for widget in widgets), page)
    start = f"{constant(page)}.hydrate({{ {renderers} }});"
    return f"(() => {{\n{source}\n{start}\n}})();\n"


def save(widget: "BookWidget", path: str | os.PathLike[str]) -> Path:
    """Write a figure to a file; see `BookWidget.save`."""
    try:
        path = Path(path)
    except TypeError as fault:
        raise TypeError(
            f"path is a {type(path).__name__}; it must be the name of a file, e.g. "
            f"'{widget.name}.html'"
        ) from fault
    makers: dict[str, Callable[[BookWidget], str | bytes]] = {
        ".html": whole_file,
        ".svg": pictures.svg,
        ".png": pictures.png,
    }
    make = makers.get(path.suffix.lower())
    if make is None:
        came = f"ends in {path.suffix!r}" if path.suffix else "has no ending"
        raise ValueError(
            f"{str(path)!r} {came}; a figure is saved as .html, which moves, or as a "
            f"picture, .svg or .png: '{path.stem or widget.name}.html'"
        )
    if path.is_dir():
        raise IsADirectoryError(
            f"{str(path)!r} is a folder; name a file in it: "
            f"{str(path / (widget.name + path.suffix))!r}"
        )
    content = make(widget)
    if isinstance(content, str):
        content = content.encode("utf-8")
    try:
        path.write_bytes(content)
    except OSError as fault:
        raise type(fault)(_why_not_written(path, fault)) from fault
    return path


def _why_not_written(path: Path, fault: OSError) -> str:
    if not path.parent.is_dir():
        return f"{str(path)!r} cannot be written: make the folder {str(path.parent)!r}"
    return f"{str(path)!r} cannot be written ({fault.strerror}): name another place"


def whole_file(widget: "BookWidget") -> str:
    """A page that holds a figure alone, as it is now, and all that this needs."""
    state = widget.page_state()
    return page_of(type(widget), state, widget.heading(), first_frame(widget))


def page_of(
    widget: type["BookWidget"], state: dict[str, Any], heading: str, frame: str
) -> str:
    """A page that holds a figure alone, and all that this needs.

    Args:
        widget: Class of the figure.
        state: What its JavaScript core reads.
        heading: What the page is called.
        frame: What it shows before its script draws, as HTML.
    """
    figure = element(widget.kind, state["name"], frame, page_json(state))
    return _page(widget, heading, figure, page_script([widget]))


def element(kind: str, name: str, picture: str, state: str) -> str:
    """A figure's element, as a page's script finds it; state is its JSON."""
    return (
        f'<div data-vip-widget="{kind}" id="{name}">'
        f'<div class="vip vip-{kind}">{picture}</div>'
        f'<script type="application/json">{state}</script></div>'
    )


def framed(widget: "BookWidget") -> str:
    """The same page in a frame of its own, for a notebook that cannot show widgets.

    A notebook may have many, so all but the first frame is packed.
    """
    state = page_json(widget.page_state())
    packed = json.dumps({"state": state, "script": page_script([type(widget)])})
    packed = base64.b64encode(gzip.compress(packed.encode(), mtime=0)).decode()
    figure = element(widget.kind, widget.name, first_frame(widget), "")
    page = _page(type(widget), widget.heading(), figure, _UNPACK % packed)
    page = page.replace("&", "&amp;").replace("'", "&#39;")
    return (
        f'<iframe sandbox="allow-scripts" title="{html.escape(widget.heading())}" '
        f'style="width:100%;height:{widget.height}px;border:0" '
        f"srcdoc='{page}'></iframe>"
    )


def _page(widget: type["BookWidget"], heading: str, figure: str, script: str) -> str:
    css = style(widget.styles)
    dark = _DARK.search(css)
    css += _FILE_CSS % (dark[1].strip() if dark else "")
    script = script.replace("</script", "<\\/script")  # which would end the element
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{html.escape(heading)}</title>
<style>
{css}</style>
</head>
<body>
<main>
{figure}
</main>
<script>
{script}</script>
</body>
</html>
"""


def first_frame(widget: "BookWidget") -> str:
    """What a figure shows now, as HTML; its `still` where nothing can draw it."""
    shown = {"start": widget.state or widget.start}
    try:
        return engine.call(widget.module, "firstFrame", widget.page_state() | shown)
    except Exception:  # no engine, or one that fails: the figure itself lives on
        return widget.still()


def page_json(state: dict[str, Any]) -> str:
    """JSON that can stand in a script element."""
    # "</script>" would end the element, and "<!--<script>" keep it from ending.
    return json.dumps(state).replace("<", "\\u003c")


def style(files: Iterable[Path]) -> str:
    """The style sheet of all figures, and then these, each once."""
    return "\n".join(
        file.read_text(encoding="utf-8") for file in dict.fromkeys([FIGURE_CSS, *files])
    )
