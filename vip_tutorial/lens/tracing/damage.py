"""Look over a recording that came as JSON, before anything is read off it."""

import math
import reprlib
import sys
from collections.abc import Callable
from itertools import chain
from typing import Any

from .calls import KINDS

Test = Callable[[Any], bool]
# What is read of a recording at most, so that this takes seconds.  `trace` itself stays
# far below it, unless it is asked for very many numbers.
MOST_NUMBERS = 2_800_000
MOST_STEPS = 1024
MOST_AXES = 256
LONGEST_TEXT = 65_536
_LETTERS = 12  # that a number takes as JSON, with what is between two


def check_size(data: dict[str, Any]) -> None:
    """Refuse what is too large to look over, however it is built.

    Raises:
        ValueError: It says which part of the recording is too large.
    """
    steps = data.get("steps")
    if isinstance(steps, list) and len(steps) > MOST_STEPS:
        raise _too_large(f"{len(steps):,} steps where {MOST_STEPS:,} are read")
    room = MOST_NUMBERS * _LETTERS
    for key, part in data.items():
        left = [part]
        while left:
            item = left.pop()
            is_nested = isinstance(item, dict | list)
            room -= len(item) if isinstance(item, str) else _LETTERS
            if room < 0 or (is_nested and len(item) * _LETTERS > room):
                where = f"with its {reprlib.repr(key)}"
                raise _too_large(f"{where} more than {MOST_NUMBERS:,} numbers")
            if isinstance(item, dict):
                left += item.keys()
            if is_nested:
                left += item.values() if isinstance(item, dict) else item


def _too_large(what: str) -> ValueError:
    return ValueError(
        f"the recording is too large, {what}: trace a part of the function, a smaller "
        "input, or with a smaller max_elements"
    )


def check_recording(data: Any) -> None:
    """Refuse what no run can have given.

    Args:
        data: What `Trace.to_json` writes, without format and version.

    Raises:
        ValueError: If a key is missing or unknown, a value is of the wrong type, an id
            or an index leads nowhere, sizes do not fit each other, or a step needs what
            comes later.  It says where.
    """
    _check_fields("the recording", data, _RECORDING)
    tensors, last = data["tensors"], -1
    for i, tensor in enumerate(tensors):
        _check_tensor(f"tensor {i}", tensor, i)
    for i, operand in enumerate(data["operands"]):
        where = f"operand {i}"
        _check_fields(where, operand, _OPERAND)
        size = math.prod(operand["shape"])
        _check_length(f"values of {where}", operand["values"], size)
    for key in ("inputs", "outputs"):
        _check_ids(f"{key} of the recording", data[key], len(tensors))
    for i, step in enumerate(data["steps"], start=1):
        where = f"step {i}"
        _check_fields(where, step, _STEP)
        output = step["output"]
        _check_ids(f"output of {where}", [output], len(tensors))
        if output <= last or output in data["inputs"]:
            raise ValueError(f"{where} makes tensor {output}, which is there before it")
        if not step["inputs"]:
            raise ValueError(f"{where} has no inputs")
        _check_ids(f"inputs of {where}", step["inputs"], output)
        _check_ids(f"operands of {where}", step["operands"], len(data["operands"]))
        _check_moves(where, step, *(tensors[i]["shape"] for i in _ends(step)))
        _check_sources(where, step, [tensor["shape"] for tensor in tensors])
        last = output


def _check_fields(where: str, data: Any, tests: dict[str, Test]) -> None:
    """Check that there are just these keys, and what each of them holds."""
    if not isinstance(data, dict):
        raise ValueError(f"{where} is {reprlib.repr(data)}, not a dict")
    if missing := tests.keys() - data.keys():
        raise ValueError(f"{where} lacks {', '.join(sorted(missing))}")
    if unknown := data.keys() - tests.keys():
        raise ValueError(f"{where} has an unknown {', '.join(map(str, unknown))}")
    for key, test in tests.items():
        if not test(data[key]):
            raise ValueError(f"{key} of {where} is {reprlib.repr(data[key])}")


def _check_tensor(where: str, tensor: Any, number: int) -> None:
    _check_fields(where, tensor, _TENSOR)
    if tensor["id"] != number:
        raise ValueError(f"{where} says that it is tensor {tensor['id']}")
    shape = tensor["shape"]
    if len(shape) > MOST_AXES:
        raise ValueError(f"{where} has {len(shape)} axes, more than {MOST_AXES}")
    for key in ("axes", "strides"):
        _check_length(f"{key} of {where}", tensor[key], len(shape))
    jumps = [(n - 1) * stride for n, stride in zip(shape, tensor["strides"])]
    if 0 not in shape and not _is_whole(tensor["offset"] + sum(jumps)):
        raise ValueError(f"{where} ends beyond any memory")
    for key in ("values", "gradient"):
        _check_length(f"{key} of {where}", tensor[key], math.prod(shape))


