"""One call of the torch API: what it is, what it says, what it does to elements."""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensor

# What each operation does to the elements; any other operation is of kind "other".
KINDS = {
    # Only moves elements.  Which one goes where is not written down here: it is found
    # by running the same call on a tensor of element numbers.
    "move": frozenset(
        "reshape view permute transpose swapaxes swapdims movedim moveaxis t T mT H mH "
        "flatten unflatten squeeze unsqueeze contiguous clone expand expand_as view_as "
        "reshape_as flip roll rot90 repeat tile narrow select getitem chunk split "
        "unbind index_select gather unfold diagonal take ravel detach data "
        "tensor_split hsplit vsplit dsplit repeat_interleave take_along_dim "
        "masked_select".split()
    ),
    # A linear map along the last axis.
    "mix": frozenset(["linear"]),
    # Output element k depends on element k of each input, up to broadcasting.
    "pointwise": frozenset(
        "add sub mul div radd rsub rmul rdiv truediv rtruediv iadd isub imul idiv "
        "itruediv neg pow rpow exp log sqrt rsqrt square reciprocal abs sign sin cos "
        "erf tanh sigmoid relu leaky_relu elu gelu silu softplus dropout clamp round "
        "floor ceil remainder where maximum minimum eq ne lt le gt ge isnan isinf "
        "isfinite logical_and logical_or logical_not nan_to_num masked_fill to float "
        "double half bfloat16 int long bool cpu cuda add_ sub_ mul_ div_ neg_ exp_ "
        "clamp_ relu_ zero_ fill_ masked_fill_".split()
    ),
    # Takes some axes together.
    "reduce": frozenset("mean sum amax amin prod std var norm logsumexp".split()),
}
ALONG_AXIS = frozenset(["softmax", "log_softmax", "cumsum"])
LONGEST = 400  # characters of a call or of a line that are kept


def kind_of(name: str, call: "Call") -> str:
    if call.kwargs.get("out") is not None:
        return "other"  # made again, it would write to the reader's tensor again
    if name == "unfold" and call.func is not Tensor.unfold:
        return "other"  # F.unfold pads and gathers patches
    return next((kind for kind, names in KINDS.items() if name in names), "other")


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
        result = self.func(*args, **kwargs)
        return result if self.index is None else flat(result)[self.index]


def operation(func: Callable) -> str | None:
    """Name of the torch call, None for attribute reads that make no tensor."""
    name = func.__name__
    if name in ("__get__", "__set__"):
        # Python's own properties had no name before 3.13.
        name = getattr(func.__self__, "__name__", None) if name == "__get__" else None
        return None if name in ("grad", "_base") else name
    return name.removeprefix("__").removesuffix("__")


def element_map(call: Call, shape: list[int]) -> list[int] | None:
    """Make the same call on element numbers: what comes out is the map."""
    others = flat((call.args[1:], call.kwargs))
    if any(isinstance(x, Tensor) and is_empty_shell(x) for x in others):
        return None
    numbers = torch.arange(math.prod(shape), device="cpu").reshape(shape)
    moved = call.on(numbers)
    return None if is_empty_shell(moved) else moved.reshape(-1).tolist()


def mixed_axes(name, kind, before, call) -> list[int] | None:
    args, kwargs = call.args, call.kwargs
    rank = len(before.shape)
    if kind == "pointwise":
        return []
    if kind == "mix":
        return [rank - 1]
    if name in ("layer_norm", "rms_norm"):
        shape = args[1] if len(args) > 1 else kwargs["normalized_shape"]
        return list(range(rank - len(shape), rank))
    if kind == "reduce" or name in ALONG_AXIS:
        dim = args[1] if len(args) > 1 else None
        dim = kwargs.get("dim", kwargs.get("axis", dim))
        if dim is None or isinstance(dim, bool):
            return list(range(rank))
        dims = dim if isinstance(dim, tuple | list) else [dim]
        if not dims:
            return list(range(rank))
        # An index may be a number of NumPy, which is no int and not JSON.
        return [operator.index(d) % rank for d in dims] if rank else []
    return None


def call_text(name: str, call: Call) -> str:
    """E.g. "permute(0, 3, 2, 1, 4)", "T" or "[:, None]"."""
    args, kwargs = call.args, call.kwargs
    if args and isinstance(args[0], Tensor):
        args = args[1:]
    if name == "getitem" and len(args) == 1:
        index = args[0] if isinstance(args[0], tuple) else args
        text = f"[{', '.join(map(_argument_text, index))}]"
    elif call.func.__name__ == "__get__":
        text = name
    else:
        values = [_argument_text(a) for a in args if a is not None]
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


def is_plain(x: Tensor) -> bool:
    """Whether a tensor has strides and a piece of memory that can be looked at."""
    if x.layout != torch.strided or x.is_nested or x.is_quantized:
        return False
    try:
        x.untyped_storage()
    except (NotImplementedError, RuntimeError):  # inside vmap, jvp, jacrev
        return False
    return True


def is_empty_shell(x: Tensor) -> bool:
    """Whether a tensor has a shape but no contents."""
    return x.is_meta or isinstance(x, FakeTensor)


def flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [leaf for item in value for leaf in flat(item)]
    return [value]


def _fitted(value: Any, x: Tensor) -> Any:
    """An argument for `x` in place of the subject: on its device, and of its dtype.

    A move that names a dtype, x.view(torch.float32), names that of its subject.
    """
    if isinstance(value, Tensor):
        return value.to(x.device)
    if isinstance(value, torch.dtype):
        return x.dtype
    if isinstance(value, dict):
        return {k: _fitted(v, x) for k, v in value.items()}
    if isinstance(value, tuple | list) and not isinstance(value, torch.Size):
        values = [_fitted(v, x) for v in value]
        return values if isinstance(value, list) else tuple(values)
    return value
