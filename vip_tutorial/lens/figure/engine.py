"""Runs a figure's JavaScript core in Python, where the machine has an engine for it.

It draws what a page shows before its script runs, and the pictures of files.  The
engine is mini-racer, or else Node.js; a figure in a notebook needs neither.
"""

import atexit
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from .bundle import bundle, constant

_LONGEST = 60  # seconds that Node.js may take


class NoEngine(RuntimeError):
    """There is no JavaScript engine on this machine."""


def call(module: Path, function: str, *arguments: Any) -> str:
    """Call what a JavaScript module exports.

    Args:
        module: The module's file.
        function: Name of a function that gives text.
        *arguments: What it is called with, as JSON.

    Raises:
        NoEngine: If there is neither mini-racer nor Node.js.
    """
    given = ", ".join(json.dumps(argument) for argument in arguments)
    engine = _engine()
    if engine is not None:
        engine.load(module)
        return engine.eval(f"{_held(module)}.{function}({given}).toWellFormed()")
    node = shutil.which("node")
    if node is None:
        raise NoEngine(
            "neither mini-racer nor Node.js is installed: pip install mini-racer"
        )
    program = (
        f"{_loading(module)}\n"
        f"process.stdout.write({_held(module)}.{function}({given}).toWellFormed());"
    )
    ran = subprocess.run(
        [node, "-"], input=program.encode(), capture_output=True, timeout=_LONGEST
    )
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"Node.js could not run {module.name}: {said[-400:]}")
    return ran.stdout.decode()


class _Engine:
    """mini-racer, and which modules it holds."""

    def __init__(self, racer: Any):
        self._modules: set[Path] = set()
        self.eval, self.close = racer.eval, racer.close

    def load(self, module: Path) -> None:
        if module not in self._modules:
            self.eval(_loading(module))
            self._modules.add(module)


@cache
def _engine() -> _Engine | None:
    try:
        from py_mini_racer import MiniRacer
    except ImportError:
        return None
    engine = _Engine(MiniRacer())
    # Left to the interpreter's own clearing up, it may never let a program end.
    atexit.register(engine.close)
    return engine


def _held(module: Path) -> str:
    return f"globalThis.$held{constant(module)}"


def _loading(module: Path) -> str:
    """A script after which `_held` is what the module exports."""
    source = f"{bundle(module)}\nreturn {constant(module)};"
    # What comes last the engine hands over, so that is a number.
    return f"{_held(module)} = (() => {{\n{source}\n}})();\n0;"
