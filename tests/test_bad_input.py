"""Each mistake gets a sentence: what came, what was needed, what to do about it."""

import itertools
import re

import numpy as np
import pytest
import torch

from tables import in_turn
from vip_tutorial import PermuteMLP, Trace, WeightedPermuteMLP, trace


def says(excinfo, *parts: str) -> None:
    message = str(excinfo.value)
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in: {message}"


# --- the module called -------------------------------------------------------------

SHAPES = {  # of the input of a module with dim=64, segment_dim=8: needed, fix
    (2, 7, 8, 64): ("H = W = segment_dim = 8", "resize the grid of tokens to 8 x 8"),
    (2, 8, 7, 64): ("H = W = segment_dim = 8", "resize the grid of tokens to 8 x 8"),
    (2, 16, 16, 64): ("H = W = segment_dim = 8", "segment_dim=16"),
    (2, 0, 0, 64): ("H = W = segment_dim = 8", "resize"),
    (2, 8, 8, 32): ("dim = 64", "dim=32"),
    (2, 64, 8, 8): ("(B, H, W, C)", "x.permute(0, 2, 3, 1)"),
    (2, 8, 64, 8): ("(B, H, W, C)", "x.permute(0, 1, 3, 2)"),
    (2, 8, 8, 63): ("dim = 64", "nn.Linear(63, 64)"),  # dim=63 could not be cut
    (2, 8, 8, 3): ("dim = 64", "nn.Linear(3, 64)"),
    (1, 3, 8, 8): ("dim = 64", "pictures, (B, C, H, W)"),
    (2, 0, 8, 64): ("H = W = segment_dim = 8", "resize"),
    (2, 1, 8, 8, 64): ("(B, H, W, C)", "reshape"),  # flatten(3) would make C = 512
    (64,): ("(B, H, W, C)", "reshape"),
    (2, 64): ("(B, H, W, C)", "reshape"),
    (8, 8, 64): ("(B, H, W, C)", "x[None]"),
    (2, 64, 64): ("(B, H, W, C)", "x.reshape(B, H, W, C)"),
    (2, 8, 8, 8, 8): ("(B, H, W, C)", "x.flatten(3)"),
    (2, 3, 8, 8, 8, 64): ("(B, H, W, C)", "reshape"),
}


@in_turn("kind", [PermuteMLP, WeightedPermuteMLP])
@in_turn("shape", SHAPES, ids=str)
def test_a_wrong_shape_names_the_shape_the_relation_and_the_fix(kind, shape):
    with pytest.raises(ValueError) as excinfo:
        kind(64, 8)(torch.zeros(shape))
    says(excinfo, str(shape), *SHAPES[shape])


@in_turn("part", ["height", "width", "channel", "branches"])
def test_each_part_of_the_module_looks_at_its_input(part):
    with pytest.raises(ValueError) as excinfo:
        getattr(WeightedPermuteMLP(64, 8), part)(torch.zeros(2, 7, 8, 64))
    says(excinfo, "(2, 7, 8, 64)", "H = W = segment_dim = 8", "resize")


def test_a_width_that_is_offered_can_be_built():
    for dim, segment_dim in itertools.product(range(1, 9), repeat=2):
        if dim % segment_dim:
            with pytest.raises(ValueError) as excinfo:
                WeightedPermuteMLP(dim, segment_dim)
            offered = re.search(r"take dim = (\d+) or", str(excinfo.value))
            assert WeightedPermuteMLP(int(offered[1]), segment_dim).dim > dim


def test_a_grid_that_no_segment_dim_fits_is_not_offered_one():
    with pytest.raises(ValueError) as excinfo:
        WeightedPermuteMLP(64, 8)(torch.zeros(2, 7, 7, 64))
    says(excinfo, "resize")
    assert "segment_dim=7" not in str(excinfo.value)


def test_an_empty_batch_is_no_mistake():
    assert WeightedPermuteMLP(64, 8)(torch.zeros(0, 8, 8, 64)).shape == (0, 8, 8, 64)


@in_turn("dtype", [torch.int64, torch.uint8, torch.bool, torch.cfloat])
def test_numbers_that_are_not_real_are_refused(dtype):
    with pytest.raises(TypeError) as excinfo:
        WeightedPermuteMLP(64, 8)(torch.zeros(2, 8, 8, 64, dtype=dtype))
    says(excinfo, str(dtype), "real numbers", "x.to(torch.float32)")


