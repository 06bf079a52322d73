"""A recording as a file: JSON, as it is or gzipped."""

import gzip
import json
import os
import zlib
from pathlib import Path
from typing import Any

from .damage import MOST_NUMBERS

_ENDINGS = (".json", ".json.gz")
_GZIP = b"\x1f\x8b"  # how its files begin
_MOST_BYTES = 24 * MOST_NUMBERS  # with room for spaces, and letters of several bytes


def write(data: dict[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write what `Trace.to_json` gave; see `Trace.save`."""
    path = Path(path)
    name = path.name.lower()
    if not name.endswith(_ENDINGS):
        raise ValueError(
            f"{str(path)!r} must end in .json or .json.gz, which is smaller: "
            f"{path.stem or 'run'}.json"
        )
    content = json.dumps(data, allow_nan=False, separators=(",", ":")).encode()
    if name.endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    try:
        path.write_bytes(content)
    except OSError as fault:
        raise type(fault)(
            f"{str(path)!r} cannot be written ({fault.strerror}): name a file in a "
            "folder that is there and may be written to"
        ) from fault
    return path


def read(path: str | os.PathLike[str]) -> Any:
    """The JSON in a file, gzipped or not; see `Trace.load`."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(len(_GZIP))
            file.seek(0)
            # A small file may hold a large one, so no more is unpacked than is read.
            opened = gzip.GzipFile(fileobj=file) if head == _GZIP else file
            content = opened.read(_MOST_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
        raise _damaged(path, f"what is packed in it is broken: {fault}") from fault
    except OSError as fault:
        raise type(fault)(
            f"{str(path)!r} cannot be read ({fault.strerror}): give the name of a "
            "file that `Trace.save` wrote"
        ) from fault
    if len(content) > _MOST_BYTES:
        raise ValueError(
            f"{str(path)!r} is too large, {_MOST_BYTES:,} bytes are read at most: "
            "trace a part of the function, or a smaller input"
        )
    try:
        return json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError) as fault:
        raise _damaged(path, f"it is no JSON: {fault}") from fault


def _no_number(name: str) -> None:
    raise ValueError(f"{name} stands where a number should")


def _damaged(path: Path, why: str) -> ValueError:
    return ValueError(
        f"{str(path)!r} is no recording, or a damaged one ({why}): save it again"
    )
