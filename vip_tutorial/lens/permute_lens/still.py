"""A picture of a run for where no script runs, such as a notebook shown on the web."""

import html
from typing import Any

_ROW, _LEFT, _WIDTH, _MOST = 22, 12, 640, 64
_INKS = {"view": "#5b8def", "copy": "#d9822b", "same": "#888888"}


def still(recording: dict[str, Any]) -> str:
    """Each step of a recording as a line: what ran, what it did to memory, what came.

    Args:
        recording: What `Trace.to_json()` gave.

    Returns:
        An SVG element, with no script and no style sheet.
    """
    tensors, steps = recording["tensors"], recording["steps"]
    rows = [("input", "", tensors[i]) for i in recording["inputs"][:4]]
    rows += [(s["call"], _memory(s), tensors[s["output"]]) for s in steps[:_MOST]]
    lines = [_line(k, *row) for k, row in enumerate(rows)]
    if len(steps) > _MOST:
        lines.append(_text(_LEFT, len(rows), f"and {len(steps) - _MOST} more steps"))
    height = _ROW * (len(lines) + 1)
    title = html.escape(f"The steps of {recording['name']}, one a line")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="100%" role="img" font-family="monospace" font-size="12">'
        f"<title>{title}</title>{''.join(lines)}</svg>"
    )


def _memory(step: dict[str, Any]) -> str:
    if not step["copy"]:
        return "write" if step.get("writes") else "view"
    return "copy" if step["kind"] in ("move", "collect") else "new"


def _line(k: int, call: str, memory: str, tensor: dict[str, Any]) -> str:
    call = call if len(call) <= 40 else call[:39] + "…"
    ink = _INKS.get(memory, "#888888")
    y = _ROW * k + 8
    bar = f'<rect x="0" y="{y}" width="5" height="14" fill="{ink}"/>' if memory else ""
    shape = f"({', '.join(tensor['axes'])}) = ({', '.join(map(str, tensor['shape']))})"
    return (
        bar + _text(_LEFT, k, call) + _text(320, k, memory, ink) + _text(370, k, shape)
    )


def _text(x: int, k: int, text: str, ink: str = "currentColor") -> str:
    y = _ROW * k + 19
    return f'<text x="{x}" y="{y}" fill="{ink}">{html.escape(text)}</text>'
