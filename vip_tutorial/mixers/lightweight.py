"""Fewer weights in the height and the width branch.

Of the module's products with C x C weights, two are those of the height and the width
branch, each on rows of L = H*S = C numbers.  Three ways to pay less for them:

    low rank    L -> rank -> L instead of L -> L: 2 * L * rank weights
    groups      numbers meet only within their group: L * L / groups weights
    shared      one Linear for both branches: no fewer products, half the weights

A row that meets the Linear holds L = H*S numbers, H tokens with S channels each.  How
they are dealt into groups decides everything.  "rows" cuts the row into pieces as it
lies there, so a group is some *rows of the picture* and the branch no longer mixes a
whole column.  "channels" gives each group some channels of every token.
"""

import torch
from torch import Tensor, nn

from .._util.arguments import whole_number
from ..permute_mlp import WeightedPermuteMLP


class LowRankLinear(nn.Module):
    """A linear map through a narrow waist.

    Args:
        size: Numbers in and out, L; at least 2.
        rank: Width of the waist.
        bias: Whether a bias is added at the end.

    Raises:
        ValueError: If `rank` is larger than half of `size`: then the two maps have
            more weights than the one that they replace.  At half they have as many.
        TypeError: If `size` or `rank` is no whole number.

    Shape:
        `(..., L)` to `(..., L)`.
    """

    def __init__(self, size: int, rank: int, bias: bool = False):
        super().__init__()
        # Of one number there is no half.
        size, rank = whole_number("size", size, 2), whole_number("rank", rank)
        if rank > size // 2:
            raise ValueError(
                f"rank is {rank} and the rows have {size} numbers: with more than "
                f"{size // 2} the two maps have more weights than the one that they "
                "replace; take a smaller rank"
            )
        self.down = nn.Linear(size, rank, bias=False)
        self.up = nn.Linear(rank, size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)  # (..., rank)
        return self.up(x)  # (..., L)


class GroupedLinear(nn.Linear):
    """A linear map for each group of the numbers, and none between the groups.

    Its weight `(H*S, H*S/G)` holds the maps of the groups one below the other.

    Args:
        places: Tokens in a row of numbers, H.
        size: Numbers of each token, S.
        groups: Number of groups, G.
        across: What is dealt out: "rows" gives a group all numbers of H/G tokens,
            "channels" S/G numbers of each token.
        bias: Whether a bias is added.

    Raises:
        ValueError: If the groups do not divide what is dealt out, or `across` is
            neither of the two.
        TypeError: If one of the three numbers is no whole number.

    Shape:
        `(..., H*S)` to `(..., H*S)`.
    """

    def __init__(
        self,
        places: int,
        size: int,
        groups: int,
        across: str = "rows",
        bias: bool = False,
    ):
        places, size = whole_number("places", places), whole_number("size", size)
        groups = whole_number("groups", groups)
        dealt = {"rows": places, "channels": size}
        if not isinstance(across, str) or across not in dealt:
            raise ValueError(f"across is {across!r}; it must be 'rows' or 'channels'")
        if dealt[across] % groups:
            what = "rows of tokens" if across == "rows" else "channels in a segment"
            raise ValueError(
                f"groups is {groups}, and {dealt[across]} {what} cannot be dealt out "
                f"evenly: take a number of groups that divides {dealt[across]}"
            )
        # An nn.Linear, so that whoever initialises those initialises this one too.
        super().__init__(places * size // groups, places * size, bias)
        self.places, self.size, self.groups, self.across = places, size, groups, across

    def extra_repr(self) -> str:
        sizes = f"places={self.places}, size={self.size}, groups={self.groups}"
        return f"{sizes}, across={self.across!r}, bias={self.bias is not None}"

    def forward(self, x: Tensor) -> Tensor:
        H, S, G = self.places, self.size, self.groups
        maps = self.weight.unflatten(0, (G, -1))  # (G, H*S/G, H*S/G)
        if self.across == "rows":
            x = x.unflatten(-1, (G, H * S // G))  # (..., G, H/G*S)
            x = torch.einsum("...gk,gjk->...gj", x, maps)  # (..., G, H*S/G)
            x = x.flatten(-2)  # (..., H*S)
        else:
            x = x.unflatten(-1, (H, G, S // G))  # (..., H, G, S/G)
            x = x.movedim(-2, -3).flatten(-2)  # (..., G, H*S/G)
            x = torch.einsum("...gk,gjk->...gj", x, maps)  # (..., G, H*S/G)
            x = x.unflatten(-1, (H, S // G))  # (..., G, H, S/G)
            x = x.movedim(-3, -2).flatten(-3)  # (..., H*S)
        return x if self.bias is None else x + self.bias


class LightPermuteMLP(WeightedPermuteMLP):
    """Weighted Permute-MLP with lighter linear maps in its height and width branch.

    Args:
        dim: Channels of a token, C; at least 4.
        segment_dim: Number of channel segments, N = H = W.
        qkv_bias: Whether the linear maps of the branches have a bias.
        proj_drop: Dropout probability after the projection.
        branch_order: See `WeightedPermuteMLP`.
        rank: Width of the waist of `LowRankLinear`; None for none.
        groups: Groups of `GroupedLinear`; None for none.
        across: What is dealt out to the groups, "rows" or "channels".
        shared: Whether height and width use one and the same linear map.

    Raises:
        ValueError: If the sizes do not fit, or both `rank` and `groups` are given, or
            `across` without `groups`.
        TypeError: If a size is no whole number, or `shared` neither True nor False.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, with H = W = N.
    """

    def __init__(
        self,
        dim: int,
        segment_dim: int = 8,
        qkv_bias: bool = False,
        proj_drop: float = 0.0,
        branch_order: str = "hwc",
        rank: int | None = None,
        groups: int | None = None,
        across: str = "rows",
        shared: bool = False,
    ):
        super().__init__(dim, segment_dim, qkv_bias, proj_drop, branch_order)
        if not isinstance(shared, bool):
            raise TypeError(f"shared is {shared!r}; it must be True or False")
        if rank is not None and groups is not None:
            raise ValueError(
                f"rank is {rank} and groups is {groups}: give one of them, or neither"
            )
        if groups is None and not (isinstance(across, str) and across == "rows"):
            raise ValueError(
                f"across is {across!r}, which says how groups are dealt out, and "
                "groups is None: give groups too"
            )
        N, S = self.segment_dim, self.dim // self.segment_dim
        if rank is not None:
            self.mlp_h = LowRankLinear(self.dim, rank, qkv_bias)
            self.mlp_w = LowRankLinear(self.dim, rank, qkv_bias)
        if groups is not None:
            self.mlp_h = GroupedLinear(N, S, groups, across, qkv_bias)
            self.mlp_w = GroupedLinear(N, S, groups, across, qkv_bias)
        self.shared = shared
        if shared:
            self.mlp_w = self.mlp_h

    def extra_repr(self) -> str:
        return super().extra_repr() + (", shared=True" if self.shared else "")
