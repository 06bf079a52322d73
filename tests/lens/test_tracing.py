"""A recording says what really happened, of this package's code and of a reader's."""

import copy
import ctypes
import importlib.util
import json
import linecache
import math
import site
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tables import in_turn
from vip_tutorial import PermuteMLP, Trace, WeightedPermuteMLP, trace
from vip_tutorial.lens.tracing.calls import Call
from vip_tutorial.lens.tracing.recording import Operand
from vip_tutorial.permute_mlp import Mlp

x34 = torch.arange(12.0).reshape(3, 4)
x234 = torch.randn(2, 3, 4)


# --- readers' functions ------------------------------------------------------------
# Each returns everything that it computes, the result first.


def one_line_chain(x):
    y = x.permute(2, 0, 1).reshape(4, 6).t()
    return y


def several_lines(x):
    return (
        x.permute(2, 0, 1)
        .reshape(
            4,
            6,
        )
        .t()
    )


def umlaut_line(x):
    größe = "ÄÖÜ"; return x.permute(2, 0, 1).reshape(4, 6), größe  # fmt: skip # noqa


def in_place(x):
    y = x * 2
    y.add_(1).mul_(3)
    return y


def written_through_a_view(x):
    y = x * 2
    y[0].zero_()
    y[:, 1] = 7.0
    return y.clone()


def keyword_calls(x):
    y = torch.permute(input=x, dims=(2, 0, 1))
    return torch.reshape(input=y, shape=(4, 6))


def pieces(x):
    a, b = x.chunk(2, dim=2)
    (whole,) = x.split(2)
    return torch.cat([b, a], 2), a, b, whole, *x.unbind(1)


def rows_and_columns(x):
    return x[1, ..., None], x[:, ::2], x[:, None, 1:], x[x > 0], x[:, [2, 0]]


def stretched(x):
    y = x.unsqueeze(1).expand(2, 5, 3, 4)
    return y.flip(0, 2), y, x.repeat(1, 2, 1), x.roll(1, 2), x.narrow(2, 1, 2)


def not_finite(x):
    return (x - x) / 0 + math.inf, x.log()


def statistics(x):
    return (x - x.mean(2, keepdim=True)) / (x.var(2, False, keepdim=True) + 1).sqrt()


def outer_product(x):
    row, column = x[0, 0], x[0, :, 0]
    return column[:, None] * row[None, :], row, column


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.body = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 4))
        self.scale = nn.Parameter(torch.full((4,), 0.5))

    def forward(self, x):
        return x + self.scale * self.body(self.norm(x)).transpose(0, 1).transpose(0, 1)


READERS = {
    "one_line_chain": (one_line_chain, x234),
    "several_lines": (several_lines, x234),
    "umlaut_line": (umlaut_line, x234),
    "lambda": (lambda x: x.movedim(0, 2).flatten(1), x234),
    "transposes": (lambda x: (x.mT, x.swapaxes(0, 1), x.transpose(-1, 0)), x234),
    "builtin": (torch.relu, x234),
    "module": (Net(), x234),
    "weighted": (WeightedPermuteMLP(12, 4), torch.randn(2, 4, 4, 12)),
    "plain": (PermuteMLP(12, 4), torch.randn(2, 4, 4, 12)),
    "method": (WeightedPermuteMLP(12, 4).height, torch.randn(2, 4, 4, 12)),
    "tuple": (WeightedPermuteMLP(12, 4).branches, torch.randn(2, 4, 4, 12)),
    "in_place": (in_place, x234),
    "written_through_a_view": (written_through_a_view, x234),
    "keyword_calls": (keyword_calls, x234),
    "pieces": (pieces, x234),
    "rows_and_columns": (rows_and_columns, x234),
    "stretched": (stretched, x234),
    "not_finite": (not_finite, x234),
    "statistics": (statistics, x234),
    "outer_product": (outer_product, x234),
    "split": (lambda x: (*x.tensor_split(3, 2), x.repeat_interleave(2, 1)), x234),
    "index of no axes": (lambda x: x[torch.tensor(1)], x234),
    "two lists": (lambda x: x[[0, 1], [2, 0]], x234),
    "einsum": (lambda x: torch.einsum("abc,dbc->da", x, x), x234),
    "non_contiguous": (one_line_chain, torch.randn(4, 3, 2).permute(2, 1, 0)),
    "expanded": (one_line_chain, torch.randn(2, 3, 1).expand(2, 3, 4)),
    "sliced": (one_line_chain, torch.randn(5, 9, 4)[1:3, ::3]),
    "integers": (one_line_chain, torch.arange(24).reshape(2, 3, 4)),
    "booleans": (one_line_chain, x234 > 0),
    "bfloat16": (one_line_chain, x234.bfloat16()),
    "complex": (lambda x: x.abs().permute(2, 1, 0), torch.randn(2, 3, 4) * 1j),
    "requires_grad": (one_line_chain, torch.randn(2, 3, 4, requires_grad=True)),
    "no elements": (lambda x: x.permute(1, 0).reshape(0, 2, 1), torch.zeros(2, 0)),
    "no axes": (lambda x: x.reshape(1, 1) + 1, torch.tensor(3.0)),
}
readers = in_turn("function, x", READERS.values(), ids=READERS)


def tensors_in(result) -> list[torch.Tensor]:
    results = result if isinstance(result, tuple) else (result,)
    return [y for y in results if isinstance(y, torch.Tensor)]


def numbers(x: torch.Tensor) -> list[float]:
    return x.detach().double().flatten().tolist()


@readers
def test_the_result_is_that_of_the_function_to_the_bit(function, x):
    recorded, expected = trace(function, x.clone()).result, function(x.clone())
    assert type(recorded) is type(expected)
    for one, other in zip(tensors_in(recorded), tensors_in(expected), strict=True):
        assert one.dtype == other.dtype
        assert one.stride() == other.stride()
        assert one.requires_grad == other.requires_grad
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


