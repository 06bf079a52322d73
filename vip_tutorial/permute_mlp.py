"""The Permute-MLP of Vision Permutator: mix an image's tokens along three axes.

Every token is mixed with the tokens of its column (height branch), with the tokens
of its row (width branch) and within itself (channel branch).  `PermuteMLP` adds the
three results; `WeightedPermuteMLP` blends them with weights that it computes from
the image.

Letters, here and in the whole book (`x` is an image of tokens, channels last):

    B  images in the batch          N  segments of the channels (`segment_dim`)
    H  rows of tokens               S  channels in a segment, S = C // N
    W  tokens in a row              C  channels of a token (`dim`)

Paper: Hou et al., "Vision Permutator: A Permutable MLP-Like Architecture for Visual
Recognition", arXiv:2106.12368.  Parameter names and shapes are those of the authors'
code, so their checkpoints load unchanged.
"""

import torch
from torch import Tensor, nn

from ._util.arguments import check_squeeze, checked_sizes, real_number
from ._util.inputs import check_input


class Mlp(nn.Module):
    """Two linear layers with a GELU between them, on the last axis.

    Args:
        in_features: Size of the input's last axis.
        hidden_features: Size between the layers; `in_features` if None.
        out_features: Size of the output's last axis; `in_features` if None.
        act_layer: Class of the activation.  `nn.GELU` is the exact one, by erf.
        drop: Dropout probability after each of the two layers.

    Shape:
        `(..., in_features)` to `(..., out_features)`.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int | None = None,
        out_features: int | None = None,
        act_layer: type[nn.Module] = nn.GELU,
        drop: float = 0.0,
    ):
        super().__init__()
        hidden_features = in_features if hidden_features is None else hidden_features
        out_features = in_features if out_features is None else out_features
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.act = act_layer()
        self.fc2 = nn.Linear(hidden_features, out_features)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.act(self.fc1(x)))  # (..., hidden_features)
        return self.drop(self.fc2(x))  # (..., out_features)


class Branches(nn.Module):
    """The height, width and channel branch: what both Permute-MLPs have in common.

    `nn.Linear` mixes the numbers that stand side by side on the last axis, nothing
    else.  Each branch therefore lays the numbers that it wants mixed side by side,
    applies its Linear, and puts every number back where it came from.

    Args:
        dim: Channels of a token, C.
        segment_dim: Number of segments that the channels are cut into, N.  It must
            equal the height and the width of the grid of tokens.
        qkv_bias: Whether the three linear maps have a bias.

    Raises:
        ValueError: If `dim` cannot be cut into `segment_dim` equal segments.
    """

    def __init__(self, dim: int, segment_dim: int = 8, qkv_bias: bool = False):
        super().__init__()
        dim, segment_dim = checked_sizes(dim, segment_dim)
        self.dim = dim
        self.segment_dim = segment_dim
        self.mlp_c = nn.Linear(dim, dim, bias=qkv_bias)
        self.mlp_h = nn.Linear(dim, dim, bias=qkv_bias)
        self.mlp_w = nn.Linear(dim, dim, bias=qkv_bias)

    def height(self, x: Tensor) -> Tensor:
        """Mix each token with the tokens above and below it.

        Shape:
            `(B, H, W, C)` to `(B, H, W, C)`, with H = W = N.
        """
        self._check(x)
        B, H, W, C = x.shape
        N, S = self.segment_dim, C // self.segment_dim
        x = x.reshape(B, H, W, N, S)  # (B, H, W, N, S)
        x = x.permute(0, 3, 2, 1, 4)  # (B, N, W, H, S)
        x = x.reshape(B, N, W, H * S)  # (B, N, W, H*S)
        x = self.mlp_h(x)  # (B, N, W, H*S)
        x = x.reshape(B, N, W, H, S)  # (B, N, W, H, S)
        x = x.permute(0, 3, 2, 1, 4)  # (B, H, W, N, S)
        return x.reshape(B, H, W, C)  # (B, H, W, C)

    def width(self, x: Tensor) -> Tensor:
        """Mix each token with the tokens to its left and right.

        Shape:
            `(B, H, W, C)` to `(B, H, W, C)`, with H = W = N.
        """
        self._check(x)
        B, H, W, C = x.shape
        N, S = self.segment_dim, C // self.segment_dim
        x = x.reshape(B, H, W, N, S)  # (B, H, W, N, S)
        x = x.permute(0, 1, 3, 2, 4)  # (B, H, N, W, S)
        x = x.reshape(B, H, N, W * S)  # (B, H, N, W*S)
        x = self.mlp_w(x)  # (B, H, N, W*S)
        x = x.reshape(B, H, N, W, S)  # (B, H, N, W, S)
        x = x.permute(0, 1, 3, 2, 4)  # (B, H, W, N, S)
        return x.reshape(B, H, W, C)  # (B, H, W, C)

    def channel(self, x: Tensor) -> Tensor:
        """Mix the channels of each token; tokens do not meet.

        Shape:
            `(B, H, W, C)` to `(B, H, W, C)`.
        """
        self._check(x)
        return self.mlp_c(x)  # (B, H, W, C)

    def branches(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs h, w, c of the three branches, each `(B, H, W, C)`."""
        return self.height(x), self.width(x), self.channel(x)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, segment_dim={self.segment_dim}"

    def _check(self, x: Tensor) -> None:
        # A traced graph has no shapes to compare: torch.jit.trace would only warn.
        if not torch.jit.is_tracing():
            check_input(x, self.mlp_c.weight, self.dim, self.segment_dim)


