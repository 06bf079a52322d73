"""What a recording holds, and what can be read off it."""

import copy
import math
import os
import reprlib
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from . import files
from .damage import MOST_NUMBERS, check_recording, check_size
from .source import SourceLine

FORMAT = "vip-trace"
VERSION = 1
# What most steps are like is not written down.
_USUAL = {
    "picks": None,
    "reads": None,
    "writes": False,
    "known": "exact",
    "backward": True,
}
WIDEST_CALL = 64  # characters of a call in a table


@dataclass
class TensorRecord:
    """One tensor of the recording.

    Attributes:
        id: Its number; `Step.inputs` and `Step.output` refer to it.
        shape: Sizes of its axes.
        axes: Names of its axes, e.g. `["B", "N", "W", "H*S"]`.
        strides: Elements to skip in memory for one step along each axis.
        offset: Address of its first element in the storage.
        storage: Number of the piece of memory; a view has that of its source.
        dtype: E.g. "float32".
        device: E.g. "cpu" or "cuda:0".
        values: Elements in logical (row-major) order.  None if they follow from the
            input of the step by its `map`, or if they were left out.
        gradient: Likewise, d(gradient . output) / d(this tensor).  None if it follows
            from the steps that use this tensor, or was not asked for.
    """

    id: int
    shape: list[int]
    axes: list[str]
    strides: list[int]
    offset: int
    storage: int
    dtype: str
    device: str
    values: list[float] | None = None
    gradient: list[float] | None = None


@dataclass
class Operand:
    """What a call took besides the tensors that are followed, such as a weight.

    Attributes:
        name: Of a parameter or buffer, e.g. "mlp_h.weight"; else empty.
        shape: Sizes of its axes.
        values: Elements in row-major order; None if they cannot be read.
    """

    name: str
    shape: list[int]
    values: list[float] | None = None


@dataclass
class Step:
    """One call that ran.

    Attributes:
        op: Its name, e.g. "permute"; "written" where a tensor was written to through
            another view of its memory.
        call: The call with the values that it ran with, "permute(0, 3, 2, 1, 4)".
        kind: "move", "collect" (it moves elements of several tensors, or some come from
            none), "mix" (a linear map), "pointwise", "norm", "reduce" or "other".
        inputs: Ids of the recorded tensors that went in; for a move the one first that
            the elements come from.
        output: Id of the tensor that came out.
        copy: Whether the result has memory of its own.  False: it is a view, or its
            input, written to in place; `writes` tells them apart.
        map: For a move, `map[k]` is the element of the first input that the output's
            element `k` shows, both counted in logical order; None if left out.
        order: For a permutation of axes, `order[k]` is the input's axis that the
            output's axis `k` was; None for every other step.
        mixed: Axes of the first input along which an output element sees everything;
            None if that is not known, and then it may see all.
        source: The line that made the call; None if it has no Python source.
        operands: Numbers, in `Trace.operands`, of the other tensors that the call took:
            those that no step made, such as a weight; without those that are large.
        module: Name of the module at work, e.g. "reweight.fc1"; "" for the one that is
            traced, None if it is none.
        picks: For a collection, where each element came from: the elements of all its
            inputs are counted through, and -1 stands for none of them.
        writes: Whether it wrote to memory that was there before.
        reads: For what is no move, for each of its inputs which of its elements an
            element of the result is made from, see `tracing/reads.py`.
        known: Whether `reads`, `map` or `picks` are "exact"; a "bound", if elements may
            be made from fewer; or "unknown", if more may have gone in than is recorded.
        backward: Whether the gradient comes back through a move as it went.
    """

    op: str
    call: str
    kind: str
    inputs: list[int]
    output: int
    copy: bool
    map: list[int] | None = None
    order: list[int] | None = None
    mixed: list[int] | None = None
    source: SourceLine | None = None
    operands: list[int] = field(default_factory=list)
    module: str | None = None
    picks: list[int] | None = None
    writes: bool = False
    reads: list[Any] | None = None
    known: str = "exact"
    backward: bool = True

    @property
    def memory(self) -> str:
        """ "new" if the result has memory of its own, "write" if what was there was
        written over, "view" if it is seen in another way, or as it was.
        """
        if self.copy:
            return "new"
        return "write" if self.writes else "view"


