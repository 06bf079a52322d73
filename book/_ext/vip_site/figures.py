"""What the built site needs of the widgets: scripts, style sheets, first frames."""

import atexit
import json
from functools import cache
from typing import Any

from py_mini_racer import MiniRacer

import vip_tutorial.figures  # noqa: F401  registers them all
from vip_tutorial.lens.figure import host
from vip_tutorial.lens.figure.bundle import bundle, constant
from vip_tutorial.lens.figure.host import BookWidget, style

WIDGETS = BookWidget.kinds
SITE = host.FIGURE_CSS.with_name("page.js")


def site_script(*kinds: str) -> str:
    """A classic script that brings a page's widgets to life, also from disk.

    Args:
        *kinds: The kinds of widgets that stand on the page, keys of `WIDGETS`.
    """
    renderers = ", ".join(
        f'"{kind}": {constant(WIDGETS[kind].module)}.render' for kind in kinds
    )
    start = f"{constant(SITE)}.hydrate({{ {renderers} }});"
    return f"(() => {{\n{_sources(*kinds)}\n{start}\n}})();\n"


def site_style(*kinds: str) -> str:
    """The style sheets of such a page, what all widgets share first."""
    return style(file for kind in kinds for file in WIDGETS[kind].styles)


def first_frame(kind: str, state: dict[str, Any]) -> str:
    """HTML of a widget before any script has run, drawn by its own JavaScript core."""
    core = constant(WIDGETS[kind].module)
    return _engine().eval(f"{core}.firstFrame({json.dumps(state)}).toWellFormed()")


def set_apart(kind: str, state: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Take out of a widget's state what its page shall load by itself.

    Args:
        kind: Name of the widget.
        state: What its JavaScript core reads.

    Returns:
        The rest of the state, and a script that hands the others over to page.js,
        empty if there are none.  The page has to say where that script is: in the
        state, as "apart".
    """
    names = [name for name in WIDGETS[kind].apart if name in state]
    if not names:
        return state, ""
    values = json.dumps({name: state[name] for name in names})
    rest = {name: value for name, value in state.items() if name not in names}
    return rest, f"vipApart({values});\n"


@cache
def _engine() -> MiniRacer:
    engine = MiniRacer()
    # Left to the interpreter's own clearing up, it may never let a program end.
    atexit.register(engine.close)
    engine.eval(_sources(*WIDGETS))
    return engine


def _sources(*kinds: str) -> str:
    return bundle(*(WIDGETS[kind].module for kind in kinds), SITE)
