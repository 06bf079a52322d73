"""What every token mixer of `vip_tutorial.mixers` does as the paper's module does.

Its biases, its dropout and the order of its branches, each against formulas that share
no code with it but the linear maps themselves.
"""

import copy
import math
from functools import partial

import pytest
import torch
from torch.nn.functional import avg_pool2d, pad

from tables import in_turn
from vip_tutorial.mixers.any_size import WAYS, AnySizePermuteMLP
from vip_tutorial.mixers.dynamic import DynamicPermuteMLP
from vip_tutorial.mixers.fewer_branches import ReducedPermuteMLP
from vip_tutorial.mixers.lightweight import LightPermuteMLP, LowRankLinear
from vip_tutorial.mixers.multi_scale import (
    BlendedBranches,
    LocalPermuteMLP,
    MultiScalePermuteMLP,
)
from vip_tutorial.networks.checkpoints import load_checkpoint, save_checkpoint
from vip_tutorial.study.branch_importance import SomeBranches
from vip_tutorial.study.oracles import channel_einsum, height_einsum, width_einsum
from vip_tutorial.vision_permutator import VisionPermutator

B, C, N = 2, 24, 4
USUAL = {"mlp_h.bias", "mlp_w.bias", "mlp_c.bias"}
MORE = {
    "low rank": {"mlp_h.up.bias", "mlp_w.up.bias", "mlp_c.bias"},
    "two grids": USUAL | {"coarse.mlp_h.bias", "coarse.mlp_w.bias"},
    "local": USUAL | {"conv.bias"},
}
MIXERS = {
    **{how: partial(AnySizePermuteMLP, how=how) for how in WAYS},
    "static": partial(DynamicPermuteMLP, weights="static"),
    "pooled": DynamicPermuteMLP,
    "cold": partial(DynamicPermuteMLP, temperature=0.5),
    "token": partial(DynamicPermuteMLP, weights="token", learned=True),
    "light": LightPermuteMLP,
    "low rank": partial(LightPermuteMLP, rank=3),
    "rows": partial(LightPermuteMLP, groups=2),
    "channels": partial(LightPermuteMLP, groups=3, across="channels"),
    "shared": partial(LightPermuteMLP, shared=True),
    "blended": BlendedBranches,
    "two grids": MultiScalePermuteMLP,
    "local": LocalPermuteMLP,
}
WITHOUT_ORDER = ("static", "blended", "two grids", "local")
ORDERED = [name for name in MIXERS if name not in WITHOUT_ORDER]


def made(name, **options):
    """A mixer none of whose parameters is left at a start of zeros."""
    module = MIXERS[name](C, segment_dim=N, **options).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module, torch.randn(B, N, N, C).double()


def matrix_and_bias(linear):
    """Of any linear map: its matrix by trying, its bias by name."""
    size = C
    matrix = linear(torch.eye(size).double()) - linear(torch.zeros(1, size).double())
    last = linear.up if isinstance(linear, LowRankLinear) else linear
    return matrix.mT, last.bias


