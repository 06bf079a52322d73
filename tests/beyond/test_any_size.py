"""Other grids: each way against its own formula, and what the ways have in common."""

from functools import partial

import pytest
import torch

from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.beyond.any_size import WAYS, AnySizePermuteMLP, for_size, stretched
from vip_tutorial.oracles import height_einsum, width_einsum
from vip_tutorial.vision_permutator import VisionPermutator

N, C = 4, 12


def made(device="cpu", H=8, W=12, **options):
    module = AnySizePermuteMLP(C, N, **options).to(device, torch.float64)
    return module, torch.randn(2, H, W, C, device=device).double()


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("order", ["hwc", "cwh"])
def test_on_its_own_grid_it_is_the_papers(device, how, order):
    module, x = made(device, N, N, how=how, branch_order=order, qkv_bias=True)
    paper = WeightedPermuteMLP(C, N, qkv_bias=True, branch_order=order)
    paper.to(device, torch.float64).load_state_dict(module.state_dict())
    torch.testing.assert_close(module(x), paper(x))


@pytest.mark.parametrize("how", ["tiles", "strided"])
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


@pytest.mark.parametrize("after", [2, 3, 4, 7, 8, 12])
def test_stretched_weights_row_by_row(device, after):
    module, _ = made(device, qkv_bias=True)
    S = C // N
    weight, bias = stretched(module.mlp_h, N, after)
    old = module.mlp_h.weight.reshape(N, S, N, S)

    def between(row):
        """Old rows that a new row lies between, with their shares: linear, clamped."""
        place = min(max((row + 0.5) * N / after - 0.5, 0), N - 1)
        low = int(place)
        high = min(low + 1, N - 1)
        return (
            {low: 1 - (place - low)}
            if low == high
            else {
                low: 1 - (place - low),
                high: place - low,
            }
        )

    dealt = [sum(between(row).get(k, 0) for row in range(after)) for k in range(N)]
    for h in range(after):
        for k in range(after):
            expected = sum(
                a * b / dealt[m] * old[g, :, m]
                for g, a in between(h).items()
                for m, b in between(k).items()
            )
            got = weight.reshape(after, S, after, S)[h, :, k]
            torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-7)
        got = bias.reshape(after, S)[h]
        expected = sum(
            a * module.mlp_h.bias.reshape(N, S)[g] for g, a in between(h).items()
        )
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("H, W", [(4, 4), (8, 12), (5, 7), (16, 4)])
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


@pytest.mark.parametrize("how", WAYS)
def test_gradients_reach_the_weights(device, how):
    module, x = made(device, how=how, qkv_bias=True)
    module(x).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


# --- The whole network ---------------------------------------------------------------


def network(**options) -> VisionPermutator:
    torch.manual_seed(0)
    usual = {"transitions": [True], "patch_size": 2, "img_size": 16, "num_classes": 5}
    return VisionPermutator([1, 2], [8, 16], **(usual | options)).double().eval()


@pytest.mark.parametrize("how", WAYS)
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


@pytest.mark.parametrize("how", ["tiles", "strided"])
def test_a_size_that_cannot_be_cut_into_pieces(how):
    with pytest.raises(ValueError, match="img_size is 24 and the network is for 16"):
        for_size(network(), 24, how)
    module, _ = made(how=how)
    with pytest.raises(ValueError, match="6 x 8 tokens cannot be cut into pieces of 4"):
        module(torch.zeros(1, 6, 8, C).double())


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


@pytest.mark.parametrize(
    "x, said",
    [
        (torch.zeros(4, 4, C), "3 axes"),
        (torch.zeros(1, 4, 4, C + 1), "its last axis is 13"),
        (torch.zeros(1, 0, 4, C), "H = 0"),
    ],
)
def test_input_that_fits_no_grid(x, said):
    with pytest.raises(ValueError, match=said):
        made()[0](x.double())


def test_no_such_way():
    with pytest.raises(ValueError, match="how is 'crop'; it must be one of resample"):
        AnySizePermuteMLP(C, N, how="crop")
