"""Device mistakes are caught without a GPU, and every device gives the same."""

import subprocess
import sys

import pytest
import torch

from tables import in_turn
from vip_tutorial import PermuteMLP, WeightedPermuteMLP, trace

KINDS = in_turn("kind", [PermuteMLP, WeightedPermuteMLP])


@KINDS
def test_nothing_is_made_on_another_device(kind):
    """On `meta` a tensor made on the CPU in between would raise."""
    module = kind(64, 8, qkv_bias=True).to("meta")
    result = module(torch.empty(2, 8, 8, 64, device="meta"))
    assert (result.device.type, result.shape) == ("meta", (2, 8, 8, 64))


@KINDS
def test_modules_are_built_on_the_default_device(kind):
    with torch.device("meta"):
        module = kind(64, 8)
    assert {p.device.type for p in module.parameters()} == {"meta"}


FAKE = """
import sys
import torch
from torch._subclasses import FakeTensorMode
from vip_tutorial import WeightedPermuteMLP, trace

real = trace(WeightedPermuteMLP(64, 8), torch.zeros(2, 8, 8, 64))
with FakeTensorMode(), torch.no_grad():
    kind, name = sys.argv[1:]
    with torch.device(kind):
        module = WeightedPermuteMLP(64, 8)
        x = torch.empty(2, 8, 8, 64)
    y = module(x)
    assert (y.device.type, tuple(y.shape)) == (kind, (2, 8, 8, 64)), y
    recording = trace(module, x)
    assert recording.table() == real.table(), recording.table()
    assert all(record.device == name for record in recording.tensors)
    try:
        module(torch.empty(2, 8, 8, 64, device="cpu" if kind == "cuda" else "meta"))
    except ValueError as refusal:
        print(refusal)
"""


def test_a_fake_device():
    """The module and the trace on a device that has a shape and no memory.

    It is a CUDA device where torch knows them: a CPU build aborts the process on a fake
    CUDA parameter.  In any case it is tried in a process of its own.
    """
    kind, name, other = "cpu", "cpu", "meta"
    if torch.version.cuda:
        kind, name, other = "cuda", "cuda:0", "cpu"
    run = [sys.executable, "-W", "error", "-c", FAKE, kind, name]
    process = subprocess.run(run, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert f"on {other} but the weights are on {name}" in process.stdout


@KINDS
def test_an_input_left_elsewhere_gets_one_sentence(device, kind):
    elsewhere = "meta" if device.type == "cpu" else "cpu"
    with pytest.raises(ValueError) as excinfo:
        kind(64, 8).to(device)(torch.zeros(2, 8, 8, 64, device=elsewhere))
    message = str(excinfo.value)
    assert f"on {elsewhere} but the weights are on {device.type}" in message
    assert "\n" not in message
    if elsewhere == "cpu":  # a tensor on meta has no contents to move
        assert "move one of them" in message and "x.to('" in message


@KINDS
@in_turn("dtype", [torch.float32, torch.bfloat16])
def test_autocast_takes_an_input_of_either_dtype(device, kind, dtype):
    if device.type == "mps":
        pytest.skip("autocast to bfloat16 depends on the version of macOS")
    module = kind(64, 8).to(device)
    x = torch.randn(2, 8, 8, 64).to(device, dtype)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        result = module(x)
    assert result.dtype == torch.bfloat16
    expected = module(x.float())
    assert (result - expected).abs().max() < 0.05 * expected.abs().max()


@KINDS
def test_without_autocast_the_same_input_is_refused(device, kind):
    module = kind(64, 8).to(device)
    with pytest.raises(TypeError) as excinfo:
        module(torch.zeros(2, 8, 8, 64, device=device, dtype=torch.bfloat16))
    message = str(excinfo.value)
    assert "torch.bfloat16" in message and "torch.float32" in message
    assert "\n" not in message


def test_gradients_reach_every_parameter(device):
    module = WeightedPermuteMLP(16, 4, qkv_bias=True).to(device)
    module(torch.randn(2, 4, 4, 16, device=device)).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_the_trace_leaves_a_result_on_its_device(device):
    module = WeightedPermuteMLP(12, 4).to(device)
    x = torch.randn(2, 4, 4, 12, device=device)
    recording = trace(module, x, gradient=torch.ones_like(x))
    assert recording.result.device == x.device
    assert torch.equal(recording.result, module(x))
    assert len(recording.gradient(0)) == x.numel()
