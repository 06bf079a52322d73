"""What the built site needs of the widgets: scripts, style sheets, first frames."""

import json
from pathlib import Path
from typing import Any

import vip_tutorial.figures  # noqa: F401  registers them all
from vip_tutorial.lens.figure import engine
from vip_tutorial.lens.figure.files import page_of, page_script, style
from vip_tutorial.lens.figure.host import BookWidget

WIDGETS = BookWidget.kinds
SITE = Path(__file__).with_name("site.js")


def site_script(*kinds: str) -> str:
    """A classic script that brings a page's widgets to life, also from disk.

    Args:
        *kinds: The kinds of widgets that stand on the page, keys of `WIDGETS`.
    """
    return page_script([WIDGETS[kind] for kind in kinds], SITE)


def site_style(*kinds: str) -> str:
    """The style sheets of such a page, what all widgets share first."""
    return style(file for kind in kinds for file in WIDGETS[kind].styles)


def first_frame(kind: str, state: dict[str, Any]) -> str:
    """HTML of a widget before any script has run, drawn by its own JavaScript core."""
    return engine.call(WIDGETS[kind].module, "firstFrame", state)


def page_alone(kind: str, state: dict[str, Any]) -> str:
    """A page that holds a figure alone, to be put into other pages."""
    heading = state["title"] or WIDGETS[kind].__name__
    return page_of(WIDGETS[kind], state, heading, first_frame(kind, state))


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
