"""Vision Permutator's WeightedPermuteMLP: the code that the book reads.

    permute_mlp.py        the module itself
    vision_permutator.py  the whole classifier, in the paper's four sizes
    lens/                 a run of any PyTorch code, recorded and shown
    mixers/               other ways to mix tokens
    training/             pictures, tasks, a training loop that can be resumed
    study/                what the module does: oracles, reach, cost, weights, faults
    networks/             weights in files, trained networks, ONNX, the recipe, timm
    experiments/          what takes hours, and its results
    figures/              the book's own figures, a folder each
    exercises/            the checks of each chapter's exercises

Imports run one way, as `tests/test_layers.py` has it.  The core needs torch alone;
`figures` and the lens also need anywidget and ipywidgets.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _moved

if TYPE_CHECKING:
    from .lens import Trace, trace
    from .permute_mlp import Mlp, PermuteMLP, WeightedPermuteMLP
    from .vision_permutator import VisionPermutator

__version__ = "0.2.0"
__all__ = [
    "Mlp",
    "PermuteMLP",
    "Trace",
    "VisionPermutator",
    "WeightedPermuteMLP",
    "trace",
]
_WHERE = {
    "Mlp": ".permute_mlp",
    "PermuteMLP": ".permute_mlp",
    "Trace": ".lens",
    "VisionPermutator": ".vision_permutator",
    "WeightedPermuteMLP": ".permute_mlp",
    "trace": ".lens",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    # Imported when asked for: who wants the module alone need not wait for the rest.
    if name in _WHERE:
        return getattr(import_module(_WHERE[name], __name__), name)
    if name in _moved.NOW:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
