"""One call of the torch API: what it is, what it says, what it does to elements."""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload, OpOverloadPacket
from torch._subclasses import FakeTensor

# What a step does to the elements: it moves those of one tensor; moves those of
# several, or some that come from nowhere; is a linear map along the last axis; takes
# element k of each input to element k; scales each by what its group holds; takes axes
# together.
KINDS = ("move", "collect", "mix", "pointwise", "norm", "reduce", "other")
# Named as PyTorch's functions are, without the underscore of those that write in place.
MIXES = frozenset(["linear"])
NORMS = frozenset(
    "layer_norm rms_norm group_norm batch_norm instance_norm normalize".split()
)
REDUCTIONS = frozenset(
    "mean sum prod std var norm logsumexp nanmean nansum amax amin all any "
    "count_nonzero vector_norm linalg_vector_norm std_mean var_mean argmax "
    "argmin".split()
)
LONGEST = 400  # characters of a call or of a line that are kept


@dataclass
class Call:
    """One call of the torch API, which can be made again on another tensor."""

    func: Callable
    args: tuple
    kwargs: dict[str, Any]
    index: int | None = None  # which one, for a call with several results

    @property
    def subject(self) -> Any:
        """The argument that the call is about: the x of x.permute(...)."""
        return self.args[0] if self.args else self.kwargs.get("input")

    def tensors(self) -> list[Tensor]:
        """The tensors among the arguments, the subject first."""
        found = [x for x in flat((self.args, self.kwargs)) if isinstance(x, Tensor)]
        return sorted(found, key=lambda x: x is not self.subject)

    def on(self, x: Tensor) -> Tensor:
        """What the call makes of `x`."""
        args = (x, *_fitted(self.args[1:], x)) if self.args else ()
        kwargs = _fitted(self.kwargs, x) | ({} if self.args else {"input": x})
        return self._result(args, kwargs)

    def with_tensors(self, others: dict[int, Tensor], dtype: torch.dtype) -> Tensor:
        """What the call makes of other tensors.

        Args:
            others: What stands for each of its tensors, by `id()`.
            dtype: Theirs; it stands for each dtype that the call names.
        """

        def put(value: Any) -> Any:
            if isinstance(value, Tensor):
                return others[id(value)]
            return dtype if isinstance(value, torch.dtype) else value

        return self._result(replaced(self.args, put), replaced(self.kwargs, put))

    def _result(self, args: tuple, kwargs: dict[str, Any]) -> Tensor:
        result = self.func(*args, **kwargs)
        if operation(self.func) == "setitem":
            return args[0]
        return result if self.index is None else flat(result)[self.index]


def operation(func: Callable) -> str | None:
    """Name of the torch call, None for attribute reads that make no tensor."""
    if isinstance(func, OpOverload | OpOverloadPacket):
        return overload_name(func)
    name = func.__name__
    owner = getattr(func, "__module__", None) or "torch"
    if isinstance(func, FunctionType) and owner.partition(".")[0] != "torch":
        return f"{owner}.{name}"  # a stranger's may have the name of one of PyTorch's
    if name in ("__get__", "__set__"):
        # Python's own properties had no name before 3.13.
        name = getattr(func.__self__, "__name__", None) if name == "__get__" else None
        return None if name in ("grad", "_base") else name
    return name.removeprefix("__").removesuffix("__")


def overload_name(func: OpOverload | OpOverloadPacket) -> str:
    """ "permute" for `aten.permute.default`; "theirs.permute" for one of others."""
    is_one = isinstance(func, OpOverload)
    name = func._schema.name if is_one else func._qualified_op_name
    return name.removeprefix("aten::").replace("::", ".")


