"""Look over what `trace` was given, and say what was needed where it does not fit."""

import operator
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .calls import flat, is_empty_shell, is_of_its_own, is_plain


def check_inputs(function: Any, inputs: tuple) -> None:
    """Refuse what cannot be run, or followed.

    Raises:
        TypeError: It says what came, what is needed and how.
    """
    if not callable(function):
        raise TypeError(
            f"trace runs a module or a function of tensors, got "
            f"{type(function).__name__}: trace(f, x), where f(x) is what to follow"
        )
    if not inputs or not isinstance(inputs[0], Tensor):
        got = type(inputs[0]).__name__ if inputs else "nothing"
        raise TypeError(
            f"trace needs a tensor to follow, got {got}: trace(f, x), or "
            "trace(lambda x: f({'x': x}), x) for a function of something else"
        )
    if not is_plain(inputs[0]):
        raise TypeError(
            f"trace cannot follow {kind_of_tensor(inputs[0])}: it follows plain "
            "tensors, with strides, outside vmap and its like; convert it first"
        )


def most_elements(value: Any) -> int:
    """`max_elements` as an int.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If it is below 1.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < 1:
        raise ValueError(
            f"max_elements is {value!r}; it must be a whole number, at least 1"
        )
    return number


def check_gradient(gradient: Any) -> None:
    """Refuse a gradient that no output can have, or that cannot be computed."""
    is_tensor = isinstance(gradient, Tensor)
    if not is_tensor or not is_plain(gradient) or is_empty_shell(gradient):
        name = type(gradient).__name__
        if is_tensor and not is_plain(gradient):
            name = kind_of_tensor(gradient).removeprefix("a ")
        elif is_tensor:
            name += f" without contents, on {gradient.device}"
        raise TypeError(
            f"gradient is a {name}; it must be a tensor like the output, e.g. "
            "torch.ones_like(f(x))"
        )
    if not torch.is_grad_enabled():
        raise ValueError(
            "a gradient is asked for where gradients are switched off: leave "
            "torch.no_grad() or torch.inference_mode() before trace"
        )


def given_axes(axes: str | Sequence[str], x: Tensor) -> list[str]:
    names = list(axes) if isinstance(axes, Iterable) else [axes]
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f'axes is {axes!r}: it must hold strings, e.g. "BHWC"')
    if len(names) != x.ndim:
        raise ValueError(
            f"axes names {len(names)} axes, {names}, but the input has shape "
            f"{tuple(x.shape)}, {x.ndim} axes"
        )
    return names


def check_result(name: str, result: Any) -> list[Tensor]:
    """The plain tensors of a result.

    Raises:
        ValueError: If there are none.
    """
    returned = [x for x in flat(result) if isinstance(x, Tensor)]
    if not returned:
        raise ValueError(
            f"{name} returned {type(result).__name__}, no tensor: return the tensor "
            "that it computes"
        )
    if not any(map(is_plain, returned)):
        raise ValueError(
            f"{name} returned {kind_of_tensor(returned[0])}, which a trace cannot "
            "show: return a plain tensor, with strides"
        )
    return returned


def kind_of_tensor(x: Tensor) -> str:
    """E.g. "a sparse_coo tensor"."""
    words = [
        ("nested", x.is_nested),
        ("quantized", x.is_quantized),
        (str(x.layout).removeprefix("torch."), x.layout != torch.strided),
        (type(x).__name__, is_of_its_own(x)),
    ]
    word = next((word for word, true in words if true), "wrapped (vmap, jvp)")
    return f"a {word} tensor"


class _Entry(torch.autograd.Function):
    """Begins a graph at `x`, which may be written to: a leaf may not."""

    @staticmethod
    def forward(ctx, anchor: Tensor, x: Tensor) -> Tensor:
        return x.detach()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, None]:
        return None, None


def entered(x: Any) -> Any:
    """An input that asks for a gradient, detached from the caller's."""
    if isinstance(x, Tensor) and x.dtype.is_floating_point and is_plain(x):
        return _Entry.apply(torch.ones((), requires_grad=True), x)
    return x


def name_of_function(function: Callable) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    owner = getattr(function, "__self__", None)
    if owner is None or isinstance(owner, ModuleType):
        return name
    if not isinstance(owner, type):
        return f"{type(owner).__name__}.{name}"
    # The functions of torch are methods of a class that nobody ever sees.
    return name if owner.__name__.startswith("_") else f"{owner.__name__}.{name}"