@readers
def test_recorded_tensors_are_those_that_were_computed(function, x):
    recording = trace(function, x.clone())
    results = tensors_in(recording.result)
    assert len(recording.outputs) == len(results)
    assert recording.omitted == []
    for id_, y in zip(recording.outputs, results):
        record = recording.tensors[id_]
        assert record.id == id_
        assert record.shape == list(y.shape)
        assert record.strides == list(y.stride())
        assert record.offset == y.storage_offset()
        assert (record.dtype, record.device) == (str(y.dtype)[6:], "cpu")
        assert len(record.axes) == y.ndim
        assert recording.values(id_) == pytest.approx(numbers(y), abs=0, nan_ok=True)


@readers
def test_a_recording_is_strict_json_and_comes_back(function, x):
    recording = trace(function, x.clone())
    text = json.dumps(recording.to_json(), allow_nan=False)
    again = Trace.from_json(json.loads(text))
    assert json.dumps(again.to_json()) == text
    assert again.table() == recording.table()
    for record in recording.tensors:
        assert again.values(record.id) == pytest.approx(
            recording.values(record.id), rel=1e-5, nan_ok=True
        )


@readers
def test_a_recording_names_no_folder_of_the_machine(function, x):
    text = json.dumps(trace(function, x.clone()).to_json())
    folders = [Path.cwd(), Path(__file__).parent, Path.home(), tempfile.gettempdir()]
    folders += [sys.prefix, *site.getsitepackages(), Path(torch.__file__).parent]
    assert [str(f) for f in folders if len(str(f)) > 1 and str(f) in text] == []
    assert " at 0x" not in text


@readers
def test_every_step_has_the_line_and_in_it_the_call(function, x):
    recording = trace(function, x.clone())
    for step in recording.steps:
        source = step.source
        assert source.file in ("test_tracing.py", "vip_tutorial/permute_mlp.py")
        assert 0 <= source.start < source.end <= len(source.text)


# --- where elements go -------------------------------------------------------------


def module_trace(**options) -> Trace:
    return trace(WeightedPermuteMLP(12, 4), torch.randn(2, 4, 4, 12), **options)


def test_permutes_and_reshapes_are_bijections():
    moves = [s for s in module_trace().steps if s.op in ("permute", "reshape")]
    assert len(moves) == 14
    for step in moves:
        assert sorted(step.map) == list(range(len(step.map)))


def test_the_way_back_is_the_inverse_of_the_way_in():
    recording = trace(WeightedPermuteMLP(12, 4).height, torch.randn(1, 4, 4, 12))
    split, permute, merge, _, unmerge, permute_back, unsplit = recording.steps
    there = [split.map[permute.map[k]] for k in merge.map]
    back = [unmerge.map[permute_back.map[k]] for k in unsplit.map]
    assert [there[k] for k in back] == list(range(4 * 4 * 12))
    assert there != back or there == [there.index(k) for k in range(4 * 4 * 12)]


def test_homes_are_the_elements_of_the_input():
    x = torch.randperm(24).reshape(2, 3, 4)
    recording = trace(one_line_chain, x)
    home = recording.homes(recording.outputs[0])
    assert [x.flatten()[k].item() for k in home] == numbers(one_line_chain(x))
    assert trace(lambda x: x + 1, x).homes(1) is None


@in_turn(
    "call",
    [
        lambda x: x.permute(2, 0, 1),
        lambda x: x.transpose(-1, 0),
        lambda x: x.movedim(2, 0),
        lambda x: x.swapdims(0, 1),
        lambda x: x.mT,
    ],
)
def test_order_says_which_axis_went_where(call):
    x = torch.randn(3, 3, 3)  # sizes say nothing
    step = trace(call, x).steps[0]
    assert torch.equal(x.permute(step.order), call(x))


def test_order_is_for_permutations_alone():
    orders = {step.op: step.order for step in module_trace().steps}
    assert orders.pop("permute") is not None
    assert set(orders.values()) == {None}


def test_a_call_by_keywords_is_a_move_like_any_other():
    recording = trace(keyword_calls, x234)
    assert [step.kind for step in recording.steps] == ["move", "move"]
    assert recording.homes(2) == trace(one_line_chain, x234).homes(2)


def test_a_default_device_does_not_disturb_the_maps():
    with torch.device("meta"):
        recording = trace(one_line_chain, x234)
    assert recording.homes(3) == trace(one_line_chain, x234).homes(3)


def test_an_index_that_is_followed_moves_no_elements():
    for table in (torch.randn(5, 3), torch.arange(15).reshape(5, 3)):
        step = trace(lambda i, t=table: t[i], torch.tensor([4, 0])).steps[0]
        assert (step.kind, step.map) == ("other", None)


def test_the_same_bits_read_as_other_numbers_are_no_move():
    step = trace(lambda x: x.view(torch.int32), torch.ones(2, 3)).steps[0]
    assert (step.kind, step.map, step.copy) == ("other", None, False)


def test_an_input_that_is_not_used_has_a_gradient_of_zeros():
    one = torch.ones(2)
    recording = trace(lambda x, y: x * 2, one, one.clone(), gradient=one)
    assert recording.gradient(recording.inputs[1]) == [0.0, 0.0]


def test_in_inference_mode():
    with torch.inference_mode():
        recording = trace(lambda x: x.T.reshape(-1), torch.ones(2, 3))
    assert recording.copies == 1


def test_a_tensor_that_is_given_other_memory_keeps_no_wrong_names():
    recording = trace(lambda x: x.clone().set_(torch.randn(9)), torch.randn(3, 4))
    assert all(len(t.axes) == len(t.shape) for t in recording.tensors)


# --- memory ------------------------------------------------------------------------


def all_steps(x):
    """What each step makes, in order."""
    a = x.reshape(2, 4, 3)
    b = a.permute(2, 1, 0)
    c = b.reshape(3, 8)
    d = c.contiguous()
    e = d.clone()
    f = e[:, 1:]
    g = f.contiguous()
    return a, b, c, d, e, f, g


