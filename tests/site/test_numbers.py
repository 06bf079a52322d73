"""The numbers that the figures compute in JavaScript, against PyTorch.  No browser."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest
import torch
from torch import Tensor, nn

from vip_tutorial import PermuteMLP, WeightedPermuteMLP, trace
from vip_tutorial.lens.tracing import Trace

ASK = """
const { readRun, sizeOf } = $recording;
const plain = (numbers) => numbers?.map((v) => (isFinite(v) ? v : String(v))) ?? null;
const inOrder = (found) => found && [...found].sort((a, b) => a - b);
function answers(json, asked) {
  const run = readRun(json);
  const about = (id) => {
    const { shape } = run.tensors[id];
    const elements = Array.from({ length: sizeOf(shape) }, (_, k) => k);
    const homes = run.homes(id);
    return {
      homes,
      places: homes && homes.map((home) => run.whereIs(home, id)),
      values: plain(run.values(id)),
      gradient: plain(run.gradient(id)),
      addresses: elements.map((k) => run.address(id, k)),
      storage: run.storage(id),
      inStorage: elements.map((k) => run.place(id, k)),
      seen: elements.map((k) => inOrder(run.seen(id, k))),
      seenAlong: run.tensors[run.root].shape.map((_, axis) => run.seenAlong(id, axis)),
    };
  };
  const copies = [0, ...run.steps].map((_, count) => run.copies(count));
  return JSON.stringify({ tensors: asked.map(about), copies });
}
"""


@pytest.fixture(scope="module")
def answers(engine_of) -> Callable[..., dict]:
    """What the figure's core says about some tensors of a recording."""
    engine = engine_of("permute_lens.js", "page.js")
    engine.eval(ASK)

    def ask(recording: Trace, ids: list[int]) -> dict:
        question = f"answers({json.dumps(recording.to_json())}, {json.dumps(ids)})"
        return json.loads(engine.eval(question, timeout_sec=30))

    return ask


# --- Random programs ------------------------------------------------------------------


@dataclass
class Op:
    """One call of a random program.

    Attributes:
        run: The call.
        kind: "move", "keep" (element k stays in place k) or "blend".
        pick: Which of the call's results goes on; None if it has one.
        results: How many tensors the call makes.
    """

    name: str
    run: Callable[[Tensor], Tensor]
    kind: str = "move"
    pick: int | None = None
    results: int = 1


