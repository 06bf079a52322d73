"""Who sees whom: the strengths against matrices, PyTorch's own Jacobian, and nudges."""

import json
import sys

import pytest
import torch
from torch import nn

from tables import in_turn
from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.figures import ReachProbe
from vip_tutorial.mixers.rivals import Convolution, SelfAttention, TokenMixing
from vip_tutorial.study.oracles import channel_matrix, height_matrix, width_matrix
from vip_tutorial.study.reach import MOST_NUMBERS, in_line, reach

H = W = N = 4
C = 8


def norms(matrix: torch.Tensor, H=H, W=W, C=C) -> torch.Tensor:
    """Frobenius norms of the C x C blocks of a derivative, token by token."""
    blocks = matrix.double().reshape(H, W, C, H, W, C)
    return torch.linalg.vector_norm(blocks, dim=(2, 5))


@pytest.fixture
def x():
    return torch.randn(1, H, W, C)


# --- The numbers ---------------------------------------------------------------------


def test_the_branches_are_their_matrices(x):
    module = PermuteMLP(C, N)
    height = height_matrix(module.mlp_h.weight, H, W, C, N)
    width = width_matrix(module.mlp_w.weight, H, W, C, N)
    channel = channel_matrix(module.mlp_c.weight, H, W, C)
    close = {"rtol": 1e-5, "atol": 0}  # atol 0: what is 0 must be exactly 0
    torch.testing.assert_close(reach(module.height, x), norms(height), **close)
    torch.testing.assert_close(reach(module.width, x), norms(width), **close)
    torch.testing.assert_close(reach(module.channel, x), norms(channel), **close)
    proj = channel_matrix(module.proj.weight, H, W, C)
    whole = norms(proj @ (height + width + channel))
    torch.testing.assert_close(reach(module, x), whole, **close)


@in_turn(
    "layer",
    [
        lambda: WeightedPermuteMLP(C, N),
        lambda: SelfAttention(C),
        lambda: TokenMixing(H, W, 5),
        lambda: Convolution(C),
        # Not every step of its way back can be batched.
        lambda: (
            lambda x: nn.functional.group_norm(x.permute(0, 3, 1, 2), 2).permute(
                0, 2, 3, 1
            )
        ),
    ],
    ids="weighted attention mixer convolution unbatched".split(),
)
def test_it_is_the_jacobian(layer, x):
    f, x = layer(), x.double()
    f = f.double() if isinstance(f, nn.Module) else f
    exact = norms(torch.autograd.functional.jacobian(f, x))
    torch.testing.assert_close(reach(f, x), exact, rtol=1e-9, atol=1e-12)


def test_it_is_what_a_nudge_does(x):
    module, x = WeightedPermuteMLP(C, N).double(), x.double()
    strength = reach(module, x)
    step, columns = 1e-5, []
    for k in range(x.numel()):
        nudge = torch.zeros_like(x).flatten()
        nudge[k] = step
        up, down = (module(x + sign * nudge.reshape(x.shape)) for sign in (1, -1))
        columns.append(((up - down) / (2 * step)).detach().flatten())
    nudged = norms(torch.stack(columns, dim=1))
    torch.testing.assert_close(strength, nudged, rtol=1e-5, atol=1e-8)


def test_on_every_device(device):
    module = WeightedPermuteMLP(C, N).to(device)
    strength = reach(module, torch.randn(1, H, W, C, device=device))
    assert strength.device.type == "cpu" and strength.dtype == torch.float64
    assert strength.shape == (H, W, H, W) and (strength > 0).all()


@in_turn("most", [1, 3 * C * H * W * C, 10 * C * H * W * C])
def test_however_many_tokens_go_at_once(x, most, monkeypatch):
    module = WeightedPermuteMLP(C, N)
    together = reach(module, x)
    module_of_reach = sys.modules[reach.__module__]  # the door has the function
    monkeypatch.setattr(module_of_reach, "_MOST_AT_ONCE", most)
    torch.testing.assert_close(reach(module, x), together)


def test_a_picture_that_is_not_square():
    x = torch.randn(1, 2, 5, 3)
    seen = reach(lambda x: x.cumsum(dim=2), x) > 0
    for row, column in torch.cartesian_prod(torch.arange(2), torch.arange(5)):
        wanted = torch.zeros(2, 5, dtype=torch.bool)
        wanted[row, : column + 1] = True
        assert seen[row, column].equal(wanted)


# --- Nothing is nothing, and little is not -------------------------------------------


def test_no_path_is_exactly_0(x):
    seen = reach(PermuteMLP(C, N), x) > 0
    for row in range(H):
        for column in range(W):
            cross = torch.zeros(H, W, dtype=torch.bool)
            cross[row], cross[:, column] = True, True
            assert seen[row, column].equal(cross)


