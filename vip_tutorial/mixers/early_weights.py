"""The branch weights of a `WeightedPermuteMLP` before any branch has run.

They are made from a mean over all tokens, and up to that mean everything is linear: so
means over rows and columns, H + W tokens instead of H * W, are enough.
"""

import torch
from torch import Tensor, nn

from ..permute_mlp import WeightedPermuteMLP


def weights_of_pooled(module: WeightedPermuteMLP, pooled: Tensor) -> Tensor:
    """The branch weights that the module makes of a pooled vector.

    Args:
        module: The module.
        pooled: Pooled vectors, `(B, C)`.

    Returns:
        Weights `(3, B, C)` of height, width and channel, as `branch_weights` has them.
    """
    token = pooled[:, None, None, :]  # (B, 1, 1, C)
    nothing = torch.zeros_like(token)
    return module.branch_weights(token, nothing, nothing)


def pooled_from_means(
    module: WeightedPermuteMLP, row_means: Tensor, column_means: Tensor
) -> Tensor:
    """The pooled vector, from H + W tokens instead of H * W.

    Averaged over the rows of its output, the height branch no longer asks which column
    a token stood in: it needs the mean token of each row.  The width branch needs the
    mean token of each column, and the channel branch the mean of all.

    Args:
        module: The module.
        row_means: Mean token of each row, `x.mean(dim=2)`, `(B, H, C)`.
        column_means: Mean token of each column, `x.mean(dim=1)`, `(B, W, C)`.

    Returns:
        `study.branch_weights.pooled_sum(module, x)`, `(B, C)`, up to rounding.
    """
    return (
        _averaged(module.mlp_h, row_means, module.segment_dim)
        + _averaged(module.mlp_w, column_means, module.segment_dim)
        + module.mlp_c(row_means.mean(dim=1))
    )  # (B, C)


def _averaged(linear: nn.Linear, means: Tensor, N: int) -> Tensor:
    """What a branch with this Linear has put out for each channel, on average.

    The output number (place, s) of the Linear belongs to one place along the axis that
    it mixes; averaged over the places, S of its rows are left.
    """
    B, L, C = means.shape
    S = C // N
    weight = linear.weight.reshape(L, S, L * S).mean(dim=0)  # (S, L*S)
    means = means.reshape(B, L, N, S)  # (B, L, N, S)
    means = means.permute(0, 2, 1, 3)  # (B, N, L, S)
    means = means.reshape(B, N, L * S)  # (B, N, L*S)
    out = means @ weight.mT  # (B, N, S)
    if linear.bias is not None:
        out = out + linear.bias.reshape(L, S).mean(dim=0)  # (B, N, S)
    return out.reshape(B, C)  # (B, C)
