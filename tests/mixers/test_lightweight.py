"""Lighter linear maps: what they compute, and what meets what in them."""

from functools import partial

import pytest
import torch

from tables import in_turn
from vip_tutorial import WeightedPermuteMLP
from vip_tutorial.mixers.lightweight import (
    GroupedLinear,
    LightPermuteMLP,
    LowRankLinear,
)
from vip_tutorial.study.cost import count_multiply_adds, count_parameters
from vip_tutorial.study.oracles import height_einsum, width_einsum
from vip_tutorial.study.reach import reach
from vip_tutorial.vision_permutator import VisionPermutator

OPTIONS = [
    {},
    {"rank": 3},
    {"groups": 2, "across": "rows"},
    {"groups": 3, "across": "channels"},
    {"shared": True},
    {"rank": 3, "shared": True},
]


def made(device="cpu", dim=24, segment_dim=4, **options):
    module = LightPermuteMLP(dim, segment_dim, **options).to(device, torch.float64)
    x = torch.randn(2, segment_dim, segment_dim, dim, device=device)
    return module, x.double()


def as_one_matrix(linear, size):
    """The C x C weight of any linear map without a bias, by trying."""
    return linear(torch.eye(size, dtype=torch.float64, device=where(linear))).mT


def where(module):
    return next(module.parameters()).device


@in_turn("options", OPTIONS)
def test_the_branches_are_the_papers_with_the_whole_matrix(device, options):
    module, x = made(device, **options)
    for branch, einsum, linear in (
        (module.height, height_einsum, module.mlp_h),
        (module.width, width_einsum, module.mlp_w),
    ):
        matrix = as_one_matrix(linear, 24)
        torch.testing.assert_close(branch(x), einsum(x, matrix, 4))


def test_without_options_it_is_the_papers(device):
    module, x = made(device)
    paper = WeightedPermuteMLP(24, 4).to(device, torch.float64)
    paper.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(x), paper(x), rtol=0, atol=0)


