"""The shape comments of `vip_tutorial.mixers` have the right sizes.

As in test_shape_comments.py, but by size alone: these files divide axes, which the
recording has no names for.  Sizes that differ tell one axis from another.
"""

import linecache
import sys
import types
from importlib import import_module
from pathlib import Path

import torch

from tables import in_turn
from test_shape_comments import COMMENT, Watch

B, N, S, RANK, G, POOL = 3, 4, 6, 5, 2, 2
C = N * S


def of_multi_scale(code):
    x = torch.randn(B, N, N, C)
    sizes = {"H": N, "W": N, "p": POOL, "pool": POOL}
    yield code.MultiScalePermuteMLP(C, N, pool=POOL), x, sizes | {"K": 5}
    yield code.LocalPermuteMLP(C, N), x, sizes | {"K": 4}


def of_dynamic(code):
    for kind in code.KINDS:
        x = torch.randn(B, N, N, C)
        yield code.DynamicPermuteMLP(C, N, weights=kind), x, {"H": N, "W": N}


def of_lightweight(code):
    x = torch.randn(7, N * S)
    sizes = {"H": N, "G": G, "L": N * S, "rank": RANK}
    yield code.LowRankLinear(N * S, RANK), x, sizes
    for across in ("rows", "channels"):
        yield code.GroupedLinear(N, S, G, across), x, sizes


def of_any_size(code):
    for how in code.WAYS:
        for H, W in ((2 * N, 3 * N), (5 * N, N)):
            module = code.AnySizePermuteMLP(C, N, qkv_bias=True, how=how)
            yield module, torch.randn(B, H, W, C), {"H": H, "W": W}


FILES = {
    "multi_scale": of_multi_scale,
    "dynamic": of_dynamic,
    "lightweight": of_lightweight,
    "any_size": of_any_size,
}


def complaints(name: str, source: str) -> dict[int, str]:
    """For each line with a wrong comment, or one that no run came to, what is wrong."""
    file = f"{name}_under_test.py"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    code = types.ModuleType(f"{name}_under_test")
    code.__package__ = "vip_tutorial.mixers"  # for its relative imports
    exec(compile(source, file, "exec"), code.__dict__)
    watch = Watch(source, file)
    found = {line: "no run came here" for line in watch.comments}
    wrong = {}
    for function, x, sizes in FILES[name](code):
        watch.made.clear()
        before = sys.gettrace()
        sys.settrace(watch)
        try:
            function(x)
        finally:
            sys.settrace(before)
        for line, values, _ in watch.made:
            found.pop(line, None)
            said = watch.comments[line][0]
            for value in values:
                if not fits(said, tuple(value.shape), sizes):
                    wrong[line] = f"({said}) is {tuple(value.shape)} with {sizes}"
    return found | wrong


def fits(said: str, shape: tuple[int, ...], sizes: dict[str, int]) -> bool:
    for way in said.split(") or ("):
        axes = way.replace(" ", "").split(",")
        if "..." in axes:
            # What stands for any number of axes is as long as it has to be.
            at, rest = axes.index("..."), len(axes) - 1
            some = len(shape) - rest
            axes = [*axes[:at], *["any"] * some, *axes[at + 1 :]]
        known = {"B": B, "N": N, "S": S, "C": C} | sizes
        # W's columns come first where the grid is transposed, for the width branch.
        swapped = known | {"H": known.get("W", known["H"]), "W": known["H"]}
        for letters in (known, swapped):
            claimed = [None if a == "any" else eval(a, {}, letters) for a in axes]
            if len(claimed) == len(shape) and all(
                c is None or c == n for c, n in zip(claimed, shape)
            ):
                return True
    return False


def source_of(name: str) -> str:
    file = import_module(f"vip_tutorial.mixers.{name}").__file__
    return Path(file).read_text(encoding="utf-8")


@in_turn("name", FILES)
def test_every_shape_comment_is_true(name):
    source = source_of(name)
    assert sum(bool(COMMENT.search(line)) for line in source.splitlines()) > 4
    assert complaints(name, source) == {}


@in_turn("name", FILES)
def test_a_wrong_shape_comment_is_found(name):
    lines = source_of(name).splitlines()
    marked = [n for n, line in enumerate(lines) if COMMENT.search(line)]
    for n in marked:
        code, comment = lines[n].rsplit("  # (", 1)
        wrong = "(..., 97)" if comment.startswith("...") else f"(1, {comment}"
        spoilt = [*lines[:n], f"{code}  # {wrong}", *lines[n + 1 :]]
        assert n + 1 in complaints(name, "\n".join(spoilt)), lines[n]
