"""What is said of a stranger's code is true, or says that it is not known."""

import contextlib
import copy
import io
import json
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tables import in_turn
from vip_tutorial import Trace, trace

X = torch.arange(32.0).reshape(1, 4, 4, 2)
START = threading.Thread.start


@pytest.fixture(scope="module")
def engine(engine_of):
    return engine_of("permute_lens.js")


@pytest.fixture(scope="module")
def said(engine):
    """What the lens says at the last step: of the step, its memory, a cell."""

    def ask(recording: Trace, cell: int = -1) -> dict[str, str]:
        state = {"step": len(recording.steps), "cell": cell, "axis": -1}
        state |= {"fill": "birth", "numbers": "none", "backward": False}
        script = f"""JSON.stringify((() => {{
          const run = $recording.readRun({json.dumps(recording.to_json())});
          const state = {json.dumps(state)};
          return {{
            step: $words.stepWords(run, state),
            memory: $lens_html.memoryHtml(run, state),
            cell: $words.cellWords(run, {{ ...state, cell: Math.max(0, {cell}) }}),
          }};
        }})())"""
        return json.loads(engine.eval(script))

    return ask


def homes(recording: Trace) -> list[int] | None:
    return recording.homes(recording.outputs[0])


def counted(function, shape) -> list[int]:
    """Which element of the input each element of the result is, by counting."""
    numbers = torch.arange(1.0, 1 + torch.Size(shape).numel()).reshape(shape)
    return [int(n) - 1 for n in function(numbers).flatten().tolist()]


# --- moves -------------------------------------------------------------------------


def rows_one_by_one(x):
    y = torch.empty(2, *x.shape)
    y[1] = x
    y[0].copy_(x.flip(-1))
    return y


def scattered(x):
    to = torch.tensor([2, 0, 1]).expand(x.shape)
    return torch.empty_like(x).scatter_(1, to, x)


MOVES = {  # function, shape of x
    "cat": (lambda x: torch.cat([x[1:], x[:1]]), (3, 2)),
    "hstack": (lambda x: torch.hstack([x, x.flip(0)]), (3, 2)),
    "stack": (lambda x: torch.stack([x, x.t()], 2), (3, 3)),
    "rows written": (rows_one_by_one, (2, 3)),
    "scatter": (scattered, (2, 3)),
    "index_copy": (
        lambda x: torch.zeros(3, 2).index_copy(0, torch.tensor([2, 0, 1]), x),
        (3, 2),
    ),
    "masked_scatter": (
        lambda x: torch.zeros(2, 3).masked_scatter(torch.ones(2, 3).bool(), x.flip(0)),
        (2, 3),
    ),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), (1, 4, 2, 3)),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2), (1, 1, 4, 6)),
    "channel_shuffle": (lambda x: F.channel_shuffle(x, 3), (1, 6, 2, 1)),
    "unfold": (lambda x: F.unfold(x, (2, 1), stride=(1, 2)), (1, 2, 3, 4)),
    "fold": (lambda x: F.fold(x, (4, 4), 2, stride=2), (1, 4, 4)),
    "upsample": (lambda x: F.interpolate(x, scale_factor=3), (1, 1, 2, 2)),
    "reflected": (lambda x: F.pad(x, (1, 1), mode="reflect"), (1, 2, 3)),
    "circular": (lambda x: F.pad(x, (2, 1), mode="circular"), (1, 2, 3)),
    "replicated": (lambda x: F.pad(x, (1, 0, 0, 2), mode="replicate"), (1, 2, 3)),
    "pad by nothing": (lambda x: F.pad(x, (0, 0)), (2, 3)),
    "max": (lambda x: x.max(0)[0], (3, 2)),
    "topk": (lambda x: x.topk(2, 1)[0], (2, 3)),
    "sort": (lambda x: x.sort(descending=True).values, (2, 3)),
    "cummax": (lambda x: x.cummax(0)[0], (3, 2)),
    "scatter_add": (
        lambda x: torch.zeros(3, 2).scatter_add(0, torch.tensor([[2, 1], [0, 0]]), x),
        (2, 2),
    ),
    "embedding": (lambda x: F.embedding(torch.tensor([[1, 0], [2, 2]]), x), (3, 2)),
    "einsum": (lambda x: torch.einsum("abc->cab", x), (2, 3, 4)),
    "broadcast_to": (lambda x: torch.broadcast_to(x, (2, 3, 2)), (3, 2)),
    "as_strided": (lambda x: x.as_strided((2, 2), (1, 2), 1), (2, 3)),
    "swapped in place": (lambda x: x.clone().swapaxes_(0, 1), (2, 3)),
    "aten": (lambda x: torch.ops.aten.permute.default(x, [1, 0]), (2, 3)),
    "where": (lambda x: torch.where(x > 3, x, x.flip(0)), (2, 3)),
    "block_diag": (lambda x: torch.block_diag(x, x)[:2, :3], (2, 3)),
    "meshgrid": (lambda x: torch.meshgrid(x, x, indexing="ij")[1], (3,)),
    "roll of windows": (
        lambda x: x.roll((-1, -1), (0, 1)).view(2, 2, 2, 2).transpose(1, 2).flatten(),
        (4, 4),
    ),
}


