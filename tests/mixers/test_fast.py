"""The fast way gives what the module gives, and steps aside where it must."""

import copy
import linecache
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import forward_ad
from torch.utils.flop_counter import FlopCounterMode

from tables import in_turn
from test_shape_comments import COMMENT, Watch
from tolerances import error, tolerance
from vip_tutorial import PermuteMLP, WeightedPermuteMLP, trace
from vip_tutorial.mixers import fast
from vip_tutorial.mixers.any_size import for_size
from vip_tutorial.mixers.fast import FastPermuteMLP, made_fast
from vip_tutorial.study.branch_weights import weights_by_block
from vip_tutorial.study.cost import count_bytes_moved, count_multiply_adds
from vip_tutorial.study.oracles import weighted_permute_mlp_einsum
from vip_tutorial.vision_permutator import VisionPermutator

ORDERS = ("hwc", "cwh")


@pytest.fixture
def always(monkeypatch):
    """The fast way for inputs of any size, a single image at a time."""
    monkeypatch.setattr(fast, "LEAST_CHANNELS", 1)
    monkeypatch.setattr(fast, "PIECE_TOKENS", 1)
    monkeypatch.setattr(fast, "PIECE_NUMBERS", 1)
    monkeypatch.setattr(fast, "LEAST_NUMBERS_ON_A_GPU", 1)


@pytest.fixture
def taken(monkeypatch):
    """The calls of the fast way."""
    calls = []
    way = FastPermuteMLP.in_pieces

    def noted(self, x, images):
        calls.append(images)
        return way(self, x, images)

    monkeypatch.setattr(FastPermuteMLP, "in_pieces", noted)
    return calls


def pair(C=12, N=4, **options):
    """A module, and its fast copy; the mixed weights are far from one third."""
    module = WeightedPermuteMLP(C, N, **options).eval()
    with torch.no_grad():
        module.reweight.fc2.weight.mul_(8)
    return module, made_fast(module)


# --- the same result -----------------------------------------------------------------


@given(
    B=st.integers(1, 5),
    N=st.integers(1, 6),
    S=st.integers(1, 5),
    images=st.integers(1, 6),
    bias=st.booleans(),
    order=st.sampled_from(ORDERS),
    seed=st.integers(0, 99),
)
def test_equal_for_any_shape_and_size_of_pieces(B, N, S, images, bias, order, seed):
    torch.manual_seed(seed)
    S = max(S, -(-4 // N))
    module, quick = pair(N * S, N, qkv_bias=bias, branch_order=order)
    module, quick = module.double(), quick.double()
    x = torch.randn(B, N, N, N * S, dtype=torch.float64)
    with torch.no_grad():
        truth = module(x)
        assert error(quick.in_pieces(x, images), truth) < 1e-13
        assert torch.allclose(truth, weighted_permute_mlp_einsum(module, x))


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16]
)
@in_turn("order", ORDERS)
def test_as_exact_as_the_module(device, dtype, order, always, taken):
    if device.type == "mps" and dtype == torch.float64:
        pytest.skip("mps has no float64")
    taken.clear()
    for seed in range(10):
        for B, N, S in [(3, 4, 3), (2, 8, 8), (2, 14, 2)]:
            torch.manual_seed(seed)
            quick = FastPermuteMLP(N * S, N, qkv_bias=True, branch_order=order)
            quick = quick.to(device, dtype).eval()
            x = torch.randn(B, N, N, N * S).to(device, dtype)
            with torch.no_grad():
                result = quick(x)
            assert result.dtype == dtype
            truth = weighted_permute_mlp_einsum(quick.cpu().double(), x.cpu().double())
            assert error(result, truth) < tolerance(dtype)
    assert len(taken) == 30


def test_equal_where_it_is_chosen(device, taken):
    """At a size that takes the fast way by itself."""
    module, quick = pair(192, 8)
    x = torch.randn(400, 8, 8, 192).to(device)
    with torch.no_grad():
        expected, result = module.to(device)(x), quick.to(device)(x)
    assert taken
    assert error(result, expected.cpu().double()) < 2 * tolerance(torch.float32)


