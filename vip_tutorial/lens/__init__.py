"""A run of any PyTorch code, recorded and shown.

    tracing/       `trace(f, x)` records what ran: start with run.py, then recorder.py
    permute_lens/  the figure that moves a recording's elements, step by step
    module_map/    the figure that shows all of a recording in one look
    playground/    the figure that interprets a reader's lines, and shows what they do
    figure/        what every figure is made with: one JavaScript core, many hosts;
                   files.py makes a file of one
    __main__.py    the same from a terminal

It imports nothing of the rest of the package.  `PermuteLens`, `ModuleMap` and
`Playground` need anywidget and ipywidgets; the recording needs torch alone.
"""

from typing import TYPE_CHECKING, Any

from .tracing import Operand, SourceLine, Step, TensorRecord, Trace, trace

if TYPE_CHECKING:
    from .module_map.module_map import ModuleMap
    from .permute_lens.permute_lens import PermuteLens
    from .playground.playground import Playground

__all__ = [
    "ModuleMap",
    "Operand",
    "PermuteLens",
    "Playground",
    "SourceLine",
    "Step",
    "TensorRecord",
    "Trace",
    "trace",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name in ("ModuleMap", "PermuteLens", "Playground"):
        from .figure import host  # noqa: F401 (it says what to install)
    if name == "PermuteLens":
        from .permute_lens.permute_lens import PermuteLens

        return PermuteLens
    if name == "ModuleMap":
        from .module_map.module_map import ModuleMap

        return ModuleMap
    if name == "Playground":
        from .playground.playground import Playground

        return Playground
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
