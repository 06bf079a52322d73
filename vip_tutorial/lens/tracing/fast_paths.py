"""Modules take their fast paths as they do when nobody watches."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

_PLAIN = (Tensor, torch.nn.Parameter, type(None))
_lock = threading.Lock()
_asks: list[Any] = []  # PyTorch's own question, once for each trace that runs


@contextmanager
def plain_tensors_take_fast_paths() -> Iterator[None]:
    """Modules ask `torch.overrides` who watches; of plain tensors it says nobody.

    All threads share that question.  The first trace replaces it, and the last one that
    ends, in whatever order, puts it back.
    """
    with _lock:
        ask = _asks[0] if _asks else torch.overrides.has_torch_function
        _asks.append(ask)
        torch.overrides.has_torch_function = _by_type(ask)
    try:
        yield
    finally:
        with _lock:
            _asks.pop()
            if not _asks:
                torch.overrides.has_torch_function = ask


def _by_type(ask):
    def ask_by_type(tensors: Sequence[Any]) -> bool:
        return any(type(x) not in _PLAIN for x in tensors) and ask(tensors)

    return ask_by_type
