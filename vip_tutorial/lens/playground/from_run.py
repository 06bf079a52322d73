"""A recorded run as a program for the playground: its lines, with sizes put in."""

import ast
import base64
import json
import keyword
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

_PAGE = "book/playground.html"
_LONGEST = 4000  # characters of the lines; a link cannot hold more
_LAYER = re.compile(r"\bself(?:\.\w+)+\((\w+)\)")
_RETURN = re.compile(r"^return\b")
_GIVEN = frozenset("torch F nn einops rearrange repeat reduce range len int".split())


def program_of(recording: dict[str, Any]) -> dict[str, str] | None:
    """The lines of a run as the playground takes them: code, shape and axes.

    A layer that maps the last axis becomes a `Linear` of ones; sizes that have letters
    are written out above the lines.

    Args:
        recording: The run, as JSON.

    Returns:
        None where that is no program: where several functions ran, more than one tensor
        came in, or a line takes what the run does not tell.
    """
    sources = [step.get("source") for step in recording["steps"]]
    if not all(sources) or len(recording["inputs"]) != 1 or recording.get("failed"):
        return None
    if len({(source["file"], source["function"]) for source in sources}) != 1:
        return None
    root = recording["tensors"][recording["inputs"][0]]
    lines: dict[int, str] = {}
    for step, source in zip(recording["steps"], sources):
        text = _LAYER.sub(_linear(recording, step, root), source["text"])
        lines.setdefault(source["line"], _RETURN.sub("x =", text))
    try:
        wanted = list(_wanted("\n".join(lines.values())))
    except SyntaxError:
        return None
    sizes = _sizes(recording["tensors"])
    letters = [name for name in wanted if name in sizes]
    others = [name for name in wanted if name not in sizes]
    if len(others) != 1 or others == ["self"]:  # what came in
        return None
    axes = root["axes"]
    head = []
    named = all(map(_is_name, axes)) and len({*axes}) == len(axes)
    if {*letters} & {*axes} and named:
        head.append(f"{', '.join(axes)} = x.shape")
        letters = [name for name in letters if name not in axes]
    if letters:
        numbers = ", ".join(str(sizes[name]) for name in letters)
        head.append(f"{', '.join(letters)} = {numbers}")
    head += [f"{name} = x" for name in others if name != "x"]
    code = "\n".join([*head, *lines.values()]) + "\n"
    if len(code) > _LONGEST:
        return None
    short = all(len(name) == 1 for name in axes)
    return {
        "code": code,
        "shape": ", ".join(map(str, root["shape"])),
        "axes": ("" if short else ", ").join(axes) if named else "",
        "values": "numbered",
        "map": "",
    }


def link_of(recording: dict[str, Any], on_site: bool) -> str:
    """The address of the playground with a run's lines; empty if it can't have them.

    Args:
        recording: The run, as JSON.
        on_site: Whether the figure will stand on a page of the book.
    """
    program = program_of(recording)
    page = _PAGE.rpartition("/")[2] if on_site else address_of(_PAGE)
    if program is None or not page:
        return ""
    # As `packed` of links.js writes it.
    text = base64.urlsafe_b64encode(json.dumps(program).encode()).decode().rstrip("=")
    return f"{page}#playground=v1;p={text}"


def address_of(page: str) -> str:
    """Of a page of the book, from afar; empty if the package was not installed."""
    try:
        urls = metadata("vip_tutorial").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    named = dict(url.split(", ", 1) for url in urls)
    return f"{named['Homepage']}{page}" if "Homepage" in named else ""


def _linear(recording: dict[str, Any], step: dict[str, Any], root: dict) -> str:
    tensors = recording["tensors"]
    taken, given = (tensors[i]["shape"] for i in (step["inputs"][0], step["output"]))
    if step["kind"] != "mix" or not taken or not given:
        return r"\g<0>"
    last = root["axes"][-1]
    whole = taken[-1] == given[-1] == root["shape"][-1] and _is_name(last)
    sizes = f"{last}, {last}" if whole else f"{given[-1]}, {taken[-1]}"
    return rf"F.linear(\1, torch.ones({sizes}))"


def _sizes(tensors: list[dict[str, Any]]) -> dict[str, int]:
    """The size of each axis that has a name, and the same one everywhere."""
    found: dict[str, set[int]] = {}
    for tensor in tensors:
        for name, size in zip(tensor["axes"], tensor["shape"]):
            found.setdefault(name, set()).add(size)
    one = {name: sizes.pop() for name, sizes in found.items() if len(sizes) == 1}
    return {name: size for name, size in one.items() if _is_name(name)}


def _is_name(name: str) -> bool:
    taken = keyword.iskeyword(name) or name in _GIVEN
    return name.isidentifier() and not taken and not re.fullmatch(r"d\d+", name)


def _wanted(code: str) -> Iterator[str]:
    """The names that lines take and do not make, each once.

    Raises:
        SyntaxError: If there is one that makes nothing, such as a part of a call.
    """
    known = set(_GIVEN)
    for statement in ast.parse(code).body:
        if not isinstance(statement, ast.Assign | ast.AugAssign):
            raise SyntaxError
        names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        for node in names:
            if isinstance(node.ctx, ast.Load) and node.id not in known:
                known.add(node.id)
                yield node.id
        known |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
