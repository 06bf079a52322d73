"""Say how far a run came that raised, what its last call took, how to mend it."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .calls import Call, call_text, flat
from .recording import Trace
from .source import SourceLine, failing_line

LAST_STEPS = 12  # of which the note has a row


@dataclass
class Failure:
    """A call that raised.

    Attributes:
        name: Of the operation.
        call: What it was given.
        source: The line that made it.
        fault: What it raised.
    """

    name: str
    call: Call
    source: SourceLine | None
    fault: BaseException


def told(failure: Failure | None, fault: BaseException) -> str:
    """The call that failed, what it was given, and how to mend it, in lines.

    If it was none of PyTorch's, the reader's line that failed.
    """
    if failure is None or not _caused(fault, failure.fault):
        at = failing_line(fault)
        if at is None:
            return ""
        return f"In {at.file}, line {at.line}: {' '.join(at.text.split())}"
    call = failure.call
    tensors = [x for x in call.tensors() if isinstance(x, Tensor)]
    given = " and ".join(_described(x) for x in tensors[:4])
    given = f" on {given}" if given else ""
    at = failure.source
    line = f", in {at.file}, line {at.line}" if at else ""
    try:
        text = call_text(failure.name, call)
        advice = advice_on(failure.name, call, tensors, str(failure.fault))
    except Exception:  # the reader's own exception is what counts
        text, advice = failure.name, ""
    return f"{text} failed{given}{line}.\n{advice}".strip()


def note_on(recording: Trace, failed: str) -> str:
    """What is added to the reader's exception: the steps so far, and the call."""
    steps = len(recording.steps)
    table = recording.table(last=LAST_STEPS)
    count = f"{steps} step{'s' if steps != 1 else ''}"
    recorded = f"trace recorded {count} before the run broke off:\n{table}"
    return f"{recorded}\n{failed}" if failed else recorded


def _caused(fault: BaseException | None, cause: BaseException) -> bool:
    """Whether a fault is another, or was raised from it or while it was handled."""
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        if fault is cause:
            return True
        seen.add(id(fault))
        fault = fault.__cause__ or fault.__context__
    return False


def _described(x: Tensor) -> str:
    try:
        return f"{tuple(x.shape)} with strides {x.stride()}"
    except RuntimeError:  # nested and sparse tensors have none
        return f"a {x.layout} tensor"


def advice_on(name: str, call: Call, tensors: Sequence[Tensor], message: str) -> str:
    """One sentence on how to mend the commonest faults of shape; "" for others."""
    base = name.strip("_")
    for names, advise in _ADVICE:
        if base in names.split():
            sentence = advise(call, tensors, message)
            if sentence:
                return sentence
    return ""


