"""The module computed a second and a third time, to be compared with the first.

These functions take the weights of a `PermuteMLP` or `WeightedPermuteMLP` and share
no code with it.  There are no permutes here and no reshape that moves an element:

* by einsum: every axis has a letter, and the letters say what is summed;
* by loops: each output number is written as the sum that defines it (slow: for tiny
  images only);
* as a matrix: a branch is one linear map of the whole flattened image.

The letters are those of `permute_mlp`: B, H, W, C, and C = N*S with N segments of S
channels.  Lower case counts along an axis: channel c is channel s of segment n, with
c = n*S + s.  Dropout is taken to be off.
"""

import math
from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor, nn

# --- by einsum ---------------------------------------------------------------------


def height_einsum(
    x: Tensor, weight: Tensor, segment_dim: int, bias: Tensor | None = None
) -> Tensor:
    """Height branch: sum over the rows g and the channels t of a segment.

    Args:
        x: Image of tokens, `(B, H, W, C)`.
        weight: Weight of the branch's Linear, `(H*S, H*S)`.
        segment_dim: Number of segments, N.
        bias: Bias of the Linear, `(H*S,)`.

    Returns:
        `(B, H, W, C)`.
    """
    H, N, S = x.shape[1], segment_dim, x.shape[3] // segment_dim
    x = x.unflatten(3, (N, S))  # (B, H, W, N, S)
    weight = weight.unflatten(1, (H, S)).unflatten(0, (H, S))  # (H, S, H, S)
    out = torch.einsum("hsgt,bgwnt->bhwns", weight, x)  # (B, H, W, N, S)
    if bias is not None:
        out = out + bias.reshape(H, 1, 1, S)  # (B, H, W, N, S)
    return out.flatten(3)  # (B, H, W, C)


def width_einsum(
    x: Tensor, weight: Tensor, segment_dim: int, bias: Tensor | None = None
) -> Tensor:
    """Width branch: sum over the columns v and the channels t of a segment.

    Takes and returns what `height_einsum` does, with a weight of `(W*S, W*S)`.
    """
    W, N, S = x.shape[2], segment_dim, x.shape[3] // segment_dim
    x = x.unflatten(3, (N, S))  # (B, H, W, N, S)
    weight = weight.unflatten(1, (W, S)).unflatten(0, (W, S))  # (W, S, W, S)
    out = torch.einsum("wsvt,bhvnt->bhwns", weight, x)  # (B, H, W, N, S)
    if bias is not None:
        out = out + bias.reshape(W, 1, S)  # (B, H, W, N, S)
    return out.flatten(3)  # (B, H, W, C)


