"""Notice when a run gives work to another thread, where no trace of it looks."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from typing import Any

_GIVING = ((threading.Thread, "start"), (ThreadPoolExecutor, "submit"))
_lock = threading.Lock()
_listeners: list[tuple[int, Callable[[], None]]] = []  # of each trace, by its thread
_own: list[Callable] = []  # Python's functions, while others stand in their place


@contextmanager
def work_given_away(listener: Callable[[], None]) -> Iterator[None]:
    """Calls `listener` when this thread starts another, or hands one work.

    All threads share what starts them.  The first trace replaces it, and the last one
    that ends, in whatever order, puts it back.
    """
    one = (threading.get_ident(), listener)
    with _lock:
        _listeners.append(one)
        if len(_listeners) == 1:
            for owner, name in _GIVING:
                _own.append(getattr(owner, name))
                setattr(owner, name, _told(_own[-1]))
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(one)
            if not _listeners:
                for owner, name in reversed(_GIVING):
                    setattr(owner, name, _own.pop())


def _told(function: Callable) -> Callable:
    @wraps(function)
    def telling(*args: Any, **kwargs: Any) -> Any:
        for thread, listener in list(_listeners):
            if thread == threading.get_ident():
                listener()
        return function(*args, **kwargs)

    return telling
