"""Watch the torch calls of a run and write each of them down."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .axes import names_after, permutation, unpacked_names
from .recording import Step, TensorRecord, Trace
from .source import calling_line

MAX_ELEMENTS = 2048
MAX_STEPS = 256

# What each operation does to the elements; any other operation is of kind "other".
KINDS = {
    # Only moves elements.  Which one goes where is not written down here: it is found
    # by running the same call on a tensor of element numbers.
    "move": frozenset(
        "reshape view permute transpose swapaxes swapdims movedim moveaxis t T mT H mH "
        "flatten unflatten squeeze unsqueeze contiguous clone expand expand_as view_as "
        "reshape_as flip roll rot90 repeat tile narrow select getitem chunk split "
        "unbind index_select gather unfold diagonal take ravel detach".split()
    ),
    # A linear map along the last axis.
    "mix": frozenset(["linear"]),
    # Output element k depends on element k of each input, up to broadcasting.
    "pointwise": frozenset(
        "add sub mul div radd rsub rmul rdiv rtruediv truediv iadd isub imul idiv neg "
        "pow exp log sqrt rsqrt abs tanh sigmoid relu gelu silu dropout clamp to float "
        "double half bfloat16 where maximum minimum add_ sub_ mul_ div_ relu_".split()
    ),
    # Takes some axes together.
    "reduce": frozenset("mean sum amax amin prod std var norm logsumexp".split()),
}
ALONG_AXIS = frozenset(["softmax", "log_softmax", "cumsum"])


def trace(
    function: Callable[..., Any],
    *inputs: Tensor,
    axes: str | Sequence[str] | None = None,
    gradient: Tensor | None = None,
    max_elements: int = MAX_ELEMENTS,
) -> Trace:
    """Run `function(*inputs)` and record every tensor call that it makes.

    Args:
        function: A module, a bound method or any function of tensors.
        *inputs: Its inputs, at least one tensor, on any device.
        axes: Names of the first input's axes, e.g. "BHWC".  If None they are read
            from a line `B, H, W, C = x.shape` of the code that runs, or else numbered.
        gradient: If given, a tensor like the output: each recorded tensor also gets
            the gradient of `(gradient * output).sum()`.
        max_elements: For a tensor with more elements, values, gradient and element
            map are left out; shapes, strides and the rest are kept.

    Returns:
        The recording.  Its `result` is what `function(*inputs)` returns, to the bit.

    Raises:
        TypeError: If no input is a tensor.
        ValueError: If the function returns no tensor, if `axes` or `gradient` do not
            fit, or if the output does not depend on the inputs.
    """
    if not inputs or not isinstance(inputs[0], Tensor):
        got = type(inputs[0]).__name__ if inputs else "nothing"
        raise TypeError(f"trace needs a tensor to follow, got {got}: trace(f, x)")
    if gradient is not None:
        inputs = tuple(_leaf(x) for x in inputs)
    recorder = _Recorder(max_elements)
    for x in inputs:
        if isinstance(x, Tensor):
            recorder.recording.inputs.append(recorder.register(x))
    if axes is not None:
        recorder.name_axes(inputs[0], _given_axes(axes, inputs[0]))
    with recorder:
        result = function(*inputs)
    return recorder.finish(function, result, gradient)


class _Recorder(TorchFunctionMode):
    """Sees each call of the torch API while it is active."""

    def __init__(self, max_elements: int):
        super().__init__()
        self.recording = Trace(name="")
        self.max_elements = max_elements
        self.live: list[Tensor] = []  # kept, so that no id() or storage is used again
        self.known: dict[int, int] = {}  # id() of a tensor object to its record
        self.storages: dict[int, int] = {}
        self.named: set[int] = set()
        self.unrecorded_steps = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = _operation(func)
        if name == "shape":
            self._read_axes(args[0])
        elif name is not None:
            outputs = result if isinstance(result, tuple | list) else [result]
            many = len(outputs) > 1
            for i, output in enumerate(outputs):
                if isinstance(output, Tensor):
                    self._record(func, name, args, kwargs, output, i if many else None)
        return result

    def register(self, x: Tensor) -> int:
        tensors = self.recording.tensors
        storage = x.untyped_storage()._cdata
        record = TensorRecord(
            id=len(tensors),
            shape=list(x.shape),
            axes=[f"d{k}" for k in range(x.ndim)],
            strides=list(x.stride()),
            offset=x.storage_offset(),
            storage=self.storages.setdefault(storage, len(self.storages)),
            dtype=str(x.dtype).removeprefix("torch."),
            device=str(x.device),
        )
        if x.numel() <= self.max_elements:
            record.values = _numbers(x)
        tensors.append(record)
        self.live.append(x)
        self.known[id(x)] = record.id
        return record.id

    def name_axes(self, x: Tensor, names: list[str]) -> None:
        id_ = self.known[id(x)]
        self.recording.tensors[id_].axes = names
        self.named.add(id_)

    def _read_axes(self, x: Tensor) -> None:
        id_ = self.known.get(id(x))
        if id_ in self.recording.inputs and id_ not in self.named:
            line = calling_line()
            names = line and unpacked_names(line.text)
            if names and len(names) == x.ndim:
                self.name_axes(x, names)

    def _record(self, func, name, args, kwargs, output, index) -> None:
        tensors = self.recording.tensors
        operands = [
            self.known[id(a)]
            for a in _flat((args, kwargs or {}))
            if isinstance(a, Tensor) and id(a) in self.known
        ]
        if not operands:
            return  # made from nothing that is followed, e.g. a mask or a parameter
        if len(self.recording.steps) >= MAX_STEPS:
            self.unrecorded_steps += 1
            return
        after = tensors[self.register(output)]
        # The small operand of a broadcast says little about the result.
        before = max(
            (tensors[i] for i in operands[: 1 if name in KINDS["move"] else None]),
            key=lambda record: record.shape == after.shape,
        )
        line = calling_line()
        kind = next((kind for kind, ops in KINDS.items() if name in ops), "other")
        step = Step(
            op=name,
            call=_call_text(name, args, kwargs, index),
            kind=kind,
            inputs=operands,
            output=after.id,
            copy=after.storage != before.storage,
            source=line,
        )
        if kind == "move":
            step.order = permutation(func, args, kwargs, name)
            if max(math.prod(before.shape), output.numel()) <= self.max_elements:
                step.map = _element_map(func, before.shape, args, kwargs, index)
                after.values = None
        else:
            step.mixed = _mixed_axes(name, kind, before, args, kwargs)
        after.axes = names_after(before, after.shape, step, line)
        self.recording.steps.append(step)

    def finish(self, function, result, gradient) -> Trace:
        recording = self.recording
        recording.name = _name(function)
        recording.result = result
        outputs = [x for x in _flat(result) if isinstance(x, Tensor)]
        if not outputs:
            raise ValueError(
                f"{recording.name} returned {type(result).__name__}, no tensor: "
                "return the tensor that it computes"
            )
        for x in outputs:
            if id(x) not in self.known:
                self.register(x)
            recording.outputs.append(self.known[id(x)])
        if gradient is not None:
            self._record_gradients(outputs, gradient)
        recording.omitted = self._omissions()
        self.live.clear()
        return recording

    def _record_gradients(self, outputs: list[Tensor], gradient: Tensor) -> None:
        output = outputs[0]
        if gradient.shape != output.shape:
            raise ValueError(
                f"gradient has shape {tuple(gradient.shape)} but the output has "
                f"{tuple(output.shape)}: they must be the same"
            )
        if not output.requires_grad:
            raise ValueError(
                "the output does not depend on the inputs in a way that autograd "
                "follows, so it has no gradient: was it detached, or rounded?"
            )
        wanted = [
            (record, x)
            for record, x in zip(self.recording.tensors, self.live)
            if x.requires_grad and x.numel() <= self.max_elements
        ]
        gradients = torch.autograd.grad(
            output,
            [x for _, x in wanted],
            gradient.to(output),
            allow_unused=True,
            retain_graph=True,
        )
        only_moved = {
            id_
            for step in self.recording.steps
            for id_ in step.inputs
            if all(s.map is not None for s in self.recording.steps if id_ in s.inputs)
        }
        for (record, x), grad in zip(wanted, gradients):
            if record.id not in only_moved:
                record.gradient = _numbers(
                    torch.zeros_like(x) if grad is None else grad
                )

    def _omissions(self) -> list[str]:
        sentences = []
        sizes = [math.prod(record.shape) for record in self.recording.tensors]
        large = [size for size in sizes if size > self.max_elements]
        if large:
            sentences.append(
                f"Values and element maps of {len(large)} tensors with more than "
                f"{self.max_elements:,} elements (the largest has {max(large):,}) "
                "were left out; trace a smaller input, or raise max_elements."
            )
        if self.unrecorded_steps:
            sentences.append(
                f"{self.unrecorded_steps} steps after the first {MAX_STEPS} were "
                "left out; trace a part of the function."
            )
        return sentences


def _operation(func: Callable) -> str | None:
    """Name of the torch call, None for attribute reads that make no tensor."""
    name = func.__name__
    if name == "__get__":
        name = func.__self__.__name__
        return name if name in ("shape", "T", "mT", "H", "mH") else None
    return None if name == "__set__" else name.removeprefix("__").removesuffix("__")


def _element_map(func, shape, args, kwargs, index) -> list[int]:
    """Run the same call on element numbers: what comes out is the map."""
    numbers = torch.arange(math.prod(shape)).reshape(shape)
    moved = func(numbers, *_to_cpu(args[1:]), **_to_cpu(kwargs or {}))
    if index is not None:
        moved = moved[index]
    return moved.reshape(-1).tolist()


def _mixed_axes(name, kind, before, args, kwargs) -> list[int] | None:
    last = len(before.shape) - 1
    if kind == "pointwise":
        return []
    if kind == "mix" or name == "layer_norm":
        return [last]
    if kind == "reduce" or name in ALONG_AXIS:
        dim = (kwargs or {}).get("dim", args[1] if len(args) > 1 else None)
        if dim is None:
            return list(range(last + 1))
        dims = [dim] if isinstance(dim, int) else list(dim)
        return [d % (last + 1) for d in dims]
    return None


def _call_text(name, args, kwargs, index) -> str:
    values = [_argument_text(a) for a in args[1:] if a is not None]
    values += [f"{k}={_argument_text(v)}" for k, v in (kwargs or {}).items()]
    text = f"{name}({', '.join(values)})"
    return text if index is None else f"{text}[{index}]"


def _argument_text(value: Any) -> str:
    if isinstance(value, Tensor):
        return "tensor of " + str(tuple(value.shape))
    if isinstance(value, torch.Size | tuple | list):
        return "(" + ", ".join(map(_argument_text, value)) + ")"
    if isinstance(value, slice):
        parts = ("" if v is None else str(v) for v in (value.start, value.stop))
        return ":".join(parts)
    return str(value)


def _numbers(x: Tensor) -> list[float] | None:
    if x.is_meta or type(x).__name__ == "FakeTensor":
        return None  # such tensors have a shape but no contents
    x = x.detach()
    x = torch.view_as_real(x).norm(dim=-1) if x.is_complex() else x
    return x.to("cpu", torch.float64).reshape(-1).tolist()


def _given_axes(axes: str | Sequence[str], x: Tensor) -> list[str]:
    names = list(axes)
    if len(names) != x.ndim:
        raise ValueError(
            f"axes names {len(names)} axes, {names}, but the input has shape "
            f"{tuple(x.shape)}, {x.ndim} axes"
        )
    return names


def _leaf(x: Any) -> Any:
    if isinstance(x, Tensor) and x.dtype.is_floating_point:
        return x.detach().requires_grad_()
    return x


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [leaf for item in value for leaf in _flat(item)]
    return [value]


def _to_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        return {k: _to_cpu(v) for k, v in value.items()}
    if isinstance(value, tuple | list) and not isinstance(value, torch.Size):
        return type(value)(_to_cpu(v) for v in value)
    return value


def _name(function: Callable) -> str:
    owner = getattr(function, "__self__", None)
    if owner is not None:
        return f"{type(owner).__name__}.{function.__name__}"
    return getattr(function, "__name__", type(function).__name__)
