"""Which elements of what goes in an element of the result is made from.

For each tensor that goes in there is one entry for each of its axes:

- a number: the element lies at the result's own coordinate along that axis of it;
- None: the elements all along the axis are read;
- `{"axis": a, "at": [[...], ...]}`: at coordinate `c` of the result's axis `a` those at
  `at[c]` are read, as under the window of a convolution.

A rule is given where it is exact, as gradients tell it.  Without one, an element is
made of all of them at most.
"""

import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from .beneath import CHOOSERS
from .calls import (
    MIXES,
    NORMS,
    REDUCTIONS,
    Call,
    einsum_terms,
    flat,
    is_empty_shell,
    operation,
)

Reads = list[Any]  # an entry for each axis of one tensor
EXACT, BOUND, UNKNOWN = "exact", "bound", "unknown"
_SHARING = frozenset("softmax log_softmax softmin safe_softmax".split())
_CHOSEN_ALONG = {"topk": (2, -1), "kthvalue": (2, -1), "sort": (1, -1), "mode": (1, -1)}
MOST_WEIGHTS = 4096  # in which zeros are looked for
_CHOOSING = frozenset("amax amin max min maximum minimum fmax fmin".split())
_ADDING = frozenset("add radd iadd sub rsub isub subtract".split())
_DIVIDING = frozenset("div truediv itruediv divide true_divide".split())
_MULTIPLYING = frozenset("mul rmul imul multiply einsum addcmul".split())
_PRODUCTS = frozenset(
    "matmul mm bmm mv dot addmm baddbmm addbmm rmatmul linalg_vecdot".split()
)


def reads_of(
    name: str, kind: str, call: Call, inputs: Sequence[Tensor], output: Tensor
) -> tuple[list[Reads], str]:
    """What each element of `output` is made from.

    Args:
        name: Of the operation.
        kind: What it does, one of `KINDS`, but not "move" or "collect".
        call: The call.
        inputs: The tensors that are followed, among those that it took.
        output: What came out.

    Returns:
        The entries for each of `inputs`, and whether they are exact or a bound.
    """
    rule = _rule(name.strip("_"), kind)
    found = rule(call, output) if rule else {}
    reads = [found.get(id(x), [None] * x.ndim) for x in inputs]
    is_exact = all(id(x) in found for x in inputs)
    is_exact &= not _chooses(name.strip("_"), call)
    return reads, EXACT if is_exact else BOUND


def may_be_cut(name: str, call: Call, followed: Sequence[Tensor], out: Tensor) -> bool:
    """Whether a zero may hide what an element is made from, as gradients tell it.

    So does a causal mask: of what comes after, a token has seen nothing.
    """
    name = name.strip("_")
    if "dropout" in name or name in _SHARING:
        return _has_zero(out)
    if any(_has_zero(call.kwargs.get(key, 1)) for key in ("alpha", "beta", "value")):
        return True
    if name in NORMS:  # a branch may begin with a weight of zeros
        of_channels = name in ("batch_norm", "instance_norm")
        weight = _argument(call, 3 if of_channels else 2, "weight")
        return isinstance(weight, Tensor) and _has_zero(weight)
    if name in _ADDING:  # an infinity is what it is, whatever is added to it
        return not is_empty_shell(out) and bool(out.isinf().any())
    if name == "scaled_dot_product_attention":
        return _argument(call, 4, "dropout_p", 0) > 0
    if name in ("lerp", "pow") and len(call.args) > 1:
        weight = call.args[-1]
        return _has_zero(weight) or (name == "lerp" and _has_zero(weight - 1))
    if name in _DIVIDING and len(call.args) > 1:
        above, below = call.args[:2]
        given = [x for x in followed if x is below or x is above]
        return (_is_any(below, given) and _has_zero(above)) or (
            _is_any(above, given) and _has_infinity(below)
        )
    values = [*call.args, *(v for k, v in call.kwargs.items() if k != "bias")]
    if name in MIXES and any(x is values[0] for x in followed):
        followed = [x for x in followed if x is not values[0]]  # `_linear` knows it
    if name in MIXES or name.startswith("conv"):
        values = values[:2]  # and no bias
    elif name in _PRODUCTS and _adds(call):
        values = values[1:]
    elif name not in _PRODUCTS | _MULTIPLYING:
        return False
    factors = [x for x in flat(values) if isinstance(x, Tensor | int | float)]
    if name not in ("mul", "rmul", "imul", "multiply"):
        factors = [x for x in factors if isinstance(x, Tensor)]
    zeros = [x for x in factors if _has_zero(x)]
    return any(
        a is not b for a in factors if any(a is x for x in followed) for b in zeros
    )