@in_turn("function, shape", MOVES.values(), ids=MOVES)
def test_what_only_moves_is_followed(function, shape):
    x = torch.randn(shape).abs() + 1 if shape == (2, 3) else torch.randn(shape)
    if function is MOVES["where"][0]:
        x = torch.arange(1.0, 7.0).reshape(2, 3)  # as it is counted
    names = ("max", "topk", "sort", "cummax")
    chooses = function in [MOVES[name][0] for name in names]
    if chooses:
        x = torch.arange(1.0, 7.0).reshape(shape)
    for mode in (torch.enable_grad, torch.inference_mode):
        with mode():
            recording = trace(function, x.clone())
            assert homes(recording) == counted(function, shape)
            assert torch.equal(recording.result, function(x.clone()))
            assert {step.kind for step in recording.steps} <= {
                *("move", "collect", "pointwise", "other")
            }


def test_what_comes_from_nowhere_has_no_home():
    for function, expected in (
        (lambda x: F.pad(x, (1, 0), value=3), [-1, 0, 1, -1, 2, 3]),
        (lambda x: x.tril(), [0, -1, 2, 3]),
        (lambda x: x.masked_fill(x == 1, 0.0), [0, -1, 2, 3]),
        (lambda x: torch.cat([x.new_ones(1, 2), x]), [-1, -1, 0, 1, 2, 3]),
        (lambda x: x.index_fill(0, torch.tensor([0]), 9), [-1, -1, 2, 3]),
    ):
        recording = trace(function, torch.arange(4.0).reshape(2, 2))
        assert homes(recording) == expected
        assert recording.values(recording.outputs[0]) == [
            *recording.result.flatten().tolist()
        ]
    assert homes(trace(lambda x: F.pad(x[:0], (0, 0, 2, 0)), torch.ones(2, 2))) is None


def test_a_map_that_hangs_on_the_numbers_is_that_of_the_numbers():
    lengths = torch.tensor([1, 2, 3])
    recording = trace(lambda n: torch.repeat_interleave(n), lengths)
    assert recording.values(recording.outputs[0]) == [0, 1, 1, 2, 2, 2]
    assert homes(recording) is None
    recording = trace(lambda x: x.repeat_interleave(lengths, 0), torch.randn(3, 1))
    assert homes(recording) == [0, 1, 1, 2, 2, 2]


def test_what_is_cast_on_its_way_has_the_value_that_it_was_cast_to():
    def rounded(x):
        return torch.zeros(2, 3, dtype=torch.int64).copy_(x * 1.5).t()

    recording = trace(rounded, torch.arange(1.0, 7.0).reshape(2, 3))
    assert recording.values(recording.outputs[0]) == [1, 6, 3, 7, 4, 9]
    recording = trace(rounded, torch.arange(1.0, 7.0).reshape(2, 3) * 2)
    assert recording.values(recording.outputs[0]) == [3, 12, 6, 15, 9, 18]
    assert [step.known for step in recording.steps] == ["exact"] * 3


# --- memory ------------------------------------------------------------------------

MEMORY = {  # function, what the last step did to memory
    "transpose_": (lambda x: x.clone().transpose_(1, 2), "view"),
    "squeeze_": (lambda x: x.clone().squeeze_(0), "view"),
    "requires_grad_": (lambda x: x.detach().requires_grad_(), "same"),
    "broadcast_to": (lambda x: torch.broadcast_to(x, (3, 4, 4, 2)), "view"),
    "einsum": (lambda x: torch.einsum("bhwc->bwhc", x), "view"),
    "split_with_sizes": (lambda x: x.split_with_sizes([1, 3], 1)[1], "view"),
    "adjoint": (lambda x: x.adjoint(), "view"),
    "as_strided": (lambda x: x.as_strided((2, 2), (2, 4)), "view"),
    "real": (lambda x: x.real, "same"),
    "conj": (lambda x: torch.complex(x, x).conj(), "view"),
    "dropout": (nn.Dropout(0.5).eval(), "same"),
    "to": (lambda x: x.to(torch.float32), "same"),
    "contiguous": (lambda x: x.contiguous(), "same"),
    "relu_": (lambda x: F.relu(x.clone(), inplace=True), "write"),
    "mul_": (lambda x: x.clone().mul_(2), "write"),
    "setitem": (lambda x: _written(x.clone()), "write"),
    "copy_": (lambda x: x.clone().copy_(x.flip(1)), "write"),
    "masked_fill_": (lambda x: x.clone().masked_fill_(x > 3, 0), "write"),
    "relu": (lambda x: F.relu(x), "new"),
    "cat": (lambda x: torch.cat([x, x]), "new"),
    "deepcopy": (lambda x: copy.deepcopy(x), "new"),
    "reshape": (lambda x: x.mT.reshape(-1), "new"),
}


def _written(x):
    x[:, 0] = 0
    return x


@in_turn("function, memory", MEMORY.values(), ids=MEMORY)
def test_view_write_or_new_is_what_happened_to_memory(function, memory, said):
    for mode in (torch.enable_grad, torch.inference_mode):
        with mode():
            recording = trace(function, X.clone())
        step = recording.steps[-1]
        words = said(recording)
        row = recording.table().splitlines()[len(recording.steps) + 1]
        assert step.memory == ("view" if memory == "same" else memory)
        assert memory in row.split() or (memory, "copy" in row.split()) == ("new", True)
        text = f"{words['step']} {words['memory']}"
        assert ("new numbers" in text or "written below" in text) == (memory == "new")
        assert ("written over" in text) == (memory == "write")
        assert ("writes nothing" in text) == (memory in ("view", "same"))


