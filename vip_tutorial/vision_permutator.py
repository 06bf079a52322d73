"""Vision Permutator: an image classifier built of `WeightedPermuteMLP`s.

An image is cut into patches, each patch becomes a token, and a stack of blocks mixes
the tokens (Permute-MLP) and each token's channels (`Mlp`) in turn.  A transition on the
way may halve the grid.  At the end the tokens are averaged and classified.

    image (B, 3, 224, 224)
      patch_embed   (B, 32, 32, 192)      vip_s7: patches of 7 x 7 pixels
      network[0]    4 blocks
      network[1]    Downsample to (B, 16, 16, 384)
      network[2:5]  3 + 8 + 3 blocks
      norm, mean over the tokens, head   (B, 1000)

Letters as in `permute_mlp`; H and W are rows and columns of the *grid of tokens*.

Paper: Hou et al., arXiv:2106.12368, section 3 and table 1.  Names and shapes of the
parameters are those of the authors' code, so their checkpoints load unchanged; the four
sizes are those of that code, which differs from table 1 in vip_l7 (8 + 28 blocks, not
9 + 27).
"""

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ._util.arguments import (
    built_mixer,
    check_divisor,
    checked_stages,
    grid_sides,
    mlp_width,
    real_number,
    whole_number,
)
from ._util.inputs import check_image
from .permute_mlp import Mlp, WeightedPermuteMLP


class PatchEmbed(nn.Module):
    """Cut an image into square patches and make each one a token.

    A convolution whose stride is its kernel: one linear map for all patches.

    Args:
        patch_size: Side of a patch, in pixels.
        in_chans: Channels of the image; 3 for RGB.
        embed_dim: Channels of a token, C.

    Shape:
        `(B, in_chans, height, width)` in pixels to `(B, H, W, C)`, channels last, with
        H = height / patch_size and W = width / patch_size.
    """

    def __init__(self, patch_size: int, in_chans: int, embed_dim: int):
        super().__init__()
        self.proj = nn.Conv2d(in_chans, embed_dim, patch_size, stride=patch_size)

    def forward(self, image: Tensor) -> Tensor:
        x = self.proj(image)  # (B, C, H, W)
        return x.permute(0, 2, 3, 1)  # (B, H, W, C)


class Downsample(nn.Module):
    """Join each 2 x 2 tokens into one with more channels: the transition.

    Args:
        in_dim: Channels of a token before.
        out_dim: Channels of a token after.
        patch_size: How many tokens, along each side, become one.

    Shape:
        `(B, H, W, in_dim)` to `(B, H / patch_size, W / patch_size, out_dim)`.
    """

    def __init__(self, in_dim: int, out_dim: int, patch_size: int = 2):
        super().__init__()
        self.proj = nn.Conv2d(in_dim, out_dim, patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2)  # (B, C, H, W)
        x = self.proj(x)  # (B, out_dim, H/2, W/2)
        return x.permute(0, 2, 3, 1)  # (B, H/2, W/2, out_dim)


class DropPath(nn.Module):
    """Stochastic depth: in training, skip a residual branch for some of the images.

    Args:
        rate: Probability that an image skips it; what passes is scaled up to make up.

    Raises:
        ValueError: If `rate` is not in [0, 1).
        TypeError: If it is no number.

    Shape:
        `(B, ...)` to `(B, ...)`, with any number of axes.
    """

    computes_like = nn.Identity  # in evaluation, so no file of weights tells of it

    def __init__(self, rate: float = 0.0):
        super().__init__()
        self.rate = real_number("drop_path", rate, 0, 1)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        one_each = x.shape[:1] + (1,) * (x.ndim - 1)  # (B, 1, ...)
        kept = x.new_empty(one_each).bernoulli_(keep)
        return x * kept / keep

    def extra_repr(self) -> str:
        return f"rate={self.rate:g}"