def _has_zero(x: Tensor | float) -> bool:
    if not isinstance(x, Tensor):
        return x == 0
    return not is_empty_shell(x) and bool((x == 0).any())


def _has_infinity(x: Tensor | float) -> bool:
    if not isinstance(x, Tensor):
        return math.isinf(x)
    return not is_empty_shell(x) and bool(x.isinf().any())


def _is_any(x: Any, tensors: Sequence[Tensor]) -> bool:
    return any(x is other for other in tensors)


def _chooses(name: str, call: Call) -> bool:
    """Whether an element is one of those that were looked at, and no sum of them."""
    if "norm" in name:  # the largest, if it is of order infinity
        given = [x for x in flat((call.args, call.kwargs)) if isinstance(x, float)]
        return any(map(math.isinf, given))
    is_place = call.index == 1 and name in CHOOSERS
    return name.startswith("max_pool") or (name in _CHOOSING and not is_place)


def has_rule(name: str) -> bool:
    """Whether the name of an operation tells what its elements are made from."""
    return _rule(name.strip("_"), "other") is not None


def mixed_axes(name: str, kind: str, call: Call, ndim: int) -> list[int] | None:
    """Axes of the subject along which an element of the result reads everything."""
    name = name.strip("_")
    if kind == "pointwise":
        return []
    if kind == "mix":
        return [ndim - 1]
    if name in ("layer_norm", "rms_norm"):
        return list(range(ndim - len(_argument(call, 1, "normalized_shape")), ndim))
    if name == "normalize":
        return [_argument(call, 2, "dim", 1) % ndim]
    if name in _SHARING and _argument(call, 1, "dim") is None:
        return [0 if ndim in (0, 1, 3) else 1][:ndim]  # as functional.softmax chooses
    if kind == "reduce" or name in _SHARING:
        return _named_axes(call, ndim)
    return None


def _rule(name: str, kind: str) -> Callable[[Call, Tensor], dict[int, Reads]] | None:
    if kind == "pointwise":
        return lambda call, out: {id(x): _laid_over(x, out) for x in call.tensors()}
    if kind == "reduce" or name in REDUCTIONS:
        return _reduction
    if name in CHOOSERS:
        return _choice
    if kind == "mix" or name in MIXES:
        return _linear
    if name in ("cumsum", "cumprod", "logcumsumexp"):
        return _running
    if name in _SHARING or name in ("layer_norm", "rms_norm", "normalize"):
        return lambda call, out: _shared(name, call)
    if name in ("group_norm", "instance_norm", "batch_norm"):
        return lambda call, out: _norm_of_channels(name, call)
    if name in _PRODUCTS:
        return _product
    if name == "einsum":
        return _equation
    if name in ("conv1d", "conv2d", "conv3d", "convolution"):
        return _convolution
    if re.fullmatch(r"(avg|max)_pool[123]d(_with_indices)?", name):
        return _pooling
    if name.startswith("adaptive_avg_pool"):
        return _adaptive_pooling
    if name == "scaled_dot_product_attention":
        return _attention
    return None


def _argument(call: Call, position: int, name: str, default: Any = None) -> Any:
    given = call.args[position] if position < len(call.args) else default
    return call.kwargs.get(name, given)


def _first(call: Call, reads: Reads) -> dict[int, Reads]:
    return {id(call.subject): reads} if isinstance(call.subject, Tensor) else {}


def _laid_over(x: Tensor, out: Tensor) -> Reads:
    """Axes line up from the right, and those of length 1 are stretched."""
    missing = out.ndim - x.ndim
    return [
        k + missing if x.shape[k] == out.shape[k + missing] else None
        for k in range(x.ndim)
    ]


def _named_axes(call: Call, ndim: int) -> list[int]:
    dim = call.args[1] if len(call.args) > 1 else None
    dim = call.kwargs.get("dim", call.kwargs.get("axis", dim))
    if operation(call.func) in ("norm", "linalg_vector_norm"):
        dim = _argument(call, 2, "dim")
    if dim is None or isinstance(dim, bool):
        return list(range(ndim))
    dims = dim if isinstance(dim, tuple | list) else [dim]
    if not dims:
        return list(range(ndim))
    # An index may be a number of NumPy, which is no int and not JSON.
    return [operator.index(d) % ndim for d in dims] if ndim else []


def _reduction(call: Call, out: Tensor) -> dict[int, Reads]:
    x = call.subject
    dims = set(_named_axes(call, x.ndim))
    is_kept = out.ndim == x.ndim
    kept = [k for k in range(x.ndim) if k not in dims]
    place = {k: k if is_kept else kept.index(k) for k in kept}
    return _first(call, [place.get(k) for k in range(x.ndim)])