def channel_einsum(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Channel branch: sum over the channels d of each token."""
    out = torch.einsum("cd,bhwd->bhwc", weight, x)  # (B, H, W, C)
    return out if bias is None else out + bias


def branches_einsum(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The outputs h, w, c of the three branches, each `(B, H, W, C)`."""
    N = module.segment_dim
    return (
        height_einsum(x, module.mlp_h.weight, N, module.mlp_h.bias),
        width_einsum(x, module.mlp_w.weight, N, module.mlp_w.bias),
        channel_einsum(x, module.mlp_c.weight, module.mlp_c.bias),
    )


def permute_mlp_einsum(module: nn.Module, x: Tensor) -> Tensor:
    """What a `PermuteMLP` computes from `x`, `(B, H, W, C)`."""
    h, w, c = branches_einsum(module, x)
    return channel_einsum(h + w + c, module.proj.weight, module.proj.bias)


def weighted_permute_mlp_einsum(module: nn.Module, x: Tensor) -> Tensor:
    """What a `WeightedPermuteMLP` computes from `x`, `(B, H, W, C)`."""
    H, W, C = x.shape[1:]
    branch = dict(zip("hwc", branches_einsum(module, x)))
    total = branch["h"] + branch["w"] + branch["c"]  # (B, H, W, C)
    pooled = torch.einsum("bhwc->bc", total) / (H * W)  # (B, C)
    fc1, fc2 = module.reweight.fc1, module.reweight.fc2
    hidden = torch.einsum("qc,bc->bq", fc1.weight, pooled) + fc1.bias  # (B, C//4)
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    # Row 3*c + k of fc2 is for channel c and for branch number k of the order.
    rows = fc2.weight.unflatten(0, (C, 3))  # (C, 3, C//4)
    scores = torch.einsum("ckq,bq->bck", rows, hidden)  # (B, C, 3)
    scores = scores + fc2.bias.unflatten(0, (C, 3))
    shares = torch.exp(scores - scores.amax(2, keepdim=True))
    shares = shares / shares.sum(2, keepdim=True)  # (B, C, 3)
    mixed = sum(
        torch.einsum("bc,bhwc->bhwc", shares[:, :, k], branch[letter])
        for k, letter in enumerate(module.branch_order)
    )
    return channel_einsum(mixed, module.proj.weight, module.proj.bias)


# --- by loops ----------------------------------------------------------------------


def branches_loops(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The outputs h, w, c of the three branches, number by number, in float64."""
    B, H, W, C = x.shape
    N, S = module.segment_dim, C // module.segment_dim
    x = x.tolist()
    mlp_h, mlp_w, mlp_c = map(_rows, (module.mlp_h, module.mlp_w, module.mlp_c))
    h, w, c = (torch.empty(B, H, W, C, dtype=torch.float64) for _ in range(3))
    for b, i, j, n, s in _counts(B, H, W, N, S):
        weight, bias = mlp_h[i * S + s]  # output number (i, s) of a column
        h[b, i, j, n * S + s] = bias + sum(
            weight[g * S + t] * x[b][g][j][n * S + t] for g, t in _counts(H, S)
        )
        weight, bias = mlp_w[j * S + s]  # output number (j, s) of a row
        w[b, i, j, n * S + s] = bias + sum(
            weight[v * S + t] * x[b][i][v][n * S + t] for v, t in _counts(W, S)
        )
        weight, bias = mlp_c[n * S + s]
        c[b, i, j, n * S + s] = bias + sum(weight[d] * x[b][i][j][d] for d in range(C))
    return h, w, c


def permute_mlp_loops(module: nn.Module, x: Tensor) -> Tensor:
    """What a `PermuteMLP` computes from a tiny `x`, in float64 on the CPU."""
    h, w, c = branches_loops(module, x)
    return _project(module, (h + w + c).tolist())


def weighted_permute_mlp_loops(module: nn.Module, x: Tensor) -> Tensor:
    """What a `WeightedPermuteMLP` computes from a tiny `x`, in float64 on the CPU."""
    B, H, W, C = x.shape
    branch = {k: y.tolist() for k, y in zip("hwc", branches_loops(module, x))}
    fc1, fc2 = _rows(module.reweight.fc1), _rows(module.reweight.fc2)
    mixed = torch.zeros(B, H, W, C, dtype=torch.float64).tolist()
    for b in range(B):
        pooled = [
            sum(branch[k][b][i][j][c] for k in "hwc" for i, j in _counts(H, W))
            / (H * W)
            for c in range(C)
        ]
        hidden = [_gelu(_affine(row, pooled)) for row in fc1]
        for c in range(C):
            powers = [math.exp(_affine(fc2[3 * c + k], hidden)) for k in range(3)]
            for i, j in _counts(H, W):
                mixed[b][i][j][c] = sum(
                    powers[k] / sum(powers) * branch[letter][b][i][j][c]
                    for k, letter in enumerate(module.branch_order)
                )
    return _project(module, mixed)


def _project(module: nn.Module, image: list) -> Tensor:
    proj = _rows(module.proj)
    return torch.tensor(
        [
            [[[_affine(row, token) for row in proj] for token in line] for line in grid]
            for grid in image
        ],
        dtype=torch.float64,
    )


def _rows(linear: nn.Linear) -> list[tuple[list[float], float]]:
    """Each row of the weight with its bias."""
    weight = linear.weight.tolist()
    bias = [0.0] * len(weight) if linear.bias is None else linear.bias.tolist()
    return list(zip(weight, bias))


def _affine(row: tuple[list[float], float], numbers: list[float]) -> float:
    weight, bias = row
    return bias + sum(a * number for a, number in zip(weight, numbers))


def _gelu(value: float) -> float:
    return value * (1 + math.erf(value / math.sqrt(2))) / 2


def _counts(*sizes: int) -> Iterator[tuple[int, ...]]:
    """The coordinates of every element of a tensor of these sizes."""
    return product(*map(range, sizes))


# --- as a matrix -------------------------------------------------------------------


def height_matrix(weight: Tensor, H: int, W: int, C: int, segment_dim: int) -> Tensor:
    """The height branch as one matrix, for an image flattened to H*W*C numbers.

    The numbers of segment n in column w meet in one Linear, the others stay out of
    it: N*W blocks that are all equal to `weight`, spread over the matrix, and zeros.

    Args:
        weight: Weight of the branch's Linear, `(H*S, H*S)`.
        H: Rows of tokens.
        W: Tokens in a row.
        C: Channels of a token.
        segment_dim: Number of segments, N.

    Returns:
        Matrix M of `(H*W*C, H*W*C)`, with `height(x).flatten() == M @ x.flatten()`
        for one image x and no bias.
    """
    N, S = segment_dim, C // segment_dim
    groups = [
        [(h * W + w) * C + n * S + s for h in range(H) for s in range(S)]
        for w in range(W)
        for n in range(N)
    ]
    return _matrix(weight, groups)


def width_matrix(weight: Tensor, H: int, W: int, C: int, segment_dim: int) -> Tensor:
    """Likewise for the width branch: the numbers of segment n in row h meet."""
    N, S = segment_dim, C // segment_dim
    groups = [
        [(h * W + w) * C + n * S + s for w in range(W) for s in range(S)]
        for h in range(H)
        for n in range(N)
    ]
    return _matrix(weight, groups)


def channel_matrix(weight: Tensor, H: int, W: int, C: int) -> Tensor:
    """Likewise for the channel branch: the numbers of one token meet."""
    groups = [[token * C + c for c in range(C)] for token in range(H * W)]
    return _matrix(weight, groups)


def _matrix(weight: Tensor, groups: list[list[int]]) -> Tensor:
    size = sum(map(len, groups))
    matrix = weight.new_zeros(size, size)
    for group in groups:  # the places, in the flattened image, of what meets
        places = torch.tensor(group, device=weight.device)
        matrix[places[:, None], places] = weight
    return matrix