@dataclass
class Trace:
    """A recorded run; see `trace`.

    Attributes:
        name: What ran, e.g. "WeightedPermuteMLP.height".
        tensors: Every tensor of the run, `tensors[i].id == i`.
        steps: The calls, in the order in which they ran.
        inputs: Ids of the tensors that were given.
        outputs: Ids of the tensors that were returned.
        operands: What the calls took besides: weights, biases, masks.
        omitted: A sentence for each thing that was left out; empty if nothing was.
        failed: Where the run broke off and why, if it raised; see `trace(partial=)`.
        result: What the function returned, unchanged.  Not serialised.
    """

    name: str
    tensors: list[TensorRecord] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    operands: list[Operand] = field(default_factory=list)
    omitted: list[str] = field(default_factory=list)
    failed: str | None = None
    result: Any = None

    @property
    def copies(self) -> int:
        """How many of the moves copied their elements to new memory."""
        return sum(step.copy for step in self.steps if step.kind == "move")

    def values(self, id: int) -> list[float] | None:
        """Elements of tensor `id` in logical order; None if they were left out."""
        return self._follow(id, lambda record: record.values, nowhere=None)

    def homes(self, id: int) -> list[int] | None:
        """For a tensor that only moves made: which input element each element is.

        -1 stands for an element that comes from nowhere, as the zeros of a padding.
        None, too, if an input is so large that its elements are not recorded.
        """
        return self._follow(id, self._own_places, nowhere=-1)

    def _own_places(self, record: TensorRecord) -> list[int] | None:
        size = math.prod(record.shape)
        is_given = record.id in self.inputs and size <= MOST_NUMBERS
        return list(range(size)) if is_given else None

    def _follow(
        self, id: int, known: Callable[[TensorRecord], list | None], nowhere: Any
    ) -> list | None:
        makers = {step.output: step for step in self.steps}
        found: dict[int, list | None] = {}
        wanted = [id]
        for id_ in wanted:
            if id_ not in found:
                found[id_] = known(self.tensors[id_])
                if found[id_] is None and id_ in makers:
                    wanted += makers[id_].inputs
        for id_ in sorted(found):  # what is made comes after what it is made from
            if found[id_] is None and id_ in makers:
                found[id_] = self._moved(makers[id_], found, nowhere)
        return found[id]

    def _moved(
        self, step: Step, before: dict[int, list | None], nowhere: Any
    ) -> list | None:
        if step.map is not None:
            source = before[step.inputs[0]]
            return source and [source[k] for k in step.map]
        if step.picks is None or all(k < 0 for k in step.picks):
            return None
        sizes = [math.prod(self.tensors[id_].shape) for id_ in step.inputs]
        starts = [*accumulate(sizes, initial=0)]
        moved: list = []
        for k in step.picks:
            i = bisect_right(starts, k) - 1
            source = before[step.inputs[i]] if k >= 0 else [nowhere]
            if source is None or (k < 0 and nowhere is None):
                return None
            moved.append(source[k - starts[i] if k >= 0 else 0])
        return moved

    def gradient(self, id: int) -> list[float] | None:
        """Gradient at tensor `id`; None if it was not asked for or left out.

        Backward through a move is the move undone: each element hands its gradient
        to the place it came from.
        """
        needed = {id}
        for step in self.steps:
            taken = needed.intersection(step.inputs)
            if any(self.tensors[id_].gradient is None for id_ in taken):
                needed.add(step.output)
        found: dict[int, list[float] | None] = {}
        for id_ in sorted(needed, reverse=True):
            found[id_] = self._gradient_from(id_, found)
        return found[id]

    def _gradient_from(
        self, id: int, after: dict[int, list[float] | None]
    ) -> list[float] | None:
        record = self.tensors[id]
        size = math.prod(record.shape)
        if record.gradient is not None:
            return record.gradient
        uses = [step for step in self.steps if id in step.inputs]
        is_derived = all(step.map is not None and step.backward for step in uses)
        if not uses or not is_derived or size > MOST_NUMBERS:
            return None
        total = [0.0] * size
        for step in uses:
            if step.inputs[0] != id:
                continue  # a move takes nothing of its other inputs
            arrived = after[step.output]
            if arrived is None:
                return None
            for source, value in zip(step.map, arrived):
                total[source] += value
        return total

    def __deepcopy__(self, memo: dict[int, Any]) -> "Trace":
        # But for the result: PyTorch copies no tensor that has a history.
        memo[id(self.result)] = self.result
        parts = {
            f.name: copy.deepcopy(getattr(self, f.name), memo) for f in fields(self)
        }
        return replace(self, **parts)

    def first(self, count: int) -> "Trace":
        """The recording as if the run had ended after `count` steps, without gradients.

        Raises:
            ValueError: If there are not so many steps.
        """
        if not 1 <= count <= len(self.steps):
            raise ValueError(
                f"first({count}) of a recording of {len(self.steps)} steps: take "
                f"1 to {len(self.steps)}"
            )
        steps = self.steps[:count]
        used = {id_ for step in steps for id_ in (*step.inputs, step.output)}
        tensors = self.tensors[: max(used.union(self.inputs)) + 1]
        return replace(
            self,
            tensors=[replace(record, gradient=None) for record in tensors],
            steps=steps,
            outputs=[steps[-1].output],
            result=None,
        )

    def table(self, last: int | None = None) -> str:
        """The steps as text: call, what it did to memory, axes, shape, strides.

        Args:
            last: Leave out all steps but the last so many.
        """
        rows = [("", "", "axes", "shape", "strides")]
        for i in self.inputs:
            rows.append(("input", "", *_describe(self.tensors[i])))
        steps = self.steps if last is None else self.steps[-last:]
        if len(steps) < len(self.steps):
            rows.append((f"... {len(self.steps) - len(steps)} more", *[""] * 4))
        for step in steps:
            call = step.call
            if len(call) > WIDEST_CALL:
                call = call[: WIDEST_CALL - 1] + "…"
            what = self.tensors[step.output]
            rows.append((call, self._memory(step), *_describe(what)))
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join([*lines, *self.omitted, *filter(None, [self.failed])])

    def _memory(self, step: Step) -> str:
        """ "copy" for numbers moved to new memory, "same" where nothing differs."""
        if step.copy and step.kind in ("move", "collect"):
            return "copy"
        before, after = self.tensors[step.inputs[0]], self.tensors[step.output]
        kept = ("shape", "strides", "offset", "storage")
        is_same = all(getattr(before, key) == getattr(after, key) for key in kept)
        is_same &= step.kind != "other"  # it may be read as other numbers
        return "same" if is_same and step.memory == "view" else step.memory

    def to_json(self) -> dict[str, Any]:
        """The recording as JSON types, with numbers to six significant digits."""
        data = asdict(replace(self, result=None))
        del data["result"]
        for step in data["steps"]:
            in_place = step["op"].endswith("_")  # of which it would be believed
            for key in [k for k, usual in _USUAL.items() if step[k] == usual]:
                if not (key == "writes" and in_place):
                    del step[key]
        for record in (*data["tensors"], *data["operands"]):
            for key in {"values", "gradient"} & record.keys():
                record[key] = record[key] and [_shorten(v) for v in record[key]]
        return {"format": FORMAT, "version": VERSION, **data}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the recording to a file, as `to_json` gives it.

        Args:
            path: Where to, ending in ".json" or, a fraction of that size, ".json.gz".

        Returns:
            Where it was written.

        Raises:
            ValueError: If the ending is another one.
            OSError: If the file cannot be written; it says why.
        """
        return files.write(self.to_json(), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Trace":
        """Read what `save` wrote.

        Args:
            path: A file, gzipped or not, whatever its ending.

        Returns:
            The recording; its `result` is None.

        Raises:
            ValueError: If the file is no recording, or one that `from_json` refuses.
            OSError: If it cannot be read; it says why.
        """
        return cls.from_json(files.read(path))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Trace":
        """Read what `to_json` wrote.

        Raises:
            ValueError: If it is not a recording, one of another version, too large to
                be read, or damaged: no run can have given it.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError(f"not a recording: its 'format' must be {FORMAT!r}")
        version = data.get("version")
        if type(version) is not int or version != VERSION:
            raise ValueError(
                f"recording has version {reprlib.repr(version)}; this package reads "
                f"version {VERSION}: trace the function again"
            )
        check_size(data)
        data = {k: v for k, v in data.items() if k not in ("format", "version")}
        data = _completed(data)
        try:
            check_recording(data)
        except ValueError as fault:
            raise ValueError(
                f"the recording is damaged ({fault}): trace the function again"
            ) from fault
        tensors = [_tensor_record(record) for record in data.pop("tensors")]
        steps = [_step(step) for step in data.pop("steps")]
        operands = [_operand(operand) for operand in data.pop("operands")]
        return cls(tensors=tensors, steps=steps, operands=operands, **data)


