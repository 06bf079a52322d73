"""The playground's interpreter: what it says of a program is what PyTorch and `trace` say."""

import json
import linecache
import math
import random
import re

import pytest
import torch
import torch.nn.functional as F

from vip_tutorial import trace

MOST = 16384  # elements of a tensor that the playground follows


@pytest.fixture(scope="module")
def engine(engine_of):
    return engine_of("interpret.js")


def interpreted(engine, code: str, shape, axes=None) -> dict:
    given = json.dumps({"shape": list(shape), "axes": axes})
    asked = f"$interpret.run({json.dumps(code)}, {given})"
    return json.loads(engine.eval(f"JSON.stringify({asked})"))


# --- einops, as far as the programs need it: its recipe is written out here --------------

_EINOPS = '''
def _call(x, pattern, sizes):
    left, right = [
        [(group or one).split() for group, one in re.findall(r"\\(([^()]*)\\)|(\\w+)", side)]
        for side in pattern.split("->")
    ]
    names = [name for group in left for name in group]
    for group, n in zip(left, x.shape, strict=True):
        known = math.prod(sizes[name] for name in group if name in sizes)
        (unknown,) = [name for name in group if name not in sizes] or [None]
        if unknown is not None:
            assert n % known == 0
            sizes[unknown] = n // known
        else:
            assert known == n
    result = [name for group in right for name in group]
    order = [names.index(name) for name in result if name in names]
    if any(len(group) != 1 for group in left):
        x = x.reshape([sizes[name] for name in names])
    if order != sorted(order):
        x = x.permute(order)
    new = [k for k, name in enumerate(result) if name not in names]
    for k in new:
        x = torch.unsqueeze(x, k)
    if new:
        x = x.expand([sizes[n] if k in new else -1 for k, n in enumerate(result)])
    if any(len(group) != 1 for group in right):
        x = x.reshape([math.prod(sizes[name] for name in group) for group in right])
    return x


def rearrange(x, pattern, **sizes):
    return _call(x, pattern, sizes)


repeat = rearrange
'''
NAMES = {"torch": torch, "F": F, "math": math, "re": re}
exec(compile(_EINOPS, "/site/einops/einops.py", "exec"), NAMES)


def program(code: str):
    """The code as a function of x, whose lines the tracer finds."""
    lines = code.rstrip("\n").split("\n")
    last = re.match(r"([\w, ]+?) = ", lines[-1])
    lines = ["def program(x):", *(f"    {line}" for line in lines)]
    lines.append(f"    return {last[1] if last else 'x'}")
    source = "\n".join(lines) + "\n"
    linecache.cache["playground.py"] = (len(source), None, source.splitlines(True), "")
    names = dict(NAMES)
    exec(compile(source, "playground.py", "exec"), names)
    return names["program"]


def traced(code: str, shape, axes=None) -> dict:
    """The recording of PyTorch, and what it raised."""
    x = torch.arange(math.prod(shape), dtype=torch.float64).reshape(shape)
    torch.set_default_dtype(torch.float64)
    try:
        recording = trace(
            program(code), x, axes=axes, max_elements=MOST, partial=True
        )
    finally:
        torch.set_default_dtype(torch.float32)
    return recording.to_json()


def close(one, other) -> bool:
    if one is None or other is None:
        return one is other
    return len(one) == len(other) and all(
        a == b or (type(a) is not str and math.isclose(a, b, rel_tol=2e-5, abs_tol=1e-9))
        for a, b in zip(one, other)
    )


TENSOR = ("shape", "axes", "strides", "offset", "storage", "dtype", "device")
STEP = (
    *("op", "call", "kind", "inputs", "output", "copy", "map", "order", "mixed"),
    *("picks", "reads", "known", "operands", "module", "writes"),
)