def test_view_or_copy_is_what_the_addresses_say():
    recording = trace(all_steps, x234)
    before, copies = x234, []
    for step, y in zip(recording.steps, recording.result, strict=True):
        copies.append(
            y.untyped_storage().data_ptr() != before.untyped_storage().data_ptr()
        )
        assert step.copy == copies[-1], step.call
        before = y
    assert copies == [False, False, True, False, True, False, True]
    assert recording.copies == 3
    storages = [record.storage for record in recording.tensors]
    assert storages == [0, 0, 0, 1, 1, 2, 2, 3]


def test_the_height_branch_copies_at_two_reshapes_alone():
    recording = trace(WeightedPermuteMLP(12, 4).height, torch.randn(2, 4, 4, 12))
    assert [step.op for step in recording.steps if step.copy] == [
        *("reshape", "linear", "reshape")
    ]
    assert recording.copies == 2
    _, _, permuted, merged, *_ = recording.tensors
    assert permuted.strides == [192, 3, 12, 48, 1]
    assert merged.strides == [192, 48, 12, 1]


def test_in_place_writes_are_seen():
    recording = trace(written_through_a_view, x234)
    assert [step.op for step in recording.steps] == [
        *("mul", "getitem", "zero_", "written", "setitem", "clone")
    ]
    doubled, written = recording.steps[0].output, recording.steps[-1].inputs[0]
    assert recording.values(doubled) == numbers(x234 * 2)
    assert recording.values(written) == numbers(recording.result)
    assert not any(step.copy for step in recording.steps[1:-1])


# --- names of axes -----------------------------------------------------------------


def axes_of(function, shape, axes=None) -> list[list[str]]:
    recording = trace(function, torch.randn(shape), axes=axes)
    return [recording.tensors[step.output].axes for step in recording.steps]


def unpacked(x):
    B, H, W, C = x.shape
    return x.reshape(B, H * W, C)


def unpacked_by_size(x):
    B, H, W, C = x.size()
    return x.flatten(1, 2)


@in_turn("function", [unpacked, unpacked_by_size])
def test_names_are_read_from_the_line_that_unpacks_the_shape(function):
    assert axes_of(function, (2, 4, 4, 12)) == [["B", "H*W", "C"]]


def picked(x):
    H, W = x.shape[1], x.shape[0]
    return x.reshape(W, H)


def partly_unpacked(x):
    B, _, _ = x.shape
    return x.flip(0)


def test_other_lines_name_no_axes():
    assert axes_of(picked, (2, 2)) == [["d0", "d1"]]
    assert axes_of(partly_unpacked, (2, 3, 3)) == [["d0", "d1", "d2"]]


def forgotten_permute(x):
    B, H, W, C = x.shape
    N, S = 4, C // 4
    x = x.reshape(B, H, W, N, S)
    x = x.reshape(B, N, W, H * S)  # the same shape as the right one
    return x.reshape(B, N, W, H, S)


def test_names_follow_the_elements_and_not_what_the_code_calls_them():
    assert axes_of(forgotten_permute, (2, 4, 4, 12)) == [
        ["B", "H", "W", "N", "S"],
        ["B", "H", "W", "N*S"],
        ["B", "H", "W", "N", "S"],
    ]


