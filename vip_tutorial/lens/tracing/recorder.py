"""Watch the torch calls of a run and write each of them down."""

import ctypes
import functools
import math
import types
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge
from torch.overrides import TorchFunctionMode

from . import moves
from .axes import (
    Named,
    by_size,
    names_after,
    pattern_names,
    permutation,
    unpacked_names,
)
from .beneath import (
    Beneath,
    Inner,
    at_work,
    choosers,
    only_moves_whole,
    place_of,
    reads_none,
    unobserved,
    what_it_does,
)
from .calls import (
    MIXES,
    NORMS,
    REDUCTIONS,
    Call,
    call_text,
    flat,
    is_empty_shell,
    is_plain,
    operation,
)
from .failures import Failure
from .fast_paths import plain_tensors_take_fast_paths
from .given import check_result, name_of_function
from .modules import Names
from .omissions import Omissions
from .reads import UNKNOWN, has_rule, mixed_axes, reads_of
from .recording import Operand, Step, TensorRecord, Trace
from .source import calling_line

MAX_STEPS = 256
MAX_TENSORS = 64  # so many tensors of the largest size fit into a recording
MOST_FOLLOWED = 1 << 16  # elements, to find out which axis went where
# Questions about a tensor that are answered without a look at its elements.
_ABOUT = frozenset(
    "shape size dim ndim ndimension numel nelement stride storage_offset dtype device "
    "layout is_contiguous requires_grad is_leaf grad_fn is_cuda is_cpu is_meta "
    "is_sparse is_quantized is_nested is_complex is_floating_point is_signed len "
    "element_size itemsize nbytes names is_conj is_neg is_inference data_ptr type "
    "retains_grad output_nr name is_same_size get_device is_mkldnn is_xla is_mps "
    "is_xpu is_ipu is_vulkan is_ort is_mtia is_maia has_names is_pinned is_shared "
    "_version untyped_storage retain_grad register_hook sparse_dim result_type "
    "can_cast promote_types is_tensor is_storage _is_view is_non_overlapping_and_dense "
    "broadcast_shapes broadcast_tensors format repr".split()
)
# They make a tensor of numbers that Python or NumPy has.
_TAKING_NUMBERS = frozenset(
    "tensor as_tensor asarray from_numpy frombuffer full new_tensor new_full "
    "scalar_tensor full_like fill_".split()
)
# What is seen from inside: the steps of its own Python code.
_OPENED = frozenset(["multi_head_attention_forward"])
# They stand for whole modules, and nothing is seen of what is in them.
_FUSED = frozenset(
    "_transformer_encoder_layer_fwd _native_multi_head_attention".split()
)


@dataclass
class _Known:
    """What the recorder keeps of a recorded tensor while the run goes on."""

    tensor: Tensor  # kept, so that no id() or memory is used again
    edge: Any  # where in the autograd graph it is
    writes: int  # how many writes its memory had seen
    checksum: int | None  # of what it held
    numbers: Tensor | None  # what it held, if it is small
    named: Named


