"""Vision Permutator's WeightedPermuteMLP: the code that the book reads.

The core needs torch alone; `vip_tutorial.figures` also needs anywidget and ipywidgets.
"""

from .lens.tracing import Trace, trace
from .permute_mlp import Mlp, PermuteMLP, WeightedPermuteMLP

__version__ = "0.2.0"
__all__ = ["Mlp", "PermuteMLP", "Trace", "WeightedPermuteMLP", "trace"]