class PermutatorBlock(nn.Module):
    """Mix the tokens, then each token's channels; both beside a skip connection.

    Args:
        dim: Channels of a token, C.
        segment_dim: Number of channel segments, N = H = W.
        mlp_ratio: Width of the channel MLP in multiples of C.
        qkv_bias: Whether the linear maps of the three branches have a bias.
        drop_path: Probability of skipping, in training.
        skip_lam: What the branches are divided by before they are added.
        token_mixer: Class of the module that mixes the tokens, called with
            `(dim, segment_dim=..., qkv_bias=...)`.

    Raises:
        ValueError: If `mlp_ratio` leaves the channel MLP without any width, `drop_path`
            is not in [0, 1), `skip_lam` is not more than 0, or the token mixer says so.
        TypeError: If `token_mixer` makes no module, or `mlp_ratio`, `drop_path` or
            `skip_lam` is no number.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, with H = W = N.
    """

    def __init__(
        self,
        dim: int,
        segment_dim: int,
        mlp_ratio: float = 3,
        qkv_bias: bool = False,
        drop_path: float = 0.0,
        skip_lam: float = 1.0,
        token_mixer: type[nn.Module] = WeightedPermuteMLP,
    ):
        super().__init__()
        check_divisor(skip_lam)
        self.norm1 = nn.LayerNorm(dim)
        # The authors' name, though there is no attention here.
        self.attn = built_mixer(
            token_mixer, dim, segment_dim=segment_dim, qkv_bias=qkv_bias
        )
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, mlp_width(dim, mlp_ratio))
        self.skip_lam = skip_lam

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x))) / self.skip_lam
        return x + self.drop_path(self.mlp(self.norm2(x))) / self.skip_lam

    def extra_repr(self) -> str:
        return f"skip_lam={self.skip_lam}"


class VisionPermutator(nn.Module):
    """The whole classifier.

    Args:
        layers: Blocks of each stage.
        embed_dims: Channels of a token in each stage.
        transitions: For each stage but the last, whether the grid is halved after it;
            a change of width alone needs no transition.
        patch_size: Side of a patch, in pixels.
        img_size: Side of the square image, in pixels; `segment_dim` of each stage is
            the side of its grid of tokens, which follows from this.
        in_chans: Channels of the image.
        num_classes: Classes; 0 for none, then the model gives the averaged tokens.
        mlp_ratio: Width of the channel MLPs in multiples of C.
        qkv_bias: Whether the linear maps of the branches have a bias.
        drop_path_rate: Probability of skipping the last block in training; it grows
            linearly from 0 at the first block, counted over all stages.
        skip_lam: What residual branches are divided by.
        token_mixer: Class that mixes the tokens, see `PermutatorBlock`.
        global_pool: "avg", the authors', gives the head the mean of all tokens; with
            "flatten" it gets all tokens side by side, and so knows where each stood.

    Shape:
        `(B, in_chans, img_size, img_size)` to `(B, num_classes)`.

    Raises:
        ValueError: If the image cannot be cut into patches without a rest, or a grid
            cannot be halved, or a width cannot be cut into segments, or the stages
            don't fit each other, or a number is out of range, or `global_pool` is
            neither of the two.
        TypeError: If a size is no whole number, or a rate or `skip_lam` no number, or
            `transitions` no list, or `token_mixer` makes no module.
    """

    # A file of weights has its size and its classes for itself.
    not_settings = ("img_size", "num_classes", "num_features")

    def __init__(
        self,
        layers: Sequence[int],
        embed_dims: Sequence[int],
        transitions: Sequence[bool] = (),
        patch_size: int = 7,
        img_size: int = 224,
        in_chans: int = 3,
        num_classes: int = 1000,
        mlp_ratio: float = 3,
        qkv_bias: bool = False,
        drop_path_rate: float = 0.0,
        skip_lam: float = 1.0,
        token_mixer: type[nn.Module] = WeightedPermuteMLP,
        global_pool: str = "avg",
    ):
        super().__init__()
        check_divisor(skip_lam)  # here too: there may be no block at all
        if global_pool not in ("avg", "flatten"):
            raise ValueError(
                f"global_pool is {global_pool!r}; it must be 'avg' (the authors') or "
                "'flatten'"
            )
        layers, embed_dims, transitions = checked_stages(
            layers, embed_dims, transitions
        )
        sides = grid_sides(img_size, patch_size, transitions[:-1])
        patch_size = operator.index(patch_size)
        drop_path_rate = real_number("drop_path_rate", drop_path_rate, 0, 1)
        self.img_size = operator.index(img_size)
        self.in_chans = in_chans = whole_number("in_chans", in_chans)
        self.global_pool = global_pool
        # What the head gets of an image.
        self.num_features = embed_dims[-1]
        if global_pool == "flatten":
            self.num_features *= sides[-1] ** 2
        self.patch_embed = PatchEmbed(patch_size, in_chans, embed_dims[0])
        total = sum(layers)
        rates = iter(drop_path_rate * i / max(1, total - 1) for i in range(total))
        self.network = nn.ModuleList()
        for stage, (depth, dim, side) in enumerate(zip(layers, embed_dims, sides)):
            self.network.append(
                nn.Sequential(
                    *(
                        PermutatorBlock(
                            dim,
                            side,
                            mlp_ratio,
                            qkv_bias,
                            next(rates),
                            skip_lam,
                            token_mixer,
                        )
                        for _ in range(depth)
                    )
                )
            )
            wider = stage + 1 < len(layers) and embed_dims[stage + 1] != dim
            if transitions[stage] or wider:
                self.network.append(
                    Downsample(dim, embed_dims[stage + 1], 1 + transitions[stage])
                )
        self.norm = nn.LayerNorm(embed_dims[-1])
        self.head = nn.Identity()
        self.apply(_initialise)
        self.reset_classifier(num_classes)

    def forward_features(self, image: Tensor) -> Tensor:
        """The normalised tokens after the last block, `(B, H, W, C)`."""
        self._check(image)
        x = self.patch_embed(image)  # (B, H, W, C)
        for stage in self.network:
            x = stage(x)
        return self.norm(x)  # (B, H, W, C)

    def pool(self, x: Tensor) -> Tensor:
        """What the head gets of the tokens: `(B, H, W, C)` to `(B, num_features)`."""
        if self.global_pool == "flatten":
            return x.flatten(1)  # (B, H*W*C)
        return x.mean(dim=(1, 2))  # (B, C)

    def forward(self, image: Tensor) -> Tensor:
        x = self.forward_features(image)  # (B, H, W, C)
        return self.head(self.pool(x))  # (B, num_classes)

    def reset_classifier(self, num_classes: int) -> None:
        """Put a fresh head for `num_classes` classes in place; 0 for none."""
        num_classes = whole_number("num_classes", num_classes, least=0)
        self.num_classes = num_classes
        weight = self.norm.weight  # a new head goes where the model is
        self.head = nn.Identity()
        if num_classes > 0:
            self.head = nn.Linear(self.num_features, num_classes)
            _initialise(self.head)
            self.head.to(weight.device, weight.dtype)

    @property
    def blocks(self) -> list[PermutatorBlock]:
        """All blocks, from the first to the last."""
        return [
            block
            for stage in self.network
            if isinstance(stage, nn.Sequential)
            for block in stage
        ]

    def extra_repr(self) -> str:
        return f"img_size={self.img_size}, global_pool={self.global_pool!r}"

    def _check(self, image: Tensor) -> None:
        if torch.jit.is_tracing():
            return
        check_image(image, self.patch_embed.proj.weight, self.img_size)


