"""More branches than three: a second, coarser grid, or each token's neighbours.

The branches are blended as in `WeightedPermuteMLP`: for each channel of each image, K
positive weights that sum to 1, computed from the mean over all tokens.  There is no
`branch_order` here: no weights for K branches are about in any other order.

Letters as in `permute_mlp`; K is the number of branches.
"""

import torch
from torch import Tensor, nn

from .._util.arguments import check_squeeze, real_number, whole_number
from ..permute_mlp import Branches, Mlp


class BlendedBranches(Branches):
    """Branches, as many as `count` says, blended channel by channel.

    A derived class with other branches says in `count` how many its `branches` returns.

    Args:
        dim: Channels of a token, C; at least 4.
        segment_dim: Number of channel segments, N = H = W.
        qkv_bias: Whether the linear maps of the branches have a bias.
        proj_drop: Dropout probability after the projection.

    Raises:
        ValueError: If the sizes do not fit.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, with H = W = N.
    """

    count = 3  # branches, K

    def __init__(
        self,
        dim: int,
        segment_dim: int = 8,
        qkv_bias: bool = False,
        proj_drop: float = 0.0,
    ):
        super().__init__(dim, segment_dim, qkv_bias)
        check_squeeze(self.dim)
        self.reweight = Mlp(self.dim, self.dim // 4, self.dim * self.count)
        self.proj = nn.Linear(self.dim, self.dim)
        self.proj_drop = nn.Dropout(real_number("proj_drop", proj_drop, 0, 1))

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.stack(self.branches(x))  # (K, B, H, W, C)
        weights = self.branch_weights(parts)  # (K, B, C)
        x = (weights[:, :, None, None, :] * parts).sum(dim=0)  # (B, H, W, C)
        return self.proj_drop(self.proj(x))  # (B, H, W, C)

    def branch_weights(self, parts: Tensor) -> Tensor:
        """How much of each branch every channel of every image takes.

        Args:
            parts: What the branches have put out, `(K, B, H, W, C)`.

        Returns:
            Weights `(K, B, C)`; the K weights of a channel are positive and sum to 1.
        """
        K, B, H, W, C = parts.shape
        pooled = parts.sum(dim=0).mean(dim=(1, 2))  # (B, C)
        weights = self.reweight(pooled)  # (B, C*K)
        weights = weights.reshape(B, C, K)  # (B, C, K)
        return weights.permute(2, 0, 1).softmax(dim=0)  # (K, B, C)


class MultiScalePermuteMLP(BlendedBranches):
    """Height and width at two granularities: on the grid, and on a coarser one.

    For the coarse branches each `pool` x `pool` tokens are averaged into one, the
    Linear mixes the shorter rows and columns, and each result is handed to all the
    tokens that it came from.  A coarse segment holds `pool` times as many channels,
    since the width C stays and there are fewer rows: more channels meet.

    Args:
        dim: Channels of a token, C; at least 4.
        segment_dim: Number of channel segments, N = H = W.
        qkv_bias: Whether the linear maps of the branches have a bias.
        proj_drop: Dropout probability after the projection.
        pool: Side of the squares that are averaged, in tokens.

    Raises:
        ValueError: If the sizes do not fit, or `pool` does not divide `segment_dim`.
        TypeError: If `pool` is no whole number.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, with H = W = N.
    """

    count = 5

    def __init__(
        self,
        dim: int,
        segment_dim: int = 8,
        qkv_bias: bool = False,
        proj_drop: float = 0.0,
        pool: int = 2,
    ):
        super().__init__(dim, segment_dim, qkv_bias, proj_drop)
        self.pool = pool = whole_number("pool", pool)
        N = self.segment_dim
        if N % pool:
            raise ValueError(
                f"pool is {pool} and the grid {N} x {N} tokens: it cannot be cut into "
                f"squares of {pool} x {pool}; take a pool that divides {N}"
            )
        self.coarse = _Coarse(self.dim, N // pool, qkv_bias)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, pool={self.pool}"

    def branches(self, x: Tensor) -> tuple[Tensor, ...]:
        """The outputs h, w, c, and h and w of the coarse grid, each `(B, H, W, C)`."""
        fine = super().branches(x)  # h, w, c: (B, H, W, C) each
        small = self.pooled(x)  # (B, H/pool, W/pool, C)
        coarse = self.coarse.height(small), self.coarse.width(small)
        return *fine, *(self.spread(part) for part in coarse)

    def pooled(self, x: Tensor) -> Tensor:
        """The coarser grid: the mean of each square of tokens.

        Shape:
            `(B, H, W, C)` to `(B, H / pool, W / pool, C)`.
        """
        B, H, W, C = x.shape
        p = self.pool
        x = x.reshape(B, H // p, p, W // p, p, C)  # (B, H/p, p, W/p, p, C)
        return x.mean(dim=(2, 4))  # (B, H/p, W/p, C)

    def spread(self, x: Tensor) -> Tensor:
        """Hand each coarse token to all the tokens of its square.

        Shape:
            `(B, H / pool, W / pool, C)` to `(B, H, W, C)`.
        """
        x = x.repeat_interleave(self.pool, dim=1)  # (B, H, W/p, C)
        return x.repeat_interleave(self.pool, dim=2)  # (B, H, W, C)


class _Coarse(Branches):
    """Height and width of the coarser grid; a channel branch would meet no token."""

    def __init__(self, dim: int, segment_dim: int, qkv_bias: bool):
        super().__init__(dim, segment_dim, qkv_bias)
        del self.mlp_c

    def _check(self, x: Tensor) -> None:
        """Nothing: the branches of the fine grid have looked at the input."""


class LocalPermuteMLP(BlendedBranches):
    """A fourth branch that looks around: a depthwise convolution, 3 x 3 by default.

    Each channel of a token takes from the same channel of its neighbours, with the
    same weights everywhere in the picture.  The height branch has weights of its own
    for each row and shares them among the columns, the width branch the other way
    round; only the channel branch shares all of its weights, and it looks at nobody.

    Args:
        dim: Channels of a token, C; at least 4.
        segment_dim: Number of channel segments, N = H = W.
        qkv_bias: Whether the linear maps of the branches have a bias.
        proj_drop: Dropout probability after the projection.
        kernel_size: Side of the neighbourhood, in tokens; odd, so that it has a middle,
            and at most 2 * N - 1, which reaches from side to side.

    Raises:
        ValueError: If the sizes do not fit, or `kernel_size` is even or too large.
        TypeError: If `kernel_size` is no whole number.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, with H = W = N.
    """

    count = 4

    def __init__(
        self,
        dim: int,
        segment_dim: int = 8,
        qkv_bias: bool = False,
        proj_drop: float = 0.0,
        kernel_size: int = 3,
    ):
        super().__init__(dim, segment_dim, qkv_bias, proj_drop)
        kernel_size, N = whole_number("kernel_size", kernel_size), self.segment_dim
        if kernel_size > 2 * N - 1:
            raise ValueError(
                f"kernel_size is {kernel_size} and the grid {N} x {N} tokens: the "
                "outermost weights would never meet a token; take at most 2 * "
                f"{N} - 1 = {2 * N - 1}"
            )
        if kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size is {kernel_size}; it must be odd, or the neighbourhood "
                f"has no middle for its token: take {kernel_size + 1}"
            )
        self.conv = nn.Conv2d(
            self.dim,
            self.dim,
            kernel_size,
            padding=kernel_size // 2,
            groups=self.dim,
            bias=qkv_bias,
        )

    def branches(self, x: Tensor) -> tuple[Tensor, ...]:
        """The outputs h, w, c and of the convolution, each `(B, H, W, C)`."""
        return *super().branches(x), self.around(x)

    def around(self, x: Tensor) -> Tensor:
        """Mix each token with its neighbours, channel by channel.

        Shape:
            `(B, H, W, C)` to `(B, H, W, C)`.
        """
        x = x.permute(0, 3, 1, 2)  # (B, C, H, W)
        x = self.conv(x)  # (B, C, H, W)
        return x.permute(0, 2, 3, 1)  # (B, H, W, C)
