"""Watch the torch calls of a run and write each of them down."""

import ctypes
import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge
from torch.overrides import TorchFunctionMode

from .axes import names_after, permutation, unpacked_names
from .calls import (
    Call,
    call_text,
    element_map,
    flat,
    is_empty_shell,
    is_plain,
    kind_of,
    mixed_axes,
    operation,
)
from .modules import Names
from .recording import Operand, Step, TensorRecord, Trace
from .source import calling_line

MAX_ELEMENTS = 2048
MAX_STEPS = 256
MAX_TENSORS = 64  # so many tensors of the largest size fit into a recording
# What the recorder itself does with tensors no other trace around it may see.
_unobserved = torch._C.DisableTorchFunction


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
            the gradient of `(gradient * output).sum()`.  The function is then given
            inputs that require gradients and are detached from the caller's: so
            `result` requires grad too, and no gradient goes from it to the caller.
        max_elements: For a tensor with more elements, values, gradient and element
            map are left out; shapes, strides and the rest are kept.

    Returns:
        The recording.  Its `result` is what `function(*inputs)` returns, to the bit.
        Its size is bounded: it holds at most 256 steps and `64 * max_elements`
        numbers, and 400 characters of each call and of each line of source.  What
        comes later or is longer is left out; `omitted` says which numbers and steps.

    Raises:
        TypeError: If the first input or `gradient` is no tensor, if the first input has
            no strides (sparse, nested, quantized), if the gradient has no contents
            (meta), or if a name is no string.
        ValueError: If the function returns no tensor, if `axes`, `gradient` or
            `max_elements` do not fit, if gradients are switched off, or if the output
            does not depend on the inputs.
    """
    if not inputs or not isinstance(inputs[0], Tensor):
        got = type(inputs[0]).__name__ if inputs else "nothing"
        raise TypeError(f"trace needs a tensor to follow, got {got}: trace(f, x)")
    if not is_plain(inputs[0]):
        raise TypeError(
            f"trace cannot follow {_what(inputs[0])}: it follows plain tensors, "
            "with strides, outside vmap and its like; convert it first"
        )
    if not isinstance(max_elements, int) or max_elements < 1:
        raise ValueError(
            f"max_elements is {max_elements!r}; it must be a whole number, at least 1"
        )
    if gradient is not None:
        if not isinstance(gradient, Tensor) or gradient.is_meta:
            raise TypeError(
                f"gradient is a {_kind_of_gradient(gradient)}; it must be a tensor "
                "like the output, e.g. torch.ones_like(f(x))"
            )
        if not torch.is_grad_enabled():
            raise ValueError(
                "a gradient is asked for where gradients are switched off: leave "
                "torch.no_grad() or torch.inference_mode() before trace"
            )
        inputs = tuple(_entered(x) for x in inputs)
    recorder = _Recorder(function, max_elements, gradient is not None)
    with _unobserved():
        recorder.add_inputs(inputs)
    if axes is not None:
        recorder.name_axes(0, _given_axes(axes, inputs[0]))
        recorder.named.add(0)
    with recorder:
        result = function(*inputs)
    with _unobserved():
        return recorder.finish(function, result, gradient)


class _Recorder(TorchFunctionMode):
    """Sees each call of the torch API while it is active."""

    def __init__(self, function: Callable, max_elements: int, with_gradient: bool):
        super().__init__()
        self.recording = Trace(name="")
        self.names = Names(function)
        self.max_elements = max_elements
        self.with_gradient = with_gradient
        self.live: list[Tensor] = []  # kept, so that no id() or storage is used again
        self.edges: list[Any] = []  # where in the autograd graph each of them is
        self.versions: list[int] = []  # how often each had been written to
        self.sums: list[int | None] = []  # checksum of what each held
        self.known: dict[int, int] = {}  # id() of a tensor object to its record
        self.operands: dict[int, tuple] = {}  # number and checksum of an operand
        self.kept: list[Tensor] = []  # the operands, so that no id() is used again
        self.storages: dict[int, int] = {}
        self.sizes: dict[str, int] = {}  # size of each axis name
        self.named: set[int] = set()
        self.steps_cut = False
        self.unseen: dict[int, Tensor] = {}  # that no step made, by id()
        self.room = MAX_TENSORS * max_elements  # numbers that may still be stored
        self.roomy: set[int] = set()  # records for whose numbers there was room
        self.crowded_out = 0
        self.puzzling: dict[str, None] = {}  # calls that could not be explored
        self.unlike: dict[
            str, None
        ] = {}  # calls that gave something else when repeated
        self.changed: set[int] = set()  # records of tensors that no write explains
        self.written: dict[int, int] = {}  # storage to the record of its last write

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = operation(func)
        with _unobserved():
            for x in flat((args, kwargs)):
                if isinstance(x, Tensor):
                    self._catch_up(x)
        result = func(*args, **kwargs)
        with _unobserved():
            self._observe(name, func, args, kwargs, result)
        return result

    def _observe(self, name, func, args, kwargs, result) -> None:
        if name in ("shape", "size"):
            self._read_axes(args[0])
        elif name is not None:
            outputs = [args[0]] if name == "setitem" else flat(result)
            many = isinstance(result, tuple | list)
            for i, output in enumerate(outputs):
                if isinstance(output, Tensor):
                    call = Call(func, args, kwargs, i if many else None)
                    self._record(name, call, output)

    def add_inputs(self, inputs: Sequence[Any]) -> None:
        for x in inputs:
            if isinstance(x, Tensor):
                if is_plain(x):
                    self.recording.inputs.append(self.register(x))
                else:
                    self.unseen[id(x)] = x

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
        if x.numel() <= self.max_elements and self._has_room(x.numel()):
            self.roomy.add(record.id)
            record.values = self._explored("values of a tensor", _numbers, x)
        tensors.append(record)
        self.live.append(x)
        follow = self.with_gradient and x.grad_fn is not None
        self.edges.append(get_gradient_edge(x) if follow else None)
        self.versions.append(_version(x))
        self.sums.append(_checksum(x))
        self.known[id(x)] = record.id
        return record.id

    def _operands(self, call: Call) -> list[int]:
        """Numbers of what a call takes and no step made, such as a Linear's weight."""
        found = []
        for x in call.tensors():
            if id(x) in self.known or id(x) in self.unseen or not is_plain(x):
                continue
            number, sum_ = self.operands.get(id(x), (None, None))
            if number is None or sum_ != _checksum(x):
                if x.numel() > min(self.max_elements, self.room):
                    continue
                self.room -= x.numel()
                number = len(self.recording.operands)
                self.recording.operands.append(
                    Operand(
                        name=self.names.of(x),
                        shape=list(x.shape),
                        values=self._explored("values of a tensor", _numbers, x),
                    )
                )
                self.operands[id(x)] = (number, _checksum(x))
                self.kept.append(x)
            found.append(number)
        return found

    def _has_room(self, count: int) -> bool:
        if count > self.room:
            self.crowded_out += 1
            return False
        self.room -= count
        return True

    def _explored(self, what: str, function: Callable, *args: Any) -> Any:
        """A reader's run is never stopped by what the recorder does on its own."""
        try:
            return function(*args)
        except Exception:  # it may be any call at all
            self.puzzling[what] = None
            return None

    def name_axes(self, id_: int, names: list[str]) -> None:
        record = self.recording.tensors[id_]
        record.axes = names
        self.sizes.update(zip(names, record.shape))

    def _read_axes(self, x: Tensor) -> None:
        id_ = self.known.get(id(x))
        if id_ in self.recording.inputs and id_ not in self.named:
            line = calling_line()
            names = line and unpacked_names(line.text)
            if names and len(names) == x.ndim:
                self.name_axes(id_, names)
                self.named.add(id_)

    def _catch_up(self, x: Tensor) -> None:
        """Notice that a tensor was written to elsewhere since it was last seen.

        If that was NumPy, nobody saw it: then a tensor appears that no step made, so
        that nothing is said of where its numbers came from.
        """
        id_ = self.known.get(id(x))
        if id_ is None or not self._is_stale(id_, x) or self._full():
            return
        after = self.register(x)
        names = self.recording.tensors[id_].axes
        if len(names) == x.ndim:  # set_() can give it another shape
            self.name_axes(after, names)
        if not self._was_written(id_, x):
            self.changed.add(id_)
            return
        self.written[self.recording.tensors[id_].storage] = after
        self.recording.steps.append(
            Step(
                op="written",
                call="written to through another view",
                kind="other",
                inputs=[id_],
                output=after,
                copy=False,
                source=calling_line(),
            )
        )

    def _is_stale(self, id_: int, x: Tensor) -> bool:
        """Whether a tensor was written to, or holds other numbers, since its record."""
        return self.versions[id_] != _version(x) or self.sums[id_] != _checksum(x)

    def _was_written(self, id_: int, x: Tensor) -> bool:
        """Whether a write was counted, or recorded where none is: .data, inference."""
        last = self.written.get(self.recording.tensors[id_].storage, -1)
        return self.versions[id_] != _version(x) or id_ < last

    def _full(self) -> bool:
        self.steps_cut |= len(self.recording.steps) >= MAX_STEPS
        return self.steps_cut

    def _record(self, name: str, call: Call, output: Tensor) -> None:
        tensors = self.recording.tensors
        operands = [self.known.get(id(x)) for x in call.tensors()]
        inputs = [id_ for id_ in operands if id_ is not None]
        if not inputs:
            return  # made from nothing that is followed, e.g. a mask or a parameter
        if not is_plain(output):
            self.unseen[id(output)] = output
            return
        if self._full():
            return
        before = tensors[inputs[0]]
        subject = self.known.get(id(call.subject))  # the output may be the same object
        old = self.known.get(id(output))
        given = self._operands(call)
        after = tensors[self.register(output)]
        if old is not None and self.sums[old] != self.sums[after.id]:
            self.written[after.storage] = after.id
        line = calling_line()
        kind = kind_of(name, call)
        if subject != before.id and kind != "pointwise":
            kind = "other"  # e.g. table[x]: it is the table's elements that move
        if kind == "move" and before.dtype != after.dtype:
            kind = "other"  # x.view(torch.int32): the same bits, other numbers
        step = Step(
            op=name,
            call=self._explored(name, call_text, name, call) or name,
            kind=kind,
            inputs=inputs,
            output=after.id,
            copy=after.storage != before.storage,
            operands=given,
            module=self.names.running(),
            source=line,
        )
        if kind == "move":
            rank = len(before.shape)
            step.order = self._explored(name, permutation, name, call, rank)
            # The map takes the place of the values, and so their room.
            small = math.prod(before.shape) <= self.max_elements
            if small and after.id in self.roomy:
                step.map = self._explored(name, element_map, call, before.shape)
            leads = (_leads_to, step.map, call.subject, after.values)
            if step.map is not None and not self._explored(name, *leads):
                step.map = step.order = None
                self.unlike[name] = None
            if step.map is not None:
                after.values = None
        else:
            step.mixed = self._explored(name, mixed_axes, name, kind, before, call)
        records = [None if id_ is None else tensors[id_] for id_ in operands]
        arguments = (step, call, records, after.shape, self.sizes)
        names = self._explored(name, names_after, *arguments)
        if names is None or len(names) != output.ndim:
            names = [str(size) for size in after.shape]
        self.name_axes(after.id, names)
        self.recording.steps.append(step)

    def finish(self, function, result, gradient) -> Trace:
        recording = self.recording
        recording.name = _name(function)
        recording.result = result
        returned = [x for x in flat(result) if isinstance(x, Tensor)]
        if not returned:
            raise ValueError(
                f"{recording.name} returned {type(result).__name__}, no tensor: "
                "return the tensor that it computes"
            )
        outputs = [x for x in returned if is_plain(x)]
        self.unseen |= {id(x): x for x in returned if not is_plain(x)}
        if not outputs:
            raise ValueError(
                f"{recording.name} returned {_what(returned[0])}, which a trace cannot "
                "show: return a plain tensor, with strides"
            )
        for x in outputs:
            self._catch_up(x)
            id_ = self.known.get(id(x))
            if id_ is None or self._is_stale(id_, x):
                if id_ is None:
                    self.unseen[id(x)] = x
                id_ = self.register(x)
            recording.outputs.append(id_)
        self._look_over()
        if gradient is not None and not self.changed:
            self._record_gradients(outputs[0], gradient)
        recording.omitted = self._omissions()
        self.live.clear()
        self.kept.clear()
        self.edges.clear()
        self.unseen.clear()
        return recording

    def _look_over(self) -> None:
        """Find the tensors that changed after the last use that was seen."""
        for id_, x in enumerate(self.live):
            is_last = self.known[id(x)] == id_
            if is_last and self._is_stale(id_, x) and not self._was_written(id_, x):
                self.changed.add(id_)

    def _record_gradients(self, output: Tensor, gradient: Tensor) -> None:
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
        tensors, steps = self.recording.tensors, self.recording.steps
        wanted = [
            (record, edge or x)
            for record, edge, x in zip(tensors, self.edges, self.live)
            if (edge or x.requires_grad) and x.numel() <= self.max_elements
        ]
        gradients = torch.autograd.grad(
            output,
            [x for _, x in wanted],
            gradient.to(output),
            allow_unused=True,
            retain_graph=True,
        )
        followed = {record.id for record, _ in wanted}
        # What is used by moves alone gets its gradient from them, see Trace.gradient.
        uses = {id_: [s for s in steps if id_ in s.inputs] for id_ in followed}
        needed = []
        for (record, _), grad in zip(wanted, gradients):
            derived = uses[record.id] and all(
                step.map is not None and step.output in followed
                for step in uses[record.id]
            )
            if self.steps_cut or record.id in self.recording.outputs or not derived:
                needed.append((record, grad))
        # All or none: from a part of them wrong ones would be derived.
        if not self._has_room(sum(math.prod(record.shape) for record, _ in needed)):
            self.crowded_out += len(needed) - 1
            return
        for record, grad in needed:
            if grad is None:
                record.gradient = [0.0] * math.prod(record.shape)
            else:
                what = "gradient of a tensor"
                record.gradient = self._explored(what, _numbers, grad)

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
        if self.crowded_out:
            sentences.append(
                f"Values, element maps or gradients of {self.crowded_out} tensors were "
                f"left out: a recording holds {MAX_TENSORS * self.max_elements:,} "
                "numbers at most; trace a part of the function, or raise max_elements."
            )
        if self.puzzling:
            sentences.append(
                "Element maps, names of axes or values are missing where they could "
                f"not be found out: {', '.join(self.puzzling)}."
            )
        if self.unlike:
            sentences.append(
                "Element maps are missing where a call, made again, gave something "
                f"else than it did in the run: {', '.join(self.unlike)}."
            )
        if self.changed:
            sentences.append(
                f"Tensors that changed without a write of PyTorch's: "
                f"{len(self.changed)}. Something else, such as NumPy, wrote to their "
                "memory: where the new numbers came from is left out, and so are all "
                "gradients."
            )
        if self.steps_cut:
            sentences.append(
                f"The steps after the first {MAX_STEPS} were left out; trace a part "
                "of the function."
            )
        elif self.unseen:
            sentences.append(
                f"Tensors that no step made: {len(self.unseen)}. They came from where "
                "the trace cannot look (NumPy, vmap, compiled code), or are not plain "
                "tensors (sparse, nested, quantized)."
            )
        return sentences


