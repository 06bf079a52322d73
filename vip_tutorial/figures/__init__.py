"""The book's figures: each an ordinary ipywidget that also runs on a page alone.

A folder holds all of one figure: its Python class, its JavaScript and its style sheet,
by one name; `branch_explorer` needs no script.  Start with `cost_calculator`, the
simplest.  What two of them share is in `shared`, what all share in
`vip_tutorial.lens.figure`.  The permute lens, the module map and the playground are in
`vip_tutorial.lens`: they need nothing of the book.

Needs anywidget and ipywidgets, 7.7 or 8: `pip install "vip_tutorial[widgets]"`.
"""

from ..lens.figure import host  # noqa: F401 (first: it says what to install)
from ..lens.module_map.module_map import ModuleMap
from ..lens.permute_lens.permute_lens import PermuteLens
from ..lens.playground.playground import Playground
from .branch_explorer.branch_explorer import BranchExplorer
from .branch_matrix.branch_matrix import BranchMatrix
from .branch_mixer.branch_mixer import BranchMixer
from .check_grid.check_grid import CheckGrid
from .cost_calculator.cost_calculator import CostCalculator
from .fan_in.fan_in import FanIn
from .live_vip.live_vip import LiveViP
from .memory_strip.memory_strip import MemoryStrip
from .mutant_spotter.mutant_spotter import MutantSpotter
from .reach_probe.reach_probe import ReachProbe
from .seed_comparison.seed_comparison import SeedComparison
from .shape_puzzles.shape_puzzles import ShapePuzzles
from .weight_rewrite.weight_rewrite import WeightRewrite

__all__ = [
    "BranchExplorer",
    "BranchMatrix",
    "BranchMixer",
    "CheckGrid",
    "CostCalculator",
    "FanIn",
    "LiveViP",
    "MemoryStrip",
    "ModuleMap",
    "MutantSpotter",
    "PermuteLens",
    "Playground",
    "ReachProbe",
    "SeedComparison",
    "ShapePuzzles",
    "WeightRewrite",
]