def _check_moves(
    where: str, step: dict[str, Any], before: list[int], after: list[int]
) -> None:
    """Check where a step says that it took its elements from."""
    order, map_, mixed = step["order"], step["map"], step["mixed"]
    if step["kind"] != "move" and (map_ is not None or order is not None):
        raise ValueError(f"{where} is no move and has a map or an order")
    if step["picks"] is not None and step["kind"] != "collect":
        raise ValueError(f"{where} is no collection and has picks")
    if map_ is not None:
        _check_length(f"map of {where}", map_, math.prod(after))
        _check_ids(f"map of {where}", map_, math.prod(before))
    if order is not None:
        is_order = sorted(order) == list(range(len(before)))
        if not is_order or [before[axis] for axis in order] != after:
            raise ValueError(f"order of {where} is {order}, from {before} to {after}")
    _check_ids(f"mixed of {where}", mixed or [], len(before))


def _check_sources(where: str, step: dict[str, Any], shapes: list[list[int]]) -> None:
    """Check what it says of several inputs, and of their axes."""
    inputs, after = [shapes[i] for i in step["inputs"]], shapes[step["output"]]
    picks, reads = step["picks"], step["reads"]
    if picks is not None:
        _check_length(f"picks of {where}", picks, math.prod(after))
        _check_ids(f"picks of {where}", picks, sum(map(math.prod, inputs)))
    if reads is None:
        return
    _check_length(f"reads of {where}", reads, len(inputs))
    for entries, shape in zip(reads, inputs):
        _check_length(f"reads of {where}", entries, len(shape))
        for entry, size in zip(entries, shape):
            axis = entry["axis"] if isinstance(entry, dict) else entry
            _check_ids(f"reads of {where}", [axis or 0], max(len(after), 1))
            if axis is not None and axis >= len(after):
                raise ValueError(f"reads of {where}: there is no axis {axis}")
            if isinstance(entry, dict):
                _check_length(f"reads of {where}", entry["at"], after[axis])
                places = [*chain.from_iterable(entry["at"])]
                _check_ids(f"reads of {where}", places, size)
                if any(at != sorted({*at}) for at in entry["at"]):
                    raise ValueError(f"reads of {where} are not in order, each once")
            elif axis is not None and after[axis] > size:
                raise ValueError(f"reads of {where}: {after[axis]} of {size}")


def _check_ids(where: str, ids: list[int], limit: int) -> None:
    if found := [id_ for id_ in ids if id_ >= limit]:
        raise ValueError(f"{where}: {found[0]} is not below {limit}")


def _check_length(where: str, items: list | None, length: int) -> None:
    if items is not None and len(items) != length:
        raise ValueError(f"{where}: {len(items)} where {length} are needed")


def _ends(step: dict[str, Any]) -> tuple[int, int]:
    return step["inputs"][0], step["output"]


def _is_text(x: Any) -> bool:
    return isinstance(x, str) and len(x) <= LONGEST_TEXT


def _is_whole(x: Any) -> bool:
    return type(x) is int and 0 <= x < 2**63


def _is_value(x: Any) -> bool:
    """Numbers that are not finite are written as text: JSON has none."""
    is_finite = type(x) in (int, float) and abs(x) <= sys.float_info.max
    return is_finite or x in ("nan", "inf", "-inf")


def _list_of(test: Test) -> Test:
    return lambda x: isinstance(x, list) and all(map(test, x))


def _or_none(test: Test) -> Test:
    return lambda x: x is None or test(x)


def _is_source(x: Any) -> bool:
    _check_fields("the source of a step", x, _SOURCE)
    return x["start"] <= x["end"] <= len(x["text"])


def _is_entry(x: Any) -> bool:
    if isinstance(x, dict):
        _check_fields("an axis of a step", x, _ENTRY)
        return True
    return x is None or _is_whole(x)


_ENTRY = {"axis": _is_whole, "at": _list_of(_list_of(_is_whole))}
_SOURCE = {
    **dict.fromkeys(("file", "function", "text"), _is_text),
    **dict.fromkeys(("line", "start", "end"), _is_whole),
}
_TENSOR = {
    **dict.fromkeys(("id", "offset", "storage"), _is_whole),
    **dict.fromkeys(("shape", "strides"), _list_of(_is_whole)),
    **dict.fromkeys(("dtype", "device"), _is_text),
    **dict.fromkeys(("values", "gradient"), _or_none(_list_of(_is_value))),
    "axes": _list_of(_is_text),
}
_OPERAND = {
    "name": _is_text,
    "shape": _list_of(_is_whole),
    "values": _or_none(_list_of(_is_value)),
}
_STEP = {
    **dict.fromkeys(("op", "call"), _is_text),
    **dict.fromkeys(("map", "order", "mixed"), _or_none(_list_of(_is_whole))),
    "kind": lambda x: _is_text(x) and x in KINDS,
    "inputs": _list_of(_is_whole),
    "output": _is_whole,
    "copy": lambda x: isinstance(x, bool),
    "source": _or_none(_is_source),
    "operands": _list_of(_is_whole),
    "module": _or_none(_is_text),
    "picks": _or_none(_list_of(lambda x: x == -1 or _is_whole(x))),
    "reads": _or_none(_list_of(_list_of(_is_entry))),
    "known": lambda x: _is_text(x) and x in ("exact", "bound", "unknown"),
    **dict.fromkeys(("writes", "backward"), lambda x: isinstance(x, bool)),
}
_RECORDING = {
    **dict.fromkeys(("tensors", "steps", "operands"), lambda x: isinstance(x, list)),
    **dict.fromkeys(("inputs", "outputs"), _list_of(_is_whole)),
    "name": _is_text,
    "failed": _or_none(_is_text),
    "omitted": _list_of(_is_text),
}