def _completed(data: dict[str, Any]) -> dict[str, Any]:
    """With what recordings of vip_tutorial 0.1 lack: nothing was known of it then."""
    usual = {"operands": [], "module": None, **_USUAL}
    steps = data.get("steps")
    if isinstance(steps, list):
        steps = [usual | step if isinstance(step, dict) else step for step in steps]
        data = data | {"steps": steps}
    return {"operands": [], "failed": None} | data


def _tensor_record(data: dict[str, Any]) -> TensorRecord:
    numbers = {
        key: data[key] and [float(value) for value in data[key]]
        for key in ("values", "gradient")
    }
    return TensorRecord(**data | numbers)


def _operand(data: dict[str, Any]) -> Operand:
    values = data["values"] and [float(value) for value in data["values"]]
    return Operand(**data | {"values": values})


def _step(data: dict[str, Any]) -> Step:
    source = data["source"] and SourceLine(**data["source"])
    return Step(**data | {"source": source})


def _shorten(value: float) -> float | str:
    if not math.isfinite(value):
        return str(value)  # JSON has no NaN and no infinity
    value = float(f"{value:.6g}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _describe(record: TensorRecord) -> tuple[str, str, str]:
    return (
        "(" + ", ".join(record.axes) + ")",
        str(tuple(record.shape)),
        str(tuple(record.strides)),
    )
