"""The whole network, to the letter of the authors' code and against another one."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, gelu, layer_norm, linear
from torch.utils.flop_counter import FlopCounterMode

from tables import in_turn
from vip_tutorial import PermuteMLP
from vip_tutorial.study import oracles
from vip_tutorial.vision_permutator import (
    DropPath,
    PermutatorBlock,
    VisionPermutator,
    vip_l7,
    vip_m7,
    vip_s7,
    vip_s14,
)

# Parameters, keys, multiply-adds at 224 x 224, place of the transition: measured on the
# authors' code.
VARIANTS = {
    vip_s14: (29_892_904, 312, 6_855_613_440, []),
    vip_s7: (25_114_984, 314, 6_901_767_168, [1]),
    vip_m7: (55_272_488, 416, 16_284_307_456, [2]),
    vip_l7: (87_784_936, 620, 24_340_320_256, [1]),
}
NAMES = pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.__name__)


def small(**options) -> VisionPermutator:
    """Two stages with a transition: 8 x 8 tokens of 16 channels, 4 x 4 of 24."""
    torch.manual_seed(0)
    usual = {"layers": [1, 2], "embed_dims": [16, 24], "transitions": [True]}
    usual |= {"patch_size": 2, "img_size": 16, "num_classes": 5}
    model = VisionPermutator(**(usual | options))
    for parameter in model.parameters():  # biases and norms too
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda v: v.__name__)
def built(request):
    with torch.device("meta"):
        return request.param, request.param(drop_path_rate=0.1).eval()


def test_parameters_keys_and_multiply_adds(built):
    variant, model = built
    parameters, keys, macs, transitions = VARIANTS[variant]
    assert sum(p.numel() for p in model.parameters()) == parameters
    state = model.state_dict()
    assert len(state) == keys
    with FlopCounterMode(display=False) as counter:
        out = model(torch.zeros(2, 3, 224, 224, device="meta"))
    assert out.shape == (2, 1000)
    assert counter.get_total_flops() // 2 == 2 * macs  # of two images
    for k in transitions:
        assert state[f"network.{k}.proj.weight"].shape[2:] == (2, 2)
    assert state["network.0.0.attn.reweight.fc2.weight"].shape[0] % 3 == 0


def test_stochastic_depth_grows_linearly_over_all_blocks(built):
    _, model = built
    rates = [block.drop_path.rate for block in model.blocks]
    wanted = torch.linspace(0, 0.1, len(rates)).tolist()
    assert rates == pytest.approx(wanted)
    assert rates[0] == 0


def oracle(model: VisionPermutator, image: torch.Tensor) -> torch.Tensor:
    """The same from the state dict and the einsum oracle, sharing no forward."""
    p = model.state_dict()
    patch = p["patch_embed.proj.weight"]
    x = conv2d(image, patch, p["patch_embed.proj.bias"], stride=patch.shape[-1])
    x = torch.einsum("bchw->bhwc", x)

    def norm(x, name):
        return layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"])

    def dense(x, name):
        return linear(x, p[f"{name}.weight"], p[f"{name}.bias"])

    for i, stage in enumerate(model.network):
        if not isinstance(stage, nn.Sequential):
            weight, bias = p[f"network.{i}.proj.weight"], p[f"network.{i}.proj.bias"]
            x = conv2d(x.movedim(3, 1), weight, bias, stride=weight.shape[-1])
            x = torch.einsum("bchw->bhwc", x)
            continue
        for j, block in enumerate(stage):
            name = f"network.{i}.{j}"
            mixed = norm(x, f"{name}.norm1")
            mixed = oracles.weighted_permute_mlp_einsum(block.attn, mixed)
            x = x + mixed / model.blocks[0].skip_lam
            hidden = gelu(dense(norm(x, f"{name}.norm2"), f"{name}.mlp.fc1"))
            x = x + dense(hidden, f"{name}.mlp.fc2") / model.blocks[0].skip_lam
    tokens = norm(x, "norm").flatten(1, 2)
    return dense(tokens.sum(1) / tokens.shape[1], "head")


@in_turn("skip_lam", [1.0, 2.0])
def test_equals_a_second_formulation(skip_lam):
    model = small(skip_lam=skip_lam).double()
    image = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(model(image), oracle(model, image), rtol=0, atol=1e-9)


def test_on_every_device(device):
    model, image = small(), torch.randn(2, 3, 16, 16)
    wanted = oracle(model, image)
    result = model.to(device)(image.to(device))
    assert result.device.type == device.type
    torch.testing.assert_close(result.cpu(), wanted, rtol=1e-3, atol=1e-3)
    model.train()
    model(image.to(device)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_start_is_the_authors():
    torch.manual_seed(0)
    model = VisionPermutator([2], [192], patch_size=4, img_size=24)
    block = model.blocks[0]
    for weight in (block.attn.mlp_h.weight, block.mlp.fc1.weight, model.head.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not block.attn.proj.bias.any() and not model.head.bias.any()
    bound = (3 * 4 * 4) ** -0.5  # PyTorch's own, for the convolution
    assert model.patch_embed.proj.weight.abs().max() <= bound
    spread = model.patch_embed.proj.weight.std().item()
    assert spread == pytest.approx(bound / 3**0.5, rel=0.1)


@in_turn("rate", [float("nan"), -0.1, 1, "0.1"])
def test_a_drop_path_that_is_no_probability(rate):
    for build in (DropPath, lambda rate: PermutatorBlock(8, 4, drop_path=rate)):
        with pytest.raises((ValueError, TypeError), match=r"drop_path is .*; it must"):
            build(rate)


def test_drop_path_skips_whole_images_and_makes_up_for_it():
    torch.manual_seed(0)
    drop = DropPath(0.25)
    for axes in ((), (2,), (2, 3), (2, 2, 3), (1, 2, 2, 3)):
        x = torch.ones(4000, *axes)
        out = drop(x)
        kept = out.reshape(4000, -1)[:, 0] != 0
        assert torch.equal(out, x * kept.reshape(4000, *(1 for _ in axes)) / 0.75)
        assert kept.float().mean().item() == pytest.approx(0.75, abs=0.03)
    assert drop(torch.ones(())).item() in (0, pytest.approx(1 / 0.75))
    assert drop.eval()(x) is x


def test_features_and_heads():
    model, image = small(), torch.randn(2, 3, 16, 16)
    features = model.forward_features(image)
    assert features.shape == (2, 4, 4, 24)
    none = small(num_classes=0)
    assert none(image).shape == (2, 24)
    model.reset_classifier(7)
    assert model(image).shape == (2, 7)
    assert model.num_classes == 7
    assert torch.equal(model.forward_features(image), features)
    model.reset_classifier(0)
    torch.testing.assert_close(model(image), features.mean((1, 2)))


def test_a_new_head_goes_where_the_model_is():
    model = small().double()
    model.reset_classifier(2)
    assert model.head.weight.dtype == torch.float64


def test_other_images():
    assert small(in_chans=1)(torch.randn(1, 1, 16, 16)).shape == (1, 5)
    assert small()(torch.randn(0, 3, 16, 16)).shape == (0, 5)
    larger = vip_s7(img_size=448, embed_dims=[64] * 4, layers=[1] * 4)
    sides = [block.attn.segment_dim for block in larger.blocks]
    assert sides == [64, 32, 32, 32]


def test_the_token_mixer_can_be_exchanged():
    model = small(token_mixer=PermuteMLP)
    assert isinstance(model.blocks[0].attn, PermuteMLP)
    assert model(torch.randn(1, 3, 16, 16)).shape == (1, 5)


def test_a_head_that_gets_all_tokens():
    model = small(global_pool="flatten").eval()
    images = torch.randn(2, 3, model.img_size, model.img_size)
    tokens = model.forward_features(images)
    B, H, W, C = tokens.shape
    assert model.num_features == model.head.in_features == H * W * C
    assert torch.equal(model(images), model.head(tokens.reshape(B, H * W * C)))
    with pytest.raises(ValueError, match="global_pool is 'max'"):
        small(global_pool="max")


@in_turn("skip_lam", [0, -1])
def test_branches_cannot_be_divided_by_nothing(skip_lam):
    for build in (
        small,
        lambda **option: small(layers=[0, 0], **option),
        lambda **option: PermutatorBlock(16, 4, **option),
    ):
        with pytest.raises(ValueError, match=r"skip_lam is .* must be more than 0"):
            build(skip_lam=skip_lam)


def test_a_block_has_the_authors_width_unless_told():
    assert PermutatorBlock(16, 4).mlp.fc1.out_features == 3 * 16


def test_a_stage_may_be_narrower_than_the_one_before():
    model = small(embed_dims=[64, 32], transitions=[False])
    assert model.network[1].proj.weight.shape == (32, 64, 1, 1)
    assert model(torch.zeros(1, 3, 16, 16)).shape == (1, 5)


def test_a_change_of_width_alone_halves_nothing():
    model = small(transitions=[False])
    assert model.network[1].proj.weight.shape == (24, 16, 1, 1)
    assert model.forward_features(torch.randn(1, 3, 16, 16)).shape == (1, 8, 8, 24)


@in_turn(
    "shape, parts",
    [
        ((2, 3, 18, 16), ("(2, 3, 18, 16)", "(B, 3, 16, 16)", "img_size")),
        ((2, 3, 17, 17), ("(2, 3, 17, 17)", "resize")),
        ((2, 1, 16, 16), ("(2, 1, 16, 16)", "in_chans=1")),
        ((2, 16, 16, 3), ("channels first", "image.permute(0, 3, 1, 2)")),
        ((3, 16, 16), ("(3, 16, 16)", "image[None]")),
    ],
)
def test_a_wrong_image_gets_a_sentence(shape, parts):
    with pytest.raises(ValueError) as excinfo:
        small()(torch.zeros(shape))
    assert [part for part in parts if part not in str(excinfo.value)] == []


@in_turn(
    "image, error, parts",
    [
        (torch.zeros(1, 3, 16, 16, dtype=torch.uint8), TypeError, ("/ 255",)),
        (torch.zeros(1, 3, 16, 16).double(), TypeError, ("float64", "float32")),
        (torch.zeros(1, 3, 16, 16, device="meta"), ValueError, ("on meta", "on cpu")),
        ([0.0], TypeError, ("list", "(B, in_chans, height, width)")),
        (np.zeros((1, 3, 16, 16)), TypeError, ("ndarray", "torch.from_numpy")),
    ],
    ids="pixels dtype device list array".split(),
)
def test_other_wrong_input_gets_a_sentence(image, error, parts):
    with pytest.raises(error) as excinfo:
        small()(image)
    assert [part for part in parts if part not in str(excinfo.value)] == []


@in_turn(
    "options, parts",
    [
        ({"img_size": 15}, ("img_size 15", "patch_size 2", "cut off", "img_size=")),
        ({"img_size": 18}, ("9 x 9", "halved", "multiple of 4")),
        ({"embed_dims": [16]}, ("2 stages", "1")),
        ({"embed_dims": [12, 24]}, ("dim 12", "segment_dim = 8")),
    ],
)
def test_a_network_that_cannot_be_is_refused(options, parts):
    with pytest.raises(ValueError) as excinfo:
        small(**options)
    assert [part for part in parts if part not in str(excinfo.value)] == []


@in_turn(
    "options, error, parts",
    [
        ({"layers": [], "embed_dims": []}, ValueError, ("layers is []", "each stage")),
        ({"layers": 3}, ValueError, ("layers is 3", "a list")),
        ({"embed_dims": 16}, ValueError, ("embed_dims is 16", "a list")),
        ({"layers": [1, 1.5]}, TypeError, ("layers is 1.5", "whole number")),
        ({"transitions": [True, True]}, ValueError, ("2 stages", "after the last")),
        ({"transitions": [0, 0, 0]}, ValueError, ("2 stages", "after the last")),
        ({"transitions": None}, TypeError, ("transitions is None", "() for none")),
        ({"transitions": True}, TypeError, ("transitions is True", "a list")),
        ({"transitions": "no"}, TypeError, ("transitions is 'no'", "a list")),
        ({"embed_dims": [32.0, 32]}, TypeError, ("embed_dims is 32.0", "whole")),
        ({"embed_dims": ["32", 32]}, TypeError, ("embed_dims is '32'", "whole")),
        ({"embed_dims": [32, -32]}, ValueError, ("embed_dims is -32", "at least 1")),
        ({"skip_lam": "1"}, TypeError, ("skip_lam is '1'", "a number")),
        ({"skip_lam": float("inf")}, ValueError, ("skip_lam is inf", "finite")),
        ({"skip_lam": float("nan")}, ValueError, ("skip_lam is nan", "finite")),
        ({"img_size": 16.0}, TypeError, ("img_size is 16.0", "whole number")),
        ({"img_size": 0}, ValueError, ("img_size is 0", "at least 1")),
        ({"patch_size": 0}, ValueError, ("patch_size is 0", "at least 1")),
        ({"in_chans": 0}, ValueError, ("in_chans is 0", "at least 1")),
        ({"num_classes": -1}, ValueError, ("num_classes is -1", "at least 0")),
        ({"num_classes": 2.5}, TypeError, ("num_classes is 2.5", "whole number")),
        ({"drop_path_rate": 1}, ValueError, ("drop_path_rate is 1", "below 1")),
        ({"drop_path_rate": "high"}, TypeError, ("drop_path_rate is 'high'",)),
        ({"mlp_ratio": -1}, ValueError, ("mlp_ratio is -1", "at least 0")),
        ({"mlp_ratio": 0}, ValueError, ("mlp_ratio 0", "16 channels 0 wide")),
        ({"mlp_ratio": 0.05}, ValueError, ("0.05", "0 wide", "at least 1 / 16")),
        ({"mlp_ratio": float("nan")}, ValueError, ("mlp_ratio is nan",)),
        ({"mlp_ratio": float("inf")}, ValueError, ("mlp_ratio is inf",)),
        ({"mlp_ratio": "wide"}, TypeError, ("mlp_ratio is 'wide'", "a number")),
        ({"token_mixer": None}, TypeError, ("token_mixer is None", "a class")),
        (
            {"token_mixer": PermuteMLP(16, 8)},
            TypeError,
            ("one PermuteMLP, built already", "each block builds its own"),
        ),
        (
            {"token_mixer": lambda dim, **sizes: None},
            TypeError,
            ("token_mixer made a NoneType", "makes a module"),
        ),
    ],
)
def test_an_option_that_cannot_be_is_refused(options, error, parts):
    with pytest.raises(error) as excinfo:
        small(**options)
    assert [part for part in parts if part not in str(excinfo.value)] == []


def test_the_channel_mlp_may_be_narrow():
    assert small(mlp_ratio=1 / 16).blocks[0].mlp.fc1.out_features == 1


def test_an_empty_batch_and_a_batch_of_one():
    model = small().train()
    assert model(torch.zeros(0, 3, 16, 16)).shape == (0, model.num_classes)
    assert model(torch.zeros(1, 3, 16, 16)).shape == (1, model.num_classes)


def test_the_size_that_is_offered_instead_can_be_halved():
    with pytest.raises(ValueError, match=r"cut off; take img_size=18 or"):
        small(patch_size=3, img_size=20)  # 21 is nearer: a grid of 7 x 7


@NAMES
def test_a_size_that_the_authors_code_would_crop_is_refused(variant):
    with pytest.raises(ValueError, match="cut off"):
        variant(img_size=230)


def test_export():
    model, image = small(), torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        wanted = model(image)
        program = torch.export.export(model, (image,))
        torch.testing.assert_close(program.module()(image), wanted)