@in_turn("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_another_dtype_than_the_weights_names_both(dtype):
    with pytest.raises(TypeError) as excinfo:
        WeightedPermuteMLP(64, 8)(torch.zeros(2, 8, 8, 64, dtype=dtype))
    says(excinfo, f"has dtype {dtype}", "torch.float32", "x.to(torch.float32)")


def test_another_dtype_on_meta_is_told_the_same():
    with pytest.raises(TypeError) as excinfo:
        PermuteMLP(64, 8).to("meta")(
            torch.zeros(2, 8, 8, 64, dtype=torch.float64, device="meta")
        )
    says(excinfo, "torch.float64", "torch.float32")


def test_autocast_unites_dtypes_but_not_float64():
    module = WeightedPermuteMLP(64, 8)
    with torch.autocast("cpu", torch.bfloat16):
        module(torch.zeros(1, 8, 8, 64, dtype=torch.bfloat16))
        with pytest.raises(TypeError) as excinfo:
            module(torch.zeros(1, 8, 8, 64, dtype=torch.float64))
    says(excinfo, "torch.float64", "torch.float32")


def test_a_sparse_input_is_refused():
    with pytest.raises(TypeError) as excinfo:
        WeightedPermuteMLP(64, 8)(torch.zeros(1, 8, 8, 64).to_sparse())
    says(excinfo, "sparse", "x.to_dense()")


def test_any_kind_of_integer_is_a_size():
    assert PermuteMLP(np.int64(64), np.int32(8)).dim == 64


def test_another_device_than_the_weights_names_both():
    with pytest.raises(ValueError) as excinfo:
        WeightedPermuteMLP(64, 8)(torch.zeros(2, 8, 8, 64, device="meta"))
    says(excinfo, "input is on meta", "weights are on cpu", "no contents")
    with pytest.raises(ValueError) as excinfo:
        WeightedPermuteMLP(64, 8).to("meta")(torch.zeros(2, 8, 8, 64))
    says(excinfo, "input is on cpu", "weights are on meta", "to_empty(device='cpu')")


def test_a_quantised_module_runs():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch is about to move this elsewhere
        module = torch.ao.quantization.quantize_dynamic(
            WeightedPermuteMLP(64, 8), {torch.nn.Linear}
        )
    assert module(torch.randn(1, 8, 8, 64)).shape == (1, 8, 8, 64)
    with pytest.raises(ValueError) as excinfo:
        module(torch.zeros(2, 7, 8, 64))
    says(excinfo, "H = W = segment_dim = 8")


@in_turn("layout", [torch.strided, torch.jagged])
def test_a_nested_input_is_refused(layout):
    parts = [torch.zeros(8, 64), torch.zeros(8, 64)]
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nested tensors are a prototype
        x = torch.nested.nested_tensor(parts, layout=layout)
    with pytest.raises(TypeError) as excinfo:
        WeightedPermuteMLP(64, 8)(x)
    says(excinfo, "nested", "to_padded_tensor")


def test_a_quantised_input_is_refused():
    x = torch.quantize_per_tensor(torch.zeros(1, 8, 8, 64), 0.1, 0, torch.qint8)
    with pytest.raises(TypeError) as excinfo:
        WeightedPermuteMLP(64, 8)(x)
    says(excinfo, "torch.qint8", "x.dequantize()")


def test_an_array_is_refused():
    with pytest.raises(TypeError) as excinfo:
        WeightedPermuteMLP(64, 8)(torch.zeros(2, 8, 8, 64).numpy())
    says(excinfo, "ndarray", "(B, H, W, C)", "torch.as_tensor(x)")


# --- the module built --------------------------------------------------------------


@in_turn("kind", [PermuteMLP, WeightedPermuteMLP])
@in_turn(
    "sizes, error, parts",
    [
        ((65, 8), ValueError, ("dim 65", "segment_dim = 8", "dim = 72")),
        ((4, 8), ValueError, ("dim 4", "segment_dim = 8", "dim = 8")),
        ((64, 0), ValueError, ("segment_dim is 0", "at least 1")),
        ((64, -8), ValueError, ("segment_dim is -8", "at least 1")),
        ((0, 8), ValueError, ("dim is 0", "at least 1")),
        ((64, 8.0), TypeError, ("segment_dim is 8.0", "whole number")),
        ((64, True), TypeError, ("segment_dim is True", "whole number")),
        (("64", 8), TypeError, ("dim is '64'", "whole number")),
    ],
    ids=str,
)
def test_impossible_sizes_are_refused_when_built(kind, sizes, error, parts):
    with pytest.raises(error) as excinfo:
        kind(*sizes)
    says(excinfo, *parts)


@in_turn("order", ["chw", "HWC", "", None, ("h", "w", "c"), np.array(["hwc"])])
def test_an_unknown_branch_order_is_refused_when_built(order):
    with pytest.raises(ValueError) as excinfo:
        WeightedPermuteMLP(64, 8, branch_order=order)
    says(excinfo, f"branch_order is {order!r}", "'hwc'", "'cwh'")


def test_too_few_channels_to_reweight_are_refused_when_built():
    with pytest.raises(ValueError) as excinfo:
        WeightedPermuteMLP(3, 3)
    says(excinfo, "dim is 3", "at least 4", "PermuteMLP")


# --- the trace ---------------------------------------------------------------------


@in_turn(
    "function, got",
    [(lambda x: None, "NoneType"), (lambda x: x.shape, "Size"), (len, "int")],
)
def test_a_function_that_returns_no_tensor(function, got):
    with pytest.raises(ValueError) as excinfo:
        trace(function, torch.zeros(3))
    says(excinfo, function.__name__, got, "no tensor", "return the tensor")


@in_turn("inputs, got", [((), "nothing"), (([1.0],), "list")])
def test_no_tensor_to_follow(inputs, got):
    with pytest.raises(TypeError) as excinfo:
        trace(torch.relu, *inputs)
    says(excinfo, got, "needs a tensor", "trace(f, x)")


def test_axes_that_do_not_fit():
    with pytest.raises(ValueError) as excinfo:
        trace(torch.relu, torch.zeros(2, 3), axes="BHW")
    says(excinfo, "3 axes", "['B', 'H', 'W']", "(2, 3)", "2 axes")


def test_a_gradient_of_another_shape():
    with pytest.raises(ValueError) as excinfo:
        trace(torch.relu, torch.zeros(2, 3), gradient=torch.ones(3, 2))
    says(excinfo, "(3, 2)", "(2, 3)", "must be the same")


def test_a_gradient_that_is_no_tensor():
    with pytest.raises(TypeError) as excinfo:
        trace(torch.relu, torch.zeros(2, 3), gradient=True)
    says(excinfo, "gradient is a bool", "torch.ones_like")


@in_turn("mode", [torch.no_grad, torch.inference_mode])
def test_a_gradient_where_gradients_are_switched_off(mode):
    with mode(), pytest.raises(ValueError) as excinfo:
        trace(torch.relu, torch.zeros(2), gradient=torch.ones(2))
    says(excinfo, "switched off", "torch.no_grad()")


def test_a_gradient_without_contents():
    with pytest.raises(TypeError) as excinfo:
        trace(torch.relu, torch.zeros(2), gradient=torch.ones(2, device="meta"))
    says(excinfo, "on meta", "torch.ones_like")


@in_turn("bound", [0, -1, 2.5, None, "9"])
def test_a_bound_that_is_no_size(bound):
    with pytest.raises(ValueError) as excinfo:
        trace(torch.relu, torch.zeros(2), max_elements=bound)
    says(excinfo, f"max_elements is {bound!r}", "at least 1")


@in_turn("function", [torch.round, torch.Tensor.detach])
def test_a_gradient_where_there_is_none(function):
    x = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError) as excinfo:
        trace(function, x, gradient=torch.ones(2))
    says(excinfo, "does not depend on the inputs", "detached")


