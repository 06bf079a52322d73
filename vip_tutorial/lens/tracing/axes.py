"""Name the axes of a tensor from the names of the tensors it was made from.

A name follows its axis, whatever the code calls the result: if `x` is (B, H, W, N, S)
and nothing was permuted, then `x.reshape(B, N, W, H * S)` is (B, H, W, N*S) still.
The names in the code are taken where an axis is new: cut out of another, or stretched.
"""

import ast
from collections.abc import Sequence
from typing import Any

import torch

from .calls import Call
from .recording import Step, TensorRecord

_PERMUTATIONS = frozenset(
    "permute transpose swapaxes swapdims movedim moveaxis t T mT H mH adjoint".split()
)
_RESHAPES = frozenset("reshape view unflatten flatten ravel view_as reshape_as".split())
_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)


def unpacked_names(line: str) -> list[str] | None:
    """`["B", "H", "W", "C"]` for the line `B, H, W, C = x.shape`."""
    match _parsed(line):
        case ast.Assign(
            targets=[ast.Tuple(elts=elements)],
            value=ast.Attribute(attr="shape")
            | ast.Call(func=ast.Attribute(attr="size"), args=[]),
        ):
            names = [_expression_name(element) for element in elements]
            return None if None in names or "_" in names else names
    return None


def permutation(name: str, call: Call, ndim: int) -> list[int] | None:
    """`order` with `output axis k = input axis order[k]`; None for other calls.

    The call is made on an empty tensor whose axes all have different strides, so that
    the strides of the result tell which axis went where.
    """
    if name not in _PERMUTATIONS:
        return None
    probe = torch.empty_strided([1] * ndim, tuple(range(ndim)), device="meta")
    return list(call.on(probe).stride())


def names_after(
    step: Step,
    call: Call,
    operands: list[TensorRecord | None],
    after: list[int],
    sizes: dict[str, int],
) -> list[str]:
    """Names of the axes of a step's output.

    Args:
        step: The step, complete but for these names.
        call: The call that it was.
        operands: For each tensor that went in its record, if it has one.
        after: Shape of what came out.
        sizes: Size of each name that was met so far.
    """
    inputs = [record for record in operands if record is not None]
    first = inputs[0]
    if step.order is not None:
        return [first.axes[k] for k in step.order]
    if step.kind == "move" and step.op in _RESHAPES:
        claims = _claims(step, len(after))
        return _reshaped(first.axes, first.shape, after, claims, sizes)
    if step.op == "einsum" and isinstance(call.args[0], str):
        return _of_equation(call.args[0], operands, after)
    if step.op in ("matmul", "mm", "bmm") and len(inputs) == 2:
        return _of_product(*inputs, after)
    if step.op in ("rot90", "take", "as_strided"):
        return [str(size) for size in after]
    if first.shape == after:
        return list(first.axes)
    if step.kind == "move" and not step.copy and len(first.shape) <= len(_PRIMES):
        claims = _claims(step, len(after))
        return _viewed(first, after, _view_strides(call, first.shape), claims)
    if step.kind == "pointwise":
        return _broadcast(inputs, after)
    if step.kind == "reduce" and step.mixed is not None:
        if len(after) == len(first.axes):  # keepdim
            return ["1" if k in step.mixed else n for k, n in enumerate(first.axes)]
        return [n for k, n in enumerate(first.axes) if k not in step.mixed]
    return _matched(first.axes, first.shape, after)


def _claims(step: Step, count: int) -> list[str | None]:
    """`["B", "N", "W", "H*S"]` for the call `x.reshape(B, N, W, H * S)`.

    None stands for each axis that the call has no name for.
    """
    nothing = [None] * count
    line = step.source
    call = line and _parsed(line.text[line.start : line.end].lstrip("."), "eval")
    match call:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=args):
            if name != step.op or not args:
                return nothing
            at = 0
            if name == "unflatten":
                match args[0]:
                    case ast.Constant(value=int(at)):
                        pass
                    case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=back)):
                        at = count - len(getattr(args[-1], "elts", ())) - back + 1
                    case _:
                        return nothing
            if isinstance(args[-1], ast.Tuple | ast.List):
                args = args[-1].elts
            elif len(args) == 1:
                return nothing  # perhaps a name for the whole shape
            found = [_expression_name(arg) for arg in args]
            found = [None if n is None or n.isdigit() else n for n in found]
            claims = [*nothing[:at], *found, *nothing[at + len(found) :]]
            return claims if len(claims) == count else nothing
    return nothing


