"""Run a reader's answer: whatever it does, the reader gets a sentence and goes on.

The answer runs in a thread of its own.  That works in Jupyter on every system and in
Colab alike, and a check there must neither hang nor end the kernel.
"""

import contextvars
import ctypes
import inspect
import reprlib
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

SECONDS = 10.0
"""What a check gives all runs of an answer together; a right one takes far less."""


class Deadline:
    """The time that a check still has.

    Args:
        seconds: From now on.
    """

    def __init__(self, seconds: float | None = None):
        self.seconds = SECONDS if seconds is None else seconds
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds that are left, 0 if none."""
        return max(0.0, self._end - time.monotonic())


def attempt(
    function: Callable[..., Any], *arguments: Any, call: str, deadline: Deadline
) -> tuple[Any, str]:
    """Call an answer, for as long as the deadline allows.

    Args:
        function: The answer, or something that calls it and has it as `__wrapped__`.
        *arguments: What to call it with.
        call: The call in words, for messages: "rows(x, N=3) with x of shape (2, 3)".
        deadline: When to give up.

    Returns:
        The result and "", or None and a sentence saying what went wrong.
    """
    if not callable(function):
        return None, f"The answer must be a function; {described(function)} is none."
    outcome: dict[str, Any] = {}
    # As if it ran in the reader's own cell: with its context variables.
    context = contextvars.copy_context()
    thread = threading.Thread(
        target=context.run, args=(_run, function, arguments, outcome), daemon=True
    )
    thread.start()
    thread.join(deadline.left())
    if thread.is_alive():
        return None, (
            f"{call} was still running after {deadline.seconds:g} seconds. Is there a "
            "loop that never ends, or one over single numbers? reshape, permute and "
            f"matmul work on all of them at once.{_stop(thread)}"
        )
    if "error" in outcome:
        error = outcome["error"]
        said = _message(error)
        return None, (
            f"{call} raised {type(error).__name__}: {shortened(said, 300)}"
            f"{_line_of(error, function)}"
        )
    return outcome["result"], ""


def attempt_on_tensors(
    function: Callable[..., Any], *arguments: Any, call: str, deadline: Deadline
) -> tuple[Tensor | None, str]:
    """Call an answer that makes a tensor, and that must leave its tensors alone.

    Args:
        function: The answer.
        *arguments: What to call it with.
        call: The call in words, see `attempt`.
        deadline: When to give up.

    Returns:
        The tensor and "", or None and a sentence saying what went wrong.
    """
    given = [(x, x.clone()) for x in arguments if isinstance(x, Tensor)]
    got, problem = attempt(function, *arguments, call=call, deadline=deadline)
    if problem:
        return None, problem
    if got is None:
        return None, f"{call} returned None. Does your function end in a return?"
    if not isinstance(got, Tensor):
        kind = type(got).__name__
        return None, f"{call} returned {kind}; it must return a tensor."
    if not all(torch.equal(x, before) for x, before in given):
        return None, f"{call} changed its input. Build a new tensor instead."
    first = given[0][0]
    if got.dtype != first.dtype or got.device != first.device or got.is_sparse:
        return None, (
            f"{call} gave numbers of {got.dtype} on {got.device}; they should stay "
            f"{first.dtype} on {first.device}."
        )
    return got.detach(), ""


def described(value: Any) -> str:
    """A value as it may stand in a sentence, however large it is."""
    try:
        return shortened(" ".join(reprlib.repr(value).split()), 80)
    except Exception:
        return f"that {type(value).__name__}"


def is_true_or_false(value: Any) -> bool:
    """True and False, also NumPy's and those in a tensor of one element."""
    if isinstance(value, Tensor):
        return value.dtype == torch.bool and value.numel() == 1 and not value.is_meta
    return type(value).__name__ in ("bool", "bool_")


def shortened(text: str, most: int) -> str:
    """The beginning of a text."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _message(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())
    except Exception:  # an answer's own kind of error can have an error itself
        return "(its message cannot be read)"


class _Stopped(BaseException):
    """Raised inside an answer to end it; nothing that it catches is this."""


def _run(function: Callable, arguments: tuple, outcome: dict[str, Any]) -> None:
    try:
        outcome["result"] = function(*arguments)
    except _Stopped:
        pass
    except BaseException as error:  # also an exit() or a KeyboardInterrupt
        outcome["error"] = error


def _stop(thread: threading.Thread) -> str:
    """End the thread, and say so if that can't be done."""
    for _ in range(3):  # a bare except swallows the first
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(_Stopped)
        )
        thread.join(0.5)
        if not thread.is_alive():
            return " It was stopped."
    # Python looks for such an exception only between two of its own steps.
    return (
        " It could not be stopped and goes on in the background: restart the kernel "
        "before you go on."
    )


def _line_of(error: BaseException, function: Callable) -> str:
    """The line of the answer that raised the error, if it is known."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    file = getattr(code, "co_filename", None)
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if f.filename == file
    ]
    line = shortened(frames[-1].line or "", 100) if frames else ""
    return f"\nThe line: {line}" if line else ""