class Recorder(TorchFunctionMode):
    """Sees each call of the torch API while it is active.

    Args:
        function: What runs.
        max_elements: Of tensors with more elements no numbers are kept.
        with_gradient: Whether gradients will be asked for.
    """

    def __init__(self, function: Callable, max_elements: int, with_gradient: bool):
        super().__init__()
        self.recording = Trace(name=name_of_function(function))
        self.names = Names(function)
        self.max_elements = max_elements
        self.with_gradient = with_gradient
        self.missing = Omissions(max_elements, MAX_TENSORS, MAX_STEPS)
        self.failure: Failure | None = None
        self.room = MAX_TENSORS * max_elements  # numbers that may still be stored
        self._known: list[_Known] = []  # of each record
        self._ids: dict[int, int] = {}  # id() of a tensor object to its record
        self._at: dict[tuple, int] = {}  # place and shape of a tensor to its record
        self._storages: dict[Any, int] = {}
        self._roomy: set[int] = set()  # records for whose numbers there was room
        self._named: set[int] = set()  # inputs whose axes have their names
        self._log: list[Inner] | None = None  # under the call that is running
        self._writes: dict[tuple, int] = {}  # to each piece of memory
        self._writers: dict[tuple, list[int]] = {}  # the records that they made
        self._operands: dict[int, tuple] = {}  # number and checksum of an operand
        self._constants: dict[int, str] = {}  # what no input went into: how it was made
        self._hidden: set[int] = set()  # of which that is not known
        self._kept: list[Tensor] = []  # so that no id() is used again
        self._has_left = False  # whether numbers went where no trace can follow
        self._left: set[float] = set()  # those that went as Python's

    @contextmanager
    def watching(self) -> Iterator[None]:
        with plain_tensors_take_fast_paths(), Beneath(self._beneath, self._most), self:
            yield

    @property
    def _most(self) -> int:
        return self.max_elements

    # --- what PyTorch tells -----------------------------------------------------------

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = operation(func)
        tensors = [x for x in flat((args, kwargs)) if isinstance(x, Tensor)]
        with unobserved():
            for x in tensors:
                self._catch_up(x)
        # Inside vmap and its like what is beneath is seen, one by one.
        is_wrapped = any(_is_wrapped(x) for x in tensors)
        outer, self._log = self._log, None if is_wrapped else []
        try:
            if name in _OPENED:
                self._log = None
                with self:
                    return _opened(func)(*args, **kwargs)
            result = func(*args, **kwargs)
        except BaseException as fault:
            if self.failure is None or self.failure.fault is not fault:
                call = Call(func, args, kwargs)
                self.failure = Failure(name or "call", call, calling_line(), fault)
            raise
        finally:
            log, self._log = self._log or [], outer
            if outer is not None:
                outer += log
        if not is_wrapped:
            with unobserved():
                self._observe(name, func, args, kwargs, result, log)
        return result

    def _beneath(self, inner: Inner) -> None:
        """An inner operation has run, under a call or by itself."""
        for x in inner.written():
            self._writes[place_of(x)] = self._writes.get(place_of(x), 0) + 1
        if self._log is not None:
            self._log.append(inner)
        elif inner.name not in ("detach", "alias", "lift_fresh"):
            before = len(self.recording.steps)
            self._observe_inner(inner)
            self.missing.is_beneath |= len(self.recording.steps) > before

    def _observe(self, name, func, args, kwargs, result, log: list[Inner]) -> None:
        if name in ("shape", "size"):
            self._read_axes(args[0])
            return
        if name is None:
            return
        outputs = [args[0]] if name == "setitem" else flat(result)
        if not any(isinstance(x, Tensor) for x in outputs):
            is_about = name in _ABOUT or name.startswith(("is_", "requires_"))
            taken = [x for x in flat((args, kwargs)) if isinstance(x, Tensor)]
            if not is_about and any(map(self._has_followed, taken)):
                self._has_left = True
                self._left |= {x for x in flat(result) if isinstance(x, float)}
            return
        if name in _FUSED:
            self.missing.fused.add(name)
        first_new = len(self.recording.tensors)
        call = Call(func, args, kwargs)
        is_composite = self._is_composite(name, call, log)
        if is_composite:
            for inner in at_work(log, self._followed(call)):
                self._observe_inner(inner)
        many = isinstance(result, tuple | list)
        for i, output in enumerate(outputs):
            if not isinstance(output, Tensor):
                continue
            made = self._id_of(output) if is_composite and is_plain(output) else None
            if made is None or made < first_new:  # no step inside the call made it
                self._record(
                    name, replace(call, index=i if many else None), output, log
                )

    def _observe_inner(self, inner: Inner) -> None:
        many = len(inner.outputs) > 1
        for i, (output, numbers) in enumerate(zip(inner.outputs, inner.numbers)):
            call = Call(inner.func, inner.args, inner.kwargs, i if many else None)
            self._record(inner.name, call, output, [inner], numbers)

    # --- tensors ----------------------------------------------------------------------

    def add_inputs(self, inputs: Sequence[Any]) -> None:
        for x in flat(inputs):
            if isinstance(x, Tensor):
                if is_plain(x):
                    self.recording.inputs.append(self._register(x))
                else:
                    self.missing.unseen[id(x)] = x

    def name_input(self, names: list[str]) -> None:
        first = self.recording.inputs[0]
        self._name_axes(first, names)
        self._named.add(first)

    def _register(self, x: Tensor, numbers: Tensor | None = None) -> int:
        tensors = self.recording.tensors
        record = TensorRecord(
            id=len(tensors),
            shape=list(x.shape),
            axes=[f"d{k}" for k in range(x.ndim)],
            strides=list(x.stride()),
            offset=x.storage_offset(),
            storage=self._storages.setdefault(place_of(x), len(self._storages)),
            dtype=str(x.dtype).removeprefix("torch."),
            device=str(x.device),
        )
        if x.numel() <= self.max_elements:
            if numbers is None and not is_empty_shell(x):
                numbers = self._explored("values of a tensor", _copied, x)
            if self._has_room(x.numel()):
                self._roomy.add(record.id)
                if numbers is not None:
                    record.values = as_numbers(numbers)
        tensors.append(record)
        follow = self.with_gradient and x.grad_fn is not None
        self._known.append(
            _Known(
                x,
                get_gradient_edge(x) if follow else None,
                self._writes.get(place_of(x), 0),
                _checksum(x),
                numbers,
                Named.by(record.axes, record.shape),
            )
        )
        self._ids[id(x)] = record.id
        if x.numel() and not is_empty_shell(x):
            self._at[_key(x)] = record.id
        return record.id

    def _id_of(self, x: Tensor) -> int | None:
        """The record of a tensor, or of another that is the same piece of memory."""
        found = self._ids.get(id(x))
        if found is None and is_plain(x) and x.numel() and not is_empty_shell(x):
            found = self._at.get(_key(x))
            if found is not None:
                self._ids[id(x)] = found
                self._kept.append(x)
                known = self._known[found]
                if self.with_gradient and known.edge is None and x.grad_fn is not None:
                    known.edge = get_gradient_edge(x)
        return found

    def _has_followed(self, x: Tensor) -> bool:
        return self._id_of(x) is not None or id(x) in self._hidden

    def _has_room(self, count: int) -> bool:
        if count > self.room:
            self.missing.crowded_out += 1
            return False
        self.room -= count
        return True

    def _explored(self, what: str, function: Callable, *args: Any) -> Any:
        """A reader's run is never stopped by what the recorder does on its own."""
        try:
            return function(*args)
        except Exception:  # it may be any call at all
            self.missing.puzzling[what] = None
            return None

    def _name_axes(self, id_: int, names: list[str] | Named) -> None:
        record = self.recording.tensors[id_]
        if not isinstance(names, Named):
            names = Named.by(names, record.shape)
        self._known[id_].named = names
        record.axes = names.names()

    def _read_axes(self, x: Tensor) -> None:
        id_ = self._ids.get(id(x))
        if id_ in self.recording.inputs and id_ not in self._named:
            line = calling_line()
            names = line and unpacked_names(line.text)
            if names and len(names) == x.ndim:
                self._name_axes(id_, names)
                self._named.add(id_)

    # --- writes -----------------------------------------------------------------------

    def _catch_up(self, x: Tensor) -> None:
        """Notice that a tensor was written to elsewhere since it was last seen.

        If that was NumPy, nobody saw it: then a tensor appears that no step made, so
        that nothing is said of where its numbers came from.
        """
        id_ = self._id_of(x)
        if id_ is None or not self._is_stale(id_, x) or self._full():
            return
        place = place_of(x)
        after = self._register(x)
        named = self._known[id_].named
        if named.shape == list(x.shape):  # set_() can give it another shape
            self._name_axes(after, named)
        if not self._was_written(id_, x):
            self.missing.changed.add(id_)
            return
        writers = [w for w in self._writers.get(place, []) if w > id_ and w != after]
        step = Step(
            op="written",
            call="written to through another view",
            kind="other",
            inputs=[id_, *writers],
            output=after,
            copy=False,
            writes=True,
            known=UNKNOWN,
            source=calling_line(),
        )
        if writers and after in self._roomy:
            self._explored("written", self._fill_in, step)
        self.recording.steps.append(step)

    def _fill_in(self, step: Step) -> None:
        """Find for each element the last write to its address."""
        tensors = self.recording.tensors
        latest: dict[int, int] = {}
        first = 0
        for id_ in step.inputs:
            addresses = moves.addresses_of(tensors[id_]).tolist()
            latest |= {address: first + k for k, address in enumerate(addresses)}
            first += len(addresses)
        at = moves.addresses_of(tensors[step.output]).tolist()
        self._keep_picks(step, torch.tensor([latest.get(a, moves.NOWHERE) for a in at]))

    def _is_stale(self, id_: int, x: Tensor) -> bool:
        """Whether a tensor was written to, or holds other numbers, since its record."""
        return self._was_written(id_, x) or self._known[id_].checksum != _checksum(x)

    def _was_written(self, id_: int, x: Tensor) -> bool:
        return self._known[id_].writes != self._writes.get(place_of(x), 0)

    # --- steps ------------------------------------------------------------------------

    def _full(self) -> bool:
        self.missing.steps_cut |= len(self.recording.steps) >= MAX_STEPS
        return self.missing.steps_cut

    def _record(
        self,
        name: str,
        call: Call,
        output: Tensor,
        log: list[Inner],
        numbers: Tensor | None = None,
    ) -> None:
        taken = call.tensors()
        followed = self._followed(call)
        if not followed:
            self._note_constant(name, taken, output)
            return
        if not is_plain(output):
            self.missing.unseen[id(output)] = output
            return
        is_new = place_of(output) not in map(place_of, taken)
        if is_new and reads_none(log, followed):
            self._note_constant(name, [], output)  # zeros_like and its like
            return
        if self._full():
            return
        inputs = [self._ids[id(x)] for x in followed]
        given, is_hidden = self._given(taken)
        scalars = [x for x in flat((call.args, call.kwargs)) if isinstance(x, float)]
        if not self._left.isdisjoint(scalars):
            is_hidden = True
            self.missing.back[name] = None
        written = {place_of(x) for inner in log for x in inner.written()}
        after = self.recording.tensors[self._register(output, numbers)]
        step = Step(
            op=name,
            call=self._explored(name, call_text, name, call) or name,
            kind="other",
            inputs=inputs,
            output=after.id,
            copy=is_new,
            writes=not is_new and place_of(output) in written,
            operands=given,
            module=self.names.running(),
            source=calling_line(),
        )
        if step.writes:
            self._writers.setdefault(place_of(output), []).append(after.id)
        picks = self._follow(step, call, output, log, followed)
        if picks is None and step.kind == "other":
            self._tell_apart(step, call, output, log, followed, is_hidden)
        self._name_after(step, call, taken, picks)
        self.recording.steps.append(step)

    def _is_composite(self, name: str, call: Call, log: list[Inner]) -> bool:
        """Whether a call is told by what ran inside it."""
        if len(log) < 2 or has_rule(name) or call.kwargs.get("out") is not None:
            return False
        followed = self._followed(call)
        inside = at_work(log, followed)
        return len(inside) > 1 and what_it_does(log, followed) == "other"

    def _followed(self, call: Call) -> list[Tensor]:
        return [x for x in call.tensors() if self._id_of(x) is not None]

    def _follow(self, step, call, output, log, followed) -> Tensor | None:
        """Find which element went where, if the call only moved elements."""
        what = what_it_does(log, followed)
        is_given_back = what == "none" and any(x is output for x in followed)
        if is_given_back and step.op != "contiguous":  # by dropout, or to(...)
            step.kind, step.mixed = "pointwise", []
            step.reads = [list(range(x.ndim)) for x in followed]
            return None
        if call.kwargs.get("out") is not None:
            return None  # made again, it would write to the reader's tensor again
        source = None if step.copy or step.writes else self._shown_by(output, followed)
        if source is None and (what not in ("move", "choose") or step.op in NORMS):
            return None
        small = output.numel() <= MOST_FOLLOWED and all(
            x.numel() <= MOST_FOLLOWED for x in followed
        )
        step.order = self._explored(
            step.op, permutation, step.op, call, len(self._shape(step.inputs[0]))
        )
        picks = None
        if small:
            fixed = choosers(log, followed)
            picks = self._explored(
                step.op, self._picks, step, call, output, followed, source, fixed, what
            )
            if picks is None and what == "choose":
                return None
        if picks is None:
            if small:
                step.order = None
                return None
            step.kind = "move" if only_moves_whole(log, followed) else "collect"
            if source is not None:
                step.kind = "move"
                self._put_first(step, followed.index(source))
            return None
        return self._keep_picks(step, picks)

    def _shape(self, id_: int) -> list[int]:
        return self.recording.tensors[id_].shape

    def _shown_by(self, output: Tensor, followed: list[Tensor]) -> Tensor | None:
        """The tensor that a view shows, if it shows the same numbers."""
        for x in followed:
            record = self.recording.tensors[self._ids[id(x)]]
            same = (x.dtype, x.is_conj(), x.is_neg()) == (
                *(output.dtype, output.is_conj(), output.is_neg()),
            )
            if same and record.storage == self._storages[place_of(output)]:
                return x
        return None

    def _picks(
        self, step, call, output, followed, source, fixed, what
    ) -> Tensor | None:
        tensors = self.recording.tensors
        if what == "choose":
            if call.index not in (None, 0):
                return None
            return moves.chosen(call, followed)
        if source is not None:
            k = followed.index(source)
            before = tensors[step.inputs[k]]
            picks = moves.seen_in_memory(before, tensors[step.output])
            if picks is not None:
                self._put_first(step, k)
                return picks
        return moves.made_again(call, followed, fixed)

    def _put_first(self, step: Step, k: int) -> None:
        step.inputs.insert(0, step.inputs.pop(k))

    def _keep_picks(self, step: Step, picks: Tensor) -> Tensor | None:
        """Take picks for true if they lead to what came out, and store them."""
        known = [self._known[id_].numbers for id_ in step.inputs]
        after = self._known[step.output].numbers
        is_kept = after is not None and all(numbers is not None for numbers in known)
        if is_kept and not moves.lead_to(picks, known, after):
            self.missing.unlike[step.op] = None
            step.order = None
            return None
        step.known = "exact"
        counts = [math.prod(self._shape(id_)) for id_ in step.inputs]
        first, used = 0, []
        for k, n in enumerate(counts):
            if ((picks >= first) & (picks < first + n)).any():
                used.append((k, first))
            first += n
        is_whole = bool((picks >= 0).all())
        record = self.recording.tensors[step.output]
        fits = step.output in self._roomy and sum(counts) <= MOST_FOLLOWED
        if is_whole and len(used) <= 1:
            step.kind = "move"
            if used and used[0][0]:
                k, first = used[0]
                self._put_first(step, k)
                picks = picks - first
            # The map takes the place of the values, and so their room.
            if fits and counts[0] <= self.max_elements:
                step.map = picks.tolist()
                record.values = None
        else:
            step.kind = "collect"
            step.order = None
            if fits and self._has_room(picks.numel()):
                step.picks = picks.tolist()
        return picks

    def _tell_apart(self, step, call, output, log, followed, is_hidden) -> None:
        """Say what a call that is no mere move does to the elements."""
        name = step.op.strip("_")
        first = step.inputs[0] == self._ids.get(id(call.subject))
        what = what_it_does(log, followed)
        if call.kwargs.get("out") is not None:
            pass
        elif what == "pointwise" and name not in NORMS:
            step.kind = "pointwise"
        elif first and name in MIXES:
            step.kind = "mix"
        elif first and name in NORMS and step.output is not None:
            same = self._shape(step.inputs[0]) == list(output.shape)
            step.kind = "norm" if same else "other"
        elif first and (name in REDUCTIONS or _reduces(name, call)):
            step.kind = "reduce"
        if first or step.kind == "pointwise":
            ndim = len(self._shape(step.inputs[0]))
            arguments = (step.op, step.kind, call, ndim)
            step.mixed = self._explored(step.op, mixed_axes, *arguments)
        found = self._explored(
            step.op, reads_of, step.op, step.kind, call, followed, output
        )
        step.reads, step.known = found or (None, UNKNOWN)
        if is_hidden:
            step.reads, step.known = None, UNKNOWN

    def _name_after(self, step, call, taken, picks) -> None:
        after = self.recording.tensors[step.output]
        tensors = [x for x in flat(call.args) if isinstance(x, Tensor)]
        for k, x in enumerate(tensors):
            id_ = self._ids.get(id(x))
            if id_ in self.recording.inputs and id_ not in self._named:
                names = self._explored(step.op, pattern_names, step, call, k)
                if names and len(names) == x.ndim:
                    self._name_axes(id_, names)
                    self._named.add(id_)
        operands = [
            None if id(x) not in self._ids else self._known_of(x, step) for x in taken
        ]
        if step.kind in ("move", "collect"):
            operands = [self._known[id_].named for id_ in step.inputs]
        arguments = (step, call, operands, after.shape, picks)
        named = self._explored(step.op, names_after, *arguments)
        if named is None or len(named.axes) != len(after.shape):
            named = by_size(after.shape)
        self._name_axes(after.id, named)

    def _known_of(self, x: Tensor, step: Step) -> Named:
        """The axes of an argument; what it is written to has those of before."""
        id_ = self._ids[id(x)]
        return self._known[step.inputs[0] if id_ == step.output else id_].named

    # --- what is not followed ---------------------------------------------------------

    def _note_constant(self, name: str, taken: list[Tensor], output: Tensor) -> None:
        """Something was made from no input: a mask, or a parameter in another shape."""
        if any(self._is_hidden(x) for x in taken) or (
            self._has_left and name in _TAKING_NUMBERS
        ):
            self._hidden.add(id(output))
        elif taken:
            before = self._constants.get(id(taken[0])) or self.names.of(taken[0])
            self._constants[id(output)] = f"{before or 'a tensor'}, {name}"
        else:
            self._constants[id(output)] = ""
        self._kept.append(output)

    def _is_hidden(self, x: Tensor) -> bool:
        """Whether a tensor may hold what left the trace, by NumPy or as a number."""
        if id(x) in self._hidden:
            return True
        is_old = id(x) in self._constants or id(x) in self._operands
        return self._has_left and not is_old and not self.names.of(x)

    def _given(self, taken: list[Tensor]) -> tuple[list[int], bool]:
        """Numbers of what a call takes and no step made; and whether any is hidden."""
        found, is_hidden = [], False
        for x in taken:
            if id(x) in self._ids:
                continue
            if id(x) in self.missing.unseen or not is_plain(x) or self._is_hidden(x):
                is_hidden = True
                self.missing.unseen[id(x)] = x
                continue
            how = self._constants.get(id(x))
            if how:
                self.missing.aside[how] = None
            number, sum_ = self._operands.get(id(x), (None, None))
            if number is None or sum_ != _checksum(x):
                if x.numel() > min(self.max_elements, self.room):
                    continue
                self.room -= x.numel()
                number = len(self.recording.operands)
                values = self._explored("values of a tensor", _values_of, x)
                operand = Operand(self.names.of(x) or how or "", list(x.shape), values)
                self.recording.operands.append(operand)
                self._operands[id(x)] = (number, _checksum(x))
                self._kept.append(x)
            found.append(number)
        return found, is_hidden

    # --- the end ----------------------------------------------------------------------

    def finish(self, result: Any) -> list[Tensor]:
        """Note what the run returned.

        Returns:
            The plain tensors among it.
        """
        recording = self.recording
        recording.result = result
        returned = check_result(recording.name, result)
        outputs = [x for x in returned if is_plain(x)]
        self.missing.unseen |= {id(x): x for x in returned if not is_plain(x)}
        for x in outputs:
            self._catch_up(x)
            id_ = self._id_of(x)
            if id_ is None or self._is_stale(id_, x):
                if id_ is None:
                    self.missing.unseen[id(x)] = x
                id_ = self._register(x)
            recording.outputs.append(id_)
        self._look_over()
        return outputs

    def _look_over(self) -> None:
        """Find the tensors that changed after the last use that was seen."""
        for id_, known in enumerate(self._known):
            x = known.tensor
            is_last = self._ids[id(x)] == id_
            if is_last and self._is_stale(id_, x) and not self._was_written(id_, x):
                self.missing.changed.add(id_)

    def break_off(self, failed: str) -> None:
        """End the recording where the run failed."""
        self.recording.failed = failed
        if self.recording.steps:
            self.recording.outputs.append(self.recording.steps[-1].output)

    def close(self) -> None:
        """Say what was left out, and let go of the reader's tensors."""
        self.recording.omitted = self.missing.sentences(self.recording.tensors)
        self._known.clear()
        self._kept.clear()
        self.missing.unseen.clear()

    def differentiable(self) -> Iterator[tuple[TensorRecord, Any]]:
        """The small tensors that a gradient can be asked for, and how."""
        for record, known in zip(self.recording.tensors, self._known):
            x = known.tensor
            if (known.edge or x.requires_grad) and x.numel() <= self.max_elements:
                yield record, known.edge or x


