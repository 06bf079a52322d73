"""Find the line of source, and the part of it, that is calling torch right now."""

import ast
import linecache
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType

import torch

_TORCH = str(Path(torch.__file__).parent)
_PACKAGE = Path(__file__).parent.parent
_RECORDER = str(Path(__file__).parent)


@dataclass
class SourceLine:
    """A line of source, with the call that was running.

    Attributes:
        file: Path inside this package, a bare file name, or "notebook cell".
        function: Name of the function that the line is in.
        line: Number of the line, from 1.
        text: The line (or lines, if the call spans several), indentation removed.
        start: Where in `text` the call begins, e.g. at ".permute(0, 3, 2, 1, 4)".
        end: Where it ends.
    """

    file: str
    function: str
    line: int
    text: str
    start: int
    end: int


def calling_line() -> SourceLine | None:
    """The innermost line outside torch and the recorder that is on the stack."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((_TORCH, _RECORDER)):
            return _line(frame)
        frame = frame.f_back
    return None


def _line(frame: FrameType) -> SourceLine | None:
    code = frame.f_code
    positions = next(islice(code.co_positions(), frame.f_lasti // 2, None))
    first, last, start_byte, end_byte = positions
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    if first is None or last is None or last > len(lines):
        return None
    # Offsets count UTF-8 bytes from the start of the first and of the last line.
    block = [line.rstrip("\n") for line in lines[first - 1 : last]]
    start = len(block[0].encode()[:start_byte].decode())
    end = len("\n".join(block)) - len(block[-1])
    end += len(block[-1].encode()[:end_byte].decode())
    text = "\n".join(block)
    start = _own_part(text[start:end]) + start
    indent = len(text) - len(text.lstrip())
    return SourceLine(
        file=_public_name(code.co_filename),
        function=code.co_name,
        line=first,
        text=text.strip(),
        start=start - indent,
        end=end - indent,
    )


def _own_part(call: str) -> int:
    """Where in `x.reshape(...).permute(...)` the last call of the chain begins."""
    try:
        node = ast.parse(call, mode="eval").body
    except SyntaxError:
        return 0  # the call is one piece of a larger expression over several lines
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return 0
    if isinstance(node.func.value, ast.Name):
        return 0  # x.permute(...): show the x too
    value = node.func.value
    lines = call.encode().split(b"\n")[: value.end_lineno]
    lines[-1] = lines[-1][: value.end_col_offset]
    return len(b"\n".join(lines).decode())


def _public_name(file: str) -> str:
    if "ipykernel" in file or file.startswith("<ipython"):
        return "notebook cell"
    path = Path(file)
    if path.is_relative_to(_PACKAGE):
        return path.relative_to(_PACKAGE.parent).as_posix()
    return path.name
