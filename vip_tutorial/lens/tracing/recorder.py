"""Watch the torch calls of a run and write each of them down."""

import functools
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .axes import Named, by_size, names_after
from .beneath import (
    Beneath,
    Inner,
    at_work,
    place_of,
    reads_none,
    unobserved,
    what_it_does,
)
from .calls import Call, call_text, flat, is_plain, operation
from .claims import pattern_names, unpacked_names
from .effects import Effects
from .failures import Failure
from .fast_paths import plain_tensors_take_fast_paths
from .given import check_result, name_of_function
from .modules import Names
from .omissions import Omissions
from .outside import Outside
from .reads import UNKNOWN, has_rule
from .recording import Step, Trace
from .source import calling_line
from .tensors import Tensors
from .threads import work_given_away

MAX_STEPS = 1024  # as the page takes
MAX_TENSORS = 64  # so many tensors of the largest size fit into a recording
_LETTERS = "defghijklm"  # of axes that have no name: those of each input have their own
# Questions about a tensor that are answered without a look at its elements.
_ABOUT = frozenset(
    "shape size dim ndim ndimension numel nelement stride storage_offset dtype device "
    "layout is_contiguous requires_grad is_leaf grad_fn is_cuda is_cpu is_meta "
    "is_sparse is_quantized is_nested is_complex is_floating_point is_signed len "
    "element_size itemsize nbytes names is_conj is_neg is_inference data_ptr type "
    "retains_grad output_nr name is_same_size get_device is_mkldnn is_xla is_mps "
    "is_xpu is_ipu is_vulkan is_ort is_mtia is_maia has_names is_pinned is_shared "
    "_version retain_grad register_hook sparse_dim result_type "
    "can_cast promote_types is_tensor is_storage _is_view is_non_overlapping_and_dense "
    "broadcast_shapes broadcast_tensors format repr".split()
)
_BACKWARD = frozenset(["grad", "backward"])
# What is seen from inside: the steps of its own Python code.
_OPENED = frozenset(["multi_head_attention_forward"])
# They stand for whole modules, and nothing is seen of what is in them.
_FUSED = frozenset(
    "_transformer_encoder_layer_fwd _native_multi_head_attention".split()
)


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
        self.missing = Omissions(max_elements, MAX_TENSORS, MAX_STEPS)
        self.failure: Failure | None = None
        recording, room = self.recording, MAX_TENSORS * max_elements
        self.tensors = Tensors(
            recording.tensors, self.missing, max_elements, room, with_gradient
        )
        self._names = Names(function)
        self._outside = Outside(
            recording.operands, self._names, self.tensors, self.missing
        )
        self._effects = Effects(self.tensors, self.missing)
        self._named: set[int] = set()  # inputs whose axes have their names
        self._meanings: dict[str, tuple] = {}  # what a name of an axis stands for
        self._log: list[Inner] | None = None  # under the call that is running
        self._lost = 0  # how many operators have run that cannot be looked into

    @contextmanager
    def watching(self) -> Iterator[None]:
        beneath = Beneath(self._beneath, self._lost_sight_of, self.tensors.most)
        noticed = work_given_away(self._outside.note_helpers)
        with plain_tensors_take_fast_paths(), noticed, beneath, self:
            yield

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
        lost = self._lost
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
        if self._lost > lost:
            found = [x for x in flat(result) if isinstance(x, Tensor)]
            self.missing.unseen |= {id(x): x for x in found}
        if not is_wrapped:
            with unobserved():
                self._observe(name, func, args, kwargs, result, log)
        return result

    def _beneath(self, inner: Inner) -> None:
        """An inner operation has run, under a call or by itself."""
        for x in inner.written():
            self.tensors.note_write(x)
        if self._log is not None:
            self._log.append(inner)
        elif inner.name not in ("detach", "alias", "lift_fresh"):
            before = len(self.recording.steps)
            self._observe_inner(inner)
            self.missing.is_beneath |= len(self.recording.steps) > before

    def _lost_sight_of(self, outputs: list[Tensor]) -> None:
        """Something has run that cannot be looked into, and may take what it likes."""
        self._lost += 1
        self.missing.unseen |= {id(x): x for x in outputs}

    def _observe(self, name, func, args, kwargs, result, log: list[Inner]) -> None:
        if name in ("shape", "size"):
            self._read_axes(args[0])
            return
        if name is None:
            return
        if name == "deepcopy":
            args = (args[0], {})  # PyTorch has put the copy with the rest
        outputs = [args[0]] if name == "setitem" else flat(result)
        if not any(isinstance(x, Tensor) for x in outputs):
            is_about = name in _ABOUT or name.startswith(("is_", "requires_"))
            taken = [x for x in flat((args, kwargs)) if isinstance(x, Tensor)]
            if not is_about:
                self._outside.note_leaving(taken, result)
            return
        if name in _FUSED:
            self.missing.fused.add(name)
        first_new = len(self.recording.tensors)
        call = Call(func, args, kwargs)
        is_backward = name in _BACKWARD  # it takes what the forward pass has kept
        is_composite = is_backward or self._is_composite(name, call, log)
        if is_composite:
            for inner in log if is_backward else at_work(log, self._followed(call)):
                self._observe_inner(inner)
        many = isinstance(result, tuple | list)
        for i, output in enumerate(outputs):
            if not isinstance(output, Tensor):
                continue
            is_known = is_composite and is_plain(output)
            made = self.tensors.id_of(output) if is_known else None
            if made is None or made < first_new:  # no step inside the call made it
                one = replace(call, index=i if many else None)
                self._record(name, one, output, log)
        if self._followed(call):
            given = {place_of(x) for x in outputs if isinstance(x, Tensor)}
            written = {place_of(x) for inner in log for x in inner.written()}
            self._outside.note_written(written - given)

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
                    # f(x, x) has one input.
                    if self.tensors.id_of(x) is None:
                        letter = _LETTERS[len(self.recording.inputs) % len(_LETTERS)]
                        id_ = self.tensors.register(x).id
                        self.recording.inputs.append(id_)
                        names = [f"{letter}{k}" for k in range(x.ndim)]
                        self.tensors.name_axes(id_, names)
                else:
                    self.missing.unseen[id(x)] = x

    def name_input(self, names: list[str]) -> None:
        first = self.recording.inputs[0]
        self.tensors.name_axes(first, names)
        self._named.add(first)

    def _read_axes(self, x: Tensor) -> None:
        id_ = self.tensors.id_of(x)
        if id_ in self.recording.inputs and id_ not in self._named:
            line = calling_line()
            names = line and unpacked_names(line.text)
            if names and len(names) == x.ndim:
                self.tensors.name_axes(id_, names)
                self._named.add(id_)

    # --- writes -----------------------------------------------------------------------

    def _catch_up(self, x: Tensor) -> None:
        """Notice that a tensor was written to elsewhere since it was last seen.

        If that was NumPy, nobody saw it: then a tensor appears that no step made, so
        that nothing is said of where its numbers came from.  A tensor that no input had
        gone into has no record, until a step writes to its memory.
        """
        id_ = self.tensors.id_of(x)
        writers = self.tensors.writers_since(-1 if id_ is None else id_, x)
        is_new = id_ is None and bool(writers)
        is_stale = id_ is not None and self.tensors.is_stale(id_, x)
        if not (is_new or is_stale) or self._full():
            return
        before = [] if id_ is None else [id_]
        is_hidden = is_new and self._outside.is_hidden(x)
        after = self.tensors.register(x).id
        named = self.tensors[id_].named if before else by_size(x.shape)
        if named.shape == list(x.shape):  # set_() can give it another shape
            self.tensors.name_axes(after, named)
        if is_stale and not self.tensors.was_written(id_, x):
            self.missing.changed.add(id_)
            return
        step = Step(
            op="written",
            call="written to through another view",
            kind="other",
            inputs=[*before, *writers],
            output=after,
            copy=False,
            writes=True,
            known=UNKNOWN,
            source=calling_line(),
        )
        records = self.recording.tensors
        alike = {records[id_].dtype for id_ in (*step.inputs, after)}
        if writers and self.tensors.is_roomy(after) and len(alike) == 1:
            self.missing.explored("written", self._effects.fill_in, step)
        if is_hidden:
            step.known = UNKNOWN
        self.recording.steps.append(step)

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
        line = calling_line()
        is_back = self._outside.takes_back(name, (call.args, call.kwargs), line)
        if not followed:
            self._outside.note_constant(name, taken, output, is_back)
            return
        if not is_plain(output):
            self.missing.unseen[id(output)] = output
            return
        is_new = place_of(output) not in map(place_of, taken)
        written = {place_of(x) for inner in log for x in inner.written()}
        given_back = {*map(place_of, taken)} - written - {*map(place_of, followed)}
        if place_of(output) in given_back:  # the mask of broadcast_tensors(x, mask)
            own = [x for x in taken if place_of(x) == place_of(output)]
            self._outside.note_constant(name, own, output)
            return
        if is_new and reads_none(log, followed):
            self._outside.note_constant(name, [], output, is_back)  # zeros_like
            return
        if self._full():
            return
        inputs = [self.tensors.id_of(x) for x in followed]
        given, is_hidden = self._outside.given(taken, name)
        after = self.tensors.register(output, numbers)
        step = Step(
            op=name,
            call=self.missing.explored(name, call_text, name, call) or name,
            kind="other",
            inputs=inputs,
            output=after.id,
            copy=is_new,
            writes=not is_new and place_of(output) in written,
            operands=given,
            module=self._names.running(),
            source=line,
        )
        if step.writes:
            self.tensors.note_writer(output, after.id)
        is_hidden |= is_back or id(output) in self.missing.unseen
        picks = self._effects.complete(step, call, output, log, followed, is_hidden)
        self._name_after(step, call, taken, picks)
        self.recording.steps.append(step)

    def _is_composite(self, name: str, call: Call, log: list[Inner]) -> bool:
        """Whether a call is told by what ran inside it."""
        if len(log) < 2 or has_rule(name) or call.kwargs.get("out") is not None:
            return False
        if any(torch.Tag.inplace_view in inner.func.tags for inner in log):
            return False  # what was made inside has another shape by now
        followed = self._followed(call)
        inside = at_work(log, followed)
        return len(inside) > 1 and what_it_does(log, followed) == "other"

    def _followed(self, call: Call) -> list[Tensor]:
        return [x for x in call.tensors() if self.tensors.id_of(x) is not None]

    def _name_after(self, step, call, taken, picks) -> None:
        after = self.recording.tensors[step.output]
        tensors = [x for x in flat(call.args) if isinstance(x, Tensor)]
        for k, x in enumerate(tensors):
            id_ = self.tensors.id_of(x)
            if id_ in self.recording.inputs and id_ not in self._named:
                names = self.missing.explored(step.op, pattern_names, step, call, k)
                if names and len(names) == x.ndim:
                    self.tensors.name_axes(id_, names)
                    self._named.add(id_)
        operands = [
            None if self.tensors.id_of(x) is None else self._named_of(x, step)
            for x in taken
        ]
        if step.kind in ("move", "collect"):
            operands = [self.tensors[id_].named for id_ in step.inputs]
        arguments = (step, call, operands, after.shape, picks, self._meanings)
        named = self.missing.explored(step.op, names_after, *arguments)
        if named is None or len(named.axes) != len(after.shape):
            named = by_size(after.shape)
        self.tensors.name_axes(after.id, named)

    def _named_of(self, x: Tensor, step: Step) -> Named:
        """The axes of an argument; what it is written to has those of before."""
        id_ = self.tensors.id_of(x)
        return self.tensors[step.inputs[0] if id_ == step.output else id_].named

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
            id_ = self.tensors.id_of(x)
            if id_ is None or self.tensors.is_stale(id_, x):
                if id_ is None:
                    self.missing.unseen[id(x)] = x
                id_ = self.tensors.register(x).id
            recording.outputs.append(id_)
        self.missing.changed |= self.tensors.changed_unseen()
        return outputs

    def break_off(self, failed: str) -> None:
        """End the recording where the run failed."""
        self.recording.failed = failed
        if self.recording.steps:
            self.recording.outputs.append(self.recording.steps[-1].output)

    def close(self) -> None:
        """Say what was left out, and let go of the reader's tensors."""
        self.recording.omitted = self.missing.sentences(self.recording.tensors)
        self.tensors.let_go()
        self._outside.let_go()
        self.missing.unseen.clear()


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
