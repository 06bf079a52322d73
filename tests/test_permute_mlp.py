"""The modules compute what the oracles say, and mean what the book says."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tables import in_turn
from tolerances import MEASURED, error, tolerance
from vip_tutorial import Mlp, PermuteMLP, WeightedPermuteMLP
from vip_tutorial.study import oracles


def weighted(N=4, S=3, **options) -> WeightedPermuteMLP:
    return WeightedPermuteMLP(N * S, N, **options).double()


def image(N=4, S=3, B=2, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(B, N, N, N * S, dtype=dtype)


def why_not(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why the device cannot run the module in this dtype; None if it can."""
    try:
        weighted(2, 2).to(device, dtype)(image(2, 2).to(device, dtype))
    except (RuntimeError, TypeError) as refusal:
        return f"{device} has no {dtype}: {str(refusal).splitlines()[0]}"
    return None


# --- equality with the oracles -----------------------------------------------------

sizes = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 4))
seeds = st.integers(0, 2**32 - 1)
orders = st.sampled_from(["hwc", "cwh"])


@given(sizes, seeds, st.booleans(), orders)
def test_weighted_equals_einsum(device, sizes, seed, qkv_bias, order):
    B, N, S = sizes
    S += 4 * (N * S < 4)  # a weighted module has at least 4 channels
    torch.manual_seed(seed)
    module = weighted(N, S, qkv_bias=qkv_bias, branch_order=order)
    x = image(N, S, B)
    dtype = torch.float32 if why_not(device, torch.float64) else torch.float64
    result = module.to(device, dtype)(x.to(device, dtype))
    truth = oracles.weighted_permute_mlp_einsum(
        module.cpu().double(), x.to(dtype).double()
    )
    assert error(result, truth) <= tolerance(dtype)


@given(sizes, seeds, st.booleans())
def test_plain_equals_einsum(sizes, seed, qkv_bias):
    B, N, S = sizes
    torch.manual_seed(seed)
    module = PermuteMLP(N * S, N, qkv_bias).double()
    x = image(N, S, B)
    truth = oracles.permute_mlp_einsum(module, x)
    assert error(module(x), truth) <= tolerance(torch.float64)


tiny = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 2))


@settings(max_examples=25)
@given(tiny, seeds, st.booleans(), orders)
def test_weighted_equals_loops(sizes, seed, qkv_bias, order):
    B, N, S = sizes
    S += 4 * (N * S < 4)
    torch.manual_seed(seed)
    module = weighted(N, S, qkv_bias=qkv_bias, branch_order=order)
    x = image(N, S, B)
    truth = oracles.weighted_permute_mlp_loops(module, x)
    assert error(module(x), truth) <= tolerance(torch.float64)


@settings(max_examples=25)
@given(tiny, seeds, st.booleans())
def test_plain_equals_loops(sizes, seed, qkv_bias):
    B, N, S = sizes
    torch.manual_seed(seed)
    module = PermuteMLP(N * S, N, qkv_bias).double()
    x = image(N, S, B)
    assert error(module(x), oracles.permute_mlp_loops(module, x)) <= 1e-14


@pytest.mark.parametrize("dtype", MEASURED, ids=str)
@in_turn("order", ["hwc", "cwh"])
def test_every_dtype_is_as_close_to_float64_as_measured(device, dtype, order):
    if reason := why_not(device, dtype):
        pytest.skip(reason)
    module = weighted(8, 4, qkv_bias=True, branch_order=order).to(device, dtype)
    x = image(8, 4).to(device, dtype)
    result = module(x)
    assert (result.dtype, result.device.type) == (dtype, device.type)
    module, x = module.cpu().double(), x.cpu().double()
    truth = oracles.weighted_permute_mlp_einsum(module, x)
    assert error(result, truth) <= tolerance(dtype)
    # The tolerance tells a right module from one with two branches exchanged.
    module.mlp_h, module.mlp_w = module.mlp_w, module.mlp_h
    other = oracles.weighted_permute_mlp_einsum(module, x)
    assert error(result, other) > 3 * tolerance(dtype)


def test_any_memory_layout_gives_the_same(device):
    module = WeightedPermuteMLP(12, 4).to(device)
    x = torch.randn(2, 12, 4, 4, device=device).permute(0, 2, 3, 1)
    assert not x.is_contiguous()
    result = module(x)
    torch.testing.assert_close(result, module(x.contiguous()), rtol=0, atol=1e-6)


# --- gradients ---------------------------------------------------------------------


