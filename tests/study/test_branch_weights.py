"""What the branch weights are made from: pooled vectors, one matrix, two orders."""

from functools import partial

import pytest
import torch
from torch import nn

from tables import in_turn
from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.mixers.early_weights import pooled_from_means, weights_of_pooled
from vip_tutorial.study.branch_weights import (
    exchanged_order,
    pooled_path,
    pooled_sum,
    weights_by_block,
)
from vip_tutorial.study.oracles import branches_einsum
from vip_tutorial.training.data import as_tokens, digit, patterns
from vip_tutorial.vision_permutator import VisionPermutator

SIZES = [(12, 4, False), (16, 8, True), (4, 1, False), (7, 7, True)]


@pytest.fixture(params=SIZES, ids=str)
def module(request):
    C, N, bias = request.param
    return WeightedPermuteMLP(C, N, qkv_bias=bias).double()


def tokens(module, B=3):
    N, C = module.segment_dim, module.dim
    return torch.randn(B, N, N, C, dtype=torch.float64)


def test_pooled_is_the_mean_of_the_branches_sum(module):
    x = tokens(module)
    truth = sum(branches_einsum(module, x)).mean(dim=(1, 2))
    torch.testing.assert_close(pooled_sum(module, x), truth)


@in_turn("order", ["hwc", "cwh"])
def test_weights_of_pooled_are_the_modules(order):
    module = WeightedPermuteMLP(16, 4, branch_order=order).double()
    x = tokens(module)
    weights = weights_of_pooled(module, pooled_sum(module, x))
    torch.testing.assert_close(weights, module.branch_weights(*module.branches(x)))


def test_pooled_needs_only_the_means_of_rows_and_columns(module):
    x = tokens(module)
    from_means = pooled_from_means(module, x.mean(dim=2), x.mean(dim=1))
    torch.testing.assert_close(from_means, pooled_sum(module, x))


class Patches(nn.Module):
    """A patch embedding with a bias, as in the real network: patches of 2 x 2."""

    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(1, dim, kernel_size=2, stride=2)

    def forward(self, picture):
        return self.conv(picture[None, None]).permute(0, 2, 3, 1)


@in_turn("patches", [False, True])
def test_pooled_path_is_the_pooled_vector_of_any_picture(patches):
    N = 4 if patches else 8
    module = WeightedPermuteMLP(16, N, qkv_bias=patches)
    embed = Patches(16) if patches else partial(as_tokens, dim=16)
    path = pooled_path(module, embed, (8, 8))
    assert path.matrix.shape == (16, 64) and path.offset.shape == (16,)
    assert bool(path.offset.any()) == patches  # a bias shows in a blank picture
    with torch.no_grad():
        for picture in [digit(7)[0], torch.rand(8, 8), *patterns().values()]:
            truth = pooled_sum(module, embed(picture))[0].double()
            torch.testing.assert_close(path(picture), truth, atol=1e-6, rtol=1e-5)


def test_a_picture_need_not_be_square():
    module = WeightedPermuteMLP(16, 4)
    conv = nn.Conv2d(1, 16, kernel_size=(2, 3), stride=(2, 3))
    path = pooled_path(
        module, lambda p: conv(p[None, None]).permute(0, 2, 3, 1), (8, 12)
    )
    assert path.matrix.shape == (16, 96)


def test_pooled_path_leaves_the_module_as_it_is():
    module = WeightedPermuteMLP(16, 8)
    pooled_path(module, partial(as_tokens, dim=16), (8, 8))
    assert module.mlp_c.weight.dtype == torch.float32 and module.training
    assert all(p.grad is None for p in module.parameters())


@in_turn(
    "embed",
    [
        lambda p: nn.functional.gelu(as_tokens(p, 16)),
        lambda p: nn.functional.layer_norm(as_tokens(p, 16), (16,)),
        lambda p: nn.functional.dropout(as_tokens(p, 16), 0.5),
        lambda p: as_tokens(p, 16) + as_tokens(p * p.roll(1), 16),  # no unit tells
        lambda p: as_tokens(p / p.sum(), 16),  # nan for the blank picture
    ],
    ids="gelu norm dropout product nan".split(),
)
def test_an_embedding_that_is_not_linear_is_refused(embed):
    with pytest.raises(ValueError, match=r"embed is not linear.*Conv2d"):
        pooled_path(WeightedPermuteMLP(16, 8), embed, (8, 8))


@in_turn("dtype", [torch.float16, torch.float64])
def test_the_pooled_path_of_another_dtype(dtype):
    module = WeightedPermuteMLP(16, 8).to(dtype)
    path = pooled_path(module, partial(as_tokens, dim=16), (8, 8))
    assert path.matrix.dtype == torch.float64 and path.matrix.isfinite().all()


