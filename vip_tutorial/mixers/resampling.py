"""The weights of the height and width branch, for grids with more or fewer rows.

The matrix of `mlp_h` is between pairs (row, channel of a segment), so it means one
number of rows.  Here its rows are interpolated, or averaged, to another number.
"""

import torch
from torch import Tensor, nn

from ..permute_mlp import Branches
from ..vision_permutator import Downsample, VisionPermutator


def resampled(weight: Tensor, before: int, after: int) -> Tensor:
    """A weight `(C, C)` of `mlp_h` or `mlp_w` for `after` rows, from one for `before`.

    See `networks.checkpoints.resample_weights` for what is kept and what is lost.
    """
    C = len(weight)
    S = C // before
    weight = on_other_rows(weight, before, after)  # (H', S, H', S)
    if after > before:
        parts = after // before  # new segments in an old one
        weight = weight.reshape(after, parts, S // parts, after, parts, S // parts)
        return torch.einsum("hpsgpt->hsgt", weight).reshape(C, C) / parts
    joined = before // after  # old segments in a new one
    same = torch.eye(joined).to(weight)
    return torch.einsum("hsgt,pq->hpsgqt", weight, same).reshape(C, C)


def resampled_bias(bias: Tensor, before: int, after: int) -> Tensor:
    """The bias `(C,)` that belongs to `resampled`."""
    rows = interpolation(before, after).to(bias) @ bias.reshape(before, -1)  # (H', S)
    if after > before:  # the new segments share one map
        return rows.unflatten(1, (after // before, -1)).mean(dim=1).flatten()
    return rows[:, None].expand(-1, before // after, -1).flatten()


def on_other_rows(weight: Tensor, before: int, after: int) -> Tensor:
    """A weight between `before` rows as one between `after`.

    What goes in is scaled so that a column that is equal in all rows gives what it gave
    before, interpolated.

    Args:
        weight: `(H*S, H*S)`, with H = `before`.
        before: Rows that it is for.
        after: Rows that are wanted, H'.

    Returns:
        `(H', S, H', S)`.
    """
    rows = interpolation(before, after).to(weight)  # (H', H)
    back = rows / rows.sum(dim=0)  # (H', H): what each old row is dealt out to
    weight = weight.unflatten(1, (before, -1)).unflatten(0, (before, -1))
    return torch.einsum("hg,gskt,mk->hsmt", rows, weight, back)


def interpolation(before: int, after: int) -> Tensor:
    """Resampling of `before` rows to `after`, as a matrix `(after, before)`.

    Linear between the old rows if there are to be more.  If there are to be fewer, each
    new row is the mean of the old ones that it covers: no old row is left out.
    """
    if after < before:
        # Edges of the rows, in units that make all of them whole numbers.
        new = before * torch.arange(after + 1)[:, None]
        old = after * torch.arange(before + 1)
        covered = torch.minimum(new[1:], old[1:]) - torch.maximum(new[:-1], old[:-1])
        return covered.clamp(min=0) / before
    unit = torch.eye(before)[None]  # (1, before, before): each row a signal
    moved = nn.functional.interpolate(
        unit, after, mode="linear", align_corners=False
    )  # (1, before, after)
    return moved[0].T


def trained_size(model: VisionPermutator) -> int:
    """Side of the images that the model's weights are for.

    That is its `img_size`, unless `any_size.for_size` has made it: then it takes
    images of another size with weights that still mean the grid of the training.
    """
    pixels = model.patch_embed.proj.stride[0]  # side of a token
    for stage in model.network:
        if isinstance(stage, Downsample):
            pixels *= stage.proj.stride[0]
        for part in stage.children():
            mixer = getattr(part, "attn", None)
            if isinstance(mixer, Branches):
                return mixer.segment_dim * pixels
    return model.img_size
