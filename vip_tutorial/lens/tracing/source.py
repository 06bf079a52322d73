"""Find the line of source, and the part of it, that is calling torch right now."""

import ast
import linecache
import os
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType

import torch

from .calls import LONGEST

_PACKAGE = Path(__file__).parents[2]
# What writes calls for the reader: his own line is the one that called it.
_WRAPPERS = tuple(f"{os.sep}{name}{os.sep}" for name in ("einops", "opt_einsum"))
# With the separator at the end, or torchvision would pass for torch.
_FOLDERS = tuple(str(Path(f).parent) + os.sep for f in (torch.__file__, __file__))

_PYTHON = str(Path(os.__file__).parent) + os.sep


@dataclass
class SourceLine:
    """A line of source, with the call that was running.

    Attributes:
        file: Path inside this package, a bare file name, or "notebook cell".
        function: Name of the function that the line is in.
        line: Number of the line, from 1.
        text: The line (or lines, if the call spans several), indentation removed;
            a very long one is cut, with "…" where something is missing.
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
    """The innermost line on the stack outside torch, einops and the recorder."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if _is_readers(frame):
            return _line(frame, frame.f_lasti)
        frame = frame.f_back
    return None


def failing_line(fault: BaseException) -> SourceLine | None:
    """The innermost line that a fault left and that is the reader's."""
    found = None
    traceback = fault.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        is_pythons = file.startswith(_PYTHON) and "site-packages" not in file
        if _is_readers(traceback.tb_frame) and not is_pythons:
            found = traceback
        traceback = traceback.tb_next
    return found and _line(found.tb_frame, found.tb_lasti)


def _is_readers(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return not file.startswith(_FOLDERS) and not any(w in file for w in _WRAPPERS)


def _line(frame: FrameType, instruction: int) -> SourceLine | None:
    code = frame.f_code
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    match next(islice(code.co_positions(), instruction // 2, None)):
        case int(first), int(last), int(start_byte), int(end_byte):
            pass
        case _:
            return None
    if last > len(lines):
        return None
    block = [line.rstrip("\n") for line in lines[first - 1 : last]]
    # Offsets count UTF-8 bytes from the start of the first and of the last line.  They
    # may cut a letter in two if the file was edited after it was imported.
    start = len(block[0].encode()[:start_byte].decode(errors="replace"))
    end = len(block[-1].encode()[:end_byte].decode(errors="replace"))
    # The lines are shown as far to the left as the first one can go.
    indents = [len(line) - len(line.lstrip()) for line in block]
    indents = [min(indent, indents[0]) for indent in indents]
    block = [line[indent:] for line, indent in zip(block, indents)]
    text = "\n".join(block)
    start -= indents[0]
    end += len(text) - len(block[-1]) - indents[-1]
    if text[:start].endswith("."):  # Python 3.11 points behind the dot
        start -= 1
    text = text.rstrip()
    if not 0 <= start < end <= len(text):
        return None  # the file was edited
    start += _own_part(text[start:end])
    return SourceLine(
        _public_name(code.co_filename), code.co_name, first, *_cut(text, start, end)
    )


def _cut(text: str, start: int, end: int) -> tuple[str, int, int]:
    """Keep of a long text the beginning, or the call if that comes later."""
    if len(text) > LONGEST and end > LONGEST:
        text = "…" + text[start:]
        start, end = 1, end - start + 1
    if len(text) > LONGEST:
        text = text[: LONGEST - 1] + "…"
    return text, start, min(end, len(text))


def _own_part(call: str) -> int:
    """Where in `x.reshape(...).permute(...)` the last call of the chain begins."""
    if call.startswith("."):
        return 0
    try:  # the brackets let a chain run over several lines
        node = ast.parse(f"({call}\n)", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0
    match node:
        case ast.Call(func=ast.Attribute(value=value)) | ast.Attribute(value=value):
            pass
        case ast.Subscript(value=value):
            pass
        case _:
            return 0  # an operator: show what it works on too
    if not _is_chain(value):
        return 0  # x.permute(...): show the x too
    lines = f"({call}".encode().split(b"\n")[: value.end_lineno]
    lines[-1] = lines[-1][: value.end_col_offset]
    start = len(b"\n".join(lines).decode()) - 1
    while call[start] in ") \t\n":  # the value ends inside its own brackets
        start += 1
    return start


def _is_chain(value: ast.expr) -> bool:
    """Whether a call stands before the call, and not just a name like `self.mlp`."""
    while isinstance(value, ast.Attribute):
        value = value.value
    return not isinstance(value, ast.Name)


def _public_name(file: str) -> str:
    if "ipykernel" in file or file.startswith("<ipython"):
        return "notebook cell"
    path = Path(file)
    if path.is_relative_to(_PACKAGE):
        return path.relative_to(_PACKAGE.parent).as_posix()
    return path.name