def _of_view(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    (x, *_) = tensors
    if "not compatible" in message:
        return (
            "A view only reads the memory in another way, and no strides read these "
            "numbers in the order that it asks for: use .reshape, which copies where "
            "it has to, or .contiguous() before the view."
        )
    return _of_reshape(call, [x], message)


def _of_reshape(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    (x, *_) = tensors
    given = (call.args[1:], call.kwargs)
    sizes = [n for n in flat(given) if isinstance(n, int)]
    if any(n < -1 for n in sizes):
        return f"A size is at least 0, or -1 for what is left: {sizes} holds another."
    if not sizes or x.numel() == math.prod(sizes):
        return ""
    if sizes.count(-1) > 1:
        return "Only one size may be -1: write the others out."
    rest = math.prod(n for n in sizes if n != -1)
    if -1 in sizes:
        return (
            f"There are {x.numel()} numbers, and the sizes that are given make {rest}, "
            f"which does not divide them: one of {sizes} is wrong."
        )
    return (
        f"There are {x.numel()} numbers, and {' x '.join(map(str, sizes))} is {rest}: "
        "the sizes must make as many; a -1 in place of one lets PyTorch work it out."
    )


def _of_unflatten(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    (x, *_) = tensors
    dim, *sizes = [n for n in flat((call.args[1:], call.kwargs)) if isinstance(n, int)]
    if not -x.ndim <= dim < x.ndim or math.prod(sizes) == x.shape[dim]:
        return ""
    if -1 in sizes:
        return f"Axis {dim} is {x.shape[dim]} long, which {sizes} do not divide."
    return (
        f"Axis {dim} is {x.shape[dim]} long, and {' x '.join(map(str, sizes))} is "
        f"{math.prod(sizes)}: the sizes must make as many."
    )


def _of_product(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    if len(tensors) < 2:
        return ""
    left, right = tensors[-2:] if "add" in call.func.__name__ else tensors[:2]
    if call.func.__name__ == "__rmatmul__":
        left, right = right, left
    if not left.ndim or not right.ndim:
        return "A product needs at least one axis on each side."
    ndim = {"mm": 2, "addmm": 2, "bmm": 3, "baddbmm": 3}.get(
        call.func.__name__.strip("_")
    )
    if ndim and not left.ndim == right.ndim == ndim:
        return (
            f"It takes tensors of {ndim} axes, and here are {left.ndim} and "
            f"{right.ndim}: matmul, or @, takes any number."
        )
    inner = right.shape[-2] if right.ndim > 1 else right.shape[0]
    if left.shape[-1] != inner:
        meets = "last but one" if right.ndim > 1 else "only one"
        return (
            f"In a product the last axis of the left, {left.shape[-1]} long, meets the "
            f"{meets} of the right, {inner} long, and they must be as long: is a "
            ".mT missing, or a permute before it?"
        )
    pairs = zip(reversed(left.shape[:-2]), reversed(right.shape[:-2]))
    stretches = "" if ndim else ", or 1"
    if all(n == m or (stretches and 1 in (n, m)) for n, m in pairs):
        return ""  # it is another thing, such as the dtype
    return (
        f"The axes before the last two, {tuple(left.shape[:-2])} and "
        f"{tuple(right.shape[:-2])}, must be as long{stretches}."
    )


def _of_linear(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    if len(tensors) < 2 or tensors[0].shape[-1:] == tensors[1].shape[-1:]:
        return ""
    x, weight = tensors[:2]
    return (
        f"Linear takes rows of {weight.shape[-1]} numbers along the last axis, and "
        f"there they are {x.shape[-1] if x.ndim else 0} long: put the axis that it is "
        "meant for last, or build it with that many in_features."
    )


def _of_equation(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    equation = next((x for x in call.args if isinstance(x, str)), "")
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    if len(terms) != len(tensors):
        return (
            f"The equation has a term for {len(terms)} before the arrow, and the "
            f"tensors are {len(tensors)}: it needs a term for each."
        )
    lengths: dict[str, int] = {}
    for term, x in zip(terms, tensors):
        if "." in term:
            continue
        if len(term) != x.ndim:
            return (
                f"{term!r} names {len(term)} axes, and its tensor, {tuple(x.shape)}, "
                f"has {x.ndim}: it needs a letter for each, or ... for some."
            )
        for letter, n in zip(term, x.shape):
            if lengths.setdefault(letter, n) != n and 1 not in (lengths[letter], n):
                return (
                    f"{letter!r} stands for an axis of {lengths[letter]} and for one "
                    f"of {n}: a letter is for axes that are as long, and another is "
                    "meant for one of them."
                )
    return ""


def _of_norm(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    given = call.args[1] if len(call.args) > 1 else call.kwargs["normalized_shape"]
    shape, here = tuple(flat(given)), tuple(tensors[0].shape)
    if here[len(here) - len(shape) :] == shape:
        return ""
    return (
        f"It is built for last axes of {shape}, and those of {here} are others: put "
        "the axis that it is meant for last, or build it with that size."
    )


def _of_split(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    found = re.search(r"sum exactly to (\d+) \(.*dimension (-?\d+)\)", message)
    if not found:
        return _of_axis(call, tensors, message)
    sizes = call.args[1] if len(call.args) > 1 else next(iter(call.kwargs.values()))
    return (
        f"Axis {found[2]} is {found[1]} long, and the parts make {sum(flat(sizes))}: "
        "they must make the whole."
    )


def _of_cat(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    dim = call.args[1] if len(call.args) > 1 else call.kwargs.get("axis", 0)
    dim = call.kwargs.get("dim", dim)
    first, *others = [x for x in tensors if x.numel() or x.ndim != 1]
    for other in others:
        if other.ndim != first.ndim:
            return (
                f"{first.ndim} axes and {other.ndim} axes do not go together: add one "
                "with unsqueeze, or use stack for tensors that are alike."
            )
        at = [
            k
            for k, (n, m) in enumerate(zip(first.shape, other.shape))
            if n != m and k != dim % first.ndim
        ]
        if at:
            sizes = [
                f"axis {k} does, {first.shape[k]} and {other.shape[k]}" for k in at
            ]
            meant = f": is dim={at[0]} meant?" if len(at) == 1 else "."
            return f"Only axis {dim} may differ, and {', '.join(sizes)}{meant}"
    return ""


def _of_stack(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    shapes = sorted({tuple(x.shape) for x in tensors})
    return (
        f"stack puts tensors of one shape side by side, and here are {shapes}: use cat "
        "for those that differ along an axis."
        if len(shapes) > 1
        else ""
    )


def _of_permute(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    (x, *_) = tensors
    order = [n for n in flat((call.args[1:], call.kwargs)) if isinstance(n, int)]
    every = list(range(x.ndim))
    named = [n % x.ndim if -x.ndim <= n < x.ndim else n for n in order]
    if sorted(named) == every:
        return ""
    missing = [k for k in every if k not in named]
    double = sorted({k for k in named if named.count(k) > 1})
    far = [n for n in named if n not in every]
    parts = [
        f"axis {_listed(missing)} missing" if missing else "",
        f"axis {_listed(double)} named more than once" if double else "",
        f"no axis {_listed(far)}" if far else "",
    ]
    return (
        f"permute names each of the {x.ndim} axes, 0 to {x.ndim - 1}, once: "
        f"{', '.join(filter(None, parts))}."
    )


def _of_axis(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    found = re.search(
        r"Dimension out of range \(expected .*\[-\d+, (\d+)\], but got (-?\d+)\)",
        message,
    )
    if not found:
        return ""
    last = int(found[1])
    return f"There is no axis {found[2]}: they are 0 to {last}, or -{last + 1} to -1."


def _of_index(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    (x, *_) = tensors
    if "too many indices" in message:
        return f"The tensor has {x.ndim} axes, and more are named."
    found = re.search(r"mask (\[.*?\]) at index (\d+) .* tensor (\[.*?\])", message)
    if found:
        return (
            f"A mask has the shape of the axes that it stands for, and axis {found[2]} "
            f"of {found[1]} is not as long as in {found[3]}."
        )
    found = re.search(
        r"index -?\d+ is out of bounds for dimension (\d+) with size (\d+)", message
    )
    if not found:
        return _of_axis(call, tensors, message)
    axis, n = map(int, found.groups())
    # With tensors as indices PyTorch counts the axes in an order of its own.
    name = f"Axis {axis}" if len(tensors) == 1 else "The axis that is indexed"
    return f"{name} is {n} long: its elements are 0 to {n - 1}."


def _of_expand(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    (x, *_) = tensors
    sizes = [n for n in flat((call.args[1:], call.kwargs)) if isinstance(n, int)]
    for n, m in zip(reversed(x.shape), reversed(sizes)):
        if m not in (-1, n) and n != 1:
            return (
                f"expand stretches axes of length 1 alone, and one of {n} is asked to "
                f"be {m}: use repeat or repeat_interleave to copy."
            )
    return ""


def _of_broadcast(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    for other in tensors[1:]:
        first = tensors[0]
        for back in range(1, min(first.ndim, other.ndim) + 1):
            n, m = first.shape[-back], other.shape[-back]
            if n != m and 1 not in (n, m):
                return (
                    f"Shapes line up from the right, and axis -{back} is {n} long in "
                    f"one and {m} in the other: they must be as long, or one of them "
                    "1; put a new axis with [:, None] where one is missing."
                )
    return ""


def _of_convolution(call: Call, tensors: Sequence[Tensor], message: str) -> str:
    found = re.search(r"to have (\d+) channels, but got (\d+) channels", message)
    if len(tensors) < 2 or not found:
        return ""
    x, weight = tensors[:2]
    axis = x.ndim - weight.ndim + 1  # 0 where there is no batch
    advice = (
        ": an image that is (B, H, W, C) needs permute(0, 3, 1, 2)."
        if weight.ndim == x.ndim == 4 and x.shape[-1] == int(found[1])
        else "."
    )
    return (
        f"Axis {axis} holds the channels, {found[2]} of them, and the filters take "
        f"{found[1]}{advice}"
    )


def _listed(numbers: Sequence[Any]) -> str:
    return " and ".join(map(str, numbers))


_ADVICE: list[tuple[str, Callable[[Call, Sequence[Tensor], str], str]]] = [
    ("view", _of_view),
    ("reshape", _of_reshape),
    ("unflatten", _of_unflatten),
    ("linear", _of_linear),
    ("matmul mm bmm mv dot addmm baddbmm rmatmul", _of_product),
    ("einsum", _of_equation),
    ("layer_norm rms_norm", _of_norm),
    ("split split_with_sizes", _of_split),
    ("cat concat concatenate", _of_cat),
    ("stack", _of_stack),
    ("permute", _of_permute),
    ("getitem setitem select index_select narrow", _of_index),
    ("expand", _of_expand),
    ("conv1d conv2d conv3d", _of_convolution),
    (
        "transpose swapaxes swapdims squeeze unsqueeze flatten softmax mean sum max "
        "min select flip roll unbind chunk getitem movedim",
        _of_axis,
    ),
    (
        "add sub mul div truediv radd rsub rmul rdiv rtruediv iadd isub imul pow where "
        "maximum minimum masked_fill eq ne lt le gt ge logical_and logical_or",
        _of_broadcast,
    ),
]