def test_no_strides_is_said_where_none_read_it(said):
    without = [
        lambda x: x.permute(0, 3, 1, 2).contiguous(),
        lambda x: x.clone(),
        lambda x: x[:, [0, 1, 2, 3]],
        lambda x: x.repeat(3, 1, 1, 1, 1),
        lambda x: x[:, torch.tensor([3, 1])],
    ]
    for function in without:
        assert "No strides" not in said(trace(function, X))["step"]
    for function in (
        lambda x: x.permute(0, 2, 1, 3).reshape(1, 16, 2),
        lambda x: x[:, [0, 1, 3]],
        lambda x: x.roll(1, 1),
    ):
        assert "No strides" in said(trace(function, X))["step"]
    backward = said(trace(lambda x: x.flip(1), X))["step"]
    assert "No strides" not in backward and "runs backward" in backward


def test_a_view_that_begins_elsewhere_says_so(said):
    for function, words in (
        (lambda x: x.mT, "only the strides change"),
        (lambda x: x[:, 1:], "it is read from address 8 on, not from 0."),
        (
            lambda x: x[0, 1],
            "the strides change, from (32, 8, 2, 1) to (2, 1), and it is",
        ),
        (lambda x: x.clone().view(4, 8).view(32), "only the strides change"),
        (lambda x: x.view_as(x), "gives back the tensor"),
    ):
        assert words in said(trace(function, X))["step"]


def test_an_assignment_is_written_as_one(said):
    recording = trace(lambda x: _written(x.clone()), X)
    assert recording.steps[-1].call == "[:, 0] = 0"
    recording = trace(lambda x: rows_one_by_one(x)[0], torch.randn(2, 3))
    assert recording.steps[0].call == "[1] = tensor of (2, 3)"


def test_a_call_is_told_without_half_a_bracket(said):
    assert ", cat: " in said(trace(lambda x: torch.cat([x, x], 1), X))["step"]


# --- what has been seen, and what is not known ---------------------------------------


def _scripted(x: torch.Tensor):
    return x.transpose(1, 2) * 2


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # scripts are old, and there are many
    scripted = torch.jit.script(_scripted)


def windows(x):
    w = x.view(1, 2, 2, 2, 2, 2).transpose(2, 3).reshape(4, 4, 2)
    w = (w @ w.mT).softmax(-1) @ w
    return x + w.view(1, 2, 2, 2, 2, 2).transpose(2, 3).reshape(1, 4, 4, 2)


SEEN = {  # function, how many numbers the first element of its result has seen
    "constant like x": (lambda x: x + torch.zeros_like(x), 1),
    "an activation": (lambda x: x + F.hardswish(x), 1),
    "two that meet": (lambda x: x + x.flip(1), 2),
    "windows": (windows, 8),
    "scripted": (lambda x: x + scripted(x).flip(2), 2),
    "vmapped": (lambda x: x + torch.vmap(lambda y: y.flip(0) * 1)(x), 2),
    "norm": (lambda x: x + F.layer_norm(x, (4, 2)), 8),
    "conv": (lambda x: x + F.conv2d(x, torch.ones(4, 4, 1, 1)), 4),
    "softmax": (lambda x: x[0, 0] + F.softmax(x[0, 0]), 2),
    "shared heads": (
        lambda x: x + F.scaled_dot_product_attention(*_shared(x), enable_gqa=True),
        8,
    ),
}


def _shared(x):
    return x * 0.5, x[:, :2] * 0.5, x[:, :2] * 2


@pytest.mark.filterwarnings("ignore:Implicit dimension")  # of softmax
@in_turn("function, count", SEEN.values(), ids=SEEN)
def test_what_a_number_has_seen_is_counted(function, count, said):
    x = torch.randn(1, 4, 4, 2)
    z = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(function(z).reshape(-1)[0], z)
    assert int((g != 0).sum()) == count  # the table is right
    words = said(trace(function, x), 0)["cell"]
    assert (f"has seen {count} numbers" in words) == (count > 1), words
    assert ("seen" in words) == (count > 1), words


def test_what_may_have_been_chosen_is_where_the_window_looked(engine):
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 2, 2] = 1
    recording = trace(lambda x: F.max_pool2d(x, 2, 1, dilation=2), x)
    text = json.dumps(recording.to_json())
    script = f"JSON.stringify([...$recording.readRun({text}).seenAtMost(1, 0)])"
    assert json.loads(engine.eval(script)) == [0, 2, 8, 10]


def causal(x):
    scores = (x @ x.mT).masked_fill(torch.ones(4, 4).triu(1).bool(), -torch.inf)
    return scores.softmax(-1) @ x


