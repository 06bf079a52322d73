"""What `trace` says to what is no plain tensor, no function, or breaks off."""

import json
import re
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from tables import in_turn
from vip_tutorial import trace
from vip_tutorial.lens.tracing.beneath import _own

ASK = torch.overrides.has_torch_function
x = torch.arange(6.0).reshape(2, 3)
ones = torch.ones(3, 2)


class Plain(torch.Tensor):
    """A subclass that does nothing."""


class Seeing(torch.Tensor):
    """A subclass that sees each call, and goes on."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return super().__torch_function__(func, types, args, kwargs or {})


class Silent(torch.Tensor):
    __torch_function__ = torch._C._disabled_torch_function_impl


class Wrapped(torch.Tensor):
    """A subclass whose numbers are in another tensor: it has no memory of its own."""

    @staticmethod
    def __new__(cls, inner):
        self = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, dtype=inner.dtype, strides=inner.stride()
        )
        self.inner = inner
        return self

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        args = [a.inner if isinstance(a, Wrapped) else a for a in args]
        result = func(*args, **(kwargs or {}))
        return Wrapped(result) if isinstance(result, torch.Tensor) else result


def two(x):
    return x.t() * 2


def nested(x):
    return torch.nested.nested_tensor([x[0], x[1][:2]])


def jagged(x):
    return torch.nested.nested_tensor([x, x[:1]], layout=torch.jagged)


def quantised(x):
    return torch.quantize_per_tensor(x, 0.1, 0, torch.qint8)


def fake(x):
    with FakeTensorMode() as mode:
        return mode.from_tensor(x)


def in_fake_mode(x):
    with FakeTensorMode():
        return trace(two, torch.ones(2, 3)).result


def yields(x):
    yield x.t() * 2


async def awaits(x):
    return x.t() * 2


def writes_out(x):
    return torch.add(x.t(), 1, out=torch.empty(3, 2))


def raises(fault):
    def function(x):
        y = x.t()
        raise fault
        return y

    return function


def fails_inside(x):
    return trace(raises(KeyError("inner")), x).result


def catches(x):
    with pytest.raises(RuntimeError, match="multiplied"):
        trace(lambda x: x @ x, x)
    return two(x)


def in_a_thread(x):
    made = []
    thread = threading.Thread(target=lambda: made.append(trace(two, x).result))
    thread.start()
    thread.join()
    return made[0] + x.t()


def in_threads_that_overlap(x):
    """The trace that begins first ends first."""
    begun, between, ended = (threading.Event() for _ in range(3))

    def first(x):
        begun.set()
        assert between.wait(60)
        return two(x)

    def second(x):
        between.set()
        assert ended.wait(60)
        return two(x)

    def run():
        trace(first, x)
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(60)
    made = trace(second, x).result
    thread.join()
    return made


# Function, input, keywords; then the type of the fault and what it says; or None where
# it works, as the function does alone.
NEEDED = "trace runs a module or a function of tensors, got {}: trace(f, x)"
FOLLOWED = "trace needs a tensor to follow, got {}: trace(f, x), or trace(lambda x"
KIND = "trace cannot follow a {} tensor"
BACK = "returned a {} tensor, which a trace cannot show: return a plain tensor"
BOUND = "max_elements is {}; it must be a whole number, at least 1"
GRADIENT = "gradient is a {}; it must be a tensor like the output"
with warnings.catch_warnings(action="ignore"):  # of these tensors some are beta
    ROWS = [
        (two, x, {"max_elements": np.int64(2048)}, None),
        (two, x, {"max_elements": np.uint8(6)}, None),
        (two, x, {"max_elements": True}, ValueError, BOUND.format("True")),
        (two, x, {"max_elements": np.True_}, ValueError, "at least 1"),
        (two, x, {"max_elements": -1}, ValueError, BOUND.format("-1")),
        (two, x, {"max_elements": np.int32(-3)}, ValueError, "at least 1"),
        (two, x, {"max_elements": 6.0}, ValueError, BOUND.format("6.0")),
        (None, x, {}, TypeError, NEEDED.format("NoneType")),
        (3, x, {}, TypeError, NEEDED.format("int")),
        ("relu", x, {}, TypeError, NEEDED.format("str")),
        ({"f": two}, x, {}, TypeError, NEEDED.format("dict")),
        (x, two, {}, TypeError, NEEDED.format("Tensor")),
        (two, None, {}, TypeError, FOLLOWED.format("NoneType")),
        (two, {"x": x}, {}, TypeError, FOLLOWED.format("dict")),
        (two, [x], {}, TypeError, FOLLOWED.format("list")),
        (two, np.ones(3), {}, TypeError, FOLLOWED.format("ndarray")),
        (two, object(), {}, TypeError, FOLLOWED.format("object")),
        (two, nn.Linear(2, 2), {}, TypeError, FOLLOWED.format("Linear")),
        (lambda x: {"a": [two(x)]}, x, {}, None),
        (lambda x: (two(x), None)[1], x, {}, ValueError, "NoneType, no tensor"),
        (
            lambda x: object(),
            x,
            {},
            ValueError,
            "returned object, no tensor: return the",
        ),
        (lambda x: {}, x, {}, ValueError, "returned dict, no tensor: return the"),
        (yields, x, {}, ValueError, "yields returned generator, no tensor: return the"),
        (two, x.to_sparse(), {}, TypeError, KIND.format("sparse_coo")),
        (two, x.to_sparse_csr(), {}, TypeError, KIND.format("sparse_csr")),
        (two, nested(x), {}, TypeError, KIND.format("nested")),
        (two, jagged(x), {}, TypeError, KIND.format("nested")),
        (two, quantised(x), {}, TypeError, KIND.format("quantized")),
        (two, Wrapped(x), {}, TypeError, KIND.format("Wrapped")),
        (torch.Tensor.to_sparse, x, {}, ValueError, BACK.format("sparse_coo")),
        (nested, x, {}, ValueError, BACK.format("nested")),
        (jagged, x, {}, ValueError, BACK.format("nested")),
        (quantised, x, {}, ValueError, BACK.format("quantized")),
        (Wrapped, x, {}, ValueError, BACK.format("Wrapped")),
        (lambda x: Wrapped(x).t().inner + two(x), x, {}, None),
        (lambda x: x.to_sparse().to_dense().t(), x, {}, None),
        (lambda x: quantised(x).dequantize().t(), x, {}, None),
        (lambda x: (jagged(x), two(x)), x, {}, None),
        (two, fake(x), {}, None),
        (two, fake(x), {"gradient": ones}, None),
        (in_fake_mode, x, {}, None),
        (
            two,
            x,
            {"gradient": fake(ones)},
            TypeError,
            "a FakeTensor without contents",
        ),
        (
            two,
            x,
            {"gradient": ones.to_sparse()},
            TypeError,
            GRADIENT.format("sparse_coo tensor"),
        ),
        (
            two,
            x,
            {"gradient": Wrapped(ones)},
            TypeError,
            GRADIENT.format("Wrapped tensor"),
        ),
        *((two, x.as_subclass(kind), {}, None) for kind in (Plain, Seeing, Silent)),
        *(
            (two, x.as_subclass(kind), {"gradient": ones}, None)
            for kind in (Plain, Seeing)
        ),
        (lambda x: x.as_subclass(Seeing).t() + 1, x, {}, None),
        (writes_out, x, {}, None),
        (writes_out, x, {"gradient": ones}, RuntimeError, "support automatic differen"),
        (raises(KeyboardInterrupt()), x, {}, KeyboardInterrupt, ""),
        (raises(SystemExit(3)), x, {}, SystemExit, "3"),
        (raises(GeneratorExit()), x, {}, GeneratorExit, ""),
        (raises(StopIteration(7)), x, {"gradient": ones}, StopIteration, "7"),
        (fails_inside, x, {}, KeyError, "inner"),
        (catches, x, {}, None),
        (in_a_thread, x, {}, None),
        (in_threads_that_overlap, x, {}, None),
    ]


@pytest.mark.filterwarnings("ignore")
@in_turn("row", ROWS, ids=range(len(ROWS)))
def test_it_works_or_is_refused_by_name_and_torch_is_as_it_was(row):
    function, given, keywords, *expected = row
    try:
        if expected == [None]:
            recording = trace(function, given, **keywords)
            json.dumps(recording.to_json(), allow_nan=False)
            assert recording.table()
            alone = function(given)
            if isinstance(alone, torch.Tensor) and not isinstance(alone, type(fake(x))):
                assert torch.equal(recording.result, alone)
                assert type(recording.result) is type(alone)
        else:
            kind, said = expected
            with pytest.raises(kind, match=re.escape(said)) as fault:
                trace(function, given, **keywords)
            assert type(fault.value) is kind and len(str(fault.value)) < 300
    finally:
        assert torch.overrides.has_torch_function is ASK
        assert getattr(_own, "depth", 0) == 0
        assert torch._C._len_torch_function_stack() == 0
        assert torch._C._len_torch_dispatch_stack() == 0


@pytest.mark.filterwarnings("ignore")
def test_a_distributed_tensor(tmp_path):
    dist = pytest.importorskip("torch.distributed")
    if not dist.is_available() or not dist.is_gloo_available():
        pytest.skip("this PyTorch has no gloo")
    from torch.distributed.tensor import Replicate, distribute_tensor, init_device_mesh

    where = (tmp_path / "group").as_uri()
    dist.init_process_group("gloo", init_method=where, rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        spread = distribute_tensor(x, mesh, [Replicate()])
        with pytest.raises(TypeError, match=KIND.format("DTensor")):
            trace(two, spread)
        recording = trace(lambda x, y: (two(x), y.to_local()), x, spread)
        assert torch.equal(recording.result[0], two(x))
        assert any("no step made" in sentence for sentence in recording.omitted)
    finally:
        dist.destroy_process_group()