def _reshaped(
    names: list[str],
    before: list[int],
    after: list[int],
    claims: list[str | None],
    sizes: dict[str, int],
) -> list[str]:
    """Cut both shapes into the shortest runs of equal product, and name each run."""
    if 0 in before or 0 in after:
        return [str(size) for size in after]
    # Axes of size 1 can stand anywhere: such a one keeps its name if it stays between
    # the same neighbours.
    ones: list[tuple[int, str]] = []
    factors: list[tuple[str, int]] = []
    product = 1
    for name, size in zip(names, before):
        if size == 1:
            ones.append((product, name))
        else:
            factors += _factors(name, size, sizes)
        product *= size
    taken = {name for name, _ in factors}
    result = [str(size) for size in after]
    run: list[str] = []
    cut: list[int] = []
    left = right = 1
    for k, size in enumerate(after):
        if size == 1:
            same = next((one for one in ones if one[0] == right), None)
            result[k] = same[1] if same else claims[k] or "1"
            if same:
                ones.remove(same)
            continue
        cut.append(k)
        right *= size
        while left < right:
            name, factor = factors.pop(0)
            run.append(name)
            left *= factor
        if left == right:
            for k in cut:
                claim = claims[k]
                fresh = claim and taken.isdisjoint(claim.split("*"))
                if len(cut) > 1 or run[0].isdigit():  # a new axis
                    result[k] = claim if fresh else str(after[k])
                elif len(run) > 1 and fresh and "*" not in claim:  # a new name
                    result[k] = claim
                else:
                    result[k] = "*".join(run)
            run, cut = [], []
    return result


def _factors(name: str, size: int, sizes: dict[str, int]) -> list[tuple[str, int]]:
    """`[("H", 4), ("S", 3)]` for the axis H*S of size 12."""
    parts = [(n, int(n) if n.isdigit() else sizes.get(n, 0)) for n in name.split("*")]
    product = 1
    for _, part in parts:
        product *= part
    return [p for p in parts if p[1] > 1] if product == size else [(name, size)]


def _viewed(
    before: TensorRecord,
    after: list[int],
    strides: Sequence[int],
    claims: list[str | None],
) -> list[str]:
    """An axis with the stride and the size of an axis of the source is that axis."""
    left = dict(zip(_PRIMES, zip(before.axes, before.shape)))
    names = [str(size) for size in after]
    for k in reversed(range(len(after))):
        name, size = left.get(strides[k], ("", None))
        if size == after[k]:
            names[k] = name
            del left[strides[k]]
        elif strides[k] == 0 and claims[k]:
            names[k] = claims[k]
    return names


def _view_strides(call: Call, shape: list[int]) -> Sequence[int]:
    """Strides of the view that the call makes of a tensor with strides `_PRIMES`."""
    strides = _PRIMES[: len(shape)]
    # Memory is needed only where an index is a tensor, which is read.
    device = "cpu" if len(call.tensors()) > 1 else "meta"
    return call.on(torch.empty_strided(shape, strides, device=device)).stride()


def _broadcast(inputs: list[TensorRecord], after: list[int]) -> list[str]:
    """Each axis is named by the first tensor that has it in full."""
    names = []
    for back in range(len(after), 0, -1):
        found = [
            record.axes[-back]
            for record in inputs
            if len(record.shape) >= back and record.shape[-back] == after[-back]
        ]
        found.sort(key=str.isdigit)
        names.append(found[0] if found else str(after[-back]))
    return names


def _of_equation(
    equation: str, operands: list[TensorRecord | None], after: list[int]
) -> list[str]:
    """Names after `einsum("bhwns,hg->...", ...)`: a letter stands for an axis."""
    terms, _, result = equation.replace(" ", "").partition("->")
    names: dict[str, str] = {}
    for term, record in zip(terms.split(","), operands):
        if record is not None:
            names |= dict(zip(term, record.axes))
    if "." in equation or len(result) != len(after):
        return [str(size) for size in after]
    return [names.get(letter, str(size)) for letter, size in zip(result, after)]


def _of_product(left: TensorRecord, right: TensorRecord, after: list[int]) -> list[str]:
    """Names after `left @ right`, where a row of the left meets a column."""
    if len(right.shape) > 1 and len(left.shape) == len(after):
        return [*left.axes[:-1], right.axes[-1]]
    return [str(size) for size in after]


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
    middle = [str(size) for size in after[left : len(after) - right]]
    return [*names[:left], *middle, *names[len(names) - right :]]


def _expression_name(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(), attr=name):
            return name
        case ast.Constant(value=int(value)) if value >= 0:
            return str(value)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            parts = _expression_name(left), _expression_name(right)
            return None if None in parts else "*".join(parts)
    return None


def _parsed(text: str, mode: str = "exec") -> Any:
    text = text.strip()
    try:  # the brackets let an expression run over several lines
        tree = ast.parse(f"({text}\n)" if mode == "eval" else text, mode=mode)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree.body if mode == "eval" else (tree.body or [None])[0]