CUT = {  # function, the numbers that the first element of its result depends on
    "masked": (causal, 2),
    "added": (lambda x: (x @ x.mT + _UPPER).softmax(-1) @ (x * 2), 2),
    "scores": (lambda x: (x @ x.mT + _UPPER).softmax(-1), 0),
    "triangle": (lambda x: torch.ones(4, 4).tril() @ x, 1),
    "rotary": (lambda x: x * 0.5 + x.flip(1) * torch.zeros(2), 1),
    "by nothing": (lambda x: x.sum(0) + x[0] * 0, 4),
    "weight": (lambda x: F.linear(x, torch.eye(2)), 1),
    "powers": (lambda x: (x @ x.mT + _UPPER).exp().sum(-1), 2),
    "powers, summed": (lambda x: (x @ x.mT + _UPPER).logsumexp(-1), 2),
    "not added": (lambda x: torch.add(x, x.flip(0), alpha=0), 1),
    "not blended": (lambda x: x.lerp(x.flip(0), 0.0), 1),
    "to the power 0": (lambda x: x.flip(0) + x**0, 1),
    "by infinity": (lambda x: x.flip(0) + x / torch.inf, 1),
    "the largest": (lambda x: x.amax(0), 1),
    "the larger": (lambda x: torch.maximum(x, x.flip(0)), 1),
    "largest by norm": (lambda x: x.norm(torch.inf, 0), 1),
    "dropped": (
        lambda x: F.scaled_dot_product_attention(_ROWS, _ROWS, x, dropout_p=1 - 1e-9),
        0,
    ),
    "scaled after a norm": (lambda x: F.layer_norm(x, (2,), torch.zeros(2)), 0),
    "scaled by channel": (
        lambda x: F.batch_norm(x, None, None, torch.zeros(2), training=True),
        0,
    ),
    "between two": (lambda x: x.quantile(0.5, 0), 2),
}
_ROWS = torch.ones(4, 2)
_UPPER = torch.zeros(4, 4).masked_fill(torch.ones(4, 4).triu(1).bool(), -torch.inf)


@in_turn("function, count", CUT.values(), ids=CUT)
def test_what_a_zero_hides_is_not_said_to_be_seen(function, count, engine):
    x = torch.rand(4, 2) + 0.5
    z = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(function(z).reshape(-1)[0], z)
    text = json.dumps(trace(function, x).to_json())
    script = f"""JSON.stringify((() => {{ const run = $recording.readRun({text});
      const [out, seen] = [run.outputs[0], run.seen(run.outputs[0], 0)];
      return [seen && [...seen], [...run.seenAtMost(out, 0)]]; }})())"""
    seen, most = json.loads(engine.eval(script))
    true = {*g.flatten().nonzero().flatten().tolist()}
    assert len(true) <= count
    assert seen is None or {*seen} == true
    assert (seen is not None) == (function is CUT["weight"][0])  # weights can be asked
    assert true <= {*most}


def test_a_tensor_that_is_given_twice_is_one_input(said):
    x = torch.arange(6.0).reshape(2, 3)
    for gradient in (None, torch.ones(2, 3)):
        recording = trace(lambda a, b: a * 2 + b.flip(1), x, x, gradient=gradient)
        assert recording.inputs == [0]
        assert "has seen 2 numbers" in said(recording, 0)["cell"]
    assert recording.gradient(0) == [3] * 6


def into_a_view(x):
    y = torch.zeros(6)
    rows = y.view(2, 3)
    rows.copy_(x)
    return y.flip(0)


def seen_before(x):
    y = torch.zeros(3, 3)
    row, first = y[1], y[0]
    y[1:] = x
    return torch.cat([first, row])


def out_into_a_part(x):
    y = torch.zeros(3, 3)
    torch.ops.aten.cat.out([x[:1]], out=y[1:2])
    return y.t()


TABLE = torch.zeros(2, 3)


def into_a_table(x):
    TABLE.view(-1)[:3] = x[1]
    return TABLE.clone().flip(0)


@in_turn(
    "function, expected",
    [
        (into_a_view, [5, 4, 3, 2, 1, 0]),
        (seen_before, [-1, -1, -1, 0, 1, 2]),
        (into_a_table, [-1, -1, -1, 3, 4, 5]),
        (out_into_a_part, None),
    ],
)
def test_what_no_input_had_gone_into_is_followed_from_the_write_on(function, expected):
    recording = trace(function, torch.randn(2, 3))
    assert homes(recording) == expected
    numbers = recording.result.flatten().tolist()
    assert recording.values(recording.outputs[0]) in (None, numbers)
    assert not any("no step made" in sentence for sentence in recording.omitted)


def test_what_a_norm_keeps_for_later_is_not_taken_for_a_constant():
    norm = nn.BatchNorm1d(3)
    recording = trace(lambda x: norm(x) + norm.running_mean, torch.randn(4, 3))
    assert [step.known for step in recording.steps] == ["exact", "unknown"]
    recording = trace(lambda x: norm(norm(x)), torch.randn(4, 3))
    assert [step.known for step in recording.steps] == ["exact", "exact"]