def test_what_cannot_be_tried_out_is_refused():
    module = WeightedPermuteMLP(16, 8)
    with pytest.raises(TypeError, match="embed is a NoneType; it must be a function"):
        pooled_path(module, None, (8, 8))
    fixed = nn.Linear(1, 16)
    with pytest.raises(ValueError, match=r"cannot take .* torch\.float64"):
        pooled_path(
            WeightedPermuteMLP(16, 8).double(),
            lambda p: fixed(p[None, ..., None]),
            (8, 8),
        )
    with pytest.raises(ValueError, match="on meta"):
        pooled_path(
            WeightedPermuteMLP(16, 8).to("meta"), partial(as_tokens, dim=16), (8, 8)
        )
    with torch.no_grad():
        module.mlp_h.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="a weight of the module is not finite"):
        pooled_path(module, partial(as_tokens, dim=16), (8, 8))


def test_what_has_no_branch_weights_is_refused():
    with pytest.raises(TypeError, match="PermuteMLP; branch weights"):
        pooled_path(PermuteMLP(16, 8), partial(as_tokens, dim=16), (8, 8))
    with pytest.raises(TypeError, match=r"embed returned list.*\(1, H, W, C\)"):
        pooled_path(WeightedPermuteMLP(16, 8), lambda p: p.tolist(), (8, 8))
    with pytest.raises(ValueError, match="channels last"):
        pooled_path(WeightedPermuteMLP(16, 8), lambda p: as_tokens(p, 16)[0], (8, 8))


def test_pooled_path_on_a_device(device):
    module, embed = WeightedPermuteMLP(16, 4), Patches(16)
    here = pooled_path(module, embed, (8, 8))
    there = pooled_path(module.to(device), embed.to(device), (8, 8))
    torch.testing.assert_close(there.matrix, here.matrix, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(there.offset, here.offset, atol=1e-6, rtol=1e-4)


def test_exchanged_order_makes_one_order_of_the_other():
    x = torch.randn(2, 4, 4, 16)
    authors = WeightedPermuteMLP(16, 4)
    article = WeightedPermuteMLP(16, 4, branch_order="cwh")
    state = authors.state_dict()
    article.load_state_dict(state)
    assert not torch.allclose(article(x), authors(x), atol=1e-4)
    article.load_state_dict(exchanged_order(state))
    torch.testing.assert_close(article(x), authors(x))
    for key, value in exchanged_order(exchanged_order(state)).items():
        assert torch.equal(value, authors.state_dict()[key]), key


def test_exchanged_order_finds_every_block_of_a_network():
    network = nn.ModuleDict(
        {"a": WeightedPermuteMLP(8, 4), "b": WeightedPermuteMLP(8, 4)}
    )
    before = {k: v.clone() for k, v in network.state_dict().items()}
    after = exchanged_order(before)
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert changed == {
        f"{block}.reweight.fc2.{kind}" for block in "ab" for kind in ("weight", "bias")
    }


def test_exchanged_order_of_something_else():
    with pytest.raises(ValueError, match=r"no reweight.fc2.*has weight, bias"):
        exchanged_order(nn.Linear(2, 6).state_dict())


def test_weights_of_every_block_are_those_that_it_uses(device):
    torch.manual_seed(0)
    model = VisionPermutator(
        [1, 2], [8, 16], [True], 2, img_size=16, num_classes=3, drop_path_rate=0.9
    )
    for parameter in model.parameters():  # at the authors' start all are one third
        nn.init.normal_(parameter, std=0.3)
    model = model.to(device).train()  # what is random is off while it is asked
    images = torch.randn(2, 3, 16, 16, device=device)
    found = weights_by_block(model, images)
    assert not any(m._forward_pre_hooks for m in model.modules())  # left as it was
    assert model.training
    assert list(found) == ["network.0.0", "network.2.0", "network.2.1"]
    assert [tuple(a.shape) for a in found.values()] == [(3, 2, 8)] + [(3, 2, 16)] * 2

    model.eval()
    x = model.patch_embed(images)
    for stage in model.network:
        for layer in stage if isinstance(stage, nn.Sequential) else [stage]:
            if not hasattr(layer, "attn"):
                x = layer(x)
                continue
            name = next(n for n, m in model.named_modules() if m is layer)
            h, w, c = layer.attn.branches(layer.norm1(x))
            a_h, a_w, a_c = found[name][:, :, None, None]
            mixed = layer.attn.proj(a_h * h + a_w * w + a_c * c)
            x = x + mixed
            x = x + layer.mlp(layer.norm2(x))
    with torch.no_grad():
        torch.testing.assert_close(model.norm(x), model.forward_features(images))


def test_weights_of_blocks_that_have_none():
    model = VisionPermutator([1], [8], (), 2, img_size=16, token_mixer=PermuteMLP)
    with pytest.raises(TypeError, match=r"block network\.0\.0 .* PermuteMLP"):
        weights_by_block(model, torch.randn(1, 3, 16, 16))
    model(torch.randn(1, 3, 16, 16))  # no hook is left behind
