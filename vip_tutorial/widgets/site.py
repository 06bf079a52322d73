"""What the built site needs of the widgets: scripts, style sheets, first frames."""

import atexit
import json
from functools import cache
from typing import Any

from py_mini_racer import MiniRacer

from .branch_mixer import BranchMixer
from .bundle import bundle
from .cost_calculator import CostCalculator
from .host import CSS, BookWidget
from .live_vip import LiveViP
from .mutant_spotter import MutantSpotter
from .permute_lens import PermuteLens
from .reach_probe import ReachProbe
from .seed_comparison import SeedComparison
from .shape_puzzles import ShapePuzzles
from .weight_rewrite import WeightRewrite

_ALL = (
    PermuteLens,
    BranchMixer,
    CostCalculator,
    LiveViP,
    MutantSpotter,
    ReachProbe,
    SeedComparison,
    ShapePuzzles,
    WeightRewrite,
)
WIDGETS: dict[str, type[BookWidget]] = {widget.kind: widget for widget in _ALL}


def site_script(*kinds: str) -> str:
    """A classic script that brings a page's widgets to life, also from disk.

    Args:
        *kinds: The kinds of widgets that stand on the page, keys of `WIDGETS`.
    """
    renderers = ", ".join(f'"{kind}": {WIDGETS[kind].render}' for kind in kinds)
    return f"(() => {{\n{_sources(*kinds)}\nhydrate({{ {renderers} }});\n}})();\n"


def site_style(*kinds: str) -> str:
    """The style sheets of such a page, what all widgets share first."""
    files = ["figure", "drawing"]
    for kind in kinds:
        files += [*WIDGETS[kind].styles, kind]
    # Each once, however many widgets need it.
    return "\n".join(
        (CSS / f"{name}.css").read_text("utf-8") for name in dict.fromkeys(files)
    )


def first_frame(kind: str, state: dict[str, Any]) -> str:
    """HTML of a widget before any script has run, drawn by its own JavaScript core."""
    return _engine().eval(f"({WIDGETS[kind].frame})({json.dumps(state)})")


def set_apart(kind: str, state: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Take out of a widget's state what its page shall load by itself.

    Args:
        kind: Name of the widget.
        state: What its JavaScript core reads.

    Returns:
        The rest of the state, and a script that hands the others over to js/site.js,
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
    return bundle(*(WIDGETS[kind].module for kind in kinds), "site.js")
