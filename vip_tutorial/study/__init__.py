"""What the module does, asked of the module itself.

oracles            the same again, by einsum and by loops, to test against
reach              which input tokens each output token depends on, exactly
cost, timing       what a module costs, by counting and by the clock
branch_weights     what the three weights of a channel are made from
branch_importance  how much a network leans on a branch
permutation_test   could a difference between seeds be luck?
rates              could a difference between two rates be luck?
faults/            faulty modules that keep every shape, and what catches them
"""

from .branch_importance import (
    BRANCHES,
    SomeBranches,
    accuracy_alone,
    accuracy_without,
    blend_shares,
    made_static,
    mean_weights,
    output_shares,
    rescaled,
    weights_changed,
)
from .branch_weights import (
    ask_each,
    exchanged_order,
    pooled_path,
    pooled_sum,
    weights_by_block,
)
from .cost import count_bytes_moved, count_multiply_adds, count_parameters
from .oracles import (
    branches_einsum,
    branches_loops,
    channel_einsum,
    channel_matrix,
    height_einsum,
    height_matrix,
    permute_mlp_einsum,
    permute_mlp_loops,
    weighted_permute_mlp_einsum,
    weighted_permute_mlp_loops,
    width_einsum,
    width_matrix,
)
from .permutation_test import chance, deals
from .rates import compare_rates, holm
from .reach import in_line, reach
from .timing import interleaved, parts

__all__ = [
    "BRANCHES",
    "SomeBranches",
    "accuracy_alone",
    "accuracy_without",
    "ask_each",
    "blend_shares",
    "branches_einsum",
    "branches_loops",
    "chance",
    "channel_einsum",
    "channel_matrix",
    "compare_rates",
    "count_bytes_moved",
    "count_multiply_adds",
    "count_parameters",
    "deals",
    "exchanged_order",
    "height_einsum",
    "height_matrix",
    "holm",
    "in_line",
    "interleaved",
    "made_static",
    "mean_weights",
    "output_shares",
    "parts",
    "permute_mlp_einsum",
    "permute_mlp_loops",
    "pooled_path",
    "pooled_sum",
    "reach",
    "rescaled",
    "weighted_permute_mlp_einsum",
    "weighted_permute_mlp_loops",
    "weights_by_block",
    "weights_changed",
    "width_einsum",
    "width_matrix",
]
