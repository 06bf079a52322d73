"""Other weights for the three branches: fixed, one for a picture, one for each token.

                 made from                     a token's output depends on
    static       nothing: they are learned     its row and column alone
    pooled       the mean over all tokens      all tokens, faintly: the paper's
    token        the token's own branches      its row and column alone

A temperature divides what the softmax gets.  At 1 nothing changes; towards 0 each
channel takes one branch alone, and towards infinity a third of each.
"""

import math

import torch
from torch import Tensor, nn

from .._util.arguments import real_number
from ..permute_mlp import WeightedPermuteMLP

KINDS = ("static", "pooled", "token")
# Beyond these, float32 divides the logits to infinity or to nothing.
COLDEST, WARMEST = 1e-30, 1e30


class DynamicPermuteMLP(WeightedPermuteMLP):
    """Permute-MLP whose branch weights are made in one of three ways.

    With "pooled" and a temperature of 1 it is `WeightedPermuteMLP`.  Both "pooled" and
    "token" have its parameters, so weights that were trained with one load in the
    other as a state dict (and want further training).

    Args:
        dim: Channels of a token, C; at least 4.
        segment_dim: Number of channel segments, N = H = W.
        qkv_bias: Whether the three linear maps have a bias.
        proj_drop: Dropout probability after the projection.
        branch_order: See `WeightedPermuteMLP`; static weights are h, w, c in either.
        weights: "static", "pooled" or "token".
        temperature: What the logits are divided by; from 1e-30 to 1e30.
        learned: Whether the temperature is a parameter that starts there; it is kept
            as its logarithm, and so stays more than 0.

    Raises:
        ValueError: If the sizes do not fit, there is no such kind of weights, or the
            temperature is too low or too high.
        TypeError: If the temperature is no number, or `learned` neither True nor False.

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
        weights: str = "pooled",
        temperature: float = 1.0,
        learned: bool = False,
    ):
        super().__init__(dim, segment_dim, qkv_bias, proj_drop, branch_order)
        if not isinstance(weights, str) or weights not in KINDS:
            raise ValueError(
                f"weights is {weights!r}; it must be 'static' (learned, the same for "
                "every picture), 'pooled' (the paper's) or 'token'"
            )
        if not isinstance(learned, bool):
            raise TypeError(f"learned is {learned!r}; it must be True or False")
        temperature = _checked_temperature(temperature)
        self.weights = weights
        if weights == "static":
            del self.reweight
            self.logits = nn.Parameter(torch.zeros(3, self.dim))
        self.learned, self._fixed = learned, None if learned else temperature
        if learned:
            self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))

    @property
    def temperature(self) -> float | Tensor:
        """What the logits are divided by; a tensor without axes if it is learned."""
        return self.log_temperature.exp() if self.learned else self._fixed

    def extra_repr(self) -> str:
        kind = "learned" if self.learned else f"{self._fixed:g}"
        return f"{super().extra_repr()}, weights={self.weights!r}, temperature={kind}"

    def forward(self, x: Tensor) -> Tensor:
        h, w, c = self.branches(x)  # (B, H, W, C) each
        weights = self.branch_weights(h, w, c)  # (3, B, C) or (3, B, H, W, C)
        if weights.ndim == 3:
            weights = weights[:, :, None, None, :]  # (3, B, 1, 1, C)
        a_h, a_w, a_c = weights.unbind()
        x = a_h * h + a_w * w + a_c * c  # (B, H, W, C)
        return self.proj_drop(self.proj(x))  # (B, H, W, C)

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        """How much of each branch every channel takes.

        Args:
            h: Output of the height branch, `(B, H, W, C)`.
            w: Output of the width branch, likewise.
            c: Output of the channel branch, likewise.

        Returns:
            Weights `(3, B, C)` of h, w and c, in this order, or with token-wise weights
            `(3, B, H, W, C)`; they are positive and sum to 1.
        """
        B, H, W, C = h.shape
        if self.weights == "static":
            logits = self.logits[:, None].expand(3, B, C)  # (3, B, C)
        else:
            seen = h + w + c  # (B, H, W, C)
            if self.weights == "pooled":
                seen = seen.mean(dim=(1, 2))  # (B, C)
            logits = self.reweight(seen).unflatten(-1, (C, 3))  # (B, ..., C, 3)
            logits = logits.movedim(-1, 0)  # (3, B, ..., C)
        wide = torch.promote_types(logits.dtype, torch.float32)  # half is soon infinite
        cooled = logits.to(wide) / self.temperature  # (3, B, ..., C)
        weights = cooled.softmax(dim=0).to(logits.dtype)
        # Nobody has static weights in the order of the listing.
        swapped = self.branch_order == "cwh" and self.weights != "static"
        return weights.flip(0) if swapped else weights


def _checked_temperature(temperature: float) -> float:
    number = real_number("temperature", temperature, -math.inf, math.inf)
    if number <= 0:
        raise ValueError(
            f"temperature is {temperature}; it must be more than 0: near 0, e.g. "
            "0.01, each channel takes one branch alone"
        )
    if not COLDEST <= number <= WARMEST:
        raise ValueError(
            f"temperature is {number:g}; it must be from {COLDEST:g} to {WARMEST:g}, "
            "or float32 divides the logits to infinity or to nothing: 0.01 is cold, "
            "and 100 is warm"
        )
    return number
