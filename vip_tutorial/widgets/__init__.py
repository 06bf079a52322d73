"""The book's figures: each an ordinary ipywidget that also runs on a page alone.

Needs anywidget and ipywidgets, 7.7 or 8: `pip install "vip_tutorial[widgets]"`.
"""

from .explorer import BranchExplorer
from .permute_lens import PermuteLens

__all__ = ["BranchExplorer", "PermuteLens"]
