"""Other grids: each way against its own formula, and what the ways have in common."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from tables import in_turn
from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.mixers.any_size import WAYS, AnySizePermuteMLP, for_size, stretched
from vip_tutorial.mixers.dynamic import DynamicPermuteMLP
from vip_tutorial.mixers.fast import made_fast
from vip_tutorial.mixers.resampling import trained_size
from vip_tutorial.networks.checkpoints import (
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from vip_tutorial.study.oracles import height_einsum, width_einsum
from vip_tutorial.vision_permutator import VisionPermutator

N, C = 4, 12


def made(device="cpu", H=8, W=12, **options):
    module = AnySizePermuteMLP(C, N, **options).to(device, torch.float64)
    return module, torch.randn(2, H, W, C, device=device).double()


@in_turn("how", WAYS)
@in_turn("order", ["hwc", "cwh"])
def test_on_its_own_grid_it_is_the_papers(device, how, order):
    module, x = made(device, N, N, how=how, branch_order=order, qkv_bias=True)
    paper = WeightedPermuteMLP(C, N, qkv_bias=True, branch_order=order)
    paper.to(device, torch.float64).load_state_dict(module.state_dict())
    torch.testing.assert_close(module(x), paper(x))


@in_turn("how", ["tiles", "strided"])
def test_pieces_one_by_one(device, how):
    module, x = made(device, how=how, qkv_bias=True)
    linears = module.mlp_h, module.mlp_w
    for branch, einsum, linear in zip(
        (module.height, module.width), (height_einsum, width_einsum), linears
    ):
        out = branch(x)
        for i in range(2):
            for j in range(3):
                piece = (
                    (slice(N * i, N * i + N), slice(N * j, N * j + N))
                    if how == "tiles"
                    else (slice(i, None, 2), slice(j, None, 3))
                )
                one = x[:, piece[0], piece[1]]
                expected = einsum(one, linear.weight, N, linear.bias)
                torch.testing.assert_close(out[:, piece[0], piece[1]], expected)


def between(row, before, after):
    """The old rows that a new row is made of, with their shares."""
    if after < before:  # the part of it that lies in each
        top, bottom = row * before / after, (row + 1) * before / after
        return {
            g: (min(bottom, g + 1) - max(top, g)) / (bottom - top)
            for g in range(math.floor(top), math.ceil(bottom - 1e-9))
        }
    place = min(max((row + 0.5) * before / after - 0.5, 0), before - 1)
    low = int(place)
    high = min(low + 1, before - 1)
    return {high: place - low} | {low: 1 - (place - low)}


@in_turn("after", [1, 2, 3, 4, 7, 8, 12])
def test_stretched_weights_row_by_row(device, after):
    module, _ = made(device, qkv_bias=True)
    S = C // N
    weight, bias = stretched(module.mlp_h, N, after)
    old = module.mlp_h.weight.reshape(N, S, N, S)

    new = [between(row, N, after) for row in range(after)]
    dealt = [sum(shares.get(k, 0) for shares in new) for k in range(N)]
    for h in range(after):
        for k in range(after):
            expected = sum(
                a * b / dealt[m] * old[g, :, m]
                for g, a in new[h].items()
                for m, b in new[k].items()
            )
            got = weight.reshape(after, S, after, S)[h, :, k]
            torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-7)
        got = bias.reshape(after, S)[h]
        expected = sum(
            a * module.mlp_h.bias.reshape(N, S)[g] for g, a in new[h].items()
        )
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-7)


@in_turn("rows", [1, 2, 3, 5, 8])
def test_a_column_of_equal_tokens_gives_what_it_gave_on_every_grid(rows):
    """Each new row what the old rows gave that it is made of; and never NaN."""
    module = AnySizePermuteMLP(4 * rows, rows, qkv_bias=True).double()
    nn.init.normal_(module.mlp_h.bias)
    token = torch.randn(4 * rows).double()
    old = module.height(token.expand(1, rows, rows, -1))[0, :, 0]  # (N, C)
    for after in range(1, 2 * rows + 1):
        tokens = token.expand(1, after, rows, -1)
        assert module(torch.randn_like(tokens)).isfinite().all(), after
        shares = [between(row, rows, after) for row in range(after)]
        expected = [sum(a * old[g] for g, a in share.items()) for share in shares]
        got = module.height(tokens)[0, :, 0]  # (H, C)
        torch.testing.assert_close(got, torch.stack(expected), rtol=1e-5, atol=1e-6)


@in_turn("after", [2, 4, 8])
def test_weights_without_contents_are_stretched_too(after):
    module = AnySizePermuteMLP(C, N, qkv_bias=True).to("meta")
    weight, bias = stretched(module.mlp_h, N, after)
    assert weight.is_meta and weight.shape == (3 * after, 3 * after)
    assert bias.is_meta and bias.shape == (3 * after,)


@in_turn("H, W", [(4, 4), (8, 12), (5, 7), (16, 4)])
def test_a_picture_of_equal_tokens_stays_what_it_was(device, H, W):
    """What was said of an even picture is said of it at every size."""
    module, _ = made(device)
    token = torch.randn(C, device=device).double()
    small = module.height(token.expand(1, N, N, C))[0, :, 0]  # (N, C)
    large = module.height(token.expand(1, H, W, C))[0, :, 0]  # (H, C)
    means = small.mean(0), large.mean(0)
    if H % N == 0:  # only then does each old row come up equally often
        torch.testing.assert_close(*means, rtol=1e-5, atol=1e-6)
    assert large.min() >= small.min() - 1e-6 and large.max() <= small.max() + 1e-6


@in_turn("how", WAYS)
def test_gradients_reach_the_weights(device, how):
    module, x = made(device, how=how, qkv_bias=True)
    module(x).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


# --- The whole network ---------------------------------------------------------------


def network(**options) -> VisionPermutator:
    torch.manual_seed(0)
    usual = {"transitions": [True], "patch_size": 2, "img_size": 16, "num_classes": 5}
    usual |= {"layers": [1, 2], "embed_dims": [8, 16]}
    return VisionPermutator(**(usual | options)).double().eval()


@in_turn("how", WAYS)
def test_a_network_at_its_own_size_and_at_another(device, how):
    model = network().to(device)
    image = torch.randn(2, 3, 16, 16, device=device).double()
    torch.testing.assert_close(for_size(model, 16, how)(image), model(image))
    other = for_size(model, 32, how)
    assert other(torch.randn(2, 3, 32, 32, device=device).double()).shape == (2, 5)
    assert model.img_size == 16  # nothing has happened to it
    assert {type(block.attn) for block in model.blocks} == {WeightedPermuteMLP}
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], weight, rtol=0, atol=0)


def test_strided_pieces_of_a_picture_that_was_only_repeated(device):
    """Each piece is the old grid, so every token says what it said."""
    model = network(transitions=[False]).to(device)
    image = torch.randn(1, 3, 16, 16, device=device).double()
    patches = image.unfold(2, 2, 2).unfold(3, 2, 2)  # (1, 3, 8, 8, 2, 2)
    patches = patches.repeat_interleave(2, 2).repeat_interleave(2, 3)
    larger = patches.permute(0, 1, 2, 4, 3, 5).reshape(1, 3, 32, 32)
    torch.testing.assert_close(for_size(model, 32, "strided")(larger), model(image))


@in_turn("img_size", [4, 8, 12])
def test_a_much_smaller_picture_gets_numbers(img_size):
    other = for_size(network(), img_size)
    assert other(torch.randn(2, 3, img_size, img_size).double()).isfinite().all()


def test_where_only_the_width_changes_the_grid_may_be_odd():
    other = for_size(network(transitions=[]), 18)  # 9 x 9 tokens in both stages
    assert other(torch.randn(2, 3, 18, 18).double()).shape == (2, 5)


@in_turn("how", WAYS)
def test_biases_come_along(how):
    model = network(qkv_bias=True)
    for block in model.blocks:
        for mlp in (block.attn.mlp_h, block.attn.mlp_w, block.attn.mlp_c):
            nn.init.normal_(mlp.bias)
    image = torch.randn(2, 3, 16, 16).double()
    torch.testing.assert_close(for_size(model, 16, how)(image), model(image))


def test_a_fast_network_goes_to_another_size_too():
    model, image = network(), torch.randn(2, 3, 32, 32).double()
    torch.testing.assert_close(
        for_size(made_fast(model), 32)(image), for_size(model, 32)(image)
    )


def test_nothing_but_the_size_differs():
    """Frozen parameters, hooks and the caller's random numbers stay as they are."""
    model, calls = network(), []
    mixer = model.blocks[0].attn
    mixer.mlp_h.weight.requires_grad_(False)
    mixer.register_forward_hook(lambda *_: calls.append(1))
    before = torch.get_rng_state()
    other = for_size(model, 32)
    assert torch.equal(torch.get_rng_state(), before)
    for (name, old), new in zip(model.named_parameters(), other.parameters()):
        assert old.requires_grad == new.requires_grad, name
        assert old is not new, name
    other(torch.zeros(1, 3, 32, 32).double())
    assert calls == [1]


