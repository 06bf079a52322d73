"""A trained network on pictures of another size.

`mlp_h` has weights for each pair of the N rows that it was trained with, so a grid with
more or fewer rows does not fit: the paper calls this its clear downside (Hou et al.,
arXiv:2106.12368, conclusion).  Three ways to go on with the same weights:

    resample   stretch the weights of the N rows to H rows, as one stretches a picture
               (with fewer rows, each is the mean of those that it covers)
    tiles      cut the grid into pieces of N rows that do not see each other
    strided    pieces that take every (H / N)-th row, and so span the whole grid

A fourth needs none of this: resize the picture to the size of the training.

Letters as in `permute_mlp`, but H and W need not be N here.  The channels are still cut
into N segments of S channels, so a row that meets the Linear holds H*S numbers, and
H*S is no longer C.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from .._util.arguments import grid_sides, whole_number
from .._util.inputs import conversion
from ..permute_mlp import WeightedPermuteMLP
from ..vision_permutator import Downsample, VisionPermutator
from .fast import FastPermuteMLP
from .resampling import interpolation, on_other_rows, trained_size

WAYS = ("resample", "tiles", "strided")


class AnySizePermuteMLP(WeightedPermuteMLP):
    """`WeightedPermuteMLP` that also takes grids that it was not trained for.

    It has the same parameters, and on a grid of N x N tokens it is the same.

    Args:
        dim: Channels of a token, C; at least 4.
        segment_dim: Rows and columns of the grid in training, N.
        qkv_bias: Whether the three linear maps have a bias.
        proj_drop: Dropout probability after the projection.
        branch_order: See `WeightedPermuteMLP`.
        how: "resample", "tiles" or "strided".

    Raises:
        ValueError: If the sizes do not fit, or there is no such way.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, any H and W; with "tiles" and "strided" both
        must be multiples of N.
    """

    computes_like = WeightedPermuteMLP  # so that each loads the other's files

    def __init__(
        self,
        dim: int,
        segment_dim: int = 8,
        qkv_bias: bool = False,
        proj_drop: float = 0.0,
        branch_order: str = "hwc",
        how: str = "resample",
    ):
        super().__init__(dim, segment_dim, qkv_bias, proj_drop, branch_order)
        self.how = _checked_way(how)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, how={self.how!r}"

    def height(self, x: Tensor) -> Tensor:
        """Mix each token with the tokens above and below it; any number of rows."""
        self._check(x)
        return self._along_rows(x, self.mlp_h)  # (B, H, W, C)

    def width(self, x: Tensor) -> Tensor:
        """Mix each token with the tokens to its left and right; any number of them."""
        self._check(x)
        # A row of the grid is a column of the transposed one.
        x = x.transpose(1, 2)  # (B, W, H, C)
        x = self._along_rows(x, self.mlp_w)  # (B, W, H, C)
        return x.transpose(1, 2)  # (B, H, W, C)

    def _along_rows(self, x: Tensor, mlp: nn.Linear) -> Tensor:
        B, H, W, C = x.shape
        N, S = self.segment_dim, C // self.segment_dim
        x = x.reshape(B, H, W, N, S)  # (B, H, W, N, S)
        x = x.permute(0, 3, 2, 1, 4)  # (B, N, W, H, S)
        if self.how == "resample":
            weight, bias = stretched(mlp, N, H)
            x = x.reshape(B, N, W, H * S)  # (B, N, W, H*S)
            x = linear(x, weight, bias)  # (B, N, W, H*S)
            x = x.reshape(B, N, W, H, S)  # (B, N, W, H, S)
        elif self.how == "tiles":
            x = x.reshape(B, N, W, H // N, N * S)  # (B, N, W, H/N, N*S)
            x = mlp(x)  # (B, N, W, H/N, N*S)
            x = x.reshape(B, N, W, H, S)  # (B, N, W, H, S)
        else:
            x = x.reshape(B, N, W, N, H // N, S)  # (B, N, W, N, H/N, S)
            x = x.transpose(3, 4)  # (B, N, W, H/N, N, S)
            x = x.reshape(B, N, W, H // N, N * S)  # (B, N, W, H/N, N*S)
            x = mlp(x)  # (B, N, W, H/N, N*S)
            x = x.reshape(B, N, W, H // N, N, S)  # (B, N, W, H/N, N, S)
            x = x.transpose(3, 4)  # (B, N, W, N, H/N, S)
            x = x.reshape(B, N, W, H, S)  # (B, N, W, H, S)
        x = x.permute(0, 3, 2, 1, 4)  # (B, H, W, N, S)
        return x.reshape(B, H, W, C)  # (B, H, W, C)

    def _check(self, x: Tensor) -> None:
        if torch.jit.is_tracing():
            return
        N = self.segment_dim
        if (
            not isinstance(x, Tensor)
            or conversion(x, torch.float32)
            or x.ndim != 4
            or x.shape[3] != self.dim
        ):
            return super()._check(x)  # which refuses it, whatever the grid
        _, H, W, _ = x.shape
        if 0 in (H, W):
            raise ValueError(
                f"input has shape {tuple(x.shape)}: H = {H} and W = {W}, but a grid "
                "has at least one row and one column of tokens"
            )
        # Every other fault is told as ever, on a piece of the grid that would fit.
        super()._check(x[:, :1, :1].expand(-1, N, N, -1))
        if self.how != "resample" and (H % N or W % N):
            raise ValueError(
                f"input has shape {tuple(x.shape)}: {H} x {W} tokens cannot be cut "
                f"into pieces of {N} x {N}; with how={self.how!r} both sides must be "
                f"multiples of {N}: resize the picture, or take how='resample'"
            )


def stretched(mlp: nn.Linear, before: int, after: int) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a height or width branch, resampled along the rows.

    Both the rows that come out and those that go in are resampled; what goes in is
    scaled so that a column that is the same in all rows gives what it gave.

    Args:
        mlp: `mlp_h` or `mlp_w`; its weight is `(N*S, N*S)`.
        before: Rows that it is for, N.
        after: Rows that are wanted, H.

    Returns:
        Weight `(H*S, H*S)` and bias `(H*S,)` or None; gradients reach the old ones.

    Raises:
        ValueError: If `after` is less than 1, or `before` are not the rows of `mlp`.
        TypeError: If one of them is no whole number, or `mlp` no `nn.Linear`.
    """
    if type(mlp) is not nn.Linear:
        raise TypeError(
            f"mlp is a {type(mlp).__name__}; only a whole nn.Linear can be stretched, "
            "none of a low rank or in groups"
        )
    before, after = whole_number("before", before), whole_number("after", after)
    S, rest = divmod(len(mlp.weight), before)
    if rest:
        raise ValueError(
            f"before is {before} and the weight takes {len(mlp.weight)} numbers, which "
            f"cannot be dealt out evenly to {before} rows of tokens: give the "
            "segment_dim of its module"
        )
    if before == after:
        return mlp.weight, mlp.bias
    weight = on_other_rows(mlp.weight, before, after)  # (H, S, H, S)
    weight = weight.reshape(after * S, after * S)  # (H*S, H*S)
    if mlp.bias is None:
        return weight, None
    rows = interpolation(before, after).to(mlp.bias)  # (H, N)
    bias = rows @ mlp.bias.reshape(before, S)  # (H, S)
    bias = bias.reshape(after * S)  # (H*S)
    return weight, bias