@in_turn("bias", [False, True])
@in_turn("across, groups", [("rows", 2), ("rows", 4), ("channels", 3)])
def test_groups_number_by_number(device, across, groups, bias):
    H, S = 4, 6
    linear = GroupedLinear(H, S, groups, across, bias).to(device, torch.float64)
    if bias:
        torch.nn.init.normal_(linear.bias)
    x = torch.randn(5, H * S, device=device).double()
    out = linear(x)
    maps = linear.weight.reshape(groups, H * S // groups, -1)

    def members(group):
        if across == "rows":
            each = H * S // groups
            return list(range(group * each, (group + 1) * each))
        some = range(group * S // groups, (group + 1) * S // groups)
        return [h * S + s for h in range(H) for s in some]

    for group in range(groups):
        at = members(group)
        expected = x[:, at] @ maps[group].mT
        # The bias lies as the numbers come out.
        expected = expected + (linear.bias[at] if bias else 0)
        torch.testing.assert_close(out[:, at], expected)


def test_low_rank_has_that_rank():
    linear = LowRankLinear(24, 3).double()
    assert torch.linalg.matrix_rank(as_one_matrix(linear, 24)) == 3


@in_turn(
    "options, rows_seen",
    [({}, 4), ({"groups": 2}, 2), ({"groups": 3, "across": "channels"}, 4)],
)
def test_groups_of_rows_no_longer_see_the_whole_column(options, rows_seen):
    module, x = made(**options)
    strength = reach(module.height, x[:1])
    assert (strength[0, 0] > 0).sum() == rows_seen
    assert (strength[0, 0][:, 0] > 0)[:rows_seen].all()


@in_turn(
    "options, weights, products",
    [
        ({}, 2 * 24 * 24, 2 * 24 * 24),
        ({"rank": 3}, 2 * 2 * 24 * 3, 2 * 2 * 24 * 3),
        ({"groups": 2}, 24 * 24, 24 * 24),
        ({"groups": 3, "across": "channels"}, 2 * 24 * 8, 2 * 24 * 8),
        ({"shared": True}, 24 * 24, 2 * 24 * 24),
        ({"rank": 3, "shared": True}, 2 * 24 * 3, 2 * 2 * 24 * 3),
    ],
)
def test_what_they_cost(options, weights, products):
    usual = WeightedPermuteMLP(24, 4)
    module = LightPermuteMLP(24, 4, **options)
    x = torch.randn(1, 4, 4, 24)
    saved = 2 * 24 * 24 - weights
    assert count_parameters(usual) - count_parameters(module) == saved
    # Sixteen tokens, each of which has its C numbers in one row that meets a Linear.
    difference = count_multiply_adds(usual, x) - count_multiply_adds(module, x)
    assert difference == 16 * (2 * 24 * 24 - products)


def test_shared_means_the_transposed_picture_gives_the_transposed_branch(device):
    module, x = made(device, shared=True)
    turned = module.width(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(module.height(x), turned)
    torch.testing.assert_close(module.mlp_h.weight, module.mlp_w.weight)


@in_turn("options", OPTIONS)
def test_a_network_takes_it_by_one_argument(device, options):
    model = VisionPermutator(
        [2],
        [24],
        patch_size=2,
        img_size=8,
        token_mixer=partial(LightPermuteMLP, **options),
    ).to(device)
    model(torch.randn(2, 3, 8, 8, device=device)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name
    # All start alike, so that they can be compared: the authors' small normal weights.
    spread = [p.std() for name, p in model.named_parameters() if "mlp_h" in name]
    assert all(0.01 < s < 0.03 for s in spread)


@in_turn(
    "options, said",
    [
        ({"rank": 0}, "rank is 0; it must be at least 1"),
        ({"rank": 13}, "rank is 13 and the rows have 24 numbers"),
        ({"rank": 3, "groups": 2}, "give one of them, or neither"),
        ({"groups": 0}, "groups is 0; it must be at least 1"),
        ({"groups": 3}, "4 rows of tokens cannot be dealt out evenly"),
        ({"groups": 4, "across": "channels"}, "6 channels in a segment cannot be"),
        ({"groups": 2, "across": "width"}, "it must be 'rows' or 'channels'"),
        ({"across": "channels"}, "groups is None: give groups too"),
        ({"groups": 2, "across": "w"}, "it must be 'rows' or 'channels'"),
        ({"groups": 2, "across": []}, "it must be 'rows' or 'channels'"),
    ],
)
def test_bad_input(options, said):
    with pytest.raises(ValueError, match=said):
        LightPermuteMLP(24, 4, **options)


def test_half_of_the_numbers_is_the_largest_rank():
    """As many weights as the one map has; one more would be more."""
    module = LightPermuteMLP(24, 4, rank=12)
    usual = WeightedPermuteMLP(24, 4)
    assert count_parameters(module) == count_parameters(usual)


@in_turn(
    "make, error, said",
    [
        (lambda: LowRankLinear(8.0, 2), TypeError, r"size is 8\.0; it must be a whole"),
        (lambda: LowRankLinear(1, 1), ValueError, "size is 1; it must be at least 2"),
        (
            lambda: GroupedLinear(4.0, 2, 1),
            TypeError,
            r"places is 4\.0; it must be a wh",
        ),
        (
            lambda: GroupedLinear(4, 2.0, 1),
            TypeError,
            r"size is 2\.0; it must be a whole",
        ),
        (
            lambda: GroupedLinear(0, 2, 1),
            ValueError,
            "places is 0; it must be at least",
        ),
    ],
)
def test_linear_maps_of_no_size(make, error, said):
    with pytest.raises(error, match=said):
        make()


@in_turn("shared", ["no", 1, None])
def test_shared_is_yes_or_no(shared):
    with pytest.raises(TypeError, match=r"shared is .*; it must be True or False"):
        LightPermuteMLP(24, 4, shared=shared)


@in_turn("option", ["rank", "groups"])
def test_a_size_that_is_no_whole_number(option):
    with pytest.raises(TypeError, match=rf"{option} is 2\.5; it must be a whole"):
        LightPermuteMLP(24, 4, **{option: 2.5})
