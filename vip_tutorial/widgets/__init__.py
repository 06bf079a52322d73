"""The book's figures: each an ordinary ipywidget that also runs on a page alone.

    permute_lens.py, cost_calculator.py, ...   the widgets, one Python class each, with
                            a module in js/ and a style sheet in css/ of the same name
    host.py, js/host.js     what they share: one core, three hosts
    js/figure.js            what they share as figures; js/cost_calculator.js is the
                            simplest, js/permute_lens.js the one that moves
    js/recording.js         a recorded run: homes, addresses, values
    js/scene.js, panes.js, memory.js, words.js   what is drawn and said of it
    js/live_lens.js         the same of a branch in js/live_vip.js
    js/network.js           the whole network's arithmetic, for js/live_vip.js
    live_network.py         which networks that arithmetic is right for
    js/site.js, site.py     the figures on the built site
    bundle.py               joins the JavaScript modules into one script

Needs anywidget and ipywidgets, 7.7 or 8: `pip install "vip_tutorial[widgets]"`.
"""

from .branch_mixer import BranchMixer
from .cost_calculator import CostCalculator
from .explorer import BranchExplorer
from .live_vip import LiveViP
from .mutant_spotter import MutantSpotter
from .permute_lens import PermuteLens
from .reach_probe import ReachProbe
from .seed_comparison import SeedComparison
from .shape_puzzles import ShapePuzzles
from .weight_rewrite import WeightRewrite

__all__ = [
    "BranchExplorer",
    "BranchMixer",
    "CostCalculator",
    "LiveViP",
    "MutantSpotter",
    "PermuteLens",
    "ReachProbe",
    "SeedComparison",
    "ShapePuzzles",
    "WeightRewrite",
]