def test_nothing_is_said_of_what_came_by_a_way_that_nobody_sees(said):
    def by_numpy(x):
        return x + torch.from_numpy(x.numpy()[::-1].copy())

    def as_a_number(x):
        return x * torch.tensor(x.sum().item())

    def as_a_list(x):
        return x + torch.tensor(x.tolist())

    def as_pythons_own(x):
        return x / x.std().item()

    def computed_on(x):
        return x * (round(x.std().item(), 2) + 1e-6)

    def by_a_file(x):
        file = io.BytesIO()
        torch.save(x, file)
        return x + torch.load(io.BytesIO(file.getvalue())).flip(0)

    def by_another_thread(x):
        made = []
        thread = threading.Thread(target=lambda: made.append(x.flip(0)))
        thread.start()
        thread.join()
        return x + made[0]

    def by_helpers(x):
        with ThreadPoolExecutor(1) as helpers:
            return x + helpers.submit(x.flip, 0).result()

    def by_its_memory(x):
        return x + torch.tensor([*x.untyped_storage()])[:3]

    def as_a_filling(x):
        y = torch.zeros(2, 3)
        y[0] = x.sum().item()
        return x + y

    def as_an_end(x):
        return x + torch.linspace(0, x.sum().item(), 3)

    def as_a_slope(x):
        return F.leaky_relu(x, x.sum().item())

    def as_a_floor(x):
        return F.layer_norm(x, (3,), eps=x.square().sum().item())

    unseen = (by_numpy, by_a_file, by_another_thread, by_helpers, by_its_memory)
    numbers = (as_a_number, as_a_list, as_pythons_own, computed_on, as_a_filling)
    for function in (*unseen, *numbers, as_an_end, as_a_slope, as_a_floor):
        recording = trace(function, torch.randn(2, 3))
        assert recording.steps[-1].known == "unknown"
        assert "no step made" in recording.omitted[-1] or (
            "have come back in" in recording.omitted[0]
        )
        words = said(recording, 0)
        assert "is not known" in words["cell"] and "is not known" in words["step"]
    assert threading.Thread.start is START
    # What is written over by such a number is not said to come from nowhere.
    recording = trace(lambda x: F.pad(x, (1, 0), value=x.sum().item()), X)
    assert recording.steps[-1].known == "unknown"
    assert "from what no step made" in said(recording)["step"]
    # A number that stands in the line is the line's own.
    recording = trace(lambda x: (x * 2.5 + 1, x.sum().item())[0] / 4, torch.randn(2))
    assert recording.steps[-1].known == "exact" and recording.omitted == []
    # Where code only chooses by what a tensor holds, no number has left.
    mask = torch.ones(2, 3)
    recording = trace(lambda x: x + mask if x.isfinite().all() else x, -mask)
    assert recording.steps[-1].known == "exact"
    # What was there before, and is asked for no more than its shape, hides nothing.
    recording = trace(lambda x: (x * mask).view(x.shape[0], -1), torch.randn(2, 3))
    assert recording.omitted == []


def test_what_was_made_from_a_parameter_is_told_with_it():
    table = nn.Parameter(torch.randn(16, 2))
    recording = trace(lambda x: x + table.view(4, 4, 2).permute(1, 0, 2), X)
    (operand,) = recording.steps[-1].operands
    assert recording.operands[operand].name == "a tensor, view, permute"
    assert "a tensor, view, permute" in recording.omitted[0]


def test_steps_in_scripted_code_are_told_as_pytorchs_own():
    recording = trace(lambda x: scripted(x.permute(0, 2, 1, 3)).reshape(16, 2), X)
    assert [step.op for step in recording.steps] == [
        *("permute", "transpose", "mul", "reshape")
    ]
    assert "cannot look into" in recording.omitted[0]


@pytest.mark.skipif(
    not hasattr(TorchDispatchMode, "supports_higher_order_operators"),
    reason="this PyTorch lets no mode of others see them",
)
@pytest.mark.filterwarnings("ignore")
def test_an_operator_that_runs_functions_is_not_looked_into():
    z = torch.randn(2, 3)

    def chosen(x):
        y = x * 2
        return torch.cond(x.sum() > 99, lambda x: x.flip(0), lambda x: x + y, (z,))

    try:
        recording = trace(chosen, torch.randn(2, 3))
        assert recording.steps[-1].known == "unknown"
    finally:
        torch._dynamo.reset()


def test_a_norm_is_said_to_use_what_it_uses(said):
    kept = torch.zeros(4), torch.ones(4)
    for function, words in (
        (lambda x: F.layer_norm(x, (2,)), "the mean and the spread of those"),
        (lambda x: F.batch_norm(x, *kept, training=True), "the mean and the spread of"),
        (
            lambda x: F.batch_norm(x, *kept),
            "a mean and a spread that were there before",
        ),
        (lambda x: F.rms_norm(x, (2,)), "the size of those"),
        (lambda x: F.normalize(x), "the size of those"),
    ):
        assert words in said(trace(function, X.clone()))["step"]


def test_a_mask_that_comes_out_as_it_went_in_is_no_step():
    mask = torch.ones(4, 4, 2)
    recording = trace(lambda x: torch.mul(*torch.broadcast_tensors(x, mask)), X)
    assert [step.op for step in recording.steps] == ["broadcast_tensors", "mul"]
    assert recording.steps[-1].known == "exact"


def test_places_are_kept_by_what_works_in_place():
    for function in (
        lambda x: F.layer_norm(x, (2,)),
        lambda x: F.group_norm(x, 2),
        lambda x: F.batch_norm(x, torch.zeros(4), torch.ones(4)),
        lambda x: F.gelu(x),
    ):
        recording = trace(lambda x, f=function: f(x).permute(0, 2, 1, 3), X + 0.5)
        kinds = {step.kind for step in recording.steps[:-1]}
        assert kinds <= {"norm", "pointwise"}, kinds


def test_an_operation_of_others_is_not_taken_for_pytorchs_own(engine):
    """It has the name of one of PyTorch's, and does something else."""
    theirs = torch.library.Library("theirs", "FRAGMENT")
    theirs.define("softmax(Tensor x, int dim) -> Tensor")
    theirs.impl("softmax", lambda x, dim: x.flip(0) * 2, "CPU")
    for function in (torch.ops.theirs.softmax, torch.ops.theirs.softmax.default):
        recording = trace(lambda x, f=function: f(x, -1), torch.randn(4, 2))
        (step,) = recording.steps
        assert (step.op, step.call) == ("theirs.softmax", "theirs.softmax(-1)")
        assert (step.kind, step.known) == ("other", "bound")


