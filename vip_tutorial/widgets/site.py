"""What the built site needs of the widgets: a script, a style sheet, first frames."""

import json
from functools import cache
from typing import Any

from py_mini_racer import MiniRacer

from .bundle import bundle
from .permute_lens import PermuteLens

# Per widget: its class, its `render` and its first frame in JavaScript.
WIDGETS = {PermuteLens.kind: (PermuteLens, "renderLens", "lensFirstFrame")}


def site_script() -> str:
    """A classic script that brings every widget of a page to life, also from disk."""
    renderers = ", ".join(f'"{k}": {js}' for k, (_, js, _) in WIDGETS.items())
    return f"(() => {{\n{_sources()}\nhydrate({{ {renderers} }});\n}})();\n"


def site_style() -> str:
    """The style sheets of all widgets."""
    return "\n".join(widget._css for widget, _, _ in WIDGETS.values())


def first_frame(kind: str, state: dict[str, Any]) -> str:
    """HTML of a widget before any script has run, drawn by its own JavaScript core."""
    _, _, function = WIDGETS[kind]
    return _engine().eval(f"{function}({json.dumps(state)})")


@cache
def _engine() -> MiniRacer:
    engine = MiniRacer()
    engine.eval(_sources())
    return engine


def _sources() -> str:
    return bundle("permute_lens.js", "site.js")