@in_turn(
    "module",
    [
        weighted(2, 2, qkv_bias=True),
        weighted(2, 2, branch_order="cwh"),
        PermuteMLP(4, 2, qkv_bias=True).double(),
    ],
    ids=["hwc", "cwh", "plain"],
)
def test_gradients_equal_finite_differences(module):
    names = [name for name, _ in module.named_parameters()]

    def run(x, *parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters)), x)

    x = image(2, 2, B=1).requires_grad_()
    assert torch.autograd.gradcheck(run, (x, *module.parameters()))


# --- who is mixed with whom --------------------------------------------------------


@in_turn(
    "branch, seen",
    [
        ("height", lambda i, j: j == 1),
        ("width", lambda i, j: i == 2),
        ("channel", lambda i, j: (i, j) == (2, 1)),
    ],
)
def test_a_branch_mixes_its_own_tokens_alone(branch, seen):
    module = weighted()
    x = image(B=1).requires_grad_()
    getattr(module, branch)(x)[0, 2, 1].sum().backward()
    used = x.grad[0].abs().sum(2) > 0  # (H, W)
    assert used.tolist() == [[seen(i, j) for j in range(4)] for i in range(4)]


@in_turn("branch", ["height", "width"])
def test_height_and_width_mix_within_a_segment(branch):
    x = image(B=1).requires_grad_()
    getattr(weighted(), branch)(x)[0, 2, 1, 4].backward()  # channel 4: segment 1 of 4
    used = x.grad[0].abs().sum((0, 1)) > 0  # (C,)
    assert used.nonzero().flatten().tolist() == [3, 4, 5]


def test_images_of_a_batch_do_not_meet():
    module, x = weighted(), image(B=3)
    alone = torch.cat([module(one[None]) for one in x])
    torch.testing.assert_close(module(x), alone, rtol=0, atol=1e-14)


def test_images_do_not_meet_in_training_either():
    module, x = weighted().train(), image(B=7)
    alone = torch.cat([module(one[None]) for one in x])
    torch.testing.assert_close(module(x), alone, rtol=0, atol=1e-14)


@in_turn("scale", [1e-3, 1e3])
def test_loud_and_quiet_pictures_are_weighed_by_the_same_formula(scale):
    module, x = weighted(qkv_bias=True), scale * image()
    truth = oracles.weighted_permute_mlp_einsum(module, x)
    torch.testing.assert_close(module(x), truth, rtol=1e-10, atol=0)


@in_turn("value", [float("nan"), float("inf")])
def test_what_is_no_number_stays_to_be_seen(value):
    x = image(B=2)
    x[1, 2, 1, 0] = value
    out = weighted()(x)
    assert out[0].isfinite().all()
    assert not out[1].isfinite().any()


def exchange_rows(module, one: int, other: int) -> None:
    """Exchange rows 3c + one and 3c + other of reweight.fc2, for each channel c."""
    for parameter in module.reweight.fc2.parameters():
        rows = parameter.data.unflatten(0, (-1, 3))
        rows[:, [one, other]] = rows[:, [other, one]]


