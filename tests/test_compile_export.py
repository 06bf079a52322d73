"""The modules go through torch's compilers, exporters and files unchanged."""

import copy
import pickle

import pytest
import torch

from tables import in_turn
from vip_tutorial import PermuteMLP, WeightedPermuteMLP

MODULES = {
    "hwc": lambda: WeightedPermuteMLP(12, 4, qkv_bias=True),
    "cwh": lambda: WeightedPermuteMLP(12, 4, branch_order="cwh"),
    "plain": lambda: PermuteMLP(12, 4),
}


@pytest.fixture(params=MODULES)
def module(request):
    return MODULES[request.param]().eval()


@pytest.fixture
def x():
    return torch.randn(2, 4, 4, 12)


def same(one, other):
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


pytestmark = pytest.mark.filterwarnings(
    "ignore:Guards may run slower on Python 3.13.0:RuntimeWarning"
)


# No backend here calls a C++ compiler, which a reader's machine may lack.  fullgraph
# refuses what would fall back to Python: the module is one graph for every backend.
@in_turn("backend", ["eager", "aot_eager"])
def test_compile(module, x, backend):
    torch.compiler.reset()
    compiled = torch.compile(module, backend=backend, fullgraph=True)
    same(compiled(x), module(x))


def test_compile_still_refuses_a_wrong_grid(module):
    torch.compiler.reset()
    compiled = torch.compile(module, backend="eager")
    with pytest.raises(ValueError, match="H = W = segment_dim = 4"):
        compiled(torch.randn(2, 5, 4, 12))


def test_export_with_any_number_of_images(module, x):
    batch = torch.export.Dim("B", min=1, max=64)
    program = torch.export.export(module, (x,), dynamic_shapes=({0: batch},))
    exported = program.module()
    for B in (2, 5):
        x = torch.randn(B, 4, 4, 12)
        same(exported(x), module(x))


# TorchScript is deprecated, and still what some deployments take.
@pytest.mark.filterwarnings("ignore:.*jit:DeprecationWarning")
def test_jit_trace_with_any_number_of_images(module, x):
    traced = torch.jit.trace(module, x)
    for B in (2, 5):
        x = torch.randn(B, 4, 4, 12)
        same(traced(x), module(x))


@in_turn("name", MODULES)
def test_a_state_dict_goes_through_a_file(name, x, tmp_path):
    module, other = MODULES[name](), MODULES[name]()
    assert not torch.equal(other(x), module(x))
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(other(x), module(x))


@in_turn("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_equal_and_independent(module, x, copied):
    other = copied(module)
    before = module(x)
    assert torch.equal(other(x), before)
    other.proj.weight.data.zero_()
    assert torch.equal(module(x), before)


def test_vmap_over_modules_and_images(module):
    x = torch.randn(3, 2, 4, 4, 12)
    expected = torch.stack([module(images) for images in x])
    same(torch.vmap(module)(x), expected)
