"""The oracles agree with each other, and a branch is one sparse matrix."""

import pytest
import torch

from tables import in_turn
from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.study import oracles

B, N, S = 2, 3, 2
H, W, C = N, N, N * S


@pytest.fixture
def x():
    return torch.randn(B, H, W, C, dtype=torch.float64)


@in_turn("branch_order", ["hwc", "cwh"])
def test_einsum_and_loops_agree_on_the_weighted_module(x, branch_order):
    module = WeightedPermuteMLP(C, N, qkv_bias=True, branch_order=branch_order).double()
    by_einsum = oracles.weighted_permute_mlp_einsum(module, x)
    by_loops = oracles.weighted_permute_mlp_loops(module, x)
    torch.testing.assert_close(by_einsum, by_loops, rtol=0, atol=1e-14)


@in_turn("qkv_bias", [False, True])
def test_einsum_and_loops_agree_on_the_plain_module(x, qkv_bias):
    module = PermuteMLP(C, N, qkv_bias=qkv_bias).double()
    by_einsum = oracles.permute_mlp_einsum(module, x)
    by_loops = oracles.permute_mlp_loops(module, x)
    torch.testing.assert_close(by_einsum, by_loops, rtol=0, atol=1e-14)


MATRICES = {
    "height": lambda m: oracles.height_matrix(m.mlp_h.weight, H, W, C, N),
    "width": lambda m: oracles.width_matrix(m.mlp_w.weight, H, W, C, N),
    "channel": lambda m: oracles.channel_matrix(m.mlp_c.weight, H, W, C),
}


@in_turn("branch", MATRICES)
def test_a_branch_is_a_matrix_on_the_flattened_image(x, branch):
    module = PermuteMLP(C, N).double()
    matrix = MATRICES[branch](module)
    by_matrix = torch.einsum("pq,bq->bp", matrix, x.flatten(1)).reshape(x.shape)
    by_module = getattr(module, branch)(x)
    torch.testing.assert_close(by_matrix, by_module, rtol=0, atol=1e-14)


def test_the_height_matrix_is_the_weight_once_for_each_segment_of_each_column():
    weight = torch.randn(C, C)
    matrix = oracles.height_matrix(weight, H, W, C, N)
    places = torch.arange(H * W * C).reshape(H, W, N, S).permute(1, 2, 0, 3).flatten()
    blocks = torch.block_diag(*[weight] * (N * W))
    assert torch.equal(matrix[places][:, places], blocks)