def _version(x: Tensor) -> int:
    return 0 if x.is_inference() else x._version


def _checksum(x: Tensor) -> int | None:
    """Of the bytes of a tensor's numbers; None if they cannot be read."""
    if is_empty_shell(x):
        return None
    try:
        x = x.detach().cpu().resolve_conj().resolve_neg().contiguous()
        return zlib.crc32((ctypes.c_char * x.nbytes).from_address(x.data_ptr()))
    except Exception:  # a reader's run is never stopped by what the recorder does
        return None


def _leads_to(map_: list[int], x: Tensor, after: list[float] | None) -> bool:
    """Whether a map, of a call made again, leads from `x` to what came out."""
    before = _numbers(x)
    if before is None or after is None:
        return True  # there is nothing to compare
    return len(map_) == len(after) and all(
        before[k] == value or (before[k] != before[k] and value != value)
        for k, value in zip(map_, after)
    )


def _numbers(x: Tensor) -> list[float] | None:
    if is_empty_shell(x):
        return None
    x = x.detach().cpu()
    x = x.abs() if x.is_complex() else x
    return x.to(torch.float64).reshape(-1).tolist()


def _given_axes(axes: str | Sequence[str], x: Tensor) -> list[str]:
    names = list(axes) if isinstance(axes, Iterable) else [axes]
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f'axes is {axes!r}: it must hold strings, e.g. "BHWC"')
    if len(names) != x.ndim:
        raise ValueError(
            f"axes names {len(names)} axes, {names}, but the input has shape "
            f"{tuple(x.shape)}, {x.ndim} axes"
        )
    return names