@in_turn("img_size", [np.int64(32), torch.tensor(32)])
def test_the_size_is_kept_as_a_plain_number(img_size):
    assert type(for_size(network(), img_size).img_size) is int


def test_pieces_are_those_of_the_training_whatever_came_between():
    other = for_size(for_size(network(), 48), 32, "tiles")
    assert other(torch.zeros(1, 3, 32, 32).double()).shape == (1, 5)


# --- Files of such a network ----------------------------------------------------------


@in_turn("how", WAYS)
def test_a_file_says_the_size_of_the_training(tmp_path, how):
    model, path = network(embed_dims=[16, 16]), tmp_path / "a.safetensors"
    save_checkpoint(for_size(model, 32, how), path)
    assert read_checkpoint(path)[1] == 16
    with pytest.raises(ValueError, match="for images of 16 x 16 and the model is buil"):
        load_checkpoint(network(embed_dims=[16, 16], img_size=32), path)
    same = network(embed_dims=[16, 16])
    for parameter in same.parameters():
        nn.init.normal_(parameter)
    load_checkpoint(same, path)
    image = torch.randn(2, 3, 16, 16).double()
    torch.testing.assert_close(same(image), model(image))


def test_the_file_of_the_training_loads_into_a_network_for_another_size(tmp_path):
    model, path = network(embed_dims=[16, 16]), tmp_path / "a.safetensors"
    save_checkpoint(model, path)
    other = for_size(model, 32)
    image = torch.randn(2, 3, 32, 32).double()
    expected = other(image)
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    load_checkpoint(other, path)
    torch.testing.assert_close(other(image), expected)
    save_checkpoint(network(embed_dims=[16, 16], img_size=32), path)
    with pytest.raises(ValueError, match="for images of 32 x 32 and the model is buil"):
        load_checkpoint(other, path)
    load_checkpoint(other, path, resample=True)
    resampled = network(embed_dims=[16, 16])
    load_checkpoint(resampled, path, resample=True)
    for name, value in resampled.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


