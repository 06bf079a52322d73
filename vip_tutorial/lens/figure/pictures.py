"""A figure as a picture: its own drawing, as SVG or in pixels.

A drawing is a list of marks (see paint.js).  The figure's JavaScript writes them as
SVG; for PNG matplotlib draws the same marks.
"""

import io
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import engine

if TYPE_CHECKING:
    from .host import BookWidget

_CSS = Path(__file__).with_name("figure.css")
_FONTS = ["DejaVu Sans Mono", "monospace"]
_PIXELS = 2  # of the file, for one of the drawing


def svg(widget: "BookWidget") -> str:
    """What the figure shows, with its words as text.

    Raises:
        ValueError: If the figure has no such picture, or cannot be drawn.
        RuntimeError: If there is no JavaScript engine on this machine.
    """
    return f'<?xml version="1.0" encoding="utf-8"?>\n{_drawn_now(widget)["svg"]}\n'


def png(widget: "BookWidget") -> bytes:
    """The same in pixels.

    Raises:
        ModuleNotFoundError: If there is no matplotlib; else as `svg`.
    """
    return _pixels(_drawn_now(widget))


def png_of(widget: type["BookWidget"], state: dict[str, Any]) -> bytes:
    """A kind of figure in a state, in pixels; fails as `png` does."""
    return _pixels(_drawn(widget, state, "figure"))


def _pixels(drawn: dict[str, Any]) -> bytes:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.collections import PolyCollection
        from matplotlib.figure import Figure
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as Outline
    except ModuleNotFoundError as fault:
        raise ModuleNotFoundError(
            "matplotlib is not installed, and a .png is drawn by it: pip install "
            "matplotlib, or save the figure as .svg",
            name=fault.name,
        ) from fault
    width, height = drawn["width"], drawn["height"]
    # A unit of the drawing is a point, of which an inch has 72.
    figure = Figure((width / 72, height / 72), dpi=72 * _PIXELS)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    for order, layer in enumerate(drawn["layers"]):
        corners = list(_corners(layer["cells"]))
        boxes = PolyCollection(
            corners,
            facecolor=layer["fill"],
            linewidth=0,
            alpha=layer["alpha"],
            antialiased=False,  # else cells side by side have a seam
            zorder=order,
        )
        axes.add_collection(boxes, autolim=False)
    for order, mark in enumerate(drawn["marks"], start=len(drawn["layers"])):
        if mark["kind"] == "text":
            axes.text(
                mark["x"],
                mark["y"],
                mark["text"],
                size=mark["size"],
                color=mark["fill"],
                family=_FONTS,
                ha={"middle": "center", "start": "left"}.get(mark["anchor"], "right"),
                va="baseline",
                parse_math=False,  # a "$" is one
                zorder=order,
            )
            continue
        if mark["kind"] == "outline":
            [points] = _corners([mark[k] for k in ("x", "y", "width", "height")])
            outline = Outline([*points, points[0]], closed=True)
        else:
            curve = [Outline.MOVETO, Outline.CURVE3, Outline.CURVE3]
            outline = Outline(mark["points"], curve)
        line = PathPatch(
            outline,
            fill=False,
            edgecolor=mark["stroke"],
            linewidth=mark["thickness"],
            zorder=order,
        )
        axes.add_patch(line)
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box, and no reason to stop.
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return file.getvalue()


def _corners(cells: list[float]) -> Iterator[list[tuple[float, float]]]:
    for i in range(0, len(cells), 4):
        x, y, width, height = cells[i : i + 4]
        right, bottom = x + width, y + height
        yield [(x, y), (right, y), (right, bottom), (x, bottom)]


def _drawn_now(widget: "BookWidget") -> dict[str, Any]:
    state = widget.page_state() | {"start": widget.state or widget.start}
    return _drawn(type(widget), state, widget.name)


def _drawn(
    widget: type["BookWidget"], state: dict[str, Any], name: str
) -> dict[str, Any]:
    kind = widget.__name__
    if widget.drawn_by is None:
        raise ValueError(
            f"{kind} has no picture that stands alone; save it as .html, which shows "
            f"all of it: '{name}.html'"
        )
    theme = dict(
        re.findall(r"--vip-(\w+): (#\w{6});", _CSS.read_text("utf-8").split("}")[0])
    )
    try:
        return json.loads(engine.call(widget.drawn_by, "picture", state, theme))
    except engine.NoEngine as fault:
        raise engine.NoEngine(
            f"a picture of a {kind} is drawn by its JavaScript, and {fault}; .html "
            "needs neither"
        ) from fault
    except Exception as fault:  # the engine's own, of which there are several
        why = str(fault).strip().partition("\n")[0]
        raise ValueError(f"this {kind} cannot be drawn: {why}") from fault