def test_a_tensor_too_large_is_marked():
    recording = trace(torch.relu, torch.zeros(50, 50))
    assert recording.values(recording.outputs[0]) is None
    assert len(recording.omitted) == 1
    for part in ("2 tensors", "2,048", "2,500", "trace a smaller input"):
        assert part in recording.omitted[0]


def count_up(x):
    for _ in range(1100):
        x = x + 1
    return x


def count_in_place(x):
    x = x.clone()
    for _ in range(1100):
        x.add_(1)
    return x


@in_turn("function", [count_up, count_in_place])
def test_too_many_steps_are_marked(function):
    recording = trace(function, torch.zeros(2))
    assert len(recording.steps) == 1024
    assert recording.values(recording.outputs[0]) == [1100.0, 1100.0]
    assert recording.omitted == [
        "The steps after the first 1024 were left out; trace a part of the function."
    ]


RECORDING = trace(torch.relu, torch.zeros(2)).to_json()


def changed(**parts):
    """The recording with other parts in its first tensor."""
    first, *others = RECORDING["tensors"]
    return RECORDING | {"tensors": [first | parts, *others]}


@in_turn(
    "data, parts",
    [
        ("{}", ("not a recording", "vip-trace")),
        ({}, ("not a recording", "vip-trace")),
        (RECORDING | {"format": "other"}, ("not a recording", "vip-trace")),
        (RECORDING | {"version": 99}, ("version 99", "version 1", "again")),
        ({k: v for k, v in RECORDING.items() if k != "steps"}, ("damaged", "steps")),
        (RECORDING | {"steps": [{}]}, ("damaged", "again")),
        (RECORDING | {"tensors": [{}]}, ("damaged", "again")),
        (RECORDING | {"tensors": None}, ("damaged", "again")),
        (RECORDING | {"more": 1}, ("damaged", "more")),
        (changed(shape="2"), ("damaged", "shape")),
        (changed(strides=[1.5]), ("damaged", "strides")),
        (changed(values=[10**400, 0]), ("damaged", "again")),
    ],
    ids=range(12),
)
def test_a_recording_that_cannot_be_read(data, parts):
    with pytest.raises(ValueError) as excinfo:
        Trace.from_json(data)
    says(excinfo, *parts)