def _linear(call: Call, out: Tensor) -> dict[int, Reads]:
    """Each new number is made from the row, but for those that a zero meets."""
    x, weight = call.subject, _argument(call, 1, "weight")
    if not isinstance(x, Tensor):
        return {}
    last: Any = None
    small = isinstance(weight, Tensor) and weight.numel() <= MOST_WEIGHTS
    if small and _has_zero(weight):
        met = (weight.detach() != 0).tolist()
        at = [[i for i, is_met in enumerate(line) if is_met] for line in met]
        last = _window(out.ndim - 1, at)
    found = {id(x): [*range(out.ndim - 1), last]}
    if isinstance(weight, Tensor) and weight is not x and weight.ndim == 2:
        found[id(weight)] = [out.ndim - 1, None]
    bias = _argument(call, 2, "bias")
    if isinstance(bias, Tensor) and bias is not x and bias is not weight:
        found[id(bias)] = [out.ndim - 1]
    return found


def _choice(call: Call, out: Tensor) -> dict[int, Reads]:
    """Where `max`, `sort` or `topk` found what it chose: of all along an axis."""
    x = call.subject
    if operation(call.func) in ("cummax", "cummin"):
        return {}
    position, usual = _CHOSEN_ALONG.get(operation(call.func), (1, None))
    dim = _argument(call, position, "dim", usual)
    if not isinstance(dim, int) or isinstance(dim, bool) or not x.ndim:
        return {}
    kept = [k for k in range(x.ndim) if k != dim % x.ndim]
    place = {k: k if out.ndim == x.ndim else kept.index(k) for k in kept}
    return _first(call, [place.get(k) for k in range(x.ndim)])


def _shared(name: str, call: Call) -> dict[int, Reads]:
    x = call.subject
    mixed = mixed_axes(name, "other", call, x.ndim) or []
    return _first(call, [None if k in mixed else k for k in range(x.ndim)])


def _running(call: Call, out: Tensor) -> dict[int, Reads]:
    """Each element takes those before it, too."""
    (axis,) = _named_axes(call, out.ndim)
    reads: Reads = list(range(out.ndim))
    reads[axis] = _window(axis, [range(c + 1) for c in range(out.shape[axis])])
    return _first(call, reads)


def _norm_of_channels(name: str, call: Call) -> dict[int, Reads]:
    x = call.subject
    reads: Reads = [0, 1, *[None] * (x.ndim - 2)]
    if name == "group_norm":
        reads[1] = _blocks(x.shape[1], x.shape[1], _argument(call, 1, "num_groups"))
    if name == "batch_norm":
        if not _argument(call, 5, "training", False):
            return _first(call, list(range(x.ndim)))
        reads[0] = None
    return _first(call, reads)


def _window(axis: int, at: Sequence[Sequence[int]]) -> dict[str, Any]:
    return {"axis": axis, "at": [list(places) for places in at]}


