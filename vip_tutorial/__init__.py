"""Vision Permutator's WeightedPermuteMLP: the code that the book reads.

The core needs torch alone; `vip_tutorial.widgets` also needs anywidget and ipywidgets.
"""

from .permute_mlp import Mlp, PermuteMLP, WeightedPermuteMLP
from .tracing import Trace, trace

__version__ = "0.2.0"
__all__ = ["Mlp", "PermuteMLP", "Trace", "WeightedPermuteMLP", "trace"]