def branches(module, x):
    parts = [
        height_einsum(x, *with_grid(module.mlp_h, N)),
        width_einsum(x, *with_grid(module.mlp_w, N)),
        channel_einsum(x, module.mlp_c.weight, module.mlp_c.bias),
    ]
    if isinstance(module, MultiScalePermuteMLP):
        small = avg_pool2d(x.movedim(3, 1), 2).movedim(1, 3)
        coarse = [
            height_einsum(small, *with_grid(module.coarse.mlp_h, N // 2)),
            width_einsum(small, *with_grid(module.coarse.mlp_w, N // 2)),
        ]
        at = torch.arange(N) // 2
        parts += [part[:, at][:, :, at] for part in coarse]
    if isinstance(module, LocalPermuteMLP):
        wide = pad(x, (0, 0, 1, 1, 1, 1))
        around = sum(
            module.conv.weight[:, 0, i, j] * wide[:, i : i + N, j : j + N]
            for i in range(3)
            for j in range(3)
        )
        bias = module.conv.bias
        parts.append(around if bias is None else around + bias)
    return parts


def with_grid(linear, rows):
    matrix, bias = matrix_and_bias(linear)
    return matrix, rows, bias


def output(module, x, order="hwc"):
    """What the module should put out, by formula."""
    parts = branches(module, x)
    total = sum(parts)  # (B, H, W, C)
    kind = getattr(module, "weights", "pooled")
    if kind == "static":
        logits = module.logits.T.expand(B, 1, 1, C, 3)
    else:
        seen = total if kind == "token" else total.mean((1, 2), keepdim=True)
        logits = module.reweight(seen).unflatten(3, (C, len(parts)))
    shares = (logits / getattr(module, "temperature", 1.0)).softmax(-1)
    if order == "cwh":
        parts = parts[::-1]
    blend = sum(shares[..., k] * part for k, part in enumerate(parts))
    return channel_einsum(blend, module.proj.weight, module.proj.bias)


def biases(module):
    """Those that `qkv_bias` is about: the others are always there."""
    return {
        name: parameter
        for name, parameter in module.named_parameters(remove_duplicate=False)
        if name.endswith("bias") and not name.startswith(("proj.", "reweight."))
    }


@in_turn("name", MIXERS)
@in_turn("qkv_bias", [False, True])
def test_the_right_biases_and_the_right_output(name, qkv_bias):
    module, x = made(name, qkv_bias=qkv_bias)
    found = biases(module)
    assert set(found) == (MORE.get(name, USUAL) if qkv_bias else set())
    assert {parameter.shape for parameter in found.values()} <= {(C,)}
    torch.testing.assert_close(module(x), output(module, x))


@in_turn("name", ORDERED)
def test_the_other_order_of_the_branches(name):
    module, x = made(name, branch_order="cwh")
    torch.testing.assert_close(module(x), output(module, x, "cwh"))


@in_turn("name", MIXERS)
def test_dropout_is_for_training(name):
    module, x = made(name, proj_drop=0.5)
    expected = output(module, x)
    torch.testing.assert_close(module.eval()(x), expected)
    out = module.train()(x)
    dropped = out == 0
    assert 0.4 < dropped.double().mean() < 0.6
    # What is left is scaled up to make up.
    torch.testing.assert_close(out[~dropped], 2 * expected[~dropped])


@in_turn("name", MIXERS)
@in_turn("proj_drop", [math.nan, -0.1, 1.5])
def test_a_dropout_that_is_no_probability(name, proj_drop):
    with pytest.raises(ValueError, match=r"proj_drop is .*; it must be"):
        MIXERS[name](C, segment_dim=N, proj_drop=proj_drop)


@in_turn("name", MIXERS)
def test_a_dropout_that_is_no_number(name):
    with pytest.raises(TypeError, match=r"proj_drop is '0\.1'; it must be a number"):
        MIXERS[name](C, segment_dim=N, proj_drop="0.1")


def test_each_says_what_it_is():
    """A run in a file goes on only with what says the same of itself."""
    said = {str(make(C, segment_dim=N)) for make in MIXERS.values()}
    assert len(said) == len(MIXERS)


@in_turn("name", MIXERS)
def test_a_network_of_it_is_saved_and_loaded(name, tmp_path):
    def network():
        return VisionPermutator(
            [1], [C], img_size=N, patch_size=1, num_classes=2, token_mixer=MIXERS[name]
        ).eval()

    one, other = network(), network()
    save_checkpoint(one, tmp_path / "network.safetensors")
    load_checkpoint(other, tmp_path / "network.safetensors")
    image = torch.randn(2, 3, N, N)
    assert torch.equal(one(image), other(image))


TRUTH = {  # settings that no shape tells: mixer, one value, another
    "pool": (MultiScalePermuteMLP, 2, 4),
    "across": (partial(LightPermuteMLP, groups=2), "rows", "channels"),
    "shared": (LightPermuteMLP, False, True),
    "weights": (DynamicPermuteMLP, "pooled", "token"),
    "temperature": (DynamicPermuteMLP, 1.0, 0.5),
    "how": (AnySizePermuteMLP, "tiles", "strided"),
    "kept": (SomeBranches, ["height"], ["width"]),
    "branches": (partial(ReducedPermuteMLP, replaced=True), "hc", "wc"),
}


@pytest.mark.parametrize("setting", TRUTH)
def test_a_file_is_for_networks_with_its_settings(setting, tmp_path):
    mixer, *values = TRUTH[setting]
    one, other = (
        VisionPermutator(
            *([1], [C]),
            **{"img_size": N, "patch_size": 1, "num_classes": 2},
            token_mixer=partial(mixer, **{setting: value}),
        )
        for value in values
    )
    before = {name: value.clone() for name, value in other.state_dict().items()}
    save_checkpoint(one, tmp_path / "a.safetensors")
    load_checkpoint(copy.deepcopy(one), tmp_path / "a.safetensors")
    told = r"network\.0\.0\.attn.* in the file and .* in the model, which would compute"
    with pytest.raises(ValueError, match=told) as excinfo:
        load_checkpoint(other, tmp_path / "a.safetensors")
    for value in values:
        shown = value[0] if isinstance(value, list) else value
        assert str(shown) in str(excinfo.value)
    assert all(torch.equal(other.state_dict()[k], v) for k, v in before.items())
    if setting != "shared":  # a state dict says nothing, and one place holds one weight
        load_checkpoint(other, one.state_dict(), img_size=N)
    else:
        with pytest.raises(ValueError, match=r"mlp_h\.weight and .*mlp_w.* be lost"):
            load_checkpoint(other, one.state_dict(), img_size=N)


def test_a_learned_temperature_is_a_weight_and_no_setting(tmp_path):
    one, other = (
        VisionPermutator(
            *([1], [C]),
            **{"img_size": N, "patch_size": 1, "num_classes": 2},
            token_mixer=partial(DynamicPermuteMLP, temperature=start, learned=True),
        ).eval()
        for start in (1.0, 0.5)
    )
    save_checkpoint(one, tmp_path / "a.safetensors")
    load_checkpoint(other, tmp_path / "a.safetensors")
    image = torch.randn(2, 3, N, N)
    assert torch.equal(one(image), other(image))