def _initialise(module: nn.Module) -> None:
    """The authors' start: small normal weights, no bias; convolutions are PyTorch's."""
    if isinstance(module, nn.Linear):
        # The authors cut off at a hundred times the deviation, which nothing reaches;
        # and what trunc_normal_ draws is not the same in every version of PyTorch.
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


# The authors' four sizes, as arguments of `VisionPermutator`.
SIZES = {
    "vip_s14": {
        "layers": [4, 3, 8, 3],
        "embed_dims": [384, 384, 384, 384],
        "patch_size": 14,
    },
    "vip_s7": {
        "layers": [4, 3, 8, 3],
        "embed_dims": [192, 384, 384, 384],
        "transitions": [True],
    },
    "vip_m7": {
        "layers": [4, 3, 14, 3],
        "embed_dims": [256, 256, 512, 512],
        "transitions": [False, True],
    },
    "vip_l7": {
        "layers": [8, 8, 16, 4],
        "embed_dims": [256, 512, 512, 512],
        "transitions": [True],
    },
}


def vip_s14(**options: Any) -> VisionPermutator:
    """Small/14: 29,892,904 parameters, 18 blocks on a grid of 16 x 16 tokens.

    Args:
        **options: Any argument of `VisionPermutator`, e.g. `num_classes` or `img_size`.
    """
    return VisionPermutator(**(SIZES["vip_s14"] | options))


def vip_s7(**options: Any) -> VisionPermutator:
    """Small/7: 25,114,984 parameters, 4 blocks on 32 x 32 tokens, 14 on 16 x 16."""
    return VisionPermutator(**(SIZES["vip_s7"] | options))


def vip_m7(**options: Any) -> VisionPermutator:
    """Medium/7: 55,272,488 parameters, 7 blocks on 32 x 32 tokens, 17 on 16 x 16."""
    return VisionPermutator(**(SIZES["vip_m7"] | options))


def vip_l7(**options: Any) -> VisionPermutator:
    """Large/7: 87,784,936 parameters, 8 blocks on 32 x 32 tokens, 28 on 16 x 16."""
    return VisionPermutator(**(SIZES["vip_l7"] | options))