def differences(ours: dict, theirs: dict) -> list:
    """Where two recordings differ, but for the name of the file."""
    found = []
    if len(ours["steps"]) != len(theirs["steps"]):
        calls = [[step["call"] for step in one["steps"]] for one in (ours, theirs)]
        return [("steps", *calls)]
    for i, (a, b) in enumerate(zip(ours["steps"], theirs["steps"])):
        found += [(i, key, a.get(key), b.get(key)) for key in STEP if a.get(key) != b.get(key)]
        one, other = a["source"], b["source"]
        for key in ("text", "start", "end", "function"):
            if one[key] != other[key]:
                found.append((i, key, one[key], other[key]))
        if one["line"] != other["line"] - 1:
            found.append((i, "line", one["line"], other["line"]))
    for a, b in zip(ours["tensors"], theirs["tensors"], strict=True):
        found += [(f"tensor {a['id']}", key, a[key], b[key]) for key in TENSOR if a[key] != b[key]]
        if not close(a["values"], b["values"]):
            found.append((f"tensor {a['id']}", "values", a["values"], b["values"]))
    for a, b in zip(ours["operands"], theirs["operands"], strict=True):
        if a["shape"] != b["shape"] or not close(a["values"], b["values"]):
            found.append(("operand", a, b))
    if ours["outputs"] != theirs["outputs"]:
        found.append(("outputs", ours["outputs"], theirs["outputs"]))
    return found


# --- random programs ---------------------------------------------------------------------


class Writer:
    """Writes a program line by line, each for the shapes that the lines before it gave."""

    def __init__(self, seed: int):
        self.r = random.Random(seed)
        ndim = self.r.choice([1, 2, 3, 3, 4, 4, 4, 5])
        self.shape = [self.r.choice([1, 2, 2, 3, 4, 4, 6]) for _ in range(ndim)]
        self.axes = self.r.choice([None, "BHWCD"[:ndim]])
        x = torch.arange(math.prod(self.shape), dtype=torch.float64)
        self.names = {**NAMES, "x": x.reshape(self.shape)}
        self.lines, self.fault = [], None
        letters = [c for c in "BHWCD"[:ndim]]
        if ndim > 1 and self.r.random() < 0.6:
            self.letters = dict(zip(letters, self.shape))
            self.lines.append(f"{', '.join(letters)} = x.shape")
        else:
            self.letters = {}
        self.names |= self.letters
        torch.set_default_dtype(torch.float64)
        try:
            self.write(self.r.randint(1, 6))
        finally:
            torch.set_default_dtype(torch.float32)

    @property
    def code(self) -> str:
        return "\n".join(self.lines) + "\n"

    def write(self, count: int) -> None:
        while count:
            make = self.r.choice(MAKERS)
            x = self.names["x"]
            line = make(self, x)
            if not line:
                continue
            if "=" not in line.split("(")[0].split("[")[0]:
                line = f"x = {line}"
            try:
                names = dict(self.names)
                exec(line, names)
                after = names["x"]
                if after.numel() > 500 or after.ndim > 7 or after.numel() == 0:
                    continue
            except Exception as fault:  # it shall be refused by both
                if self.r.random() < 0.7:
                    continue
                self.fault = fault
                self.lines.append(line)
                return
            self.names = names
            self.lines.append(line)
            count -= 1

    def axis(self, x) -> int:
        k = self.r.randrange(-x.ndim, x.ndim) if x.ndim else 0
        return k if self.r.random() < 0.97 else k + self.r.choice([-1, 1]) * x.ndim

    def size(self, n: int) -> str:
        """A length, as the reader's name for it if there is one."""
        found = [name for name, m in self.letters.items() if m == n]
        return self.r.choice(found) if found and self.r.random() < 0.6 else str(n)

    def sizes(self, sizes) -> str:
        return ", ".join(self.size(n) for n in sizes)