@in_turn("dtype", [torch.float32, torch.bfloat16])
def test_autocast(device, dtype, always, taken):
    if device.type == "mps":
        pytest.skip("autocast to bfloat16 depends on the version of macOS")
    taken.clear()
    module, quick = (m.to(device) for m in pair(64, 8, qkv_bias=True))
    x = torch.randn(3, 8, 8, 64).to(device, dtype)
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16):
        result = quick(x)
        assert result.dtype == module(x).dtype == torch.bfloat16
    truth = weighted_permute_mlp_einsum(module.cpu().double(), x.cpu().double())
    assert error(result, truth) < 2 * tolerance(torch.bfloat16)
    assert taken


def test_autocast_leaves_float64_alone(always, taken):
    module, quick = (m.double() for m in pair(qkv_bias=True))
    x = torch.randn(3, 4, 4, 12, dtype=torch.float64)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        result, expected = quick(x), module(x)
    assert taken and result.dtype == expected.dtype == torch.float64
    assert error(result, expected) < 1e-13


def test_what_a_piece_is_handed(monkeypatch):
    """Weights of the dtype of the sums, and room for one piece, not for the batch."""
    _, quick = pair()
    way, seen = FastPermuteMLP._one_piece, []

    def noted(self, x, weights, out, *room):
        seen.append((weights.dtype, x.dtype, len(x), [len(r) for r in room]))
        assert room[0].untyped_storage().size() == 3 * 2 * x[0].nbytes
        way(self, x, weights, out, *room)

    monkeypatch.setattr(FastPermuteMLP, "_one_piece", noted)
    # As autocast makes them on CUDA, where a softmax is float32.
    made = fast.weights_of_pooled
    monkeypatch.setattr(fast, "weights_of_pooled", lambda *of: made(*of).float())
    with torch.no_grad():
        quick.in_pieces(torch.randn(5, 4, 4, 12), 2)
        half = torch.bfloat16
        with torch.autocast("cpu", dtype=half):
            quick.in_pieces(torch.randn(2, 4, 4, 12), 2)
    assert [count for _, _, count, _ in seen] == [2, 2, 1, 2]
    assert all(rooms == [count] * 3 for _, _, count, rooms in seen)
    assert [kinds[:2] for kinds in seen] == [(torch.float32,) * 2] * 3 + [(half,) * 2]


@in_turn(
    "turned",
    [
        lambda x: x.permute(0, 2, 1, 3),
        lambda x: x.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1),
        lambda x: x.repeat(2, 1, 1, 1)[::2],
        lambda x: x[:1].expand(4, -1, -1, -1),
    ],
    ids=["transposed", "channels first", "every other image", "one image, four times"],
)
def test_any_layout_and_the_input_stays(turned, always, taken):
    taken.clear()
    module, quick = pair()
    x = turned(torch.randn(3, 4, 4, 12))
    before, version = x.clone(), x._version
    with torch.no_grad():
        torch.testing.assert_close(quick(x), module(x), rtol=0, atol=1e-6)
    assert taken and torch.equal(x, before) and x._version == version


def test_the_results_of_two_calls_share_nothing(always):
    _, quick = pair()
    x = torch.randn(2, 4, 4, 12)
    with torch.inference_mode():
        first = quick(x)
        kept = first.clone()
        quick(-x)
    assert torch.equal(first, kept)


def test_dropout_is_applied(always, taken):
    module, quick = pair(proj_drop=0.5)
    x = torch.randn(3, 4, 4, 12)
    with torch.no_grad():
        for each in (module, quick):
            each.train()
        torch.manual_seed(1)
        expected = module(x)
        torch.manual_seed(1)
        torch.testing.assert_close(quick(x), expected, rtol=0, atol=1e-6)
    assert taken and (expected == 0).any()


# --- what it does not do -------------------------------------------------------------