def _reduces(name: str, call: Call) -> bool:
    """max and min of all numbers."""
    return name in ("max", "min") and len(call.args) == 1 and not call.kwargs


def _is_wrapped(x: Tensor) -> bool:
    return torch._C._functorch.is_functorch_wrapped_tensor(x)


@functools.cache
def _opened(func: Callable) -> Callable:
    """A function of PyTorch whose own calls are seen, in place of itself."""
    never = {
        name: lambda *args: False
        for name in func.__globals__
        if name.startswith("has_torch_function")
    }
    opened = types.FunctionType(
        func.__code__, {**func.__globals__, **never}, func.__name__, func.__defaults__
    )
    opened.__kwdefaults__ = func.__kwdefaults__
    return opened


def _key(x: Tensor) -> tuple:
    place, geometry = place_of(x), (tuple(x.shape), x.stride(), x.storage_offset())
    return place, *geometry, x.dtype, x.is_conj(), x.is_neg()


def _checksum(x: Tensor) -> int | None:
    """Of the bytes of a tensor's numbers; None if they cannot be read."""
    if is_empty_shell(x):
        return None
    try:
        x = x.detach().cpu().resolve_conj().resolve_neg().contiguous()
        return zlib.crc32((ctypes.c_char * x.nbytes).from_address(x.data_ptr()))
    except Exception:  # a reader's run is never stopped by what the recorder does
        return None


def _copied(x: Tensor) -> Tensor:
    return x.detach().cpu().clone()


def _values_of(x: Tensor) -> list[float] | None:
    return None if is_empty_shell(x) else as_numbers(x)


def as_numbers(x: Tensor) -> list[float]:
    """The elements in logical order; of complex ones the size."""
    x = x.detach().cpu()
    x = x.abs() if x.is_complex() else x
    return x.to(torch.float64).reshape(-1).tolist()