def _shapes(w, x):
    """Another shape of as many elements: the axes cut and merged at random."""
    parts = []
    for n in x.shape:
        d = w.r.choice([d for d in range(1, n + 1) if n % d == 0]) if n else 1
        parts += w.r.choice([[n], [n], [d, n // d]])
    while len(parts) > 1 and w.r.random() < 0.5:
        k = w.r.randrange(len(parts) - 1)
        parts[k : k + 2] = [parts[k] * parts[k + 1]]
    text = [w.size(n) for n in parts]
    if text and w.r.random() < 0.3:
        text[w.r.randrange(len(text))] = "-1"
    if text and w.r.random() < 0.04:
        text[w.r.randrange(len(text))] = w.r.choice(["5", "0", "-2", "-1"])
    if not text:
        text = ["1"]
    return text


def _reshape(w, x):
    text = ", ".join(_shapes(w, x))
    comma = "," if "," not in text else ""
    return w.r.choice(
        [
            f"x.reshape({text})",
            f"x.view({text})",
            f"x.reshape(({text}{comma}))",
            f"torch.reshape(x, ({text}{comma}))",
        ]
    )


def _permute(w, x):
    order = list(range(x.ndim))
    w.r.shuffle(order)
    order = [k - x.ndim if w.r.random() < 0.2 else k for k in order]
    if order and w.r.random() < 0.05:
        order[0] = w.r.randrange(-x.ndim, x.ndim + 1)
    text = ", ".join(map(str, order))
    return w.r.choice([f"x.permute({text})", f"torch.permute(x, [{text}])"]) if order else None


def _two(name):
    def make(w, x):
        return f"x.{name}({w.axis(x)}, {w.axis(x)})"

    return make


def _index(w, x):
    items = []
    for n in x.shape:
        k = w.r.random()
        if k < 0.15:
            items.append(str(w.r.randrange(-n, n)))
        elif k < 0.6:
            items.append(":")
        else:
            ends = [w.r.choice(["", str(w.r.randint(-n, n))]) for _ in "ab"]
            step = w.r.choice(["", "", ":2", ":3"])
            items.append(":".join(ends) + step)
        if w.r.random() < 0.15:
            items.append("None")
        if w.r.random() < 0.15:
            items.append("...")
            break
    if w.r.random() < 0.02:
        items += ["0"] * x.ndim
    return f"x[{', '.join(items)}]" if items else None


def _unflatten(w, x):
    if not x.ndim:
        return None
    k = w.r.randrange(x.ndim)
    n = x.shape[k]
    d = w.r.choice([d for d in range(1, n + 1) if n % d == 0])
    sizes = [w.size(d), w.r.choice([w.size(n // d), "-1"])]
    k = w.r.choice([k, k - x.ndim])
    return f"x.unflatten({k}, ({', '.join(sizes)}))"


def _expand(w, x):
    sizes = [w.r.choice(["2", "3", "-1", "1"]) if n == 1 else w.r.choice(["-1", w.size(n)]) for n in x.shape]
    more = [w.r.choice(["1", "2"]) for _ in range(w.r.choice([0, 0, 1]))]
    return f"x.expand({', '.join([*more, *sizes])})" if more or sizes else None


def _repeat(w, x):
    count = x.ndim + w.r.choice([0, 0, 1])
    return f"x.repeat({', '.join(w.r.choice(['1', '1', '2']) for _ in range(count))})" if count else None


def _flip(w, x):
    return w.r.choice(
        [f"x.flip({w.axis(x)})", f"torch.flip(x, [{w.axis(x)}])", f"x.flip({w.axis(x)}, {w.axis(x)})"]
    )


def _roll(w, x):
    by = w.r.randint(-3, 3)
    return w.r.choice(
        [
            f"x.roll({by}, {w.axis(x)})",
            f"x.roll({by})",
            f"torch.roll(x, shifts=({by}, 1), dims=({w.axis(x)}, {w.axis(x)}))",
        ]
    )


def _rot90(w, x):
    return f"x.rot90({w.r.randint(-1, 4)}, ({w.axis(x)}, {w.axis(x)}))"


def _parts(w, x):
    k = w.axis(x)
    how = w.r.choice([f"chunk({w.r.randint(1, 3)}, {k})", f"split({w.r.randint(1, 3)}, {k})", f"unbind({k})"])
    return w.r.choice([f"x.{how}[-1]", f"torch.cat(x.{how}, {k})", f"torch.stack(x.{how})"])


def _cat(w, x):
    k = w.axis(x)
    other = w.r.choice(["x", f"x.flip({k})", "x.clone()", "torch.zeros(x.shape)", "x[:1]"])
    return w.r.choice(
        [f"torch.cat([x, {other}], {k})", f"torch.cat(({other}, x), dim={k})", f"torch.stack([x, {other}], {k})"]
    )


def _pieces(w, x):
    k = w.axis(x)
    n = x.shape[k] if -x.ndim <= k < x.ndim else 2
    start = w.r.randint(0, n)
    return w.r.choice(
        [
            f"x.narrow({k}, {start}, {w.r.randint(1, 2)})",
            f"x.select({k}, {w.r.randrange(-n, n)})",
            f"x.index_select({k}, torch.tensor({[w.r.randrange(n) for _ in range(2)]}))",
            f"x.unfold({k}, {w.r.randint(1, n + 1)}, {w.r.randint(1, 2)})",
            f"x.repeat_interleave(2, {k})",
            f"x.repeat_interleave(2, dim={k})",
            f"x.gather({k}, torch.zeros({', '.join(['1'] * x.ndim)}, dtype=torch.long))",
        ]
    )


def _simple(w, x):
    k = w.axis(x)
    return w.r.choice(
        [
            "x.contiguous()",
            "x.clone()",
            "x.T" if x.ndim == 2 else "x.mT",
            "x.t()",
            f"x.squeeze({k})",
            "x.squeeze()",
            f"x.unsqueeze({w.r.randint(-x.ndim - 1, x.ndim)})",
            f"x.flatten({w.r.choice(['', str(k), f'{k}, {w.axis(x)}', f'start_dim={k}'])})",
            f"x.movedim(({k}, {w.axis(x)}), ({w.axis(x)}, {w.axis(x)}))",
            f"x.transpose({k}, {w.axis(x)}).contiguous()",
        ]
    )


def _pad(w, x):
    count = 2 * w.r.randint(1, 2)
    return f"F.pad(x, ({', '.join(str(w.r.choice([0, 1, 1, -1])) for _ in range(count))}))"


def _shuffle(w, x):
    if x.ndim < 3:
        return None
    return w.r.choice(["F.pixel_shuffle(x, 2)", "F.pixel_unshuffle(x, 2)", "torch.channel_shuffle(x, 2)"])


def _einops(w, x):
    names = "abcdefg"[: x.ndim]
    if not names or any(n < 2 for n in x.shape) or x.ndim > 5:
        return None
    k = w.r.randrange(x.ndim)
    left, result, sizes = list(names), list(names), ""
    if x.shape[k] % 2 == 0:
        left[k] = f"({names[k]} z)"
        result.append("z")
        sizes = ", z=2"
    w.r.shuffle(result)
    if len(result) > 1:
        j = w.r.randrange(len(result) - 1)
        result[j : j + 2] = [f"({result[j]} {result[j + 1]})"]
    if w.r.random() < 0.3:
        result.insert(0, "n")
        return f'repeat(x, "{" ".join(left)} -> {" ".join(result)}"{sizes}, n=2)'
    return f'rearrange(x, "{" ".join(left)} -> {" ".join(result)}"{sizes})'


MOVING = [
    *([_reshape] * 3),
    *([_permute] * 3),
    _two("transpose"),
    _two("swapaxes"),
    _two("movedim"),
    *(_index, _unflatten, _expand, _repeat, _flip, _roll, _rot90, _parts, _cat),
    *(_pieces, _simple, _simple, _pad, _shuffle, _einops),
]


def _arithmetic(w, x):
    k = w.axis(x)
    return w.r.choice(
        [
            *("x + 1", "x * 2", "1 - x", "x / 4", "2 / (x + 1)", "-x", "x ** 2", "x - x"),
            *("x + x.flip(0)", f"x * x.narrow({k}, 0, 1)", f"x + x.transpose({k}, 0)"),
            *("torch.relu(x - 3)", "x + torch.ones(1)", "torch.mul(x, x)", "x.sigmoid()"),
        ]
    )


def _along(w, x):
    k = w.axis(x)
    name = w.r.choice(["sum", "mean"])
    return w.r.choice(
        [
            f"x.{name}({k})",
            f"x.{name}(dim={k}, keepdim=True)",
            f"x.{name}(({k}, {w.axis(x)}))",
            f"x.{name}()",
            f"x.softmax({k})",
            f"torch.softmax(x / 100, dim={k})",
        ]
    )


def _products(w, x):
    last = x.shape[-1] if x.ndim else 1
    return w.r.choice(
        [
            "x @ x.mT",
            "x.mT @ x",
            "x @ x",
            f"x @ torch.ones({last}, 3)",
            f"torch.ones(2, {x.shape[-2] if x.ndim > 1 else last}) @ x",
            f"x @ torch.ones({last})",
            f"F.linear(x, torch.ones(3, {last}))",
            f"F.linear(x, torch.eye({last}), torch.ones({last}))",
            f"F.linear(x, torch.arange({2 * last}.).reshape(2, {last}))".replace(".)", ")").replace("arange", "ones"),
        ]
    )


def _einsum(w, x):
    letters = "abcdefg"[: x.ndim]
    result = list(letters)
    w.r.shuffle(result)
    kept = "".join(result[: w.r.randint(0, len(result))])
    if w.r.random() < 0.3:
        return f'torch.einsum("{letters}->{"".join(result)}", x)'
    if w.r.random() < 0.3:
        return f'torch.einsum("{letters}->{kept}", x)'
    last = x.shape[-1] if x.ndim else 1
    if w.r.random() < 0.5 and letters:
        kept = "".join(c for c in result if c != letters[-1])
        where = w.r.randint(0, len(kept))
        return f'torch.einsum("{letters},{letters[-1]}z->{kept[:where]}z{kept[where:]}", x, torch.ones({last}, 3))'
    return f'torch.einsum("{letters},{letters}->{kept}", x, x + 1)'


MIXING = [_arithmetic, _along, _products, _einsum]
MAKERS = MOVING * 2 + MIXING * 3
FEW, MANY = range(400), range(10_000)


def check(engine, seeds) -> dict[str, int]:
    """Run programs in both; how many ran, and how many both refused."""
    counts = {"ran": 0, "refused": 0}
    for seed in seeds:
        w = Writer(seed)
        theirs = traced(w.code, w.shape, w.axes)
        found = interpreted(engine, w.code, w.shape, w.axes)
        ours, fault = found["recording"], found["fault"]
        about = f"seed {seed}, x of shape {w.shape}:\n{w.code}"
        if w.fault is None:
            assert fault is None or not theirs["steps"], f"{about}{fault}"
        else:
            assert fault is not None, f"{about}PyTorch says {w.fault}"
            assert fault["line"] == len(w.lines), about
        if theirs["steps"]:
            assert ours, f"{about}{fault}"
            assert not (found := differences(ours, theirs)), f"{about}{found}"
        counts["refused" if w.fault else "ran"] += 1
    return counts


@pytest.mark.parametrize(
    "seeds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_random_programs_do_what_pytorch_does(engine, seeds):
    counts = check(engine, seeds)
    assert min(counts.values()) > len(seeds) / 20, counts
