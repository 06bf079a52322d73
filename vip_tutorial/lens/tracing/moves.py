"""Where each element of a result came from, for calls that only move elements.

`picks[k]` is a number: the elements of all tensors that went in are counted through,
the first tensor's first.  -1 stands for an element that came from none of them: the
zeros of a padding, or what a new piece of memory held.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from .beneath import place_of
from .calls import Call, is_empty_shell
from .recording import TensorRecord

NOWHERE = -1


def addresses_of(record: TensorRecord) -> Tensor:
    """The addresses of a tensor's elements, in logical order."""
    found = torch.tensor(record.offset)
    for size, stride in zip(record.shape, record.strides):
        found = found[..., None] + torch.arange(size) * stride
    return found.reshape(-1)


def seen_in_memory(before: TensorRecord, after: TensorRecord) -> Tensor | None:
    """Picks of a view: each element shows the element that lies at its address.

    None if `before` has several elements at one address, or if `after` shows addresses
    that `before` has no element at.
    """
    there, here = addresses_of(before), addresses_of(after)
    if not here.numel():
        return here
    numbers = torch.arange(len(there))
    at = torch.full((int(torch.cat([there, here]).max()) + 1,), NOWHERE)
    at[there] = numbers
    picks = at[here]
    return picks if torch.equal(at[there], numbers) and (picks >= 0).all() else None


def as_picks(numbers: Sequence[int]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int64)


def made_again(call: Call, inputs: Sequence[Tensor], fixed: set) -> Tensor | None:
    """Picks of a call that is made again on numbered elements, twice.

    An element that grows by the shift of the numbers is one of theirs; one that does
    not change comes from elsewhere; if there is any other, the call is no mere move.

    Args:
        call: The call.
        inputs: The tensors whose elements are counted, among its arguments.
        fixed: Places of tensors that the call takes to choose by: they stay.
    """
    sizes = [x.numel() for x in inputs]
    starts = [0, *itertools.accumulate(sizes)]
    shift = starts[-1] + 1
    start_of = {id(x): first for x, first in reversed([*zip(inputs, starts)])}
    runs = []
    for first in (1, 1 + shift):
        stay: dict[int, Tensor] = {}
        put: dict[int, Tensor] = {}
        for x in call.tensors():
            if place_of(x) in fixed:
                if is_empty_shell(x):
                    return None
                stay[id(x)] = x.detach().cpu()
            elif id(x) in start_of:
                numbers = torch.arange(x.numel(), device="cpu").reshape(x.shape)
                put[id(x)] = numbers + start_of[id(x)] + first
            else:
                put[id(x)] = torch.zeros(x.shape, dtype=torch.int64, device="cpu")
        made = _run(call, put, stay)
        if made is None or is_empty_shell(made):
            return None
        runs.append(made.reshape(-1).to(torch.int64))
    one, other = runs
    is_moved, is_still = other - one == shift, other == one
    if not (is_moved | is_still).all():
        return None
    return torch.where(is_moved, one - 1, NOWHERE)


def _run(call: Call, put: dict[int, Tensor], stay: dict[int, Tensor]) -> Tensor | None:
    """With whole numbers; where PyTorch has none for the call, with doubles."""
    for dtype in (torch.int64, torch.float64):
        cast = {key: x.to(dtype, copy=True) for key, x in put.items()}
        try:
            return call.with_tensors(cast | stay, dtype)
        except (RuntimeError, NotImplementedError, TypeError):
            continue
    return None


def chosen(call: Call, followed: Sequence[Tensor]) -> Tensor | None:
    """Picks of what `max`, `sort` or `topk` chose, by the indices that they give too.

    They choose by what the numbers were, so it is asked of the numbers themselves.
    """
    if len(followed) != 1 or is_empty_shell(followed[0]):
        return None
    (x,) = followed
    result = call.func(*call.args, **call.kwargs)
    if not isinstance(result, tuple | list) or len(result) != 2:
        return None
    values, where = result
    dim = next(k for k in range(max(x.ndim, 1)) if _is_along(x, values, where, k))
    numbers = torch.arange(x.numel()).reshape(x.shape)
    return _along(numbers, where, dim).reshape(-1)


def _is_along(x: Tensor, values: Tensor, where: Tensor, dim: int) -> bool:
    try:
        return torch.equal(_along(x, where, dim), values)
    except (RuntimeError, IndexError):
        return False


def _along(x: Tensor, where: Tensor, dim: int) -> Tensor:
    if where.ndim == x.ndim:
        return x.gather(dim, where)
    return x.gather(dim, where.unsqueeze(dim)).squeeze(dim)


def lead_to(picks: Tensor, before: Sequence[Tensor], after: Tensor) -> bool:
    """Whether the elements picked from what went in are those that came out."""
    after = after.reshape(-1).resolve_conj().resolve_neg()
    if len(picks) != len(after):
        return False
    there = torch.cat([x.reshape(-1).to(after.dtype) for x in before])
    known = picks >= 0
    got, want = there[picks[known]], after[known]
    return bool(((got == want) | ((got != got) & (want != want))).all())
