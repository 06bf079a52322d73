"""Random programs: what a recording says of them is what autograd and memory say."""

import json
import random

import pytest
import torch
import torch.nn.functional as F

from vip_tutorial import Trace, trace
from vip_tutorial.lens.tracing import moves


def _perm(x, r):
    order = list(range(x.ndim))
    r.shuffle(order)
    return lambda x: x.permute(order)


def _reshape(x, r):
    sizes = [n for n in x.shape if n > 1]
    r.shuffle(sizes)
    if len(sizes) > 1 and r.random() < 0.6:
        a, b, *rest = sizes
        sizes = [a * b, *rest]
    sizes.insert(r.randrange(len(sizes) + 1), 1)
    return lambda x: x.reshape(sizes)


def _axis(x, r, least=1):
    fitting = [k for k, n in enumerate(x.shape) if n >= least]
    return r.choice(fitting) if fitting else None


def _slice(x, r):
    k = _axis(x, r, 2)
    step = r.choice([1, 2])
    return k is not None and (lambda x: x.narrow(k, 0, x.shape[k] - 1)[::step])


def _cat(x, r):
    k, part = _axis(x, r), r.random() < 0.5
    return lambda x: torch.cat([x.flip(k), x.narrow(k, 0, 1) if part else x], k)


def _stack(x, r):
    k = r.randrange(x.ndim + 1)
    return lambda x: torch.stack([x, x.flip(0)], k)


def _along(name, **more):
    def make(x, r):
        k = _axis(x, r)
        return lambda x: getattr(x, name)(k, **more)

    return make


def _rows_written(x, r):
    def write(x):
        y = torch.zeros_like(x)
        y[0] = x.flip(0)[0]
        y[..., -1] = x[..., 0]
        return y

    return write


def _through_a_view(x, r):
    def write(x):
        y = x.clone()
        y.narrow(0, 0, 1).copy_(x.flip(-1).narrow(0, 0, 1))
        return y.transpose(0, -1)

    return write


def _matmul(x, r):
    return x.ndim > 1 and (lambda x: x @ x.flip(0).mT)


def _linear(x, r):
    weight = torch.randn(r.choice([x.shape[-1], 3]), x.shape[-1], dtype=x.dtype)
    return lambda x: F.linear(x, weight)


def _pool(x, r):
    if x.ndim not in (3, 4) or min(x.shape[-2:]) < 2:
        return None
    return lambda x: F.avg_pool2d(x, 2, 1)


