"""Other ways to mix tokens, in the place of `WeightedPermuteMLP`.

    rivals          self-attention, an MLP over all tokens, a convolution
    fewer_branches  Permute-MLPs that lack a branch
    multi_scale     more branches: rows and columns of a coarser grid, 3 x 3 neighbours
    dynamic         other weights: fixed, the paper's, one for each token; a temperature
    lightweight     fewer weights: low rank, groups, one Linear for height and width
    any_size        a trained network on grids of another size
    resampling      the matrices of the branches, for more or fewer rows
    early_weights   the branch weights before any branch has run
    fast            the same module, sooner

Most are called like a `WeightedPermuteMLP`, and a network takes them by one argument;
what else they want to know is filled in with `functools.partial`:

    >>> from functools import partial
    >>> from vip_tutorial import VisionPermutator
    >>> from vip_tutorial.mixers import DynamicPermuteMLP
    >>> mixer = partial(DynamicPermuteMLP, weights="token")
    >>> model = VisionPermutator([2], [32], img_size=56, token_mixer=mixer)
"""

from .any_size import AnySizePermuteMLP, for_size, stretched
from .dynamic import KINDS, DynamicPermuteMLP
from .early_weights import pooled_from_means, weights_of_pooled
from .fast import FastPermuteMLP, add_branch, made_fast
from .fewer_branches import ReducedPermuteMLP
from .lightweight import GroupedLinear, LightPermuteMLP, LowRankLinear
from .multi_scale import LocalPermuteMLP, MultiScalePermuteMLP
from .rivals import Convolution, Placed, SelfAttention, TokenMixing

__all__ = [
    "KINDS",
    "AnySizePermuteMLP",
    "Convolution",
    "DynamicPermuteMLP",
    "FastPermuteMLP",
    "GroupedLinear",
    "LightPermuteMLP",
    "LocalPermuteMLP",
    "LowRankLinear",
    "MultiScalePermuteMLP",
    "Placed",
    "ReducedPermuteMLP",
    "SelfAttention",
    "TokenMixing",
    "add_branch",
    "for_size",
    "made_fast",
    "pooled_from_means",
    "stretched",
    "weights_of_pooled",
]
