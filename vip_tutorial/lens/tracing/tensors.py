"""The tensors of a run that are recorded, and what is kept of them while it goes on."""

import ctypes
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from .axes import Named
from .beneath import place_of
from .calls import is_empty_shell, is_plain
from .omissions import Omissions
from .recording import TensorRecord


@dataclass
class Known:
    """What is kept of a recorded tensor.

    Attributes:
        tensor: Itself, so that no id() and no memory is used again.
        edge: Where in the autograd graph it is; None if it is in none.
        writes: How many writes its memory had seen.
        checksum: Of what it held.
        numbers: What it held, if it is small.
        named: What its axes are made of.
    """

    tensor: Tensor
    edge: Any
    writes: int
    checksum: int | None
    numbers: Tensor | None
    named: Named


class Tensors:
    """Knows each tensor of a run again, and whether it was written to.

    Args:
        records: Where the records go.
        missing: Where it is said what is left out.
        max_elements: Of tensors with more elements no numbers are kept.
        room: How many numbers may be stored in all.
        with_gradient: Whether gradients will be asked for.
    """

    def __init__(
        self,
        records: list[TensorRecord],
        missing: Omissions,
        max_elements: int,
        room: int,
        with_gradient: bool,
    ):
        self.records = records
        self.most = max_elements
        self.room = room
        self._missing = missing
        self._with_gradient = with_gradient
        self._known: list[Known] = []  # of each record
        self._ids: dict[int, int] = {}  # id() of a tensor object to its record
        self._at: dict[tuple, int] = {}  # place and shape of a tensor to its record
        self._storages: dict[Any, int] = {}
        self._roomy: set[int] = set()  # records for whose numbers there was room
        self._writes: dict[tuple, int] = {}  # to each piece of memory
        self._writers: dict[tuple, list[int]] = {}  # the records that they made
        self._kept: list[Tensor] = []  # so that no id() is used again

    def __getitem__(self, id_: int) -> Known:
        return self._known[id_]

    def register(self, x: Tensor, numbers: Tensor | None = None) -> TensorRecord:
        """Make a record of a tensor as it is now.

        Args:
            x: The tensor.
            numbers: What it held when the step that made it was done, if that is known.
        """
        record = TensorRecord(
            id=len(self.records),
            shape=list(x.shape),
            axes=[f"d{k}" for k in range(x.ndim)],
            strides=list(x.stride()),
            offset=x.storage_offset(),
            storage=self.storage_of(x),
            dtype=str(x.dtype).removeprefix("torch."),
            device=str(x.device),
        )
        if x.numel() <= self.most:
            if numbers is None and not is_empty_shell(x):
                numbers = self._missing.explored("values of a tensor", _copied, x)
            if self.has_room(x.numel()):
                self._roomy.add(record.id)
                if numbers is not None:
                    record.values = as_numbers(numbers)
        self.records.append(record)
        follow = self._with_gradient and x.grad_fn is not None
        self._known.append(
            Known(
                x,
                get_gradient_edge(x) if follow else None,
                self._writes.get(place_of(x), 0),
                checksum(x),
                numbers,
                Named.by(record.axes, record.shape),
            )
        )
        self._ids[id(x)] = record.id
        if x.numel() and not is_empty_shell(x):
            self._at[_key(x)] = record.id
        return record

    def id_of(self, x: Tensor) -> int | None:
        """The record of a tensor, or of another that is the same piece of memory."""
        found = self._ids.get(id(x))
        if found is None and is_plain(x) and x.numel() and not is_empty_shell(x):
            found = self._at.get(_key(x))
            if found is not None:
                self._ids[id(x)] = found
                self._kept.append(x)
                known = self._known[found]
                follow = self._with_gradient and x.grad_fn is not None
                if follow and known.edge is None:
                    known.edge = get_gradient_edge(x)
        return found

    def shape(self, id_: int) -> list[int]:
        return self.records[id_].shape

    def storage_of(self, x: Tensor) -> int:
        """The number of the piece of memory that a tensor is in."""
        return self._storages.setdefault(place_of(x), len(self._storages))

    def name_axes(self, id_: int, names: list[str] | Named) -> None:
        record = self.records[id_]
        if not isinstance(names, Named):
            names = Named.by(names, record.shape)
        self._known[id_].named = names
        record.axes = names.names()

    def is_roomy(self, id_: int) -> bool:
        """Whether there was room for the numbers of a tensor."""
        return id_ in self._roomy

    def has_room(self, count: int) -> bool:
        """Take room for so many numbers, if there is enough."""
        if count > self.room:
            self._missing.crowded_out += 1
            return False
        self.room -= count
        return True

    # --- writes -----------------------------------------------------------------------

    def note_write(self, x: Tensor) -> None:
        """An operation has written to the memory of a tensor."""
        self._writes[place_of(x)] = self._writes.get(place_of(x), 0) + 1

    def note_writer(self, x: Tensor, id_: int) -> None:
        """A step has written to memory: what it left there has a record."""
        self._writers.setdefault(place_of(x), []).append(id_)

    def writers_since(self, id_: int, x: Tensor) -> list[int]:
        """What steps have left in a tensor's memory since its record was made."""
        return [w for w in self._writers.get(place_of(x), []) if w > id_]

    def is_stale(self, id_: int, x: Tensor) -> bool:
        """Whether a tensor was written to, or holds other numbers, since its record."""
        return self.was_written(id_, x) or self._known[id_].checksum != checksum(x)

    def was_written(self, id_: int, x: Tensor) -> bool:
        return self._known[id_].writes != self._writes.get(place_of(x), 0)

    # --- the end ----------------------------------------------------------------------

    def changed_unseen(self) -> set[int]:
        """Records of tensors that changed after the last use that was seen."""
        found = set()
        for id_, known in enumerate(self._known):
            x = known.tensor
            is_last = self._ids[id(x)] == id_
            if is_last and self.is_stale(id_, x) and not self.was_written(id_, x):
                found.add(id_)
        return found

    def differentiable(self) -> Iterator[tuple[TensorRecord, Any]]:
        """The small tensors that a gradient can be asked for, and how."""
        for record, known in zip(self.records, self._known):
            x = known.tensor
            if (known.edge or x.requires_grad) and x.numel() <= self.most:
                yield record, known.edge or x

    def let_go(self) -> None:
        self._known.clear()
        self._kept.clear()


def _key(x: Tensor) -> tuple:
    place, geometry = place_of(x), (tuple(x.shape), x.stride(), x.storage_offset())
    return place, *geometry, x.dtype, x.is_conj(), x.is_neg()


def checksum(x: Tensor) -> int | None:
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


def as_numbers(x: Tensor) -> list[float]:
    """The elements in logical order; of complex ones the size."""
    x = x.detach().cpu()
    x = x.abs() if x.is_complex() else x
    return x.to(torch.float64).reshape(-1).tolist()