SENTENCES = [  # function, what is said of its last step
    (lambda x: x / x.sum(-1, keepdim=True), "one of the 16 of the other tensor"),
    (lambda x: x + x.flip(1), "the one that has its place in the other tensor"),
    (lambda x: x[0] + x[0, :, :1], "one of the 8 of the other tensor, which are"),
    (
        lambda x: x[0, 0, :, :1] + x[0, 0, 0],
        "each of the 8 numbers is made from one of each tensor that went in, at its "
        "place; where there are fewer, 4 and 2, they are stretched over all places.",
    ),
    (
        lambda x: x.lerp(x.flip(1), x.mean((1, 2, 3), keepdim=True)),
        "each of the 32 numbers is made from one of each tensor that went in, at its "
        "place; where there are fewer, 1, they are stretched",
    ),
    (lambda x: x[0, 0, 0].dot(x[0, 0, 1]), "1 new number."),
    (lambda x: x.amax(), "1 number remains, each one of 32."),
    (lambda x: x.sum(), "1 number remains, each made from 32."),
    (lambda x: _put(x, slice(0, 0)), "every number stays where it was. None is made."),
    (lambda x: _put(x, 0), "32 numbers come from none of what went in."),
    (lambda x: _put(x, (0, 0, 0, 0)), "31 numbers are taken from one tensor, and 1 "),
    (lambda x: torch.complex(x, x).conj(), "is read as 32 other numbers."),
]


def _put(x, where):
    y = x.clone()
    y[where] = 5
    return y


@in_turn("function, words", SENTENCES)
def test_a_sentence_tells_what_is_known_and_in_whole_words(function, words, said):
    assert words in said(trace(function, X))["step"]


def test_a_number_alone_has_a_name(said):
    words = said(trace(lambda x: x * 2, torch.tensor(3.0)), 0)["cell"]
    assert words.startswith("You follow the only number, address 0")


# --- calls that hold others ----------------------------------------------------------


def test_inside_an_attention_its_own_steps_are_seen():
    module = nn.MultiheadAttention(6, 2, batch_first=True).eval()
    recording = trace(lambda x: module(x, x, x)[0], torch.randn(1, 4, 6))
    names = [step.op for step in recording.steps]
    assert {"linear", "view", "bmm", "softmax"} <= {*names}
    assert {step.source.file for step in recording.steps} == {"test_foreign_code.py"}
    assert {step.module for step in recording.steps} == {"MultiheadAttention"}


def test_a_call_of_several_operations_is_told_by_them():
    lstm = nn.LSTM(4, 3, batch_first=True)
    x = torch.randn(2, 3, 4)
    recording = trace(lambda x: lstm(x)[0], x)
    assert torch.equal(recording.result, lstm(x)[0])
    assert len(recording.steps) > 3
    assert {step.source.text.strip() for step in recording.steps} == {
        "recording = trace(lambda x: lstm(x)[0], x)"
    }


def test_fast_paths_are_taken_and_told():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True).eval()
    x = torch.randn(2, 7, 32)
    with torch.no_grad():
        recording = trace(layer, x)
        assert torch.equal(recording.result, layer(x))
        assert "fast path" in recording.omitted[-1]
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            recording = trace(layer, x)
            assert torch.equal(recording.result, layer(x))
        finally:
            torch.backends.mha.set_fastpath_enabled(True)
    assert "softmax" in " ".join(step.op for step in recording.steps) or any(
        "attention" in step.op for step in recording.steps
    )
    assert len(recording.steps) > 20 and recording.omitted == []


# --- gradients -----------------------------------------------------------------------