class _Entry(torch.autograd.Function):
    """Begins a graph at `x`, which may be written to: a leaf may not."""

    @staticmethod
    def forward(ctx, anchor: Tensor, x: Tensor) -> Tensor:
        return x.detach()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, None]:
        return None, None


def _entered(x: Any) -> Any:
    if isinstance(x, Tensor) and x.dtype.is_floating_point and is_plain(x):
        return _Entry.apply(torch.ones((), requires_grad=True), x)
    return x


def _kind_of_gradient(gradient: Any) -> str:
    name = type(gradient).__name__
    return f"{name} without contents, on meta" if isinstance(gradient, Tensor) else name


def _what(x: Tensor) -> str:
    """E.g. "a sparse_coo tensor"."""
    words = [
        ("nested", x.is_nested),
        ("quantized", x.is_quantized),
        (str(x.layout).removeprefix("torch."), x.layout != torch.strided),
    ]
    word = next((word for word, true in words if true), "wrapped (vmap, jvp)")
    return f"a {word} tensor"


def _name(function: Callable) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    owner = getattr(function, "__self__", None)
    if owner is None or isinstance(owner, ModuleType):
        return name
    if not isinstance(owner, type):
        return f"{type(owner).__name__}.{name}"
    # The functions of torch are methods of a class that nobody ever sees.
    return name if owner.__name__.startswith("_") else f"{owner.__name__}.{name}"