_CONVERTIBLE = (WeightedPermuteMLP, FastPermuteMLP, AnySizePermuteMLP)


def for_size(
    model: VisionPermutator, img_size: int, how: str = "resample"
) -> VisionPermutator:
    """A copy of a trained network that takes pictures of another size.

    It differs in `img_size` and in the class of its token mixers alone.  Its weights
    still mean the grid of the training: `save_checkpoint` writes the size of that, and
    `load_checkpoint` loads files of that size into it.

    Args:
        model: The network; each token mixer is a `WeightedPermuteMLP`, or has become an
            `AnySizePermuteMLP` or a `FastPermuteMLP`, whose speed is lost.
        img_size: Side of the square pictures, in pixels.
        how: "resample", "tiles" or "strided", see `AnySizePermuteMLP`.

    Returns:
        The copy, with the same weights; `model` stays as it is.

    Raises:
        ValueError: If a grid of this size cannot be served, or the head wants to know
            where each token stood (`global_pool="flatten"`), or there is no such way.
        TypeError: If a block mixes its tokens in another way, or `model` is no
            `VisionPermutator`, or `img_size` no whole number.
    """
    if not isinstance(model, VisionPermutator):
        raise TypeError(
            f"model is a {type(model).__name__}; it must be a VisionPermutator: a "
            "single module takes any grid if it is an AnySizePermuteMLP"
        )
    img_size = whole_number("img_size", img_size)
    how = _checked_way(how)
    if model.global_pool != "avg":
        raise ValueError(
            f"the network has global_pool={model.global_pool!r}: its head has weights "
            "for each place in the grid; only global_pool='avg' takes other sizes"
        )
    halved = [
        stage.proj.stride[0] == 2
        for stage in model.network
        if isinstance(stage, Downsample)
    ]
    grid_sides(img_size, model.patch_embed.proj.stride[0], halved)
    trained = trained_size(model)
    if how != "resample" and img_size % trained:
        raise ValueError(
            f"img_size is {img_size} and the network is for {trained}: with "
            f"how={how!r} it must be a multiple, so that each grid can be cut into "
            "pieces of the old one; or take how='resample'"
        )
    for name, block in zip(_names(model), model.blocks):
        if type(block.attn) not in _CONVERTIBLE:
            raise TypeError(
                f"block {name} mixes tokens with {type(block.attn).__name__}; only the "
                "weights of a WeightedPermuteMLP can be taken to another grid here"
            )
    other = copy.deepcopy(model)
    for block in other.blocks:
        # The same parameters, hooks and settings with other methods, and a way.
        block.attn.__class__ = AnySizePermuteMLP
        block.attn.how = how
    other.img_size = img_size
    return other


def _checked_way(how: str) -> str:
    if not isinstance(how, str) or how not in WAYS:
        raise ValueError(f"how is {how!r}; it must be one of {', '.join(WAYS)}")
    return how


def _names(model: VisionPermutator) -> list[str]:
    blocks = {id(block) for block in model.blocks}
    return [name for name, part in model.named_modules() if id(part) in blocks]