class Reversed(torch.autograd.Function):
    """The identity, whose gradient goes back with the other sign."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


class TwoRows(torch.autograd.Function):
    """Writes a row and its mirror image."""

    @staticmethod
    def forward(ctx, x):
        y = x.new_empty(2, 3)
        y[0] = x
        y[1] = y[0].flip(0)
        return y

    @staticmethod
    def backward(ctx, gradient):
        return gradient[0] + gradient[1].flip(0)


def test_a_backward_of_its_own_is_believed_and_not_derived():
    ones = torch.ones(3)
    recording = trace(Reversed.apply, ones, gradient=ones)
    assert recording.gradient(recording.inputs[0]) == [-1, -1, -1]
    weights = torch.arange(6.0).reshape(2, 3)
    recording = trace(TwoRows.apply, torch.randn(3), gradient=weights)
    assert recording.gradient(recording.inputs[0]) == [5, 5, 5]
    # Of what its forward makes on the way, autograd knows nothing.
    (first, *_, last) = recording.tensors
    assert recording.gradient(last.id) is not None
    made = [
        recording.gradient(t.id) for t in recording.tensors if t not in (first, last)
    ]
    assert all(g is None or g == weights.flatten().tolist() for g in made)


def test_of_large_tensors_the_gradients_are_left_out_and_the_run_is_not():
    x = torch.randn(2, 3)
    ones, small = torch.ones(3, 2), {"max_elements": 5}
    recording = trace(lambda x: (x * 2).t(), x, gradient=ones, **small)
    assert [recording.gradient(t.id) for t in recording.tensors] == [None] * 3
    assert "were left out" in " ".join(recording.omitted[0].split())
    assert not any(step.backward for step in recording.steps)


def test_a_gradient_that_the_run_asks_for_is_told_by_its_own_steps(engine):
    def twice(x):
        z = x.detach().requires_grad_()
        (g,) = torch.autograd.grad((z**2 * z.flip(0)).sum(), z)
        return g * 2

    text = json.dumps(trace(twice, torch.randn(4)).to_json())
    script = f"""JSON.stringify((() => {{ const run = $recording.readRun({text});
      return [...run.seen(run.outputs[0], 1)]; }})())"""
    assert sorted(json.loads(engine.eval(script))) == [1, 2]


# --- runs that fail ------------------------------------------------------------------

FAULTS = [  # function, what the note says
    (lambda x: x.permute(0, 2, 1, 3).view(1, -1), "use .reshape"),
    (lambda x: x.reshape(1, 5, 6), "There are 32 numbers, and 1 x 5 x 6 is 30"),
    (lambda x: x.view(3, -1), "which does not divide them"),
    (lambda x: x.unflatten(1, (3, 2)), "Axis 1 is 4 long, and 3 x 2 is 6"),
    (lambda x: x @ x, "2 long, meets the last but one of the right, 4 long"),
    (lambda x: F.linear(x, torch.ones(3, 3)), "rows of 3 numbers along the last axis"),
    (lambda x: torch.cat([x, x[:, :2]], 3), "Only axis 3 may differ, and axis 1 does"),
    (lambda x: torch.stack([x, x[:, :2]]), "tensors of one shape"),
    (lambda x: x.permute(0, 1, 2), "axis 3 missing"),
    (lambda x: x.permute(0, 1, 1, 3), "axis 1 named more than once"),
    (lambda x: x + x[:, :3], "axis -3 is 4 long in one and 3 in the other"),
    (lambda x: x[:, 7], "Axis 1 is 4 long: its elements are 0 to 3"),
    (lambda x: x.softmax(4), "There is no axis 4"),
    (lambda x: x.roll(5, 7), "There is no axis 7: they are 0 to 3"),
    (lambda x: x[:, torch.tensor([7])], "The axis that is indexed is 4 long"),
    (lambda x: torch.cat([x, x[:, :2]], axis=3), "Only axis 3 may differ, and axis 1"),
    (lambda x: torch.mm(x[0], x[0]), "tensors of 2 axes, and here are 3 and 3"),
    (lambda x: x.expand(1, 4, 4, 4), "stretches axes of length 1 alone"),
    (lambda x: F.conv2d(x, torch.ones(1, 3, 1, 1)), "the filters take 3"),
    (lambda x: F.conv2d(x, torch.ones(4, 4, 1, 1), groups=2), "the filters take 8"),
    (lambda x: torch.einsum("bhwc,cd", x, torch.ones(3, 4)), "'c' stands for an axis"),
    (lambda x: torch.einsum("hwc", x), "'hwc' names 3 axes, and its tensor, (1, 4, "),
    (lambda x: torch.einsum("bhwc", x, x), "a term for 1 before the arrow"),
    (lambda x: F.layer_norm(x, (4, 4)), "built for last axes of (4, 4)"),
    (lambda x: x.split([1, 2], -2), "Axis -2 is 4 long, and the parts make 3"),
    (lambda x: x[torch.ones(1, 3).bool()], "axis 1 of [1, 3] is not as long as in"),
]


@in_turn("function, advice", FAULTS)
def test_a_run_that_fails_says_how_far_it_came_and_how_to_mend_it(function, advice):
    def after_a_step(x):
        return function(x.exp())

    with pytest.raises((RuntimeError, IndexError)) as plain:
        after_a_step(X)
    with pytest.raises(plain.type) as caught:
        trace(after_a_step, X)
    assert str(caught.value) == str(plain.value)
    (note,) = caught.value.__notes__
    assert "before the run broke off" in note and "exp()" in note
    assert advice in note and "test_foreign_code.py, line" in note
    recording = trace(after_a_step, X, partial=True)
    assert recording.steps[0].op == "exp" and advice in recording.failed
    assert Trace.from_json(recording.to_json()).failed == recording.failed
    assert recording.failed in recording.table()


def test_a_fault_of_another_kind_gets_no_advice_on_sizes():
    for function in (lambda x: x @ x.mT.long(), lambda x: x[0] @ x[0].mT.double()):
        failed = trace(function, X, partial=True).failed
        assert failed.endswith(".") and "must be as long" not in failed


def test_a_fault_of_the_readers_own_is_not_laid_on_a_call():
    def caught_and_another(x):
        with contextlib.suppress(RuntimeError):
            x.view(5)
        y = x.exp()
        raise LookupError(f"none of {len(y)}")

    with pytest.raises(LookupError) as caught:
        trace(caught_and_another, X)
    (note,) = caught.value.__notes__
    assert "exp()" in note and "view(5)" not in note
    recording = trace(caught_and_another, X, partial=True)
    broken, at = recording.failed.split("\n")
    assert broken == "The run broke off: LookupError: none of 1"
    assert at.startswith("In test_foreign_code.py, line ")
    assert at.endswith(': raise LookupError(f"none of {len(y)}")') and at in note
    with pytest.raises(KeyboardInterrupt):
        trace(_interrupted, X, partial=True)


def _interrupted(x):
    raise KeyboardInterrupt


def test_a_broken_run_is_shown(engine):
    recording = trace(lambda x: x.exp().view(5), X, partial=True)
    state = {"recording": recording.to_json(), "name": "lens", "start": "", "state": ""}
    state |= {"title": "", "hue": "H", "light": "W", "picture": None}
    html = engine.eval(f"$permute_lens.firstFrame({json.dumps(state)})")
    lines = html.partition('<ul class="vip-failed">')[2].partition("</ul>")[0]
    (broken, call, advice) = lines.removesuffix("</li>").split("</li>")
    assert "The run broke off: RuntimeError" in broken
    assert "view(5) failed on (1, 4, 4, 2)" in call
    assert "There are 32 numbers, and 5 is 5" in advice


# --- names ---------------------------------------------------------------------------


def rearranged(x):
    """As einops would, through code of its own."""
    return _rearrange(x, "b (h p) w c -> b h w (p c)", p=2)


def _rearrange(x, pattern, p):
    b, h, w, c = x.shape
    x = x.reshape((b, h // p, p, w, c)).permute((0, 1, 3, 2, 4))
    return x.reshape((b, h // p, w, p * c))


def test_letters_of_a_pattern_name_the_axes(monkeypatch):
    """The line is the reader's, and its pattern names what the reshapes cut."""
    code = _rearrange.__code__.replace(co_filename="/site/einops/einops.py")
    monkeypatch.setattr(_rearrange, "__code__", code)
    recording = trace(rearranged, torch.randn(1, 4, 4, 2))
    assert {step.source.function for step in recording.steps} == {"rearranged"}
    assert [recording.tensors[k].axes for k in range(4)] == [
        ["b", "h*p", "w", "c"],
        ["b", "h", "p", "w", "c"],
        ["b", "h", "w", "p", "c"],
        ["b", "h", "w", "p*c"],
    ]


