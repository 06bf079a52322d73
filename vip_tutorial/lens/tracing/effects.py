"""Say of one step what it did to the elements of the tensors that went in."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from . import moves
from .axes import permutation
from .beneath import Inner, choosers, only_moves_whole, what_it_does
from .calls import MIXES, NORMS, REDUCTIONS, Call
from .omissions import Omissions
from .reads import BOUND, EXACT, UNKNOWN, may_be_cut, mixed_axes, reads_of
from .recording import Step
from .tensors import Tensors

MOST_FOLLOWED = 1 << 16  # elements, to find out which axis went where


class Effects:
    """Finds where elements went, or else what they are made from.

    Args:
        tensors: The tensors of the run.
        missing: Where it is said what is left out.
    """

    def __init__(self, tensors: Tensors, missing: Omissions):
        self._tensors = tensors
        self._missing = missing

    def complete(
        self,
        step: Step,
        call: Call,
        output: Tensor,
        log: Sequence[Inner],
        followed: Sequence[Tensor],
        is_hidden: bool,
    ) -> Tensor | None:
        """Fill in what a step did to elements.

        Args:
            step: The step; its kind, map, picks, order, mixed, reads and known are
                still to be said.
            call: The call that it was.
            output: What came out.
            log: What ran beneath it.
            followed: What it took of the tensors of the run.
            is_hidden: Whether it also took what may hold numbers by a way unseen.

        Returns:
            Where each element came from, if it only moved; see `moves`.
        """
        picks = self._follow(step, call, output, log, followed)
        if picks is not None and is_hidden and bool((picks < 0).any()):
            step.known = UNKNOWN  # what comes from none of them came unseen
        if picks is None and step.kind == "other":
            self._tell_apart(step, call, output, log, followed, is_hidden)
        return picks

    def fill_in(self, step: Step) -> None:
        """Find for each element of a tensor the last write to its address."""
        records = self._tensors.records
        latest: dict[int, int] = {}
        first = 0
        for id_ in step.inputs:
            addresses = moves.addresses_of(records[id_]).tolist()
            latest |= {address: first + k for k, address in enumerate(addresses)}
            first += len(addresses)
        at = moves.addresses_of(records[step.output]).tolist()
        picks = [latest.get(address, moves.NOWHERE) for address in at]
        self._keep_picks(step, moves.as_picks(picks))

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
        step.order = self._missing.explored(
            step.op,
            permutation,
            step.op,
            call,
            len(self._tensors.shape(step.inputs[0])),
        )
        picks = None
        if small:
            fixed = choosers(log, followed)
            picks = self._missing.explored(
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

    def _shown_by(self, output: Tensor, followed: list[Tensor]) -> Tensor | None:
        """The tensor that a view shows, if it shows the same numbers."""
        for x in followed:
            record = self._tensors.records[self._tensors.id_of(x)]
            same = (x.dtype, x.is_conj(), x.is_neg()) == (
                *(output.dtype, output.is_conj(), output.is_neg()),
            )
            if same and record.storage == self._tensors.storage_of(output):
                return x
        return None

    def _picks(
        self, step, call, output, followed, source, fixed, what
    ) -> Tensor | None:
        tensors = self._tensors.records
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

    def _subject(self, call: Call) -> int | None:
        x = call.subject
        return self._tensors.id_of(x) if isinstance(x, Tensor) else None

    def _put_first(self, step: Step, k: int) -> None:
        step.inputs.insert(0, step.inputs.pop(k))

    def _keep_picks(self, step: Step, picks: Tensor) -> Tensor | None:
        """Take picks for true if they lead to what came out, and store them."""
        known = [self._tensors[id_].numbers for id_ in step.inputs]
        after = self._tensors[step.output].numbers
        is_kept = after is not None and all(numbers is not None for numbers in known)
        if is_kept and not moves.lead_to(picks, known, after):
            self._missing.unlike[step.op] = None
            step.order = None
            return None
        # What copy_ casts has another value than where it came from.
        is_rounded = is_kept and not moves.lead_to(picks, known, after, torch.float64)
        step.known = "exact"
        counts = [math.prod(self._tensors.shape(id_)) for id_ in step.inputs]
        first, used = 0, []
        for k, n in enumerate(counts):
            if ((picks >= first) & (picks < first + n)).any():
                used.append((k, first))
            first += n
        is_whole = bool((picks >= 0).all())
        record = self._tensors.records[step.output]
        fits = self._tensors.is_roomy(step.output) and sum(counts) <= MOST_FOLLOWED
        if is_whole and len(used) <= 1 and not is_rounded:
            step.kind = "move"
            if used and used[0][0]:
                k, first = used[0]
                self._put_first(step, k)
                picks = picks - first
            # The map takes the place of the values, and so their room.
            if fits and counts[0] <= self._tensors.most:
                step.map = picks.tolist()
                record.values = None
        else:
            step.kind = "collect"
            step.order = None
            if fits and self._tensors.has_room(picks.numel()):
                step.picks = picks.tolist()
        return picks

    def _tell_apart(self, step, call, output, log, followed, is_hidden) -> None:
        """Say what a call that is no mere move does to the elements."""
        name = step.op.strip("_")
        first = step.inputs[0] == self._subject(call)
        what = what_it_does(log, followed)
        if call.kwargs.get("out") is not None:
            pass
        elif what == "pointwise" and name not in NORMS:
            step.kind = "pointwise"
        elif first and name in MIXES:
            step.kind = "mix"
        elif first and name in NORMS and step.output is not None:
            same = self._tensors.shape(step.inputs[0]) == list(output.shape)
            step.kind = "norm" if same else "other"
        elif first and (name in REDUCTIONS or _reduces(name, call)):
            step.kind = "reduce"
        if first or step.kind == "pointwise":
            ndim = len(self._tensors.shape(step.inputs[0]))
            arguments = (step.op, step.kind, call, ndim)
            step.mixed = self._missing.explored(step.op, mixed_axes, *arguments)
        found = self._missing.explored(
            step.op, reads_of, step.op, step.kind, call, followed, output
        )
        step.reads, step.known = found or (None, UNKNOWN)
        if step.known == EXACT and self._missing.explored(
            step.op, may_be_cut, step.op, call, followed, output
        ):
            step.known = BOUND
        if is_hidden:
            step.reads, step.known = None, UNKNOWN


def _reduces(name: str, call: Call) -> bool:
    """max and min of all numbers."""
    return name in ("max", "min") and len(call.args) == 1 and not call.kwargs