def test_tokens_in_line():
    same_row, same_column = in_line(2, 3)
    assert same_row.shape == same_column.shape == (2, 3, 2, 3)
    for i, j, k, m in torch.cartesian_prod(*map(torch.arange, (2, 3, 2, 3))):
        assert same_row[i, j, k, m] == (i == k)
        assert same_column[i, j, k, m] == (j == m)


@in_turn("scale", [1e-300, 1e-200, 1e200])
def test_the_square_of_a_small_number_is_not_lost(x, scale):
    strength = reach(lambda x: x * scale, x.double())
    own = strength.reshape(H * W, H * W).diagonal()
    torch.testing.assert_close(own / scale, torch.full_like(own, C**0.5))


# --- It does no harm -----------------------------------------------------------------


def test_it_changes_nothing_of_the_readers(x):
    module, before = WeightedPermuteMLP(C, N), x.clone()

    def careless(x):
        x.mul_(2)
        return module(x)

    with torch.no_grad():
        doubled = reach(careless, x)
    assert x.equal(before) and not x.requires_grad
    assert all(p.grad is None for p in module.parameters())
    twice = reach(lambda x: module(2 * x), x)
    torch.testing.assert_close(doubled, twice)


@in_turn("mode", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off(mode):
    module = PermuteMLP(C, N)
    with mode():
        strength = reach(module, torch.randn(1, H, W, C))
    assert (strength[0, 0] > 0).sum() == H + W - 1


# --- What it refuses -----------------------------------------------------------------


def root(x):
    return (x * 0).sqrt()


def steep_at_the_last(x):
    x[:, -1, -1] = x[:, -1, -1] * 1e30 * 1e30
    return x


@in_turn(
    "f, given, error, told",
    [
        (nn.Identity(), [1.0], TypeError, "is a list"),
        (nn.Identity(), torch.ones(1, 2, 2, 3, dtype=int), TypeError, "x.float()"),
        (nn.Identity(), torch.ones(1, 2, 2, 3).to_sparse(), TypeError, "x.to_dense()"),
        (
            nn.Identity(),
            torch.nested.as_nested_tensor([torch.ones(2, 2)], layout=torch.jagged),
            TypeError,
            "to_padded_tensor",
        ),
        (nn.Identity(), torch.ones(1, 2, 2, 3, device="meta"), ValueError, "on meta"),
        (nn.Identity(), torch.randn(2, 2, 3), ValueError, "x[None]"),
        (nn.Identity(), torch.randn(2, 2, 2, 3), ValueError, "x[:1]"),
        (nn.Identity(), torch.randn(1, 0, 2, 3), ValueError, "(1, H, W, C)"),
        (nn.Identity(), torch.randn(1, 8, 8, 129), ValueError, str(MOST_NUMBERS)),
        (nn.Identity(), torch.full((1, 2, 2, 3), torch.inf), ValueError, "not finite"),
        (lambda x: [x], torch.randn(1, 2, 2, 3), TypeError, "'f' gave a list"),
        (lambda x: x.mean(3), torch.randn(1, 2, 2, 3), ValueError, "(1, 2, 2)"),
        (lambda x: x.detach(), torch.randn(1, 2, 2, 3), ValueError, "autograd can"),
        (root, torch.randn(1, 2, 3, 3), ValueError, "output token (0, 0)"),
        (steep_at_the_last, torch.randn(1, 2, 3, 3), ValueError, "token (1, 2)"),
        (steep_at_the_last, torch.randn(1, 3, 2, 3), ValueError, "token (2, 1)"),
    ],
)
def test_it_says_what_it_needs(f, given, error, told):
    with pytest.raises(error) as caught:
        reach(f, given, name="'f'")
    assert told in str(caught.value)


def test_a_cut_is_found_behind_the_weights(x):
    module = PermuteMLP(C, N)
    assert module(x.detach()).requires_grad  # by its weights
    with pytest.raises(ValueError, match="does not depend on x as far as autograd"):
        reach(lambda x: module(x.detach()), x)


def test_an_error_of_the_function_is_the_readers(x):
    with pytest.raises(ValueError, match="segment_dim = 2"):
        reach(PermuteMLP(C, 2), x)


# --- The widget ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def core(engine_of):
    return engine_of("reach_probe.js")


def unpacked(core, probe: ReachProbe, number: int = 0) -> list[float]:
    packed = json.dumps(probe.maps[number])
    return list(core.eval(f"Array.from($reach_probe.unpackStrengths({packed}))"))


@in_turn("scale", [1, 1e-30, 1e30, 1e-290])
def test_javascript_reads_three_digits_of_every_strength(core, x, scale):
    layers = {
        "whole": WeightedPermuteMLP(C, N).double(),
        "branch": PermuteMLP(C, N).double(),
    }
    maps = {label: lambda x, f=f: scale * f(x) for label, f in layers.items()}
    probe = ReachProbe(maps, x.double())
    for number, f in enumerate(maps.values()):
        exact = reach(f, x.double()).flatten().tolist()
        assert unpacked(core, probe, number) == [float(f"{s:.2e}") for s in exact]


def test_what_is_not_0_is_never_written_as_0(core):
    x = torch.randn(1, 1, 3, 1, dtype=torch.float64)
    factors = torch.tensor([1.0, 3e-100, 0.0], dtype=torch.float64)
    probe = ReachProbe({"f": lambda x: x * factors[:, None]}, x)
    assert unpacked(core, probe) == [1, 0, 0, 0, 1e-51, 0, 0, 0, 0]


def test_strengths_of_nothing(core, x):
    probe = ReachProbe({"nothing": lambda x: 0 * x}, x)
    assert set(unpacked(core, probe)) == {0}


def test_the_shade_grows_with_the_strength(core):
    for shade in ("linear", "log"):
        told = [
            core.eval(f"$reach_probe.shadeOf({s}, {{ low: 1e-6, high: 2 }}, '{shade}')")
            for s in (0, 1e-6, 1e-3, 1, 2)
        ]
        assert told == sorted(set(told)) and told[0] == 0
        assert told[1] == pytest.approx(0.1, abs=1e-5) and told[-1] == pytest.approx(1)
    even = core.eval("$reach_probe.shadeOf(3, { low: 3, high: 3 }, 'log')")
    assert even == 1


def test_it_starts_where_it_is_told(x):
    f = {"f": nn.Identity()}
    assert ReachProbe(f, x).start == "v1;at=10"
    assert ReachProbe(f, x, at=(1, 2)).start == "v1;at=6"
    assert ReachProbe(f, x, start="v1;map=0").start == "v1;map=0"


def test_another_image_in_the_same_figure(x):
    probe, seen = ReachProbe({"f": nn.Identity()}, x, picture=torch.rand(H, W)), []
    probe.observe(seen.append, names="maps")
    probe.show({"g": PermuteMLP(C, N)}, x)
    assert [m["label"] for m in probe.maps] == ["g"] and len(seen) == 1
    assert probe.picture is not None  # the tokens are still pieces of it
    probe.show({"g": nn.Identity()}, torch.randn(1, 2, 3, 1))
    assert probe.grid == [2, 3] and probe.picture is None
    assert probe.start == "v1;at=4"


F = {"f": nn.Identity()}


@in_turn(
    "maps, given, error, told",
    [
        (nn.Identity(), {}, TypeError, "dict from a label to a function"),
        ({"f": 3}, {}, TypeError, "dict from a label to a function"),
        ({}, {}, ValueError, "0 entries"),
        ({str(i): nn.Identity() for i in range(9)}, {}, ValueError, "1 to 8"),
        ({" ": nn.Identity()}, {}, ValueError, "labels"),
        ({7: nn.Identity()}, {}, ValueError, "labels"),
        ({"mean": lambda x: x.mean(0)}, {}, ValueError, "'mean' made (4, 4, 8)"),
        (F, {"x": torch.randn(1, 17, 17, 1)}, ValueError, "17 x 17 tokens"),
        (F, {"x": torch.randn(2, 4, 4, 1)}, ValueError, "one image"),
        (F, {"x": None}, TypeError, "NoneType"),
        (F, {"at": (4, 0)}, ValueError, "at is (4, 0)"),
        (F, {"at": 5}, ValueError, "at is 5"),
        (F, {"at": (0, 0, 0)}, ValueError, "(row, column)"),
        (F, {"at": (0, 0), "start": "v1;at=3"}, ValueError, "give one of them"),
        (F, {"picture": torch.rand(4, 5)}, ValueError, "it must be (4, 4)"),
        (F, {"picture": torch.full((4, 4), torch.nan)}, ValueError, "grey level"),
        (F, {"picture": torch.full((4, 4), 5.0)}, ValueError, "goes from 5 to 5"),
        (F, {"picture": "ab"}, TypeError, "a str that cannot be read as numbers"),
        (F, {"picture": [[None]]}, TypeError, "a list that cannot be read"),
        (F, {"colour": "red"}, TypeError, "no argument colour"),
    ],
)
def test_the_widget_says_what_it_needs(maps, given, error, told, x):
    with pytest.raises(error) as caught:
        ReachProbe(maps, **{"x": x} | given)
    assert told in str(caught.value)
