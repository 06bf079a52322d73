"""Name the axes of a tensor from the names of the tensor it was made from."""

import ast
import math
from collections.abc import Callable
from typing import Any

import torch

from .recording import Step, TensorRecord
from .source import SourceLine

_PERMUTATIONS = frozenset(
    "permute transpose swapaxes swapdims movedim moveaxis t T mT H mH".split()
)
_RESHAPES = frozenset("reshape view unflatten".split())


def unpacked_names(line: str) -> list[str] | None:
    """`["B", "H", "W", "C"]` for the line `B, H, W, C = x.shape`."""
    match _parsed(line):
        case ast.Assign(targets=[ast.Tuple(elts=elements)]):
            names = [_expression_name(element) for element in elements]
            return None if None in names else names
    return None


def permutation(func: Callable, args: tuple, kwargs: dict | None, name: str):
    """`order` with `output axis k = input axis order[k]`; None for other calls.

    The call is run on an empty tensor whose axes all have different sizes, so that
    the sizes of the result tell which axis went where.
    """
    if name not in _PERMUTATIONS:
        return None
    sizes = list(range(2, 2 + args[0].ndim))
    probe = torch.empty(sizes, device="meta")
    return [sizes.index(n) for n in func(probe, *args[1:], **(kwargs or {})).shape]


def names_after(
    before: TensorRecord, after: list[int], step: Step, line: SourceLine | None
) -> list[str]:
    """Names of the axes of shape `after`, which `step` made from `before`."""
    if step.order is not None:
        return [before.axes[k] for k in step.order]
    if before.shape == after:
        return list(before.axes)
    if step.mixed and len(after) == len(before.axes) - len(step.mixed):
        return [n for k, n in enumerate(before.axes) if k not in step.mixed]
    named = _names_in_call(line, len(after))
    return named or _matched(before.axes, before.shape, after)


def _names_in_call(line: SourceLine | None, count: int) -> list[str] | None:
    """`["B", "N", "W", "H*S"]` for the call `x.reshape(B, N, W, H * S)`."""
    call = line and _parsed(line.text[line.start : line.end].lstrip("."), "eval")
    match call:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=args):
            if name not in _RESHAPES:
                return None
            if len(args) == 1 and isinstance(args[0], ast.Tuple | ast.List):
                args = args[0].elts
            found = [_expression_name(arg) for arg in args]
            if len(found) == count and None not in found:
                return found
    return None


def _matched(names: list[str], before: list[int], after: list[int]) -> list[str]:
    """Keep the name of every axis whose size stands; name the others by their size."""
    left = 0
    while left < min(len(before), len(after)) and before[left] == after[left]:
        left += 1
    right = 0
    while (
        right < min(len(before), len(after)) - left
        and before[-1 - right] == after[-1 - right]
    ):
        right += 1
    middle = names[left : len(names) - right]
    sizes = after[left : len(after) - right]
    if len(sizes) == 1 and sizes[0] == math.prod(before[left : len(before) - right]):
        fresh = ["*".join(middle)] if middle else ["1"]
    else:
        fresh = [str(size) for size in sizes]
    return [*names[:left], *fresh, *(names[len(names) - right :] if right else [])]


def _expression_name(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=int(value)) if value >= 0:
            return str(value)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            parts = _expression_name(left), _expression_name(right)
            return None if None in parts else "*".join(parts)
    return None


def _parsed(text: str, mode: str = "exec") -> Any:
    try:
        tree = ast.parse(text.strip(), mode=mode)
    except SyntaxError:
        return None
    return tree.body if mode == "eval" else (tree.body or [None])[0]