@in_turn(
    "options",
    [
        {},
        {"transitions": []},
        {"layers": [0, 1]},  # the first mixer comes after the transition
        {"layers": [0, 0]},
        {"token_mixer": lambda dim, **_: nn.Linear(dim, dim)},
    ],
)
def test_a_network_is_trained_for_the_size_that_it_was_built_for(options):
    options = {"layers": [1, 2], "transitions": [True]} | options
    model = VisionPermutator(
        embed_dims=[8, 16], patch_size=2, img_size=16, num_classes=5, **options
    )
    assert trained_size(model) == 16


def test_a_network_goes_back_and_forth():
    model = network()
    image = torch.randn(1, 3, 16, 16).double()
    back = for_size(for_size(model, 48), 16)
    torch.testing.assert_close(back(image), model(image))


def test_the_settings_of_a_mixer_come_along():
    """Its branch order, its dropout and its mode, which no weight tells of."""
    model = network(token_mixer=partial(WeightedPermuteMLP, branch_order="cwh"))
    for block in model.blocks:
        block.attn.proj_drop.p = 0.3
    image = torch.randn(1, 3, 16, 16).double()
    other = for_size(model, 16)
    torch.testing.assert_close(other(image), model(image))
    assert {block.attn.branch_order for block in other.blocks} == {"cwh"}
    for training in (True, False):
        mixers = [b.attn for b in for_size(model.train(training), 32).blocks]
        assert {mixer.training for mixer in mixers} == {training}
        assert {mixer.proj_drop.p for mixer in mixers} == {0.3}


