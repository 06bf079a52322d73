"""More branches: each against its own formula, token by token."""

import pytest
import torch

from tables import in_turn
from tolerances import tolerance
from vip_tutorial import WeightedPermuteMLP
from vip_tutorial.mixers.multi_scale import (
    BlendedBranches,
    LocalPermuteMLP,
    MultiScalePermuteMLP,
)
from vip_tutorial.study.oracles import height_einsum, width_einsum
from vip_tutorial.study.reach import reach
from vip_tutorial.vision_permutator import VisionPermutator

KINDS = [MultiScalePermuteMLP, LocalPermuteMLP]


def made(kind, device="cpu", dim=12, segment_dim=4, **options):
    module = kind(dim, segment_dim, **options).to(device, torch.float64)
    x = torch.randn(2, segment_dim, segment_dim, dim, device=device)
    return module, x.double()


def test_three_blended_branches_are_the_papers(device):
    blended, x = made(BlendedBranches, device, qkv_bias=True)
    paper = WeightedPermuteMLP(12, 4, qkv_bias=True).to(device, torch.float64)
    paper.load_state_dict(blended.state_dict())
    torch.testing.assert_close(blended(x), paper(x))


@in_turn("pool", [1, 2, 4])
def test_the_coarse_branches_square_by_square(device, pool):
    module, x = made(MultiScalePermuteMLP, device, pool=pool, qkv_bias=True)
    side = 4 // pool
    small = torch.stack(
        [
            x[:, p * i : p * i + p, p * j : p * j + p].mean((1, 2))
            for p in [pool]
            for i in range(side)
            for j in range(side)
        ],
        dim=1,
    ).reshape(2, side, side, 12)
    linears = module.coarse.mlp_h, module.coarse.mlp_w
    for part, einsum, linear in zip(
        module.branches(x)[3:], (height_einsum, width_einsum), linears
    ):
        coarse = einsum(small, linear.weight, side, linear.bias)
        for i in range(4):
            for j in range(4):
                expected = coarse[:, i // pool, j // pool]
                torch.testing.assert_close(part[:, i, j], expected)


@in_turn("side", [1, 3, 5, 7])
def test_the_neighbourhood_token_by_token(device, side):
    module, x = made(LocalPermuteMLP, device, kernel_size=side)
    around = module.branches(x)[3]
    weight = module.conv.weight[:, 0]  # (C, side, side)
    far = side // 2
    for i in range(4):
        for j in range(4):
            expected = torch.zeros(2, 12, device=device, dtype=torch.float64)
            for k in range(max(i - far, 0), min(i + far + 1, 4)):
                for m in range(max(j - far, 0), min(j + far + 1, 4)):
                    expected += weight[:, k - i + far, m - j + far] * x[:, k, m]
            torch.testing.assert_close(around[:, i, j], expected)


@in_turn("kind", KINDS)
def test_the_blend_channel_by_channel(device, kind):
    module, x = made(kind, device)
    parts = module.branches(x)
    weights = module.branch_weights(torch.stack(parts))
    assert weights.shape == (len(parts), 2, 12) and (weights > 0).all()
    torch.testing.assert_close(weights.sum(0), torch.ones_like(weights[0]))
    pooled = torch.stack([part.flatten(1, 2).mean(1) for part in parts]).sum(0)
    logits = module.reweight(pooled)  # (B, C*K), channel by channel
    for channel in range(12):
        some = logits[:, channel * len(parts) : (channel + 1) * len(parts)]
        torch.testing.assert_close(weights[:, :, channel], some.softmax(1).T)
    blend = sum(w[:, None, None] * part for w, part in zip(weights, parts))
    torch.testing.assert_close(module(x), module.proj(blend))


def test_a_coarse_branch_mixes_two_rows_at_once():
    module, x = made(MultiScalePermuteMLP)
    strength = reach(lambda x: module.branches(x)[3], x[:1])
    # Output token (0, 0) sees its own column and the one that is pooled with it.
    assert (strength[0, 0] > 0).nonzero()[:, 1].unique().tolist() == [0, 1]
    assert (strength[0, 0][:, :2] > 0).all()


@in_turn("kind", KINDS)
def test_a_network_takes_it_by_one_argument(device, kind):
    model = VisionPermutator(
        [2, 1], [8, 16], [True], patch_size=2, img_size=16, token_mixer=kind
    ).to(device)
    assert {type(block.attn) for block in model.blocks} == {kind}
    out = model(torch.randn(2, 3, 16, 16, device=device))
    out.square().sum().backward()
    assert out.isfinite().all()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name


@in_turn("kind", KINDS)
def test_float32_is_as_good_as_the_papers(device, kind):
    module, x = made(kind, device, dim=32, segment_dim=8)
    truth = module.cpu()(x.float().cpu().double())
    rounded = module.to(device, torch.float32)(x.float()).cpu().double()
    truth = module.cpu().double()(x.float().cpu().double())
    error = (rounded - truth).abs().max() / truth.abs().max()
    assert error < 2 * tolerance(torch.float32)


@in_turn(
    "make, said",
    [
        (lambda: MultiScalePermuteMLP(12, 4, pool=3), "pool is 3 and the grid 4 x 4"),
        (lambda: MultiScalePermuteMLP(12, 4, pool=8), "take a pool that divides 4"),
        (lambda: MultiScalePermuteMLP(12, 4, pool=0), "pool is 0; it must be at least"),
        (lambda: LocalPermuteMLP(12, 4, kernel_size=2), "kernel_size is 2; .* take 3"),
        (
            lambda: LocalPermuteMLP(12, 4, kernel_size=9),
            r"kernel_size is 9 and the grid 4 x 4 .* at most 2 \* 4 - 1 = 7",
        ),
        # As whole numbers, whatever kind of them came.
        (
            lambda: MultiScalePermuteMLP(12, torch.tensor(4), pool=torch.tensor(3)),
            "pool is 3 and the grid 4 x 4",
        ),
        (
            lambda: LocalPermuteMLP(12, 4, kernel_size=torch.tensor(2)),
            "kernel_size is 2; .* take 3",
        ),
        (lambda: LocalPermuteMLP(12, 4, kernel_size=0), "kernel_size is 0; it must be"),
        (lambda: LocalPermuteMLP(3, 3), "dim must be at least 4"),
        (lambda: LocalPermuteMLP(10, 4), "cannot be cut into segment_dim = 4"),
        (lambda: made(LocalPermuteMLP)[0](torch.zeros(1, 4, 5, 12)), "H = 4 and W = 5"),
        (lambda: made(MultiScalePermuteMLP)[0](torch.zeros(4, 4, 12)), "3 axes"),
    ],
)
def test_bad_input(make, said):
    with pytest.raises(ValueError, match=said):
        make()


@in_turn("option", ["pool", "kernel_size"])
def test_a_size_that_is_no_whole_number(option):
    kind = MultiScalePermuteMLP if option == "pool" else LocalPermuteMLP
    with pytest.raises(TypeError, match=rf"{option} is 2\.5; it must be a whole"):
        kind(12, 4, **{option: 2.5})
