"""The other ways to mix tokens, each against its own formula; and what they cost."""

from pathlib import Path

import torch

from tables import in_turn
from test_shape_comments import B, C, N, complaints
from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.mixers import rivals
from vip_tutorial.mixers.rivals import Convolution, SelfAttention, TokenMixing
from vip_tutorial.study.cost import count_multiply_adds, count_parameters
from vip_tutorial.study.reach import reach

SOURCE = Path(rivals.__file__).read_text(encoding="utf-8")


def runs(code):
    x = torch.randn(B, N, N, C)
    yield code.SelfAttention(C), x
    yield code.TokenMixing(N, N, 5), x
    yield code.Convolution(C), x


def test_every_shape_comment_is_there_and_true():
    assert complaints(SOURCE, runs, "vip_tutorial.mixers") == {}


@in_turn(
    "right, wrong",
    [
        ("# (B, C, H*W)", "# (B, H*W, C)"),
        ("  # (B, H*W, C) each", ""),
        ("x.permute(0, 2, 3, 1)", "x.permute(0, 3, 2, 1)"),
    ],
)
def test_a_wrong_shape_comment_is_found(right, wrong):
    source = SOURCE.replace(right, wrong, 1)
    assert source != SOURCE
    assert complaints(source, runs, "vip_tutorial.mixers")


# --- What they compute ---------------------------------------------------------------


def test_attention_token_by_token(device):
    layer = SelfAttention(6).to(device, torch.float64)
    x = torch.randn(2, 3, 4, 6, device=device, dtype=torch.float64)
    query, key, value = layer.qkv.weight.chunk(3)
    out = torch.empty_like(x)
    for b in range(2):
        tokens = [x[b, i, j] for i in range(3) for j in range(4)]
        for t, one in enumerate(tokens):
            likeness = [(query @ one) @ (key @ other) / 6**0.5 for other in tokens]
            shares = torch.stack(likeness).softmax(0)
            taken = sum(s * (value @ other) for s, other in zip(shares, tokens))
            out[b, t // 4, t % 4] = layer.proj(taken)
    torch.testing.assert_close(layer(x), out)


def test_attention_is_torchs():
    layer = SelfAttention(6).double()
    theirs = torch.nn.MultiheadAttention(6, 1, batch_first=True).double()
    theirs.in_proj_weight.data = layer.qkv.weight.data
    theirs.out_proj.load_state_dict(layer.proj.state_dict())
    x = torch.randn(2, 3, 4, 6).double()
    tokens = x.reshape(2, 12, 6)
    out, _ = theirs(tokens, tokens, tokens)
    torch.testing.assert_close(layer(x), out.reshape(x.shape))


def test_token_mixing_channel_by_channel(device):
    layer = TokenMixing(3, 4, 5).to(device, torch.float64)
    x = torch.randn(2, 3, 4, 6, device=device, dtype=torch.float64)
    for b in range(2):
        for c in range(6):
            one = layer.mlp(x[b, :, :, c].flatten())
            torch.testing.assert_close(layer(x)[b, :, :, c].flatten(), one)


def test_convolution_place_by_place(device):
    layer = Convolution(2).to(device, torch.float64)
    x = torch.randn(1, 3, 4, 2, device=device, dtype=torch.float64)
    weight, bias = layer.conv.weight, layer.conv.bias
    for i in range(3):
        for j in range(4):
            out = bias.clone()
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    if 0 <= i + down < 3 and 0 <= j + right < 4:
                        pixel = x[0, i + down, j + right]
                        out += weight[:, :, down + 1, right + 1] @ pixel
            torch.testing.assert_close(layer(x)[0, i, j], out)


def test_who_sees_whom():
    x = torch.randn(1, 4, 5, 6)
    assert (reach(SelfAttention(6), x) > 0).all()
    assert (reach(TokenMixing(4, 5, 7), x) > 0).all()
    seen = reach(Convolution(6), x) > 0
    for i, j, k, m in torch.cartesian_prod(*map(torch.arange, (4, 5, 4, 5))):
        assert seen[i, j, k, m] == (abs(i - k) <= 1 and abs(j - m) <= 1)


# --- What they cost ------------------------------------------------------------------


@in_turn("side, C", [(4, 8), (8, 16), (6, 12)])
def test_counts_are_the_formulas(side, C):
    T, q = side * side, C // 4
    plain = 4 * C * C + C
    wanted = {
        SelfAttention(C): (plain, 4 * T * C * C + 2 * T * T * C),
        TokenMixing(side, side, 5): (2 * T * 5 + 5 + T, 2 * T * 5 * C),
        Convolution(C): (9 * C * C + C, 9 * T * C * C),
        PermuteMLP(C, side): (plain, 4 * T * C * C),
        WeightedPermuteMLP(C, side): (
            plain + C * q + q + 3 * C * q + 3 * C,
            4 * T * C * C + 4 * C * q,
        ),
    }
    x = torch.randn(1, side, side, C)
    for module, (parameters, products) in wanted.items():
        assert count_parameters(module) == parameters, module
        assert count_multiply_adds(module, x) == products, module
        assert count_multiply_adds(module.to("meta"), x.to("meta")) == products


def test_every_image_of_a_batch_is_counted():
    module = PermuteMLP(8, 4)
    one, three = torch.randn(1, 4, 4, 8), torch.randn(3, 4, 4, 8)
    assert 3 * count_multiply_adds(module, one) == count_multiply_adds(module, three)


def test_counting_leaves_no_trace():
    module, x = PermuteMLP(8, 4), torch.randn(1, 4, 4, 8, requires_grad=True)
    count_multiply_adds(module, x)
    assert x.grad is None and all(p.grad is None for p in module.parameters())