def scrambled(x):
    B, H, C = x.shape
    return x.reshape(B, C, H), x.reshape(B, H, H, C // H)


def test_a_reshape_does_not_move_names():
    # Axis 1 of the first counts rows and, in each, the halves of the channels.
    assert axes_of(scrambled, (2, 3, 6)) == [
        ["B", "H*C:2", "C:3"],
        ["B", "H", "C:3", "C:2"],
    ]


class Listing:
    seg = 4

    def width(self, x):
        B, H, W, C = x.shape
        S = C // self.seg
        x = x.reshape(B, H, W, self.seg, S).permute(0, 3, 1, 2, 4)
        return x.reshape(B, self.seg, H, W * S).reshape(B, self.seg, H, W, S)


def test_attributes_and_products_name_new_axes():
    assert axes_of(Listing().width, (2, 4, 4, 12)) == [
        ["B", "H", "W", "seg", "S"],
        ["B", "seg", "H", "W", "S"],
        ["B", "seg", "H", "W*S"],
        ["B", "seg", "H", "W", "S"],
    ]


NAMED = [  # call, shape of x, axes of x, axes of the result; sizes repeat on purpose
    (lambda x: x.reshape(2, 16, 12), (2, 4, 4, 12), "BHWC", "B H*W C"),
    (lambda x: x.reshape(2, 4, 4, 4, 3), (2, 4, 4, 12), "BHWC", "B H W C:4 C:3"),
    (lambda x: x.reshape(2, -1), (2, 4, 4, 12), "BHWC", "B H*W*C"),
    (lambda x: x.view(1, 4, 1, 3), (1, 4, 3), "BHW", "B H 1 W"),
    (lambda x: x.reshape(3, 4), (4, 3), "HW", "3 4"),
    (lambda x: x.unflatten(2, (2, 3)), (4, 4, 6), "BHC", "B H C:2 C:3"),
    (lambda x: x.flatten(), (4, 4), "HW", "H*W"),
    (lambda x: x[0], (4, 4, 3), "BHC", "H C"),
    (lambda x: x[:, 0], (4, 4, 3), "BHC", "B C"),
    (lambda x: x[:, None, 1:], (4, 4, 3), "BHC", "B 1 3 C"),
    (lambda x: x.unsqueeze(0), (1, 4), "BH", "1 B H"),
    (lambda x: x.squeeze(1), (4, 1, 4), "BHC", "B C"),
    (lambda x: x.select(1, 0), (4, 4, 4), "BHC", "B C"),
    (lambda x: x.unbind(0)[0], (4, 4), "HW", "W"),
    (lambda x: x.expand(4, 4), (1, 4), "BH", "4 H"),
    (lambda x: x.flip(0), (4, 4), "HW", "H W"),
    (lambda x: x.rot90(), (4, 4), "HW", "W H"),
    (lambda x: x.mean(0), (4, 4), "HW", "W"),
    (lambda x: x.sum((1, 2)), (2, 4, 4, 3), "BHWC", "B C"),
    (lambda x: x.mean(1, keepdim=True), (4, 4, 3), "HWC", "H 1 C"),
    (lambda x: torch.einsum("hw->wh", x), (4, 4), "HW", "W H"),
    (lambda x: F.linear(x, torch.ones(5, 4)), (4, 4), "HC", "H 5"),
    (lambda x: x + torch.ones(4, 4), (4,), "C", "4 C"),
    (lambda x: x * x.T, (1, 4), "HW", "W W"),
    (lambda x: x @ x.T, (4, 4), "NC", "N N"),
    (lambda x: (x @ x.mT).view(2, 2, -1), (4, 3), "NC", "N:2 N:2 N"),
    (lambda x: (x @ x.mT).view(2, 8), (4, 3), "NC", "N:2 N:2*N"),
    (lambda x: (x * x.T).reshape(2, 8), (1, 4), "HW", "W:2 W:2*W"),
    (lambda x: x @ torch.ones(4, 4), (4, 4), "NC", "N C"),
    (lambda x: x.as_strided((4, 4), (1, 4)), (4, 4), "HW", "W H"),
    (lambda x: x.as_strided((4, 4), (3, 1)), (4, 4), "HW", "4 4"),
    (lambda x: x.max(1)[0], (4, 4, 4), "HWC", "H C"),
    (lambda x: x.sort(1)[0], (4, 4, 4), "HWC", "H 4 C"),
    (lambda x: x.topk(4, 2)[0], (4, 4, 4), "HWC", "H W 4"),
    (lambda x: x.argmax(1), (4, 4, 4), "HWC", "H C"),
    (lambda x: torch.stack([x] * 4, 1), (4, 4), "HW", "H 4 W"),
    (lambda x: torch.cat([x, x], 1), (4, 4), "HW", "H 8"),
    (lambda x: F.pad(x, (1, 3)), (4, 4), "HW", "H 8"),
    (lambda x: x.clone().transpose_(0, 2), (4, 4, 4), "HWC", "C W H"),
    (lambda x: x.adjoint(), (4, 4, 4), "HWC", "H C W"),
    (lambda x: x[:, range(4), range(4)], (4, 4, 4), "HWC", "H 4"),
    (lambda x: x[range(4), :, range(4)], (4, 4, 4), "HWC", "4 W"),
    (lambda x: torch.ops.aten.transpose.int(x, 0, 1), (4, 4), "HW", "W H"),
    (lambda x: torch.tensordot(x, x, ([0], [1])), (4, 4), "HW", "W H"),
    (lambda x: x.softmax(0), (4, 4), "HW", "H W"),
    (lambda x: x.roll(1, 0), (4, 4), "HW", "H W"),
    (lambda x: x.view(2, 2, 2, 2), (4, 4), "HW", "H:2 H:2 W:2 W:2"),
    (lambda x: x.view(2, 2, 2, 2).transpose(0, 2), (4, 4), "HW", "W:2 H:2 H:2 W:2"),
    (lambda x: x.view(2, 2, 4).view(4, 4), (4, 4), "HW", "H W"),
    (lambda x: x.view(2, 2, 4).mT.mT.reshape(4, 4), (4, 4), "HW", "H W"),
    (
        lambda x: x.view(2, 2, 4).transpose(0, 1).reshape(4, 4),
        (4, 4),
        "HW",
        "H:2*H:2 W",
    ),
    (lambda x: torch.einsum("ij,kj->ik", x, x), (4, 4), None, "i i"),
    (lambda x: x.rot90()[0] + x, (4, 4), "HW", "H 4"),
    (lambda x, N=4: x.expand(N, 4), (1, 4), "BH", "N H"),
]


@in_turn("function, shape, axes, after", NAMED)
def test_names_after_a_call(function, shape, axes, after):
    assert axes_of(function, shape, axes)[-1] == after.split()


def test_a_broadcast_takes_its_names_from_both():
    recording = trace(lambda x: x.mean(1, True) * x, torch.randn(4, 4), axes="HC")
    assert recording.tensors[-1].axes == ["H", "C"]


# --- what an output element sees ---------------------------------------------------


@in_turn(
    "function, mixed",
    [
        (lambda x: x + 1, []),
        (lambda x: F.linear(x, torch.ones(5, 4).to(x)), [2]),
        (lambda x: x.mean(0), [0]),
        (lambda x: x.mean((-1, 0)), [2, 0]),
        (lambda x: x.sum(), [0, 1, 2]),
        (lambda x: x.norm(2), [0, 1, 2]),
        (lambda x: torch.norm(x, 2, 1), [1]),
        (lambda x: x.var(False), [0, 1, 2]),
        (lambda x: x.std(1), [1]),
        (lambda x: x.sum(np.int64(1)), [1]),
        (lambda x: x.mean((np.int64(0), 1)), [0, 1]),
        (lambda x: x.softmax(np.int64(1)), [1]),
        (lambda x: x.softmax(-1), [2]),
        (lambda x: F.layer_norm(x, (3, 4)), [1, 2]),
        (lambda x: x @ torch.ones(4, 4), None),
    ],
)
def test_mixed_axes(function, mixed):
    recording = trace(function, x234)
    step = recording.steps[-1]
    assert step.mixed == mixed
    json.dumps(recording.to_json())
    if mixed is None:
        return
    x = x234.double().requires_grad_()
    function(x).reshape(-1)[0].backward()
    used = x.grad.nonzero()  # what the first output element depends on
    for k, size in enumerate(x.shape):
        assert len(used[:, k].unique()) == (size if k in mixed else 1)


# --- the source --------------------------------------------------------------------


def calls(function, x=x234) -> list[str]:
    sources = [step.source for step in trace(function, x).steps]
    return [source.text[source.start : source.end] for source in sources]


def test_calls_on_one_line_are_told_apart():
    chain = ["x.permute(2, 0, 1)", ".reshape(4, 6)", ".t()"]
    assert calls(one_line_chain) == chain
    assert calls(umlaut_line) == chain[:2]


def test_calls_over_several_lines_are_whole():
    assert calls(several_lines) == [
        "x.permute(2, 0, 1)",
        ".reshape(\n    4,\n    6,\n)",
        ".t()",
    ]


def in_brackets(x):
    return (x + 1 + 2).permute(2, 1, 0)[0].T.sum()


def test_a_call_does_not_take_the_brackets_before_it():
    assert calls(in_brackets) == [
        *("x + 1", "x + 1 + 2", ".permute(2, 1, 0)", "[0]", ".T", ".sum()")
    ]


def test_the_line_is_that_of_the_file():
    recording = trace(WeightedPermuteMLP(12, 4), torch.randn(1, 4, 4, 12))
    file = Path(sys.modules["vip_tutorial.permute_mlp"].__file__)
    lines = file.read_text(encoding="utf-8").splitlines()
    for step in recording.steps:
        assert step.source.file == "vip_tutorial/permute_mlp.py"
        assert step.source.text == lines[step.source.line - 1].strip()
    assert recording.steps[0].source.function == "height"


def test_a_module_of_the_reader_is_named_without_its_folder(tmp_path):
    file = tmp_path / "my_module.py"
    file.write_text("def f(x):\n    return x.mT\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("my_module", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    source = trace(module.f, x34).steps[0].source
    assert (source.file, source.line, source.text) == ("my_module.py", 2, "return x.mT")


def as_if_from(file: str, text: str, shown: str | None = None):
    """`f` of a module whose file is not there, or was edited after the import."""
    linecache.cache[file] = (1, None, (shown or text).splitlines(True), file)
    names = {}
    exec(compile(text, file, "exec"), names)
    return names["f"]


@in_turn("shown", ["ä" * 99, "ä", "äää: return x.mT ", "\n"])
def test_a_file_that_was_edited_after_the_import(shown):
    f = as_if_from("edited.py", "def f(x): return x.mT.mT", shown)
    for step in trace(f, x34).steps:
        source = step.source
        assert source is None or 0 <= source.start < source.end <= len(source.text)


def test_a_package_with_a_name_that_begins_like_torch_is_not_torch():
    file = str(Path(torch.__file__).parent) + "vision/ops.py"
    f = as_if_from(file, "def f(x): return x.mT")
    assert trace(f, x34).steps[0].source.file == "ops.py"


def test_a_long_line_is_cut_around_the_call():
    f = as_if_from(
        "long.py", f"def f(x): return x.mT, {'1+' * 999}1, x.mT[{'0+' * 999}0]"
    )
    first, second, third = [step.source for step in trace(f, x34).steps]
    texts = [s.text[s.start : s.end] for s in (first, second, third)]
    assert texts[:2] == ["x.mT", "x.mT"]
    assert texts[2].startswith("x.mT[0+0+") and texts[2].endswith("…")
    assert first.text.startswith("def f") and second.text.startswith("…x.mT[0+")
    assert [len(s.text) for s in (first, second, third)] == [400] * 3
    assert all(s.end <= len(s.text) for s in (first, second, third))


def test_code_without_a_file_has_no_source():
    names = {}
    exec("def f(x): return x.mT", names)
    assert trace(names["f"], x34).steps[0].source is None


@in_turn(
    "function, call",
    [
        (lambda x: x.permute(1, 0), "permute(1, 0)"),
        (lambda x: x.permute((1, 0)), "permute((1, 0))"),
        (lambda x: x.T, "T"),
        (lambda x: x[:, None, ::2], "[:, None, ::2]"),
        (lambda x: x[..., 1:], "[..., 1:]"),
        (lambda x: x[torch.tensor([1, 0])], "[tensor of (2,)]"),
        (lambda x: x.mean(dim=(0, 1)), "mean(dim=(0, 1))"),
        (lambda x: x.chunk(2, 1)[0], "chunk(2, 1)[0]"),
        (lambda x: torch.einsum("ab->ba", x), "einsum(ab->ba, tensor of (3, 4))"),
        (lambda x: x.bernoulli(0.5, generator=torch.Generator()), None),
    ],
)
def test_the_call_is_written_with_the_values_it_ran_with(function, call):
    found = trace(function, x34.clamp(0, 1)).steps[0].call
    assert found == call or (call is None and found.endswith("generator=Generator)"))


# --- gradients ---------------------------------------------------------------------


def reshaped_and_mixed(x):
    a = x.permute(2, 0, 1)
    b = a.reshape(4, 6)
    c = b * torch.linspace(-1, 1, 6)
    d, e = c.chunk(2)
    f = d.exp()
    g = e.unsqueeze(0).expand(3, 2, 6)
    h = g.sum(0) + f
    return h, a, b, c, d, e, f, g


def unused_and_detached(x):
    y = x * 2
    y.permute(2, 0, 1)
    z = y.permute(1, 0, 2) + y.detach().permute(1, 0, 2)
    return z, y


def written_later(x):
    y = x * 2
    a = y.clone()
    y.mul_(3)
    return (y + a).sum(), a


def moved_and_returned(x):
    y = x * 2
    y.permute(2, 0, 1)
    return (y,)


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.permute(1, 0, 2) * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient.permute(1, 0, 2) * 2


def own_backward(x):
    y = Twice.apply(x.exp())
    return y.sin(), y


@in_turn(
    "function",
    [
        reshaped_and_mixed,
        unused_and_detached,
        written_later,
        moved_and_returned,
        own_backward,
    ],
)
def test_gradients_are_those_of_autograd(function):
    def result_alone(x):
        return function(x)[0]

    x = x234.double().requires_grad_()
    result, *others = function(x)
    gradient = torch.randn_like(result)
    expected = torch.autograd.grad(result, [x, *others], gradient)
    whole = trace(function, x, gradient=gradient)
    expected = (gradient, *expected)
    for id_, grad in zip([whole.outputs[0], 0, *whole.outputs[1:]], expected):
        assert whole.gradient(id_) == pytest.approx(numbers(grad))
    # With the result alone, what moves alone use is derived from them.
    derived = trace(result_alone, x, gradient=gradient)
    for record in whole.tensors:
        if record.gradient is not None:
            assert derived.gradient(record.id) == pytest.approx(record.gradient)


def test_a_tensor_has_the_gradient_of_its_own_time():
    recording = trace(written_later, x234, gradient=torch.tensor(1.0))
    before, _, after = (step.output for step in recording.steps[:3])
    assert recording.steps[2].op == "mul_"
    assert set(recording.gradient(before)) == {3.0 + 1.0}
    assert set(recording.gradient(after)) == {1.0}


def test_gradients_of_moves_are_derived_and_complete():
    recording = module_trace(gradient=torch.randn(2, 4, 4, 12))
    derived = {s.inputs[0] for s in recording.steps if s.op in ("permute", "reshape")}
    derived.remove(0)  # the input is also mixed
    assert len(derived) == 12
    assert all(recording.tensors[id_].gradient is None for id_ in derived)
    assert all(recording.gradient(record.id) for record in recording.tensors)


def test_no_gradient_unless_asked_for():
    recording = module_trace()
    assert all(recording.gradient(record.id) is None for record in recording.tensors)


def test_a_gradient_leaves_the_readers_tensor_alone():
    x = torch.randn(2, 3, 4)
    trace(torch.sin, x, gradient=torch.ones(2, 3, 4))
    assert x.grad is None and not x.requires_grad


def writes_to_its_input(x):
    y = x * 2
    return x.mul_(3) + y


def test_a_function_may_write_to_its_input():
    x, ones = torch.randn(3), torch.ones(3)
    recording = trace(writes_to_its_input, x.clone(), gradient=ones)
    assert recording.gradient(0) == [5.0] * 3
    assert recording.values(recording.outputs[0]) == pytest.approx(numbers(x * 5))
    assert recording.result.requires_grad
    x.requires_grad_()
    trace(torch.sin, x, gradient=ones).result.sum().backward()
    assert x.grad is None  # as documented: it is cut off


def many_steps(x):
    y = x + 1
    z = y.mT
    for _ in range(1100):
        x = x + 1
    return z + y.mT + x.mT  # y is used again where no step is recorded


def test_gradients_are_right_where_steps_were_cut():
    recording = trace(many_steps, x34, gradient=torch.ones(4, 3))
    assert len(recording.steps) == 1024
    assert set(recording.gradient(recording.steps[0].output)) == {2.0}
    assert set(recording.gradient(recording.steps[2].output)) == {1.0}


# --- what is hard to follow ---------------------------------------------------------


@in_turn(
    "call, size",
    [
        (lambda x, o: torch.index_select(x, 0, torch.tensor([2, 0]), out=o), (2, 4)),
        (lambda x, o: torch.take(x, torch.tensor([5, 1]), out=o), (2,)),
        (lambda x, o: torch.gather(x, 0, torch.tensor([[2]]), out=o), (1, 1)),
        (lambda x, o: torch.masked_select(x, x > 10, out=o), (1,)),
    ],
)
def test_a_call_that_writes_to_out_is_made_once(call, size):
    expected = call(x34, torch.empty(size))
    recording = trace(lambda x: call(x, torch.empty(size)), x34)
    assert torch.equal(recording.result, expected)
    assert recording.values(recording.outputs[0]) == numbers(expected)
    assert (recording.steps[-1].kind, recording.steps[-1].map) == ("other", None)


@in_turn(
    "part",
    ["moves.seen_in_memory", "effects.permutation", "recorder.names_after"],
)
def test_what_cannot_be_explored_is_said(part, monkeypatch):
    def fail(*args):
        raise RuntimeError("not implemented for Long")

    monkeypatch.setattr(f"vip_tutorial.lens.tracing.{part}", fail)
    recording = trace(lambda x: x.permute(1, 0), x34)
    assert recording.values(recording.outputs[0]) == numbers(x34.T)
    assert len(recording.tensors[-1].axes) == 2
    (sentence,) = recording.omitted
    assert "could not be found out: permute" in sentence


@pytest.mark.filterwarnings("ignore")  # jvp imports what torch deprecates
@in_turn(
    "function",
    [
        lambda x: torch.vmap(lambda row: row * x)(x),
        lambda x: torch.func.jvp(lambda y: y * x, (x,), (x,))[1],
        lambda x: torch.func.jacrev(lambda y: (y * x).permute(1, 0))(x),
    ],
)
def test_transforms_of_functions_run_as_they_do_alone(function):
    x = torch.randn(3, 3)
    recording = trace(function, x)
    assert torch.equal(recording.result, function(x))
    assert recording.values(recording.outputs[0]) == numbers(function(x))
    assert "vmap" in recording.omitted[-1]
    json.dumps(recording.to_json())


@pytest.mark.filterwarnings("ignore")  # nested and quantized tensors are beta
@in_turn(
    "convert, word",
    [
        (torch.Tensor.to_sparse, "sparse_coo"),
        (lambda x: torch.nested.nested_tensor([x[0], x[1]]), "nested"),
        (lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8), "quantized"),
    ],
)
def test_tensors_without_strides(convert, word):
    with pytest.raises(TypeError, match=f"cannot follow a {word} tensor"):
        trace(torch.neg, convert(x34))
    with pytest.raises(ValueError, match=f"returned a {word} tensor"):
        trace(convert, x34)
    recording = trace(lambda x, y: (convert(x), x + 1), x34, convert(x34))
    assert recording.inputs == [0] and len(recording.outputs) == 1
    assert "no step made: 2" in recording.omitted[0]


def test_many_axes_and_very_large_shapes():
    x = torch.zeros([1] * 24 + [2])
    (step,) = trace(lambda x: x.permute(*reversed(range(25))), x).steps
    assert step.order == [*reversed(range(25))]
    huge = torch.empty(10**16, 2, device="meta")
    recording = trace(lambda x: x[None], huge, axes="HW")
    assert recording.tensors[-1].axes == ["1", "H", "W"]
    assert len(recording.omitted) == 1  # the values, and nothing else


def test_a_trace_inside_a_trace_is_not_seen():
    plain = [step.call for step in trace(one_line_chain, x234).steps]
    for gradient, more in ((None, []), (torch.ones(6, 4), ["detach()"])):
        inner = lambda x: trace(one_line_chain, x, gradient=gradient).result  # noqa
        recording = trace(inner, x234)
        assert [step.call for step in recording.steps] == more + plain
        assert recording.homes(recording.outputs[0]) is not None


def test_a_recording_is_bounded():
    tensors = [torch.randn(2000) for _ in range(400)]
    recording = trace(lambda *x: x[0], *tensors)
    assert sum(len(r.values or ()) for r in recording.tensors) <= 64 * 2048
    assert "131,072 numbers at most" in recording.omitted[0]
    assert "335 tensors" in recording.omitted[0]

    def grow(x):
        for _ in range(100):
            x = (x * 2).flip(0)
        return x

    recording = trace(grow, tensors[0], gradient=tensors[0])
    stored = [r.values or () for r in recording.tensors]
    stored += [r.gradient or () for r in recording.tensors]
    stored += [step.map or () for step in recording.steps]
    assert sum(map(len, stored)) <= 64 * 2048
    assert "numbers at most" in recording.omitted[0]
    assert all(recording.gradient(r.id) is None for r in recording.tensors)


def test_a_call_with_very_many_arguments_is_cut():
    step = trace(lambda x: x[[0] * 50_000], x34).steps[0]
    assert len(step.call) == 400 and step.call.endswith("0…")


def test_a_small_part_of_a_large_tensor_has_no_map():
    recording = trace(lambda x: x[0], torch.randn(30, 3), max_elements=20)
    assert recording.steps[0].map is None
    assert len(recording.values(1)) == 3


def test_numbers_are_short_and_of_the_right_kind():
    x = torch.tensor([3.0, 1e15, 1e20])
    values = trace(torch.neg, x).to_json()["tensors"][0]["values"]
    assert [type(v) for v in values] == [int, float, float]


def test_complex_numbers_are_shown_by_their_size():
    x = torch.tensor([3 + 4j, -2j])
    assert trace(lambda x: x * 1, x).values(0) == [5.0, 2.0]


@in_turn("axes", [[1, 2], ["H", None], 5])
def test_names_of_axes_are_strings(axes):
    with pytest.raises(TypeError, match="it must hold strings"):
        trace(torch.neg, x34, axes=axes)


class Doubler:
    @classmethod
    def of_class(cls, x):
        return x * 2

    def method(self, x):
        return x * 2


@in_turn(
    "function, name",
    [
        (abs, "abs"),
        (torch.relu, "relu"),
        (Doubler.of_class, "Doubler.of_class"),
        (Doubler().method, "Doubler.method"),
        (one_line_chain, "one_line_chain"),
        (nn.ReLU(), "ReLU"),
    ],
)
def test_the_name_of_what_ran(function, name):
    assert trace(function, x234).name == name


# --- the rest ----------------------------------------------------------------------


def test_dropout_draws_the_same_numbers_when_traced():
    module = WeightedPermuteMLP(12, 4, proj_drop=0.5)
    x = torch.randn(2, 4, 4, 12)
    torch.manual_seed(1)
    expected = module(x)
    torch.manual_seed(1)
    assert torch.equal(trace(module, x).result, expected)


def test_large_tensors_keep_their_shapes_and_lose_their_numbers():
    recording = trace(one_line_chain, torch.randn(2, 3, 4), max_elements=20)
    assert all(record.values is None for record in recording.tensors)
    assert all(step.map is None for step in recording.steps)
    assert recording.tensors[-1].shape == [6, 4]
    assert recording.steps[0].order == [2, 0, 1]
    assert "4 tensors with more than 20 elements" in recording.omitted[0]


def test_what_the_trace_cannot_see_is_said():
    recording = trace(lambda x: torch.from_numpy(x.numpy() * 2), torch.ones(3))
    assert recording.steps == []
    assert recording.values(recording.outputs[0]) == [2.0, 2.0, 2.0]
    assert "Tensors that no step made: 1" in recording.omitted[0]


def test_a_view_as_its_own_dtype_moves_nothing_and_as_another_is_no_move():
    x = torch.arange(6.0).reshape(2, 3)
    steps = trace(lambda x: x.t().view(torch.float32).view(dtype=x.dtype), x).steps
    assert [step.map for step in steps] == [[0, 3, 1, 4, 2, 5], *2 * [[*range(6)]]]
    for dtype in (torch.int32, torch.int16, torch.int64, torch.complex64):
        recording = trace(lambda y, d=dtype: y.view(d), torch.ones(2, 2))
        assert recording.steps[0].kind == "other" and recording.steps[0].map is None
        expected = torch.ones(2, 2).view(dtype).abs().flatten().tolist()
        assert recording.values(1) == expected and recording.omitted == []


def test_a_map_that_does_not_lead_to_what_came_out_is_left_out(monkeypatch):
    def made(call, others, dtype):  # another than ran
        return next(iter(others.values())).clone()

    monkeypatch.setattr(Call, "with_tensors", made)
    recording = trace(lambda x: x.flip(0), torch.arange(3.0))
    assert recording.steps[0].map is None
    assert recording.values(1) == [2, 1, 0]
    assert "made again, gave something else" in recording.omitted[0]
    same = trace(lambda x: x.flip(0), torch.tensor([1, math.nan, 1]))
    assert same.steps[0].map == [0, 1, 2]  # no number tells that it is wrong


def fill(y):
    ctypes.memmove(y.data_ptr(), (ctypes.c_float * 3)(3, 3, 3), 12)


UNSEEN_WRITES = {
    "numpy": lambda y: y.detach().numpy().fill(3),
    "address": fill,
}


@pytest.mark.parametrize("write", UNSEEN_WRITES)
@pytest.mark.parametrize("most", [2048, 2], ids=["whole", "too large to keep"])
def test_a_write_that_nothing_shows_is_noticed(write, most):
    write = UNSEEN_WRITES[write]

    def used_later(x):
        y = x * 2
        write(y)
        return y.view(3, 1)

    def returned(x):
        y = x * 2
        write(y)
        return y

    def forgotten(x):
        y = x * 2
        z = y + 1
        write(y)
        return z

    def given(x):
        write(x)
        return x + 1

    for function in (used_later, returned, forgotten, given):
        for gradient in (None, torch.ones(3)):
            if gradient is not None and function is used_later:
                gradient = gradient.reshape(3, 1)
            recording = trace(
                function, torch.ones(3), gradient=gradient, max_elements=most
            )
            assert "without a write of PyTorch's" in recording.omitted[-1], function
            if most == 2:
                continue
            (output,) = recording.outputs
            assert recording.values(output) == recording.result.flatten().tolist()
            assert all(
                recording.gradient(record.id) is None for record in recording.tensors
            )
            if function is not forgotten:  # nothing says that it came from the input
                assert recording.homes(output) is None
                made = {step.output for step in recording.steps}
                sources = recording.steps[-1].inputs if function is not returned else []
                assert made.isdisjoint(sources)


def test_a_write_that_a_call_shows_is_a_step_wherever_it_is_counted():
    def through_data(x):
        y = x * 2
        y.numpy().sum(), y.detach().flip(0)  # these only read
        y.data[0] = 7
        return y + 1

    def to_what_was_looked_at(x):
        y = x * 2
        y.data.sum()
        y[0] = 7
        return y + 1

    def through_a_view(x):
        y = x * 2
        y[:1].fill_(7)
        return y + 1

    for function in (through_data, to_what_was_looked_at, through_a_view):
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                recording = trace(function, torch.ones(3))
            assert recording.omitted == [], (function, mode)
            assert recording.values(recording.outputs[0]) == [8, 3, 3]
            made = {step.output for step in recording.steps} | {0}
            assert made.issuperset(recording.steps[-1].inputs)


def test_a_tensor_without_contents_is_traced_by_its_shape(device):
    x = torch.empty(2, 3, 4, device="meta")
    recording = trace(several_lines, x)
    assert [recording.tensors[s.output].shape for s in recording.steps] == [
        *([4, 2, 3], [4, 6], [6, 4])
    ]
    assert all(record.values is None for record in recording.tensors)


def test_a_trace_on_any_device_has_the_same_numbers(device):
    module = WeightedPermuteMLP(12, 4)
    x = torch.randn(2, 4, 4, 12)
    here = trace(module, x)
    there = trace(module.to(device), x.to(device))
    assert there.tensors[0].device.startswith(device.type)
    assert [step.map for step in here.steps] == [step.map for step in there.steps]
    for record in here.tensors:
        assert there.values(record.id) == pytest.approx(
            here.values(record.id), abs=1e-5
        )


def test_a_step_names_its_module_and_its_parameters():
    module = WeightedPermuteMLP(8, 4)
    recording = trace(module, torch.randn(1, 4, 4, 8))
    found = [
        (step.module, [recording.operands[i].name for i in step.operands])
        for step in recording.steps
        if step.kind == "mix"
    ]
    assert found == [
        ("mlp_h", ["mlp_h.weight"]),
        ("mlp_w", ["mlp_w.weight"]),
        ("mlp_c", ["mlp_c.weight"]),
        ("reweight.fc1", ["reweight.fc1.weight", "reweight.fc1.bias"]),
        ("reweight.fc2", ["reweight.fc2.weight", "reweight.fc2.bias"]),
        ("proj", ["proj.weight", "proj.bias"]),
    ]
    for step in recording.steps:
        if step.kind == "mix":
            before = recording.tensors[step.inputs[0]]
            x = torch.tensor(recording.values(before.id)).reshape(before.shape)
            given = [recording.operands[i] for i in step.operands]
            y = F.linear(x, *(torch.tensor(o.values).reshape(o.shape) for o in given))
            after = torch.tensor(recording.values(step.output)).reshape(y.shape)
            torch.testing.assert_close(y, after)
    assert recording.steps[0].module == ""


def test_modules_in_a_function_are_named_by_their_class():
    mlp, shift = Mlp(4), torch.ones(4)
    recording = trace(lambda x: mlp(x) + shift, torch.randn(2, 4))
    assert [step.module for step in recording.steps] == [
        "Mlp.fc1",
        "Mlp.act",
        "Mlp.drop",
        "Mlp.fc2",
        "Mlp.drop",
        None,
    ]
    (given,) = recording.steps[-1].operands
    assert recording.operands[given] == Operand("", [4], [1.0] * 4)
    # What is too large is not kept, and nothing is said of it.
    small = trace(mlp, torch.randn(1, 4), max_elements=8)
    assert [len(step.operands) for step in small.steps] == [1, 0, 0, 1, 0]
    assert small.omitted == []


def test_a_recording_without_them_is_read():
    old = trace(Mlp(4), torch.randn(2, 4)).to_json()
    for step in old["steps"]:
        del step["operands"], step["module"]
    del old["operands"]
    again = Trace.from_json(old)
    assert [step.operands for step in again.steps] == [[]] * len(old["steps"])


def test_the_table_has_a_row_for_the_input_and_each_step():
    recording = trace(WeightedPermuteMLP(12, 4).height, torch.randn(2, 4, 4, 12))
    _, first, *rows = recording.table().splitlines()
    assert first.startswith("input") and "(B, H, W, C)" in first
    assert [row.split("(")[0] for row in rows] == [step.op for step in recording.steps]
    words = [set(row.split()) & {"view", "copy", "same", "new"} for row in rows]
    assert words == [
        *({"view"}, {"view"}, {"copy"}, {"new"}, {"view"}, {"view"}, {"copy"})
    ]


def test_a_recording_can_be_copied():
    x = torch.randn(2, 4, requires_grad=True)
    recording = trace(Mlp(4), x, gradient=torch.ones(2, 4))
    twin = copy.deepcopy({"one": recording, "same": recording})
    assert twin["one"] is twin["same"] is not recording
    assert twin["one"].to_json() == recording.to_json()
    assert twin["one"].result is recording.result  # which has a history
    twin["one"].steps[0].op = "another"
    twin["one"].tensors[0].values[0] = 7.0
    assert recording.steps[0].op != "another" and recording.tensors[0].values[0] != 7.0