def factorisations(n: int) -> list[tuple[int, ...]]:
    found = [(n,), (1, n), (n, 1)]
    for a in range(2, n + 1):
        if n % a == 0:
            found += [(a, n // a)]
            rest = n // a
            found += [(a, b, rest // b) for b in range(2, rest + 1) if rest % b == 0]
    return found


def possible_moves(rng: Random, x: Tensor) -> list[Op]:
    """Calls that only move elements, and can be made on `x`."""
    shape, ndim = tuple(x.shape), x.ndim
    order = rng.sample(range(ndim), ndim)
    axis, other = rng.randrange(ndim), rng.randrange(ndim)
    size = shape[axis]
    start = rng.randrange(size)
    length = rng.randint(1, size - start)
    shift = rng.randint(-3, 3)
    index = torch.tensor(rng.choices(range(size), k=rng.randint(1, 4)))
    new_shape = rng.choice(factorisations(x.numel()))
    pieces = rng.randint(1, size)
    count = len(x.chunk(pieces, axis))
    piece = rng.randrange(count)
    every = rng.randint(1, 3)
    cut = (slice(None),) * axis + (slice(start, None, every),)
    ops = [
        Op(f"permute{order}", lambda x: x.permute(*order)),
        Op(f"transpose({axis}, {other})", lambda x: x.transpose(axis, other)),
        Op(f"flip({axis}, {other})", lambda x: x.flip(sorted({axis, other}))),
        Op(f"roll({shift}, {axis})", lambda x: x.roll(shift, axis)),
        Op(f"reshape{new_shape}", lambda x: x.reshape(new_shape)),
        Op("flatten", lambda x: x.flatten()),
        Op("contiguous", lambda x: x.contiguous()),
        Op("clone", lambda x: x.clone()),
        Op(f"unsqueeze({axis})", lambda x: x.unsqueeze(axis)),
        Op(f"[None, ..., {cut}]", lambda x: x[(None, *cut)]),
        Op(f"[{cut}]", lambda x: x[cut]),
        Op(
            f"narrow({axis}, {start}, {length})",
            lambda x: x.narrow(axis, start, length),
        ),
        Op(f"index_select({axis}, {index})", lambda x: x.index_select(axis, index)),
        Op(
            f"chunk({pieces}, {axis})[{piece}]",
            lambda x: x.chunk(pieces, axis),
            pick=piece,
            results=count,
        ),
    ]
    if ndim > 1:
        ops += [
            Op(f"select({axis}, {start})", lambda x: x.select(axis, start)),
            Op(f"unbind({axis})", lambda x: x.unbind(axis), pick=start, results=size),
            Op(f"flatten({axis})", lambda x: x.flatten(axis)),
        ]
        if axis != other:
            ops += [
                Op(f"diagonal({axis}, {other})", lambda x: x.diagonal(0, axis, other))
            ]
    if size == 1:
        ops.append(Op(f"squeeze({axis})", lambda x: x.squeeze(axis)))
    if x.numel() <= 48 and ndim < 5:
        more = (3, *[1] * ndim)
        ops += [
            Op("expand(3, ...)", lambda x: x.expand(3, *shape)),
            Op(f"repeat{more}", lambda x: x.repeat(more)),
        ]
    if size > 1:
        ops.append(Op(f"unfold({axis}, 2, 1)", lambda x: x.unfold(axis, 2, 1)))
    return ops


def other_steps(rng: Random, x: Tensor) -> list[Op]:
    """Calls that compute."""
    n, axis = x.shape[-1], rng.randrange(x.ndim)
    out = rng.choice([n, n, n + 1])
    weight = torch.randn(out, n, dtype=x.dtype)
    row = torch.randn(n, dtype=x.dtype)
    ops = [
        Op(
            f"linear({n} to {out})",
            lambda x: nn.functional.linear(x, weight),
            "keep" if out == n else "blend",
        ),
        Op("gelu", lambda x: nn.functional.gelu(x), "keep"),
        Op("mul", lambda x: x * row, "keep"),
        Op("rsub", lambda x: 1 - x, "keep"),
    ]
    if x.shape[axis] > 1:  # of a single number it is 0, whatever that is
        ops.append(Op(f"log_softmax({axis})", lambda x: x.log_softmax(axis), "blend"))
    if x.ndim > 1:
        ops += [
            Op(f"mean({axis})", lambda x: x.mean(axis), "blend"),
            Op("sum((0, -1), keepdim)", lambda x: x.sum((0, -1), True), "blend"),
        ]
    return ops


def random_program(rng: Random) -> tuple[tuple[int, ...], list[Op]]:
    """Shape of the input, and what is done to it."""
    shape = (1000,)
    while math.prod(shape) > 48:
        shape = tuple(rng.randint(1, 4) for _ in range(rng.randint(1, 4)))
    x = torch.zeros(shape, dtype=torch.float64)
    program = []
    for _ in range(rng.randint(1, 6)):
        choose = rng.choice([possible_moves] * 3 + [other_steps])
        op = rng.choice(choose(rng, x))
        x = result_of(op, x)
        if x.ndim == 0 or x.numel() > 160:
            break
        program.append(op)
    return (shape, program) if program else random_program(rng)


def result_of(op: Op, x: Tensor) -> Tensor:
    result = op.run(x)
    return result if op.pick is None else result[op.pick]


def homes_by_pytorch(program: list[Op], shape) -> list[list[int] | None]:
    """The same moves, made on the numbers of the elements."""
    numbers = torch.arange(math.prod(shape)).reshape(shape)
    found = [numbers.flatten().tolist()]
    for op in program:
        if op.kind == "move" and numbers is not None:
            numbers = result_of(op, numbers)
        elif op.kind == "blend":
            numbers = None
        found.append(None if numbers is None else numbers.flatten().tolist())
    return found


def memory_of(x: Tensor) -> list[float]:
    """Everything that lies in the memory that `x` looks at."""
    x = x.detach()
    size = x.untyped_storage().nbytes() // x.element_size()
    return x.as_strided((size,), (1,), 0).tolist()


def jacobian_pattern(y: Tensor, x: Tensor) -> list[list[int]]:
    """For each element of `y` the elements of `x` that its derivative depends on."""
    found = []
    for element in y.flatten():
        (row,) = torch.autograd.grad(element, x, retain_graph=True)
        found.append(row.flatten().nonzero().flatten().tolist())
    return found


@pytest.mark.parametrize("block", range(10))
def test_random_programs(answers, block):
    for seed in range(20 * block, 20 * block + 20):
        torch.manual_seed(seed)
        shape, program = random_program(Random(seed))
        try:
            check_program(answers, shape, program)
        except AssertionError as error:
            error.add_note(f"x of {shape}: {[op.name for op in program]}")
            raise


def check_program(answers, shape: tuple[int, ...], program: list[Op]) -> None:
    x = torch.randn(shape, dtype=torch.float64)

    def run(x: Tensor) -> Tensor:
        for op in program:
            x = result_of(op, x)
        return x

    leaf = x.clone().requires_grad_()
    tensors = [leaf]
    for op in program:
        tensors.append(result_of(op, tensors[-1]))
    gradient = torch.randn_like(tensors[-1])
    gradients = torch.autograd.grad(
        tensors[-1], tensors, gradient, allow_unused=True, retain_graph=True
    )

    recording = trace(run, x, gradient=gradient)
    ids, first = [recording.inputs[0]], 0
    for op in program:
        ids.append(recording.steps[first + (op.pick or 0)].output)
        first += op.results
    assert first == len(recording.steps)
    said = answers(recording, ids)

    expected_homes = homes_by_pytorch(program, shape)
    facts = zip(said["tensors"], tensors, gradients, expected_homes, strict=True)
    for js, tensor, grad, homes in facts:
        flat = tensor.detach().flatten().tolist()
        assert js["homes"] == homes
        assert js["values"] == pytest.approx(flat, rel=1e-5, abs=1e-12)
        # Sums of numbers that were recorded with six digits.
        flat = grad.flatten().tolist()
        assert js["gradient"] == pytest.approx(flat, rel=1e-4, abs=2e-4)
        memory = memory_of(tensor)
        read = [memory[address] for address in js["addresses"]]
        assert read == tensor.detach().flatten().tolist()
        if homes is not None:
            assert [js["storage"][place] for place in js["inStorage"]] == homes
            gaps = set(js["storage"]) - set(homes)
            assert gaps <= {-1}
            assert [homes[place] for place in js["places"]] == homes
        pattern = jacobian_pattern(tensor, leaf)
        assert js["seen"] == pattern
        check_seen_along(js["seenAlong"], pattern, shape)
    check_copies(said["copies"], recording)


def check_seen_along(masks: list[list[int]], pattern: list[list[int]], shape) -> None:
    for axis, of_axis in enumerate(masks):
        for mask, homes in zip(of_axis, pattern):
            where = torch.unravel_index(torch.tensor(homes, dtype=torch.long), shape)
            met = set(where[axis].tolist()) if homes else set()
            assert mask == sum(1 << bit for bit in {at % 24 for at in met})


def check_copies(copies: list[int], recording) -> None:
    made = 0
    for count, step in zip(copies[1:], recording.steps, strict=True):
        made += step.kind == "move" and step.copy
        assert count == made


@pytest.mark.parametrize("B, N, S", [(1, 1, 1), (2, 2, 2), (1, 3, 1)])
@pytest.mark.parametrize(
    "which", ["height", "width", "channel", "forward", "plain sum"]
)
def test_modules(answers, which, B, N, S):
    torch.manual_seed(N)
    if which == "plain sum":
        function = module = PermuteMLP(N * S, N)
    else:
        module = WeightedPermuteMLP(4 * N * S, N)
        function = module if which == "forward" else getattr(module, which)
    module.double().eval()
    x = torch.randn(B, N, N, module.dim, dtype=torch.float64)
    gradient = torch.randn_like(x)
    recording = trace(function, x, gradient=gradient)
    said = answers(recording, [recording.inputs[0], recording.outputs[0]])
    before, after = said["tensors"]

    leaf = x.clone().requires_grad_()
    y = function(leaf)
    (grad,) = torch.autograd.grad(y, leaf, gradient, retain_graph=True)
    close = {"rel": 1e-4, "abs": 1e-5}
    assert before["values"] == pytest.approx(x.flatten().tolist(), **close)
    assert after["values"] == pytest.approx(y.flatten().tolist(), **close)
    assert before["gradient"] == pytest.approx(grad.flatten().tolist(), **close)
    assert after["homes"] == list(range(x.numel()))  # all are home again
    pattern = jacobian_pattern(y, leaf)
    assert after["seen"] == pattern
    check_seen_along(after["seenAlong"], pattern, x.shape)
    assert said["copies"][-1] == recording.copies