def _blocks(count: int, given: int, groups: int) -> dict[str, Any] | None:
    """Channels in groups: one of `given` reads all channels of its group."""
    if groups == 1:
        return None
    size, made = count // groups, given // groups
    starts = [c // made * size for c in range(given)]
    return _window(1, [range(start, start + size) for start in starts])


def _product(call: Call, out: Tensor) -> dict[int, Reads]:
    tensors = [x for x in call.args if isinstance(x, Tensor)]
    added = {}
    if _adds(call) and len(tensors) == 3:
        added = {id(tensors[0]): _laid_over(tensors[0], out)}
        tensors = tensors[1:]
    if len(tensors) != 2 or operation(call.func) == "addbmm":
        return {}
    left, right = tensors
    if operation(call.func) == "rmatmul":
        left, right = right, left
    if left is right:
        return {}
    rows, columns = left.ndim > 1, right.ndim > 1
    batch = out.ndim - rows - columns
    found = {
        id(left): [
            *_batch(left, left.ndim - 1 - rows, out, batch),
            *([batch] if rows else []),
            None,
        ],
        id(right): [
            *_batch(right, right.ndim - 1 - columns, out, batch),
            None,
            *([out.ndim - 1] if columns else []),
        ],
    }
    return found | added


def _adds(call: Call) -> bool:
    return "add" in (operation(call.func) or "")


def _batch(x: Tensor, count: int, out: Tensor, batch: int) -> Reads:
    missing = batch - count
    return [
        k + missing if x.shape[k] == out.shape[k + missing] else None
        for k in range(count)
    ]


def _equation(call: Call, out: Tensor) -> dict[int, Reads]:
    equation, *tensors = call.args
    tensors = flat(tensors)
    if not isinstance(equation, str):
        return {}
    found_terms = einsum_terms(equation, [x.ndim for x in tensors], out.ndim)
    if found_terms is None:
        return {}
    *terms, result = found_terms
    found = {}
    for term, x in zip(terms, tensors):
        if len(set(term)) < len(term) or id(x) in found:
            return {}
        found[id(x)] = [
            result.index(c) if c in result and x.shape[k] == out.shape[result.index(c)]
            else None
            for k, c in enumerate(term)
        ]  # fmt: skip
    return found


def _pair(value: Any, count: int) -> list[int]:
    values = list(value) if isinstance(value, tuple | list) else [value]
    return values * count if len(values) == 1 else values


def _convolution(call: Call, out: Tensor) -> dict[int, Reads]:
    x, weight = call.subject, _argument(call, 1, "weight")
    count = weight.ndim - 2
    if x.ndim != count + 2:
        return {}
    stride = _pair(_argument(call, 3, "stride", 1), count)
    padding = _argument(call, 4, "padding", 0)
    dilation = _pair(_argument(call, 5, "dilation", 1), count)
    transposed = False
    groups = _argument(call, 6, "groups", 1)
    if operation(call.func) == "convolution":
        transposed = _argument(call, 6, "transposed")
        groups = _argument(call, 8, "groups", 1)
    if transposed:
        return {}
    kernel = list(weight.shape[2:])
    if isinstance(padding, str):
        whole = [d * (k - 1) for d, k in zip(dilation, kernel)]
        padding = [w // 2 for w in whole] if padding == "same" else [0] * count
    padding = _pair(padding, count)
    channels = _blocks(x.shape[1], out.shape[1], groups)
    windows = [
        _windowed(2 + k, x, out, kernel[k], stride[k], padding[k], dilation[k])
        for k in range(count)
    ]
    found = {id(x): [0, channels, *windows]}
    if weight is not x:
        found[id(weight)] = [1, *[None] * (weight.ndim - 1)]
    bias = _argument(call, 2, "bias")
    return found | ({id(bias): [1]} if isinstance(bias, Tensor) else {})


def _windowed(axis, x, out, kernel, stride, padding, dilation) -> dict[str, Any]:
    length = x.shape[axis]
    starts = [c * stride - padding for c in range(out.shape[axis])]
    at = [[s + dilation * j for j in range(kernel)] for s in starts]
    return _window(axis, [[p for p in places if 0 <= p < length] for places in at])


def _dimensions(call: Call) -> int:
    """2 for `avg_pool2d`."""
    return int(re.findall(r"(\d)d", operation(call.func) or "")[0])


def _pooling(call: Call, out: Tensor) -> dict[int, Reads]:
    x = call.subject
    count = _dimensions(call)
    is_max = (operation(call.func) or "").startswith("max")
    dilation = _pair(_argument(call, 4, "dilation", 1) if is_max else 1, count)
    kernel = _pair(_argument(call, 1, "kernel_size"), count)
    stride = _pair(_argument(call, 2, "stride") or kernel, count)
    padding = _pair(_argument(call, 3, "padding", 0), count)
    lead = x.ndim - count
    windows = [
        _windowed(lead + k, x, out, kernel[k], stride[k], padding[k], dilation[k])
        for k in range(count)
    ]
    return _first(call, [*range(lead), *windows])


def _adaptive_pooling(call: Call, out: Tensor) -> dict[int, Reads]:
    x = call.subject
    count = _dimensions(call)
    lead = x.ndim - count
    reads: Reads = list(range(lead))
    for axis in range(lead, x.ndim):
        size, made = x.shape[axis], out.shape[axis]
        spans = [(c * size // made, -(-(c + 1) * size // made)) for c in range(made)]
        reads.append(_window(axis, [range(*span) for span in spans]))
    return _first(call, reads)


def _attention(call: Call, out: Tensor) -> dict[int, Reads]:
    query, key, value = (
        _argument(call, k, name) for k, name in enumerate(("query", "key", "value"))
    )
    if _argument(call, 3, "attn_mask") is not None or len({query, key, value}) < 3:
        return {}
    rows: Any = None
    if _argument(call, 5, "is_causal", False):
        rows = _window(out.ndim - 2, [
            range(min(c + 1, key.shape[-2])) for c in range(out.shape[-2])
        ])  # fmt: skip
    lead = [_batch(x, x.ndim - 2, out, out.ndim - 2) for x in (query, key, value)]
    if call.kwargs.get("enable_gqa"):  # some heads share a key and a value
        for x, entries in zip((key, value), lead[1:]):
            many, few = query.shape[-3], x.shape[-3]
            shared = [[head * few // many] for head in range(many)]
            entries[-1] = _window(out.ndim - 3, shared)
    return {
        id(query): [*lead[0], out.ndim - 2, None],
        id(key): [*lead[1], rows, None],
        id(value): [*lead[2], rows, out.ndim - 1],
    }