@in_turn("how", ["tiles", "strided"])
def test_a_size_that_cannot_be_cut_into_pieces(how):
    with pytest.raises(ValueError, match="img_size is 24 and the network is for 16"):
        for_size(network(), 24, how)
    module, _ = made(how=how)
    for H, W in ((6, 8), (8, 6)):
        with pytest.raises(ValueError, match=f"{H} x {W} tokens cannot be cut into pi"):
            module(torch.zeros(1, H, W, C).double())


def test_a_size_that_leaves_half_a_patch_or_half_a_grid():
    with pytest.raises(ValueError, match="not a multiple of patch_size 2"):
        for_size(network(), 17)
    with pytest.raises(ValueError, match="which cannot be halved"):
        for_size(network(), 18)


def test_a_head_that_knows_every_place():
    with pytest.raises(ValueError, match="only global_pool='avg' takes other sizes"):
        for_size(network(global_pool="flatten"), 32)


def test_other_token_mixers():
    with pytest.raises(
        TypeError, match=r"block network\.0\.0 mixes tokens with Permut"
    ):
        for_size(network(token_mixer=PermuteMLP), 32)
    # One that is derived from the module would lose what makes it another.
    with pytest.raises(TypeError, match="mixes tokens with DynamicPermuteMLP"):
        for_size(network(token_mixer=DynamicPermuteMLP), 32)


def test_what_is_no_network_or_no_size_or_no_way():
    with pytest.raises(TypeError, match="model is a Linear; it must be a VisionPerm"):
        for_size(nn.Linear(2, 2), 32)
    with pytest.raises(TypeError, match=r"img_size is 32\.0; it must be a whole"):
        for_size(network(), 32.0)
    with pytest.raises(ValueError, match="how is 'crop'; it must be one of resample"):
        for_size(network(), 32, "crop")


@in_turn(
    "x, said",
    [
        (torch.zeros(4, 4, C), "3 axes"),
        (torch.zeros(1, 4, 4, C + 1), "its last axis is 13"),
        (torch.zeros(1, 0, 4, C), "H = 0 and W = 4, but a grid has at least one row"),
        (torch.zeros(1, 4, 0, C), "H = 4 and W = 0, but a grid has at least one row"),
        (torch.zeros(1, C, 8, 8), r"\(1, 12, 8, 8\).*call x\.permute\(0, 2, 3, 1\)"),
    ],
)
def test_input_that_fits_no_grid(x, said):
    with pytest.raises(ValueError, match=said):
        made()[0](x.double())


@in_turn(
    "x, said",
    [
        ([[0.0]], "input is a list"),
        (torch.zeros(1, 8, 8, C).to_sparse(), r"convert with x\.to_dense\(\)"),
        (torch.zeros(1, 8, 8, C, dtype=torch.int64), r"convert with x\.to\("),
        (torch.zeros(1, 8, 8, C), r"convert one of them, e\.g\. x\.to\(torch\.float64"),
    ],
)
def test_input_of_another_kind(x, said):
    with pytest.raises(TypeError, match=said):
        made()[0](x)


@in_turn(
    "before, after, error, said",
    [
        (4, 0, ValueError, "after is 0; it must be at least 1"),
        (4, 2.5, TypeError, r"after is 2\.5; it must be a whole"),
        (5, 6, ValueError, "12 numbers, which cannot be dealt out evenly to 5 rows"),
        (0, 6, ValueError, "before is 0; it must be at least 1"),
    ],
)
def test_rows_that_cannot_be_stretched(before, after, error, said):
    with pytest.raises(error, match=said):
        stretched(made()[0].mlp_h, before, after)


def test_no_such_way():
    with pytest.raises(ValueError, match="how is 'crop'; it must be one of resample"):
        AnySizePermuteMLP(C, N, how="crop")