def _contracted(x, weight, pattern, written):
    """As einops would: with letters of its own."""
    return torch.einsum(written, x, weight)


def test_words_of_a_pattern_name_the_axes_and_not_letters_for_them(monkeypatch):
    code = _contracted.__code__.replace(co_filename="/site/einops/einops.py")
    monkeypatch.setattr(_contracted, "__code__", code)
    (x, w), letters = (torch.randn(2, 4, 4), torch.ones(4, 4)), "abc,cd->abd"
    for function, names in (
        (
            lambda x: _contracted(x, w, "n row col, col d -> n row d", letters),
            "n row col",
        ),
        (lambda x, p="n h c, c d -> n h d": _contracted(x, w, p, letters), "d0 d1 d2"),
        (lambda x: torch.einsum("nhc,cd->nhd", x, w), "n h c"),
    ):
        recording = trace(function, x)
        assert recording.tensors[0].axes == names.split()
        assert recording.tensors[1].axes == [*names.split()[:2], "4"]


def test_only_sizes_name_axes():
    start, end = 1, 2
    for function, names in (
        (lambda x: torch.stack([x[0, 0], x[1, 0]]), ["2", "C"]),
        (lambda x: x.flatten(start, end), ["H", "W*C"]),
        (lambda x: x[0, :, :1].expand(-1, end), ["W", "end"]),
    ):
        recording = trace(function, torch.randn(2, 3, 2), axes="HWC")
        assert recording.tensors[-1].axes == names


def test_axes_without_a_name_are_told_apart_by_their_input():
    recording = trace(lambda x, y: x + y, torch.randn(3, 1), torch.randn(3))
    assert recording.tensors[-1].axes == ["d0", "e0"]


def test_a_pattern_names_no_axis_that_it_has_done_away_with(monkeypatch):
    code = _reduced.__code__.replace(co_filename="/site/einops/einops.py")
    monkeypatch.setattr(_reduced, "__code__", code)
    recording = trace(lambda x: _reduced(x, "b h w -> b () w"), torch.randn(2, 3, 4))
    assert recording.tensors[-1].axes == ["b", "1", "w"]


def _reduced(x, pattern):
    """As einops would."""
    b, h, w = x.shape
    return x.sum(1).reshape((b, 1, w))


def exchanged_windows(x):
    """The windows of a Swin block put together again, H and W exchanged."""
    B, H, W, C = x.shape
    ws = 2
    x = x.view(B, H // ws, ws, W // ws, ws, C).permute(0, 3, 2, 1, 4, 5)
    return x.reshape(B, H, W, C)


def windows_and_back(x):
    B, H, W, C = x.shape
    ws = 2
    x = x.view(B, H // ws, ws, W // ws, ws, C).permute(0, 1, 3, 2, 4, 5)
    x = x.reshape(-1, ws * ws, C)
    x = x.view(B, H // ws, W // ws, ws, ws, C).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(B, H, W, C)


def heads_merged_too_soon(x):
    B, N, C = x.shape
    h = 4
    x = x.view(B, N, h, C // h).transpose(1, 2).softmax(2)
    return x.reshape(B, N, C)


def added_across(x):
    B, H, W, C = x.shape
    return x + F.layer_norm(x, (C,)).transpose(1, 2)


def tokens(x):
    B, H, W, C = x.shape
    T = H * W
    return x.reshape(B, T, C).reshape(B, H, W, C)


@in_turn(
    "function, shape, axes",
    [
        (exchanged_windows, (1, 4, 4, 2), "B W:2*H:ws H:2*W:ws C"),
        (windows_and_back, (1, 4, 4, 2), "B H W C"),
        (heads_merged_too_soon, (1, 4, 8), "B h N*C:2"),
        (tokens, (1, 4, 4, 2), "B H W C"),
        (added_across, (1, 4, 4, 2), "B 4 4 C"),
    ],
)
def test_a_name_in_the_code_does_not_hide_another_order(function, shape, axes):
    recording = trace(function, torch.randn(shape))
    assert recording.tensors[recording.outputs[0]].axes == axes.split()
