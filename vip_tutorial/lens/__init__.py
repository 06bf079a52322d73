"""A run of any PyTorch code, recorded and shown.

    tracing/       `trace(f, x)` records what ran: start with recorder.py
    permute_lens/  the figure that moves a recording's elements, step by step
    figure/        what every figure is made with: one JavaScript core, three hosts

It imports nothing of the rest of the package.  `PermuteLens` needs anywidget and
ipywidgets; the recording needs torch alone.
"""

from typing import TYPE_CHECKING, Any

from .tracing import SourceLine, Step, TensorRecord, Trace, trace

if TYPE_CHECKING:
    from .permute_lens.permute_lens import PermuteLens

__all__ = ["PermuteLens", "SourceLine", "Step", "TensorRecord", "Trace", "trace"]


def __getattr__(name: str) -> Any:
    if name == "PermuteLens":
        from .permute_lens.permute_lens import PermuteLens

        return PermuteLens
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