@in_turn("order", ["hwc", "cwh"])
def test_a_transposed_image_has_height_and_width_exchanged(order):
    module, x = weighted(qkv_bias=True, branch_order=order), image()
    result = module(x)
    module.mlp_h, module.mlp_w = module.mlp_w, module.mlp_h
    exchange_rows(module, order.index("h"), order.index("w"))
    transposed = module(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(result, transposed, rtol=0, atol=1e-14)


# --- the weights of the branches ---------------------------------------------------


@in_turn("order", ["hwc", "cwh"])
def test_branch_weights_are_shares(order):
    module, x = weighted(branch_order=order), image()
    weights = module.branch_weights(*module.branches(x))
    assert weights.shape == (3, 2, 12)
    assert (weights > 0).all()
    torch.testing.assert_close(weights.sum(0), torch.ones(2, 12, dtype=torch.float64))


@in_turn("order", ["hwc", "cwh"])
def test_branches_and_weights_recompose_the_output(order):
    module, x = weighted(branch_order=order), image()
    parts = torch.stack(module.branches(x))  # (3, B, H, W, C)
    weights = module.branch_weights(*parts)[:, :, None, None]  # (3, B, 1, 1, C)
    recomposed = module.proj((weights * parts).sum(0))
    torch.testing.assert_close(module(x), recomposed, rtol=0, atol=1e-14)


@in_turn("order", ["hwc", "cwh"])
@in_turn("k", [0, 1, 2])
def test_row_3c_plus_k_is_for_channel_c_and_the_kth_branch_of_the_order(order, k):
    module, x = weighted(branch_order=order), image()
    nn.init.zeros_(module.reweight.fc2.weight)
    nn.init.zeros_(module.reweight.fc2.bias)
    module.reweight.fc2.bias.data[3 * 7 + k] = 100.0
    weights = module.branch_weights(*module.branches(x))
    expected = torch.full((3, 2, 12), 1 / 3, dtype=torch.float64)
    expected[:, :, 7] = 0.0
    expected["hwc".index(order[k]), :, 7] = 1.0
    torch.testing.assert_close(weights, expected)


def test_weights_of_the_other_order_load_and_compute_something_else():
    module, x = weighted(), image()
    other = weighted(branch_order="cwh")
    other.load_state_dict(module.state_dict())
    assert error(other(x), module(x)) > 0.01
    exchange_rows(other, 0, 2)
    torch.testing.assert_close(other(x), module(x), rtol=0, atol=1e-14)


def test_the_weights_come_from_the_mean_of_the_branches():
    module = weighted()
    x = image()
    h, w, c = module.branches(x)
    mean = (h + w + c).mean((1, 2), keepdim=True).expand_as(h)
    flat = module.branch_weights(mean / 3, mean / 3, mean / 3)
    torch.testing.assert_close(module.branch_weights(h, w, c), flat)


# --- parameters --------------------------------------------------------------------

OFFICIAL = {  # of the authors' module with dim=192, in their order
    "mlp_c.weight": (192, 192),
    "mlp_h.weight": (192, 192),
    "mlp_w.weight": (192, 192),
    "reweight.fc1.weight": (48, 192),
    "reweight.fc1.bias": (48,),
    "reweight.fc2.weight": (576, 48),
    "reweight.fc2.bias": (576,),
    "proj.weight": (192, 192),
    "proj.bias": (192,),
}


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def test_parameters_have_the_official_names_and_shapes_in_order():
    assert list(shapes(WeightedPermuteMLP(192, 32)).items()) == list(OFFICIAL.items())


def test_qkv_bias_adds_the_three_biases():
    added = {"mlp_c.bias": (192,), "mlp_h.bias": (192,), "mlp_w.bias": (192,)}
    assert shapes(WeightedPermuteMLP(192, 32, qkv_bias=True)) == OFFICIAL | added


def test_the_plain_module_has_all_but_the_reweighting():
    plain = {k: v for k, v in OFFICIAL.items() if not k.startswith("reweight")}
    assert shapes(PermuteMLP(192, 32)) == plain


def test_segment_dim_is_8_and_there_is_no_bias_by_default():
    module = WeightedPermuteMLP(16)
    assert module.segment_dim == 8
    assert module.branch_order == "hwc"
    assert module.mlp_h.bias is module.mlp_w.bias is module.mlp_c.bias is None


# --- Mlp and dropout ---------------------------------------------------------------


def test_mlp_sizes_default_to_the_input():
    assert (Mlp(6).fc1.out_features, Mlp(6).fc2.out_features) == (6, 6)
    mlp = Mlp(6, 5, 4)
    assert mlp(torch.randn(2, 3, 6)).shape == (2, 3, 4)
    assert mlp.fc1.out_features == 5


def test_mlp_is_linear_gelu_linear():
    mlp, x = Mlp(6, 5, 4).double(), torch.randn(3, 6, dtype=torch.float64)
    hidden = x @ mlp.fc1.weight.T + mlp.fc1.bias
    hidden = hidden * torch.special.ndtr(hidden)
    expected = hidden @ mlp.fc2.weight.T + mlp.fc2.bias
    torch.testing.assert_close(mlp(x), expected)


def test_mlp_drops_after_both_layers():
    mlp = Mlp(50, act_layer=nn.Identity, drop=0.5).double()
    nn.init.eye_(mlp.fc1.weight)
    nn.init.eye_(mlp.fc2.weight)
    nn.init.zeros_(mlp.fc1.bias)
    nn.init.zeros_(mlp.fc2.bias)
    values, counts = mlp(torch.ones(40, 50, dtype=torch.float64)).unique(
        return_counts=True
    )
    assert values.tolist() == [0.0, 4.0]  # kept twice, each time doubled
    assert counts[1] / 2000 == pytest.approx(0.25, abs=0.05)


@in_turn("kind", [PermuteMLP, WeightedPermuteMLP])
def test_proj_drop_drops_the_output_in_training_alone(kind):
    module, x = kind(12, 4, proj_drop=0.5).double(), image()
    dropped, full = module.train()(x), module.eval()(x)
    kept = dropped != 0
    assert 0.4 < kept.double().mean() < 0.6
    torch.testing.assert_close(dropped, torch.where(kept, 2 * full, 0.0))
    assert torch.equal(full, module(x))


@in_turn("kind", [PermuteMLP, WeightedPermuteMLP])
@in_turn("proj_drop", [math.nan, -0.1, 1, 1.5])
def test_a_proj_drop_that_is_no_probability(kind, proj_drop):
    with pytest.raises(ValueError, match=r"proj_drop is .*; it must be"):
        kind(12, 4, proj_drop=proj_drop)
