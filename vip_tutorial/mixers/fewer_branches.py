"""Permute-MLPs with a branch less: what an ablation takes away."""

import torch
from torch import Tensor

from .._util.inputs import check_input
from ..permute_mlp import PermuteMLP


class ReducedPermuteMLP(PermuteMLP):
    """A plain Permute-MLP, of whose branches only some are left.

    What is missing is either left out of the sum, weights and all, or replaced by one
    more channel branch.  The paper does the second in its table 7 (Hou et al.,
    arXiv:2106.12368): the number of weights stays what it was, and all that goes is
    the permute, so that the branch's Linear gets the channels of one token.

    Args:
        dim: Channels of a token, C.
        segment_dim: Number of channel segments, N = H = W.
        qkv_bias: Whether the linear maps of the branches have a bias.
        proj_drop: Dropout probability after the projection.
        branches: The letters of the branches that stay, of "h", "w" and "c".
        replaced: Whether each missing branch is replaced by a channel branch.

    Raises:
        ValueError: If the sizes do not fit, or `branches` names no branch, one twice,
            or something else.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, with H = W = N.
    """

    def __init__(
        self,
        dim: int,
        segment_dim: int = 8,
        qkv_bias: bool = False,
        proj_drop: float = 0.0,
        branches: str = "hwc",
        replaced: bool = False,
    ):
        super().__init__(dim, segment_dim, qkv_bias, proj_drop)
        if not branches or sorted(branches) != sorted(set(branches) & set("hwc")):
            raise ValueError(
                f"branches is {branches!r}; give the letters of those that stay, each "
                "once: some of 'h', 'w' and 'c', e.g. 'hc'"
            )
        self.kept = branches
        self.replaced = replaced
        for letter in "hwc":
            if letter not in branches and not replaced:
                delattr(self, f"mlp_{letter}")

    def branches(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What stands in the places of h, w and c; zeros where nothing does."""
        self._check(x)
        whole = {"h": self.height, "w": self.width, "c": self.channel}
        return tuple(
            whole[letter](x) if letter in self.kept else self._instead(letter, x)
            for letter in "hwc"
        )

    def extra_repr(self) -> str:
        left = f"branches={self.kept!r}, replaced={self.replaced}"
        return f"{super().extra_repr()}, {left}"

    def _instead(self, letter: str, x: Tensor) -> Tensor:
        if not self.replaced:
            return torch.zeros_like(x)
        return getattr(self, f"mlp_{letter}")(x)  # (B, H, W, C), and no token met

    def _check(self, x: Tensor) -> None:
        if not torch.jit.is_tracing():
            # The one Linear that is always there says type and device.
            check_input(x, self.proj.weight, self.dim, self.segment_dim)