def test_gradients_go_the_plain_way(always, taken):
    module, quick = pair()
    x, y = (torch.randn(3, 4, 4, 12).requires_grad_() for _ in range(2))
    y.data.copy_(x.data)
    for each, given_ in ((module, x), (quick, y)):
        each(given_).square().sum().backward()
    assert not taken
    assert torch.equal(x.grad, y.grad)
    for one, other in zip(module.parameters(), quick.parameters()):
        assert torch.equal(one.grad, other.grad)


@in_turn("frozen", [True, False])
def test_what_is_frozen_needs_no_gradient(frozen, always, taken):
    taken.clear()
    _, quick = pair()
    quick.requires_grad_(not frozen)
    quick(torch.randn(3, 4, 4, 12))
    assert bool(taken) == frozen


def test_an_input_can_want_the_gradient(always, taken):
    module, quick = pair()
    x, y = (torch.ones(3, 4, 4, 12).requires_grad_() for _ in range(2))
    quick.requires_grad_(False)
    quick(x)[0, 0, 0, 0].backward()
    module(y)[0, 0, 0, 0].backward()
    assert not taken and torch.equal(x.grad, y.grad) and x.grad.any()


@pytest.mark.filterwarnings("ignore:.*jit:DeprecationWarning")  # torch's own
def test_forward_derivatives_go_the_plain_way(always, taken):
    module, quick = pair()
    x = torch.randn(3, 4, 4, 12)
    with forward_ad.dual_level(), torch.no_grad():
        dual = forward_ad.make_dual(x, torch.ones_like(x))
        one, other = (forward_ad.unpack_dual(m(dual)).tangent for m in (quick, module))
        assert one.any() and torch.equal(one, other)
    assert not taken


@pytest.mark.filterwarnings("ignore:.*jit:DeprecationWarning")
def test_transforms_go_the_plain_way(always, taken):
    module, quick = pair()
    x = torch.randn(3, 2, 4, 4, 12)
    with torch.no_grad():
        torch.testing.assert_close(
            torch.vmap(quick)(x), torch.vmap(module)(x), rtol=0, atol=1e-6
        )
        tangents = [
            torch.func.jvp(m, (x[0],), (torch.ones_like(x[0]),))[1]
            for m in (module, quick)
        ]
        assert torch.equal(*tangents) and tangents[0].any()
    assert not taken


def add_hook(layer):
    layer.register_forward_hook(lambda m, given_, out: 2 * out)


def add_pre_hook(layer):
    layer.register_forward_pre_hook(lambda m, given_: (2 * given_[0],))


def replace(layer):
    class Doubled(torch.nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    layer.__class__ = Doubled


def replace_forward(layer):
    before = layer.forward
    layer.forward = lambda x: 2 * before(x)


@in_turn("layer", ["mlp_h", "mlp_w", "mlp_c", "proj"])
@in_turn("change", [add_hook, add_pre_hook, replace, replace_forward])
def test_changed_layers_are_asked(change, layer, always, taken):
    module, quick = pair()
    x = torch.randn(3, 4, 4, 12)
    with torch.no_grad():
        before = quick(x)
        assert taken.pop()
        for each in (module, quick):
            change(getattr(each, layer))
        assert torch.equal(quick(x), module(x))
        assert not taken and not torch.allclose(quick(x), before)


@in_turn("name", "height width channel branches branch_weights".split())
def test_replaced_methods_are_asked(name, always, taken):
    module, quick = pair()
    x = torch.randn(3, 4, 4, 12)

    def doubled(method):
        def call(*args):
            out = method(*args)
            return tuple(2 * o for o in out) if isinstance(out, tuple) else 2 * out

        return call

    with torch.no_grad():
        before = quick(x)
        assert taken.pop()
        for each in (module, quick):
            setattr(each, name, doubled(getattr(each, name)))
        assert torch.equal(quick(x), module(x))
        assert not taken and not torch.allclose(quick(x), before)


def test_methods_of_a_derived_class_are_asked(always, taken):
    class Upright(FastPermuteMLP):
        def width(self, x):
            return self.height(x)

    x = torch.randn(3, 4, 4, 12)
    with torch.no_grad():
        Upright(12, 4).eval()(x)
        assert not taken
        FastPermuteMLP(12, 4).eval()(x)
        assert taken


def test_hooks_on_all_modules_are_called(always, taken):
    _, quick = pair()
    seen = []
    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda module, given_, out: seen.append(module)
    )
    try:
        with torch.no_grad():
            quick(torch.randn(3, 4, 4, 12))
    finally:
        handle.remove()
    assert not taken and quick.mlp_h in seen