def call_text(name: str, call: Call) -> str:
    """E.g. "permute(0, 3, 2, 1, 4)", "T" or "[:, None]"."""
    args, kwargs = call.args, call.kwargs
    if args and isinstance(args[0], Tensor):
        args = args[1:]
    if name in ("getitem", "setitem") and args:
        index = args[0] if isinstance(args[0], tuple) else args[:1]
        text = f"[{', '.join(map(_argument_text, index))}]"
        if name == "setitem":
            text += f" = {_argument_text(args[1])}"
    elif call.func.__name__ == "__get__":
        text = name
    else:
        args = [a for a in args if a is not None and not isinstance(a, dict)]
        values = [_argument_text(a) for a in args]
        if name == "linear":
            values = [
                f"{n} {tuple(a.shape)}"
                for n, a in zip(("weight", "bias"), args)
                if a is not None
            ]
        values += [f"{k}={_argument_text(v)}" for k, v in kwargs.items()]
        text = f"{name}({', '.join(values)})"
    text = text if call.index is None else f"{text}[{call.index}]"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _argument_text(value: Any) -> str:
    if isinstance(value, Tensor):
        return "tensor of " + str(tuple(value.shape))
    if isinstance(value, tuple | list):
        return "(" + ", ".join(map(_argument_text, value)) + ")"
    if isinstance(value, slice):
        parts = ["" if v is None else str(v) for v in (value.start, value.stop)]
        return ":".join(parts if value.step is None else [*parts, str(value.step)])
    if value is Ellipsis:
        return "..."
    text = str(value)
    return type(value).__name__ if " at 0x" in text else text


def einsum_terms(equation: str, ndims: list[int], out: int) -> list[str] | None:
    """The letters of each tensor of an einsum, and last those of its result.

    An ellipsis is written out, in characters that no equation has; None if the letters
    do not fit the tensors.

    Args:
        equation: E.g. "bhwc,cd->bhwd" or "...ij,...jk".
        ndims: How many axes each tensor has that it was given.
        out: How many the result has.
    """
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if not arrow:
        single = sorted(c for c in set(left) - set(",.") if left.count(c) == 1)
        result = ("..." if "..." in left else "") + "".join(single)
    found = []
    for term, ndim in zip([*terms, result], [*ndims, out]):
        more = ndim - len(term.replace("...", ""))
        written = "".join(chr(0x2460 + k) for k in reversed(range(max(more, 0))))
        found.append(term.replace("...", written))
    fits = len(terms) == len(ndims)
    fits &= all(len(term) == n for term, n in zip(found, [*ndims, out]))
    return found if fits else None


def is_plain(x: Tensor) -> bool:
    """Whether a tensor has strides and a piece of memory that can be looked at."""
    if x.layout != torch.strided or x.is_nested or x.is_quantized:
        return False
    if is_of_its_own(x):
        return False
    try:
        x.untyped_storage()
    except (NotImplementedError, RuntimeError):  # inside vmap, jvp, jacrev
        return False
    return True


def is_of_its_own(x: Tensor) -> bool:
    """Whether a subclass runs the operations itself: its memory may be elsewhere."""
    dispatch = type(x).__torch_dispatch__
    return dispatch is not Tensor.__torch_dispatch__ and not isinstance(x, FakeTensor)


def is_empty_shell(x: Tensor) -> bool:
    """Whether a tensor has a shape but no contents."""
    return x.is_meta or isinstance(x, FakeTensor)


def flat(value: Any) -> list[Any]:
    """The leaves of tuples, lists, dicts and dataclasses."""
    if isinstance(value, dict):
        value = list(value.values())
    elif is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name, None) for field in fields(value)]
    if isinstance(value, tuple | list):
        return [leaf for item in value for leaf in flat(item)]
    return [value]


def replaced(value: Any, put: Callable[[Any], Any]) -> Any:
    """The same tuples, lists and dicts with other leaves."""
    if isinstance(value, dict):
        return {k: replaced(v, put) for k, v in value.items()}
    if isinstance(value, torch.Size):
        return value
    if isinstance(value, tuple | list):
        values = [replaced(v, put) for v in value]
        return values if isinstance(value, list) else tuple(values)
    return put(value)


def _fitted(value: Any, x: Tensor) -> Any:
    """An argument for `x` in place of the subject: on its device, and of its dtype.

    A move that names a dtype, x.view(torch.float32), names that of its subject.
    """

    def put(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            return leaf.to(x.device)
        return x.dtype if isinstance(leaf, torch.dtype) else leaf

    return replaced(value, put)