class PermuteMLP(Branches):
    """Permute-MLP: the plain sum of the three branches, then a projection.

    Args:
        dim: Channels of a token, C.
        segment_dim: Number of channel segments, N = H = W.
        qkv_bias: Whether the three linear maps have a bias.
        proj_drop: Dropout probability after the projection.

    Raises:
        ValueError: If the sizes do not fit, or `proj_drop` is not in [0, 1).
        TypeError: If a size is no whole number, or `proj_drop` no number.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, with H = W = N.
    """

    def __init__(
        self,
        dim: int,
        segment_dim: int = 8,
        qkv_bias: bool = False,
        proj_drop: float = 0.0,
    ):
        super().__init__(dim, segment_dim, qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(real_number("proj_drop", proj_drop, 0, 1))

    def forward(self, x: Tensor) -> Tensor:
        h, w, c = self.branches(x)  # (B, H, W, C) each
        x = h + w + c  # (B, H, W, C)
        return self.proj_drop(self.proj(x))  # (B, H, W, C)


class WeightedPermuteMLP(Branches):
    """Weighted Permute-MLP: the three branches, blended channel by channel.

    The branches themselves, `height`, `width` and `channel`, are those of `Branches`.

    Args:
        dim: Channels of a token, C; at least 4.
        segment_dim: Number of channel segments, N = H = W.
        qkv_bias: Whether the three linear maps have a bias.
        proj_drop: Dropout probability after the projection.
        branch_order: Which branch each of the three weights belongs to.  "hwc" is
            the authors' code; "cwh" is a listing that is often reprinted.  The
            parameters have the same shapes either way, so weights trained in one
            order load in the other without complaint, and compute something else.

    Raises:
        ValueError: If the sizes do not fit, `proj_drop` is not in [0, 1), or
            `branch_order` is not one of the two; in a call, if `x` has another shape
            or device than the module needs.
        TypeError: If a size is no whole number or `proj_drop` no number; in a call, if
            `x` is no tensor of the weights' dtype.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, with H = W = N.
    """

    not_settings = ("branch_order",)  # files have all weights in the authors' order

    def __init__(
        self,
        dim: int,
        segment_dim: int = 8,
        qkv_bias: bool = False,
        proj_drop: float = 0.0,
        branch_order: str = "hwc",
    ):
        super().__init__(dim, segment_dim, qkv_bias)
        dim = self.dim
        if not isinstance(branch_order, str) or branch_order not in ("hwc", "cwh"):
            raise ValueError(
                f"branch_order is {branch_order!r}; it must be 'hwc' (the authors' "
                "code) or 'cwh' (the often reprinted listing)"
            )
        check_squeeze(dim)
        self.branch_order = branch_order
        self.reweight = Mlp(dim, dim // 4, dim * 3)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(real_number("proj_drop", proj_drop, 0, 1))

    def forward(self, x: Tensor) -> Tensor:
        h, w, c = self.branches(x)  # (B, H, W, C) each
        weights = self.branch_weights(h, w, c)  # (3, B, C)
        a_h, a_w, a_c = weights[:, :, None, None, :].unbind()  # (B, 1, 1, C) each
        x = a_h * h + a_w * w + a_c * c  # (B, H, W, C)
        return self.proj_drop(self.proj(x))  # (B, H, W, C)

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        """How much of each branch every channel of every image takes.

        Args:
            h: Output of the height branch, `(B, H, W, C)`.
            w: Output of the width branch, likewise.
            c: Output of the channel branch, likewise.

        Returns:
            Weights `(3, B, C)` of h, w and c, in this order whatever `branch_order`
            is.  The three weights of a channel are positive and sum to 1.
        """
        B, H, W, C = h.shape
        pooled = (h + w + c).mean(dim=(1, 2))  # (B, C)
        weights = self.reweight(pooled)  # (B, C*3)
        weights = weights.reshape(B, C, 3)  # (B, C, 3)
        weights = weights.permute(2, 0, 1)  # (3, B, C)
        weights = weights.softmax(dim=0)  # (3, B, C)
        # Read backwards, the order c, w, h is h, w, c.
        return weights if self.branch_order == "hwc" else weights.flip(0)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, branch_order={self.branch_order!r}"