@pytest.mark.filterwarnings("ignore:.*jit:DeprecationWarning")
def test_a_traced_graph_goes_the_plain_way(always, taken):
    module, quick = pair()
    x = torch.randn(3, 4, 4, 12)
    with torch.no_grad():
        traced = torch.jit.trace(quick, x, check_trace=False)  # it calls quick, too
        assert not taken
        torch.testing.assert_close(traced(x), module(x), rtol=0, atol=1e-6)


@in_turn(
    "shape, images",
    [
        ((64, 8, 8, 512), 16),
        ((32, 16, 16, 384), 4),
        ((32, 32, 32, 192), 1),
        ((2, 32, 32, 192), 1),
        ((64, 8, 8, 128), 24),
        ((1, 32, 32, 192), None),  # too few tokens
        ((31, 8, 8, 512), None),
        ((512, 8, 8, 64), None),  # too few channels
        ((512, 8, 8, 120), None),
        ((0, 8, 8, 512), None),
    ],
)
def test_what_is_taken_at_a_time(shape, images, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    quick = FastPermuteMLP(shape[3], shape[1])
    with torch.no_grad():
        x = torch.empty(1).expand(shape)
        assert quick.piece(x) == images
        monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
        more = quick.piece(x)
        assert more is None or more == 8 * images


def test_a_wrong_input_gets_the_modules_words(always):
    _, quick = pair()
    with torch.no_grad(), pytest.raises(ValueError, match="H = W = segment_dim = 4"):
        quick(torch.zeros(2, 5, 4, 12))


def test_an_empty_batch():
    _, quick = pair(128, 4)
    with torch.no_grad():
        assert quick(torch.empty(0, 4, 4, 128)).shape == (0, 4, 4, 128)


# --- where it goes -------------------------------------------------------------------


def test_a_network_is_copied_and_made_fast(always, taken):
    torch.manual_seed(0)
    model = VisionPermutator(
        [1, 2], [8, 16], [True], patch_size=2, img_size=16, in_chans=1, num_classes=5
    ).eval()
    kinds = [type(block.attn) for block in model.blocks]
    quick = made_fast(model)
    assert kinds == [type(block.attn) for block in model.blocks]
    assert all(type(block.attn) is FastPermuteMLP for block in quick.blocks)
    images = torch.randn(4, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(quick(images), model(images), rtol=0, atol=1e-5)
        assert len(taken) == 3
        shown, expected = (weights_by_block(m, images) for m in (quick, model))
        for name, weights in expected.items():
            torch.testing.assert_close(shown[name], weights)
    assert list(quick.state_dict()) == list(model.state_dict())
    quick.load_state_dict(model.state_dict())
    assert not {p.data_ptr() for p in quick.parameters()} & {
        p.data_ptr() for p in model.parameters()
    }
    assert not quick.training and type(made_fast(quick)) is VisionPermutator


def test_a_network_is_built_with_it():
    model = VisionPermutator(
        [1], [16], img_size=28, num_classes=5, token_mixer=FastPermuteMLP
    )
    assert type(model.blocks[0].attn) is FastPermuteMLP
    model(torch.randn(2, 3, 28, 28)).sum().backward()  # it trains as ever


def test_new_weights_are_seen(always):
    _, quick = pair()
    x = torch.randn(2, 4, 4, 12)
    with torch.no_grad():
        quick(x)
        for parameter in quick.parameters():
            parameter.normal_()
        expected = WeightedPermuteMLP.forward(quick, x)
        torch.testing.assert_close(quick(x), expected, rtol=1e-5, atol=1e-4)


class OfItsOwn(WeightedPermuteMLP):
    pass


@in_turn("other", [PermuteMLP, OfItsOwn])
def test_other_mixers_are_refused(other):
    with pytest.raises(
        ValueError, match=f"no WeightedPermuteMLP in this {other.__name__}"
    ):
        made_fast(other(8, 2))


@in_turn("other", [None, WeightedPermuteMLP, "vip_s7"])
def test_what_is_no_module_is_refused(other):
    with pytest.raises(TypeError, match="it must be a module that is built already"):
        made_fast(other)


def test_a_network_for_another_size_stays_as_it_is():
    model = VisionPermutator([1], [8], patch_size=2, img_size=8, num_classes=5)
    with pytest.raises(ValueError, match="AnySizePermuteMLP have a forward of their"):
        made_fast(for_size(model, 16))
    with pytest.raises(ValueError, match="modules of other classes have a forward"):
        made_fast(torch.nn.Linear(2, 2))


def test_hooks_and_settings_are_taken_along():
    module = WeightedPermuteMLP(12, 4, branch_order="cwh").eval().half()
    seen = []
    module.register_forward_hook(lambda *call: seen.append(call))
    quick = made_fast(module)
    assert (quick.branch_order, quick.training) == ("cwh", False)
    assert quick.proj.weight.dtype == torch.float16
    quick(torch.zeros(1, 4, 4, 12).half())
    assert len(seen) == 1
    assert torch.equal(copy.deepcopy(quick).proj.weight, module.proj.weight)


# --- compilers and devices -----------------------------------------------------------


@pytest.mark.filterwarnings(
    "ignore:Guards may run slower on Python 3.13.0:RuntimeWarning"
)
@in_turn("backend", ["eager", "aot_eager"])
@pytest.mark.slow
def test_compile(backend, always, taken):
    module, quick = pair()
    x = torch.randn(3, 4, 4, 12)
    torch.compiler.reset()
    compiled = torch.compile(quick, backend=backend, fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), module(x), rtol=0, atol=1e-6)
    assert not taken


def test_export(always):
    module, quick = pair()
    x = torch.randn(3, 4, 4, 12)
    with torch.no_grad():
        exported = torch.export.export(quick, (x,)).module()
        torch.testing.assert_close(exported(x), module(x), rtol=0, atol=1e-6)


def test_nothing_is_made_on_another_device(always, taken):
    quick = FastPermuteMLP(64, 8, qkv_bias=True).to("meta")
    with torch.no_grad():
        result = quick(torch.empty(2, 8, 8, 64, device="meta"))
    assert taken == [2]
    assert (result.device.type, result.shape) == ("meta", (2, 8, 8, 64))


FAKE_CUDA = """
import torch
from torch._subclasses import FakeTensorMode
from vip_tutorial.mixers import FastPermuteMLP

taken = []
way = FastPermuteMLP.in_pieces
FastPermuteMLP.in_pieces = lambda self, x, n: (taken.append(n), way(self, x, n))[1]
with FakeTensorMode(), torch.no_grad():
    with torch.device("cuda"):
        module = FastPermuteMLP(192, 32)
        x = torch.empty(64, 32, 32, 192)
    y = module(x)
    assert (y.device.type, y.dtype) == ("cuda", torch.float32), y
print(taken)
"""


def test_fake_cuda():
    """On a CUDA device that has a shape and no memory, see test_devices.py."""
    if torch.version.cuda is None:
        pytest.skip(f"no fake cuda: torch {torch.__version__} is built without it")
    run = [sys.executable, "-W", "error", "-c", FAKE_CUDA]
    process = subprocess.run(run, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "[64]" in process.stdout


# --- what it moves -------------------------------------------------------------------


@in_turn("N, C", [(8, 512), (16, 384), (32, 192)])
def test_fewer_bytes_and_products_that_are_nearly_as_many(N, C):
    """By count, on a batch that is large enough for the weights not to matter."""
    B = 256
    with torch.device("meta"):
        quick = FastPermuteMLP(C, N)
        x = torch.empty(B, N, N, C)
        plain = lambda x: WeightedPermuteMLP.forward(quick, x)  # noqa: E731
        few, many = (
            count_bytes_moved(f, x) / x.nbytes
            for f in (lambda x: quick.in_pieces(x, B), plain)
        )
        products = count_multiply_adds(plain, x)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            quick.in_pieces(x, B)
    # What has the image's size: four products with 2 each; here 2 copies, a scaling and
    # 2 means, and twice 3 for what is added; there 4 copies, a sum and a blend.
    assert 22 < few < 24.1 and 35 < many < 35.5
    assert products <= counter.get_total_flops() // 2 < 1.02 * products


def test_only_the_way_there_is_copied():
    """Written numbers of an image's size, by the recording, in the height branch."""
    _, quick = pair()
    x = torch.randn(1, 4, 4, 12)
    share = torch.rand(1, 1, 1, 4, 3)

    def added(x):
        blend, moved, mixed = x.new_zeros(3, *x.shape)
        fast.add_branch(blend, quick.mlp_h, (0, 3, 2, 1, 4), x, share, moved, mixed)
        return blend

    with torch.no_grad():
        recording = trace(added, x)
        h = quick.height(x)
    assert [s.op for s in recording.steps].count("copy_") == 1
    assert recording.copies == 0
    expected = h * share.reshape(1, 1, 1, 12)
    torch.testing.assert_close(recording.result, expected, rtol=0, atol=1e-6)


def test_bytes_by_hand():
    x = torch.zeros(2, 3)
    for function, numbers in [
        (lambda x: x.T, 0),
        (lambda x: x.T.reshape(6), 12),
        (lambda x: x + x, 12),  # one tensor, given twice, is read once
        (lambda x: x + 1, 12),
        (lambda x: x + x.new_ones(3), 15 + 3),
        (lambda x: x * torch.zeros_like(x), 18 + 6),
        (lambda x: x.clone().mul_(2), 24),
        (lambda x: x.new_empty(3, 2).copy_(x.T), 12),
        (lambda x: torch.mm(x, x.T, out=x.new_empty(2, 2)), 6 + 6 + 4),
        (lambda x: x.sum(), 7),
    ]:
        assert count_bytes_moved(function, x) == 4 * numbers, numbers


# --- the shape comments --------------------------------------------------------------


def wrong_comments(source: str) -> set[int]:
    """Lines with a comment that is wrong, by size, or that no run came to.

    What is written in place has other values later, so that the recording, which
    test_shape_comments.py asks, no longer knows its axes.
    """
    file = "fast_under_test.py"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    code = types.ModuleType("fast_under_test")
    code.__package__ = "vip_tutorial.mixers"  # for its relative imports
    exec(compile(source, file, "exec"), code.__dict__)
    watch = Watch(source, file)
    sizes = {"B": 2, "H": 5, "W": 5, "N": 5, "S": 3, "C": 15, "images": 2, "rows": 50}
    quick = code.FastPermuteMLP(15, 5).requires_grad_(False)
    before = sys.gettrace()
    sys.settrace(watch)
    try:
        quick.in_pieces(torch.randn(2, 5, 5, 15), 2)
    finally:
        sys.settrace(before)
    missed = set(watch.comments) - {line for line, _, _ in watch.made}
    return missed | {
        line
        for line, values, _ in watch.made
        for value in values
        if list(value.shape) != [eval(n, sizes) for n in said(watch.comments[line][0])]
    }


def said(comment: str) -> list[str]:
    return comment.split(", ")


def test_shape_comments():
    source = Path(fast.__file__).read_text(encoding="utf-8")
    assert wrong_comments(source) == set()
    lines = [n for n, s in enumerate(source.splitlines(), 1) if COMMENT.search(s)]
    spoilt = re.sub(
        r"  # \((?=.*\)(?: each)?$)", "  # (1, ", source, flags=re.MULTILINE
    )
    assert wrong_comments(spoilt) == set(lines) and len(lines) > 10
