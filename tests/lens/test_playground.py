"""The playground's interpreter: it says of a program what PyTorch and `trace` say."""

import builtins
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


# --- einops, as far as the programs need it: its recipe, written out -----------------

_EINOPS = """
def _call(x, pattern, sizes):
    left, right = [
        [token.strip("()").split() for token in re.findall(r"\\([^)]*\\)|\\w+", side)]
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
"""
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
        recording = trace(program(code), x, axes=axes, max_elements=MOST, partial=True)
    finally:
        torch.set_default_dtype(torch.float32)
    return recording.to_json()


def close(one, other) -> bool:
    if one is None or other is None:
        return one is other
    return len(one) == len(other) and all(
        a == b
        or (type(a) is not str and math.isclose(a, b, rel_tol=2e-5, abs_tol=1e-9))
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
        found += [
            (i, key, a.get(key), b.get(key)) for key in STEP if a.get(key) != b.get(key)
        ]
        one, other = a["source"], b["source"]
        for key in ("text", "start", "end", "function"):
            if one[key] != other[key]:
                found.append((i, key, one[key], other[key]))
        if one["line"] != other["line"] - 1:
            found.append((i, "line", one["line"], other["line"]))
    for a, b in zip(ours["tensors"], theirs["tensors"], strict=True):
        found += [
            (f"tensor {a['id']}", key, a[key], b[key])
            for key in TENSOR
            if a[key] != b[key]
        ]
        if not close(a["values"], b["values"]):
            found.append((f"tensor {a['id']}", "values", a["values"], b["values"]))
    for a, b in zip(ours["operands"], theirs["operands"], strict=True):
        if a["shape"] != b["shape"] or not close(a["values"], b["values"]):
            found.append(("operand", a, b))
    if ours["outputs"] != theirs["outputs"]:
        found.append(("outputs", ours["outputs"], theirs["outputs"]))
    return found


# --- random programs -----------------------------------------------------------------


class Writer:
    """Writes a program line by line, each for what the lines before it gave."""

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
    return (
        w.r.choice([f"x.permute({text})", f"torch.permute(x, [{text}])"])
        if order
        else None
    )


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
    sizes = [
        w.r.choice(["2", "3", "-1", "1"]) if n == 1 else w.r.choice(["-1", w.size(n)])
        for n in x.shape
    ]
    more = [w.r.choice(["1", "2"]) for _ in range(w.r.choice([0, 0, 1]))]
    return f"x.expand({', '.join([*more, *sizes])})" if more or sizes else None


def _repeat(w, x):
    count = x.ndim + w.r.choice([0, 0, 1])
    return (
        f"x.repeat({', '.join(w.r.choice(['1', '1', '2']) for _ in range(count))})"
        if count
        else None
    )


def _flip(w, x):
    return w.r.choice(
        [
            f"x.flip({w.axis(x)})",
            f"torch.flip(x, [{w.axis(x)}])",
            f"x.flip({w.axis(x)}, {w.axis(x)})",
        ]
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
    how = w.r.choice(
        [
            f"chunk({w.r.randint(1, 3)}, {k})",
            f"split({w.r.randint(1, 3)}, {k})",
            f"unbind({k})",
        ]
    )
    return w.r.choice(
        [f"x.{how}[-1]", f"torch.cat(x.{how}, {k})", f"torch.stack(x.{how})"]
    )


def _cat(w, x):
    k = w.axis(x)
    other = w.r.choice(
        ["x", f"x.flip({k})", "x.clone()", "torch.zeros(x.shape)", "x[:1]"]
    )
    return w.r.choice(
        [
            f"torch.cat([x, {other}], {k})",
            f"torch.cat(({other}, x), dim={k})",
            f"torch.stack([x, {other}], {k})",
        ]
    )


def _pieces(w, x):
    k = w.axis(x)
    n = x.shape[k] if -x.ndim <= k < x.ndim else 2
    start = w.r.randint(0, n)
    return w.r.choice(
        [
            f"x.narrow({k}, {start}, {w.r.randint(1, 2)})",
            f"x.select({k}, {w.r.randrange(-n, n)})",
            f"x.index_select({k}, torch.tensor([{n - 1}, {w.r.randrange(n)}]))",
            f"x.unfold({k}, {w.r.randint(1, n + 1)}, {w.r.randint(1, 2)})",
            f"x.repeat_interleave(2, {k})",
            f"x.repeat_interleave(2, dim={k})",
            f"x.gather({k}, torch.zeros({[1] * x.ndim}, dtype=torch.long))",
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
            "x.flatten()",
            w.r.choice([f"x.flatten({k}, {w.axis(x)})", f"x.flatten(start_dim={k})"]),
            f"x.movedim(({k}, {w.axis(x)}), ({w.axis(x)}, {w.axis(x)}))",
            f"x.transpose({k}, {w.axis(x)}).contiguous()",
        ]
    )


def _pad(w, x):
    count = 2 * w.r.randint(1, 2)
    return (
        f"F.pad(x, ({', '.join(str(w.r.choice([0, 1, 1, -1])) for _ in range(count))}))"
    )


def _shuffle(w, x):
    if x.ndim < 3:
        return None
    return w.r.choice(
        [
            "F.pixel_shuffle(x, 2)",
            "F.pixel_unshuffle(x, 2)",
            "torch.channel_shuffle(x, 2)",
        ]
    )


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
            *(
                "x + 1",
                "x * 2",
                "1 - x",
                "x / 4",
                "2 / (x + 1)",
                "-x",
                "x ** 2",
                "x - x",
            ),
            *("x + x.flip(0)", f"x * x.narrow({k}, 0, 1)", f"x + x.transpose({k}, 0)"),
            *(
                "torch.relu(x - 3)",
                "x + torch.ones(1)",
                "torch.mul(x, x)",
                "x.sigmoid()",
            ),
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
    few = f"eye({last})" if last < 100 else f"ones(1, {last})"
    return w.r.choice(
        [
            "x @ x.mT",
            "x.mT @ x",
            "x @ x",
            f"x @ torch.ones({last}, 3)",
            f"torch.ones(2, {x.shape[-2] if x.ndim > 1 else last}) @ x",
            f"x @ torch.ones({last})",
            f"F.linear(x, torch.ones(3, {last}))",
            f"F.linear(x, torch.{few}, torch.ones({last}))",
            f"F.linear(x, torch.ones({2 * last}).reshape(2, {last}))",
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
    if 1 in x.shape:  # which PyTorch gives strides of no meaning here
        return None
    last = x.shape[-1] if x.ndim else 1
    if w.r.random() < 0.5 and letters:
        kept = "".join(c for c in result if c != letters[-1])
        where = w.r.randint(0, len(kept))
        equation = f"{letters},{letters[-1]}z->{kept[:where]}z{kept[where:]}"
        return f'torch.einsum("{equation}", x, torch.ones({last}, 3))'
    return f'torch.einsum("{letters},{letters}->{kept}", x, x + 1)'


MIXING = [_arithmetic, _along, _products, _einsum]
MAKERS = MOVING * 2 + MIXING * 3
FEW, MANY = range(150), range(10_000)


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
            assert differences(ours, theirs) == [], about
        counts["refused" if w.fault else "ran"] += 1
    return counts


@pytest.mark.parametrize(
    "seeds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_random_programs_do_what_pytorch_does(engine, seeds):
    counts = check(engine, seeds)
    assert min(counts.values()) > len(seeds) / 20, counts


# --- programs with a name ------------------------------------------------------------

SNIPPETS = {
    "a chain over several lines": (
        [2, 4],
        """y = (x
     .reshape(2, 2, 2)
     .permute(2, 0, 1))
y = torch.cat([y, y.flip(0)],
              dim=1)
x = y.reshape(
    -1, 2,
)
""",
    ),
    "a function": (
        [1, 4, 4, 2],
        """def window_partition(x, size):
    B, H, W, C = x.shape
    x = x.view(B, H // size, size, W // size, size, C)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, size, size, C)
x = window_partition(x, 2)
""",
    ),
    "queries, keys and values": (
        [1, 3, 12],
        """B, N, C = x.shape
q, k, v = x.reshape(B, N, 3, 2, C // 6).permute(2, 0, 3, 1, 4)
a = (q @ k.transpose(-2, -1)).softmax(-1)
x = (a @ v).transpose(1, 2).reshape(B, N, C // 3)
""",
    ),
    "parts of a loop": (
        [1, 4, 4, 2],
        """B, H, W, C = x.shape
parts = ()
for i in range(2):
    for j in range(W // 2):
        if i <= j:
            part = x[:, i * 2 : (i + 1) * 2, j * 2 : (j + 1) * 2]
            parts += (part.reshape(B, -1, C),)
x = torch.cat(parts, 1)
""",
    ),
}


@pytest.fixture(scope="module")
def examples(engine_of):
    found = engine_of("examples.js").eval("JSON.stringify($examples.EXAMPLES)")
    return {one["name"]: one for one in json.loads(found)}


def test_examples_are_what_the_tracer_makes_of_them(engine, examples):
    programs = {n: (e["shape"], e["code"], e["axes"]) for n, e in examples.items()}
    programs |= {n: (*snippet, None) for n, snippet in SNIPPETS.items()}
    assert len(examples) == 13
    for name, (shape, code, axes) in programs.items():
        found = interpreted(engine, code, shape, axes)
        assert found["fault"] is None, (name, found["fault"])
        theirs = traced(code, shape, axes)
        assert theirs["failed"] is None, (name, theirs["failed"])
        assert differences(found["recording"], theirs) == [], name


# What a program takes, and the shape that Python and einops give it.
NAMED = [
    ("x = rearrange(x, 'b ... -> b (...)')", [2, 4, 4, 3], [2, 48]),
    ("x = rearrange(x, '... c -> (...) c').transpose(0, 1)", [2, 4, 3], [3, 8]),
    ("x = rearrange(x, '... c -> c (...)')", [2, 4, 3], [3, 8]),
    ("x = rearrange(x, 'b c ... -> b (... c)')", [2, 4, 4, 3], [2, 48]),
    ("x = rearrange(x, 'b c ... -> ... c b')", [2, 4, 5, 3], [5, 3, 4, 2]),
    (
        "k = 1\ny = [x[:, k] for k in range(3)]\nx = x.mT.transpose(0, k)",
        [2, 3, 4],
        [4, 2, 3],
    ),
    ("N = 5\n[N for N in x.shape]\nx = x.reshape(-1, N + 1)", [2, 3, 4], [4, 6]),
    (
        "for i, n in enumerate(x.shape, 1):\n    x = x.unsqueeze(i)",
        [2, 3],
        [2, 1, 1, 3],
    ),
]


def test_names_and_patterns_mean_what_they_mean_in_python(engine):
    for code, shape, wanted in NAMED:
        found = interpreted(engine, code, shape)
        assert found["fault"] is None, (code, found["fault"])
        recording = found["recording"]
        answer = recording["tensors"][recording["steps"][-1]["output"]]
        assert answer["shape"] == wanted, code


# What a line feed, an unused import or a text that is only printed must not disturb.
UNDISTURBED = [
    "if True:\r\n    x = x.T\r\n\r\n    x = x.flatten()\r\n",
    "import numpy as np\nfrom typing import Optional\nx = x.T.flatten()",
    "from torch import Tensor, nn\nx = x.T.flatten()",
    "print(f'{x.shape}')\nx = x.T.flatten()\nassert x.ndim == 1, f'{x}'",
    "b, *_ = x.shape\nx = x.T.reshape(b * 3)",
    "*rest, last = x.shape\nx = x.T.reshape(sum(rest) * last)",
    "for a, *b in [(1, 2, 3)]:\n    x = x.T.reshape(sum(b) + a)",
    "x = torch.permute(input=x, dims=(1, 0)).reshape(shape=(6,))",
    "x = torch.cat(torch.split(tensor=x, split_size_or_sections=1)).T.flatten()",
    "x = x.T.sum(1, keepdims=True).flatten().repeat(2)",
    "x = x[None, None].squeeze(0, 1).T.flatten()",
    "def f(x):\n  n = 6\n  def g(y):\n    return y.T.reshape(n)\n  return g(x)",
    "from einops import reduce as r\n"
    "x = r(x.T, pattern='a b -> a', reduction='sum').repeat(2)",
]


def test_what_moves_nothing_disturbs_nothing(engine):
    for code in UNDISTURBED:
        found = interpreted(engine, code, [2, 3])
        assert found["fault"] is None, (code, found["fault"])
        recording = found["recording"]
        answer = recording["tensors"][recording["steps"][-1]["output"]]
        assert answer["shape"] == [6], code


def test_whole_numbers_stay_whole_as_in_pytorch(engine):
    for term in ("i @ i.T", "i.sum(0)", "-i", "i ** 2", "i.exp()", "i / 1", "i ** 0.5"):
        i = torch.arange(6).reshape(2, 3)
        is_whole = eval(term, {"i": i}).dtype == torch.int64
        code = f"i = torch.arange(6).reshape(2, 3)\ny = {term}\nx = x.T\n"
        for told in ("int64", "float64"):
            claim = f"assert y.dtype == torch.{told}"
            fault = interpreted(engine, code + claim, [2, 3])["fault"]
            is_it = is_whole == (told == "int64")
            assert (fault is None) == is_it, (term, fault)


def test_no_loop_over_a_tensor_is_passed_over_in_silence(engine):
    for call in ("enumerate(x)", "zip(x, x)", "list(x)", "tuple(x)", "reversed(x)"):
        code = f"for t in {call}:\n    x = x + 1"
        fault = interpreted(engine, code, [2, 3, 4])["fault"]
        assert fault["kind"] == "Outside the playground" and "unbind" in fault["help"]


# Each is refused by PyTorch, or by Python.
REFUSED = """
x.permute(0, 2, 1).view(2, 12)
x.view(5, 5)
x.view(-1, 5)
x.view(-1, -1)
x.view(2, -2, 3)
x.reshape(5, 5)
x.reshape(0, -1)
x.permute(0, 1)
x.permute(0, 1, 1)
x.permute(0, 1, 3)
x.transpose(0, 3)
x.movedim((0, 1), (1, 1))
x.movedim((0, 1), (1,))
x.flatten(2, 1)
x.flatten(0, 7)
x.unflatten(2, (3, 2))
x.unflatten(2, (-1, 3))
x.unflatten(2, ())
x.squeeze(5)
x.unsqueeze(5)
x.expand(2, 5, 4)
x.expand(3, 4)
x.expand(-1, 2, 3, 4)
x.repeat(2, 2)
x.repeat(-1, 2, 2)
x.repeat_interleave(-1, 0)
x.flip(0, 0)
x.flip(4)
x.roll((1, 2), (0,))
x.rot90(1, (0, 0))
x.rot90(1, (0,))
x.chunk(0)
x.split(0)
x.split(-1)
x.split([1, 2])
torch.cat([x, x[:1]], 1)
torch.cat([x, x[0]], 0)
torch.cat([])
torch.cat([x, x], 5)
torch.stack([x, x[:1]])
torch.stack([])
x.narrow(0, 1, 2)
x.narrow(0, 5, 0)
x.narrow(0, 0, -1)
x.select(0, 5)
x[5]
x[0, 0, 0, 0]
x[::-1]
x[0:1:0]
x[1.5]
x.index_select(0, torch.tensor([5]))
x.index_select(0, torch.tensor([[0]]))
x.gather(0, torch.tensor([[[5]]]))
x.gather(0, torch.tensor([0]))
x.unfold(2, 5, 1)
x.unfold(2, 1, 0)
F.pad(x, (1,))
F.pad(x, (1, 1, 1, 1, 1, 1, 1, 1))
F.pixel_shuffle(x, 2)
F.pixel_shuffle(x[0], 2)
torch.channel_shuffle(x, 2)
x + x[:, :2]
x @ x
x @ x[0]
x @ x[0, 0, :3]
x[0] @ x[0]
x[0, 0] @ x[0, 0, :2]
torch.matmul(x[0, 0, 0], x)
F.linear(x, x[0, :, :3])
x.sum(5)
x.sum((0, 0))
x.softmax(5)
torch.einsum("bij,bjk->bik", x, x)
torch.einsum("bij->bik", x)
torch.einsum("bi->b", x)
torch.einsum("bij,bi->b", x)
x.t()
x[0, 0].mT
x.reshape("a")
x.permute("a")
x.permute()
x.transpose(0)
x.shape[7]
1 // 0
1 % 0
len(3)
len(x)(2)
(1, 2) + 1
range(1.5)
y
a, b = x.shape
a, b, c, d = x.shape
a, b, c = x
"""


def test_faults_are_in_the_words_of_pytorch_and_say_how_to_mend_them(engine):
    for line in REFUSED.strip().split("\n"):
        x = torch.arange(24, dtype=torch.float64).reshape(2, 3, 4)
        with pytest.raises(Exception) as raised:
            exec(line, {**NAMES, "x": x})
        wanted = str(raised.value).split("\n")[0]
        if raised.type is ZeroDivisionError:  # each Python has words of its own
            wanted = "division by zero"
        fault = interpreted(engine, f"n = 1\n{line}\n", [2, 3, 4])["fault"]
        assert fault["line"] == 2, line
        assert [fault["kind"], fault["message"]] == [raised.type.__name__, wanted], line
        assert fault["help"] or fault["kind"] not in ("RuntimeError", "IndexError"), (
            line
        )


# The axes that do not fit.  x, (2, 3, 4), is tensor 0, and y = x[:, :2] tensor 1.
MISFITS = {
    "x.unflatten(2, (3, 2))": [[0, 2]],
    "y.unflatten(-1, (3, 2))": [[1, 2]],
    "x.expand(5, 2, 3, 7)": [[0, 2]],
    "torch.cat([x, y], 2)": [[0, 1], [1, 1]],
    "x + y": [[0, 1], [1, 1]],
    "x @ y": [[0, 2], [1, 1]],
    "y.sum(0) @ x[0, 0, :3]": [[2, 1], [3, 0]],
    "F.linear(y, torch.ones(3, 3))": [[1, 2]],
    "y.split([1, 2], 0)": [[1, 0]],
    "y.narrow(1, 1, 2)": [[1, 1]],
    "y.narrow(1, 5, 1)": [[1, 1]],
    "y.select(-1, 4)": [[1, 2]],
    "y[None, 0, ..., 4]": [[1, 2]],
    'rearrange(y, "a b (c d) -> a b c d", c=3)': [[1, 2]],
    'rearrange(y, "a b (c d) -> a b c d", c=3, d=2)': [[1, 2]],
    "y.reshape(5)": [],
    "torch.ones(3) + torch.ones(2)": [],
}


def test_a_fault_names_the_axes_that_do_not_fit(engine):
    for line, axes in MISFITS.items():
        code = f"from einops import rearrange\ny = x[:, :2]\n{line}\n"
        fault = interpreted(engine, code, [2, 3, 4])["fault"]
        assert fault["line"] == 3 and fault["axes"] == axes, (line, fault)


STRANGE = {
    "noise": "".join(
        random.Random(0).choices("x()[]{}'\"\\:=+-*/ \n\t#é0.", k=100_000)
    ),
    "long": "x = x + 1\n" * 10_000,
    "brackets": "(" * 9000,
    "calls": "x.clone()" + ".clone()" * 2000,
    "a sum": "y = " + "1 + " * 4900 + "1",
    "signs": "y = " + "-" * 15_000 + "1",
    "blocks": "".join("  " * k + "if 1:\n" for k in range(90)) + "  " * 90 + "x.T",
    "loops": "for i in range(99):\n for j in range(99):\n  for k in range(99):\n   i",
    "a recursion": "def f(x):\n    return f(x)\nf(x)",
    "steps": "for i in range(1000):\n    x = x + 1",
    "a large tensor": "x.repeat(1000, 1000)",
    "a larger one": "x.expand(10**9, 10**9, 2, 3)",
    "a long list": "y = [1] * 10**9",
    "a large number": "y = 10 ** 400",
    "a large zeros": "y = torch.zeros(10**6, 10**6)",
    "a while": "while True:\n    x = x + 1",
    "a constructor": 'x.constructor.constructor("return 1")()',
    "a prototype": "x.__proto__",
    "a method of all": 'hasOwnProperty("x")',
    "a module": "torch.toString()",
    "an import": "import os",
    "a write": "x[0] = 1",
    "an addition in place": "x.add_(1)",
    "not a method": "x.premute(1, 0)",
    "a class": "class A: pass",
    "nothing": "",
    "a comment": "# x",
    "a sign": "x = x ¤ 1",
    "a text": 'x = "abc',
    "an indent": "  x = 1\n x = 2",
    "nul": "x\x00",
    "a division": "x = x.reshape(2 // 0)",
    "an if": "if x: pass",
}


def test_strange_programs_are_told_in_a_sentence_and_quickly(engine):
    for name, code in STRANGE.items():
        fault = interpreted(engine, code, [2, 3])["fault"]
        assert fault, name
        text = f"{fault['kind']}: {fault['message']} {fault['help']}"
        assert len(fault["message"]) > 8 and len(text) < 1300, (name, text)
        words = (
            "undefined",
            "is not a function",
            "cannot run",
            "Maximum",
            "native code",
        )
        assert not any(word in text for word in words), (name, text)


def test_what_is_outside_is_named_with_what_to_do(engine):
    for code, name in {
        "import numpy as np\nnp.array(1)": "numpy",
        "from torch import Tensor\nTensor(x)": "torch.Tensor",
        "isinstance(x, int)": "isinstance()",
        "x @ f'{x}'.strip()": "str",
        "x.view_as(x)": "x.view(other.shape)",
        "nn.Linear(3, 3)(x)": "F.linear",
        "with torch.no_grad():\n    x": "no gradients",
        "x.detach()": "no gradients",
        "F.softmax(x)": "dim=-1",
        "F.relu(x, inplace=True)": "inplace=",
        "torch.add(x, x, alpha=2)": "alpha=",
        "y = []\ny.append(x)": "for i in range(n)",
        "x // 2": "//",
        "2 ** x": "**",
        "x.cholesky()": ".cholesky",
        "torch.fft(x)": "torch.fft",
        "x[0] = 1": "Writing",
        "x += 1": "Writing",
        "while x: pass": "while",
        "y = {1: 2}": "dict",
        "y = lambda: 1": "lambda",
        "x[[0, 1]]": "index_select",
    }.items():
        fault = interpreted(engine, code, [2, 3])["fault"]
        assert fault["kind"] == "Outside the playground", (code, fault)
        told = fault["message"] + fault["help"]
        assert name in told and "Colab" in fault["help"], (code, fault)


def test_no_name_of_pytorch_or_python_is_taken_for_a_slip_of_the_pen(engine):
    for home, names in (
        ("x", dir(torch.Tensor)),
        ("torch", dir(torch)),
        ("F", dir(F)),
        ("math", dir(math)),
        ("(1, 2)", dir(tuple)),
        ("[1]", dir(list)),
        ("x.shape", dir(torch.Size)),
        ("'a'", dir(str)),
    ):
        public = [name for name in names if name.isidentifier() and name[0] != "_"]
        codes = [f"y = {home}.{name}" for name in public]
        for code in [code for code in codes if not code.endswith("_")]:
            fault = interpreted(engine, code, [2, 3])["fault"]
            kind = fault["kind"] if fault else None
            assert kind != "AttributeError", (code, fault)
    for name, value in vars(builtins).items():
        if name[0].islower() and type(value).__module__ == "builtins":
            fault = interpreted(engine, f"y = {name}", [2, 3])["fault"]
            assert fault is None or fault["kind"] != "NameError", fault


# Slips of the pen, and what Python refuses before PyTorch is asked.
SLIPS = """
x.premute(1, 0)
torch.premute(x, (1, 0))
torch.reshap(x, (6,))
torch.view(x, (6,))
F.rel(x)
x @ 2
2 @ x
x.permute(0, 1, dims=(1, 0))
torch.arange(3).mean()
torch.arange(3).softmax(0)
torch.arange(6).reshape(2, 3).softmax(0)
x @ torch.arange(3).reshape(3, 1)
torch.einsum("ij,kj->ik", x, torch.arange(6).reshape(2, 3))
F.linear(x, torch.arange(6).reshape(2, 3))
torch.arange(3) ** -1
""".strip().split("\n")


def test_slips_are_told_in_the_words_of_python(engine):
    for line in SLIPS:
        x = torch.arange(6, dtype=torch.float64).reshape(2, 3)
        with pytest.raises(Exception) as raised:
            exec(line, {**NAMES, "x": x})
        fault = interpreted(engine, line, [2, 3])["fault"]
        wanted = [raised.type.__name__, str(raised.value).split("\n")[0]]
        assert [fault["kind"], fault["message"]] == wanted, line
    for code, kind, words in (
        ("x.permute(0, dims=1, dims=2)", "SyntaxError", "keyword argument repeated"),
        (
            "def f(x):\n    return x.T\nf(x, x=x)",
            "TypeError",
            "multiple values for argument 'x'",
        ),
        (
            "n = 2\ndef f(x):\n    x = x.reshape(n, -1)\n    n = 3\n    return x\nf(x)",
            "UnboundLocalError",
            "local variable 'n'",
        ),
        ("def f(x):\n    y = x.T", "Nothing comes out", "f returns nothing"),
        ("x = torch.ones(5, 7).T", "Nothing moved", "makes no step"),
    ):
        fault = interpreted(engine, code, [2, 3])["fault"]
        assert fault["kind"] == kind and words in fault["message"], fault
    assert "put 7, 5 into the field" in fault["help"]


def mutants(seed: int, code: str) -> str:
    """The code with letters lost, doubled, exchanged or replaced."""
    r = random.Random(seed)
    letters = list(code)
    for _ in range(r.randint(1, 6)):
        k = r.randrange(len(letters))
        letters[k] = r.choice(
            ["", letters[k] * 2, *"()[]:,.=x1-+ \n'#{", letters[k - 1]]
        )
        letters = letters or ["x"]
    return "".join(letters)


@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_mutated_programs_run_or_are_told_of(engine, examples, count):
    codes = [(e["shape"], e["code"]) for e in examples.values()]
    for seed in range(count):
        shape, code = codes[seed % len(codes)]
        found = interpreted(engine, mutants(seed, code), shape)
        fault = found["fault"]
        assert found["recording"] or fault, seed
        if fault:
            assert "cannot run this" not in fault["message"], (seed, fault)
            assert "undefined" not in str(fault), (seed, fault)