def _conv(x, r):
    if x.ndim != 4 or min(x.shape[-2:]) < 3 or x.shape[1] % 2:
        return None
    groups = r.choice([1, 2])
    weight = torch.randn(4, x.shape[1] // groups, 3, 2, dtype=x.dtype)
    return lambda x: F.conv2d(x, weight, stride=(1, 2), padding=1, groups=groups)


MOVES = [
    *(_perm, _reshape, _slice, _cat, _stack, _rows_written, _through_a_view),
    _along("flip"),
    _along("unsqueeze"),
    lambda x, r: lambda x: x.roll(1, 0).rot90(1, (0, -1)),
    lambda x, r: lambda x: F.pad(x, (1, 0)),
    lambda x, r: lambda x: x.expand(2, *x.shape),
    lambda x, r: lambda x: x[:, torch.arange(x.shape[1]).flip(0)],
    lambda x, r: lambda x: x.mT.contiguous(),
    lambda x, r: lambda x: x.repeat(*[1] * (x.ndim - 1), 2),
    lambda x, r: lambda x: torch.where(torch.rand(x.shape) > 0.5, x, x.flip(0)),
    lambda x, r: lambda x: x.sort(-1)[0],
    lambda x, r: lambda x: x.index_fill(0, torch.tensor([0]), 7.0),
]
MIXES = [
    *(_matmul, _linear, _pool, _conv),
    _along("mean", keepdim=True),
    _along("softmax"),
    _along("cumsum"),
    _along("sum"),
    lambda x, r: lambda x: F.layer_norm(x, x.shape[-1:]),
    lambda x, r: lambda x: x + x.flip(-1).narrow(0, 0, 1),
    lambda x, r: lambda x: x.sin().add_(2),
    lambda x, r: lambda x: x + F.hardswish(x) * torch.ones_like(x),
    lambda x, r: lambda x: torch.einsum("...ij,...ij->...i", x, x.flip(0)),
    lambda x, r: lambda x: F.scaled_dot_product_attention(x, x + 1, x + 2),
]
SHAPES = [(2, 3, 4), (1, 2, 4, 3), (4, 4, 4), (2, 2, 3, 3), (6, 2)]


class Program:
    """Steps that fit each other, from a seed."""

    def __init__(self, seed: int, makers):
        r = random.Random(seed)
        self.x = torch.randn(r.choice(SHAPES), dtype=torch.float64)
        self.seed, self.steps = seed, []
        y = self.x
        while len(self.steps) < r.randint(2, 6):
            make = r.choice(makers)
            step = make(y, r) if y.ndim > 1 else None
            if y.ndim < 2:
                break
            if step:
                torch.manual_seed(seed)
                after = step(y)
                if 0 < after.numel() <= 700 and after.ndim <= 6:
                    self.steps.append(step)
                    y = after

    def __call__(self, x):
        torch.manual_seed(self.seed)
        for step in self.steps:
            torch.manual_seed(self.seed)
            x = step(x)
        return x


CANCELLING = {"softmax", "layer_norm", "scaled_dot_product_attention"}
QUICK, MANY = range(40), range(600)


def programs(seeds, makers):
    return [(seed, Program(seed, makers)) for seed in seeds]


@pytest.fixture(scope="module")
def engine(engine_of):
    return engine_of("permute_lens.js")


def asked(engine, recording: Trace, what: str):
    text = json.dumps(recording.to_json())
    run = f"const run = $recording.readRun({text});"
    return json.loads(
        engine.eval(f"JSON.stringify((() => {{ {run} return {what}; }})())")
    )


def check_moves(seeds, engine) -> int:
    """Each element of the result is the one that counting finds; how many were told."""
    found = 0
    for seed, program in programs(seeds, MOVES):
        x = program.x
        recording = trace(program, x)
        assert torch.equal(recording.result, program(x)), seed
        homes = asked(engine, recording, f"run.homes({recording.outputs[0]})")
        assert homes == recording.homes(recording.outputs[0]), seed
        if homes is None:
            continue
        found += 1
        at = torch.tensor(homes)
        result = recording.result.flatten()
        assert torch.equal(x.flatten()[at[at >= 0]], result[at >= 0]), seed
        # What comes from nowhere is none of its numbers.
        alone = {x.flatten()[k].item() for k in range(x.numel())}
        assert all(v.item() not in alone for v in result[at < 0]), seed
    return found


def may_cancel(recording: Trace) -> bool:
    """Whether a gradient may be nothing where something went in.

    A softmax sums to 1 whatever it is made from, a row of two has no shape to norm, and
    the zero of a padding times x is zero.
    """
    return any(
        step.op in CANCELLING or moves.NOWHERE in (step.picks or ())
        for step in recording.steps
    )


def check_dependence(seeds, engine) -> dict[str, int]:
    """What an element has seen is what autograd finds, a bound on it, or not told."""
    told = {"exact": 0, "bound": 0, "unknown": 0}
    for seed, program in programs(seeds, MIXES + MOVES):
        x = program.x
        recording = trace(program, x)
        assert torch.equal(recording.result, program(x)), seed
        out = recording.outputs[0]
        z = x.clone().requires_grad_()
        y = program(z).reshape(-1)
        elements = random.Random(seed).sample(range(len(y)), min(4, len(y)))
        for k in elements:
            sets = f"[run.seen({out}, {k}), run.seenAtMost({out}, {k})]"
            seen, most = asked(engine, recording, f"{sets}.map((s) => s && [...s])")
            true = set()
            if y[k].requires_grad:
                (g,) = torch.autograd.grad(y[k], z, retain_graph=True)
                true = set(g.reshape(-1).nonzero().reshape(-1).tolist())
            if seen is not None:
                assert true <= set(seen), (seed, k)
                if not may_cancel(recording):
                    assert set(seen) == true, (seed, k)
                told["exact"] += 1
            elif most is not None:
                assert true <= set(most), (seed, k)
                told["bound"] += 1
            else:
                told["unknown"] += 1
    return told


@pytest.mark.parametrize(
    "seeds", [QUICK, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_moves_are_those_that_counting_finds(engine, seeds):
    assert check_moves(seeds, engine) > 0.9 * len(seeds)


@pytest.mark.parametrize(
    "seeds", [QUICK, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_what_has_been_seen_is_what_gradients_tell(engine, seeds):
    told = check_dependence(seeds, engine)
    assert told["exact"] > 0.9 * sum(told.values()), told
