"""The lens from a terminal: trace a function on random numbers, write a figure.

python -m vip_tutorial.lens model:Mixer.height --shape 1,8,8,64 --axes BHWC --out x.html
"""

import argparse
import difflib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import torch

from .tracing import Trace, trace

_MOST = 2**26  # elements of the input
_RECORDING = (".json", ".json.gz")
_FIGURE = (".html", ".svg", ".png")


class _CannotDo(Exception):
    """A sentence for the one who asked."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what a command line says.

    Args:
        arguments: Its words; those of this process if None.

    Returns:
        0 if the file was written, else 1, after a sentence on stderr.
    """
    asked = _parser().parse_args(arguments)
    try:
        print(_traced_into(asked))
    except _CannotDo as fault:
        print(f"vip_tutorial.lens: {fault}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vip_tutorial.lens",
        description="Trace a function on random numbers, and write what it did to "
        "every element as a figure or as a recording.",
    )
    parser.add_argument(
        "target",
        metavar="MODULE:NAME",
        help="a function of a tensor, or an nn.Module or its class, in a module of "
        "this folder or an installed one; a module is put into evaluation mode",
    )
    parser.add_argument("--shape", required=True, help="of the input, such as 1,8,8,64")
    parser.add_argument("--axes", help="names of its axes, such as BHWC or B,H,W,C")
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help="ends in .html (a figure that moves), .svg or .png (a picture of its "
        "start), .json or .json.gz (the recording)",
    )
    parser.add_argument(
        "--map", action="store_true", help="draw the map of the run, not the lens"
    )
    parser.add_argument(
        "--start", default="", help="what the figure shows first, such as 'v1;step=3'"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the numbers (0)")
    return parser


def _traced_into(asked: argparse.Namespace) -> str:
    """Do it, and say what was done."""
    out = asked.out.lower()
    if not out.endswith((*_RECORDING, *_FIGURE)):
        raise _CannotDo(
            f"--out is {asked.out!r}; it must end in one of "
            f"{', '.join((*_FIGURE, *_RECORDING))}"
        )
    shape = _shape(asked.shape)
    axes = asked.axes.split(",") if asked.axes and "," in asked.axes else asked.axes
    torch.manual_seed(asked.seed)
    function = _found(asked.target)
    recording = _recorded(asked.target, function, torch.randn(shape), axes)
    try:
        if out.endswith(_RECORDING):
            path = recording.save(asked.out)
        else:
            path = _figure(asked, recording).save(asked.out)
    except (OSError, ValueError, RuntimeError, ModuleNotFoundError) as fault:
        raise _CannotDo(str(fault)) from fault
    steps = len(recording.steps)
    count = f"{steps} step{'s' if steps != 1 else ''}"
    size = path.stat().st_size / 1000
    return f"{path.resolve()}: {recording.name}, {count}, {size:.0f} KB"


def _figure(asked: argparse.Namespace, recording: Trace) -> Any:
    if not recording.steps:
        more = " ".join(recording.omitted)
        raise ValueError(
            f"{asked.target} made no call of PyTorch that takes something of its "
            f"input, so there is nothing to draw. {more}".strip()
        )
    from .module_map.module_map import ModuleMap
    from .permute_lens.permute_lens import PermuteLens

    return (ModuleMap if asked.map else PermuteLens)(recording, start=asked.start)


def _shape(text: str) -> list[int]:
    words = re.split(r"[,x]", text.strip("()[] ").replace(" ", "").rstrip(","))
    if not all(re.fullmatch(r"[1-9][0-9]{0,9}", word) for word in words):
        raise _CannotDo(
            f"--shape is {text!r}; it must be whole numbers from 1, with commas "
            "between them, such as 1,8,8,64"
        )
    shape = [int(word) for word in words]
    size = 1
    for length in shape:
        size *= length
    if size > _MOST:
        raise _CannotDo(
            f"--shape is {text!r}, {size:,} numbers; {_MOST:,} are run at most, and "
            "a few hundred are seen best"
        )
    return shape


def _found(target: str) -> Any:
    """What a target names; of a class of modules, one of them."""
    name, colon, path = target.partition(":")
    if name.endswith(".py"):
        name = name.removesuffix(".py").replace("/", ".").replace("\\", ".")
        raise _CannotDo(
            f"{target!r} names a file; name its module: {name}:{path or 'function'}"
        )
    if not re.fullmatch(r"\w+(\.\w+)*", name) or not re.fullmatch(r"\w+(\.\w+)*", path):
        raise _CannotDo(
            f"{target!r} must be a module and a name in it, with a colon between "
            "them, such as model:Mixer or package.model:window_partition"
        )
    found = _imported(name)
    for i, part in enumerate(parts := path.split(".")):
        try:
            found = getattr(found, part)
        except AttributeError as fault:
            where = ".".join([name, *parts[:i]])
            close = difflib.get_close_matches(part, dir(found), 3, 0.5)
            offer = f"; there is {' and '.join(close)}" if close else ""
            raise _CannotDo(f"{where} has no {part!r}{offer}") from fault
        if isinstance(found, type) and issubclass(found, torch.nn.Module):
            found = _made(".".join([name, *parts[: i + 1]]), found)
    if isinstance(found, torch.nn.Module):
        found.eval()
    if not callable(found):
        raise _CannotDo(
            f"{target} cannot be called ({type(found).__name__}); name a function of "
            "a tensor, or an nn.Module"
        )
    return found


def _imported(name: str) -> Any:
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as fault:
        missing = getattr(fault, "name", None) or ""
        is_missing = isinstance(fault, ModuleNotFoundError)
        if is_missing and f"{name}.".startswith(f"{missing}."):
            raise _CannotDo(
                f"there is no module {missing!r} in {here}, and none is installed"
            ) from fault
        raise _CannotDo(
            f"to import {name} raised {type(fault).__name__}: {fault}"
        ) from fault


def _made(name: str, kind: type[torch.nn.Module]) -> torch.nn.Module:
    try:
        return kind().eval()
    except Exception as fault:
        raise _CannotDo(
            f"{name} is a class, and {kind.__name__}() raised {type(fault).__name__}: "
            f"{fault}. Make one in your module, e.g. "
            f"example = {kind.__name__}(...), and name that"
        ) from fault


def _recorded(target: str, function: Any, x: torch.Tensor, axes: Any) -> Trace:
    try:
        return trace(function, x, axes=axes)
    except (Exception, SystemExit) as fault:
        notes = "\n".join(getattr(fault, "__notes__", ()))
        raise _CannotDo(
            f"{target} on a tensor of shape {tuple(x.shape)} raised "
            f"{type(fault).__name__}: {fault}\n{notes}".strip()
        ) from fault


if __name__ == "__main__":
    sys.exit(main())
