"""Runs the answers to the exercises: calls, stops, catches, and says what came of it.

A chapter's exercise says what is called, with which cases, what is right, and what a
wrong answer hints at.  All else is here.

An answer runs where the reader's cell runs, and a thread watches it.  When its time is
up, it gets what the stop button of a notebook sends: a `KeyboardInterrupt`, on Linux,
macOS and Windows.  No thread is left behind.  As with the stop button, there are
answers that don't heed it:

- one that catches everything (`except:` without a name) in a loop that never ends;
- one that is in a single step of PyTorch or Python, until that step ends: a product of
  huge tensors, `sum(itertools.count())`, and on Windows a long `time.sleep`;
- any, if the check is not called in the main thread, as all notebooks do.

The reader of such a one is told to restart the kernel.
"""

import contextlib
import copy
import inspect
import io
import random
import reprlib
import signal
import sys
import threading
import time
import traceback
from _thread import interrupt_main
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TextIO, TypeVar

import numpy as np
import torch
from torch import Tensor

SECONDS = 10.0
"""What an answer may compute in each case of an exercise.

Time in which the machine does something else doesn't count.
"""

PATIENCE = 60.0
"""How long an answer may take in each case, by the clock, if it only waits."""

_TICK = 0.05
_GRACE = 5.0  # seconds from the interrupt to the words that it isn't heeded
_PRINTED = 2000  # characters that an answer may print
_MANY = 10_000  # no list that is asked for is as long
_SMALL = 10**6  # no tensor is as large

C = TypeVar("C")
T = TypeVar("T")


class NotYet(Exception):
    """What is to be said of a wrong answer."""


class TimeRanOut(NotYet):
    """The answer was stopped, or not asked any more."""


def run(
    answer: Callable[..., Any],
    cases: Iterable[C],
    judge: Callable[["Ask", C], str],
    praise: str | Callable[[], str],
) -> None:
    """Try an answer on each case, and print what is wrong with it, or the praise.

    What the answer draws at random is the same each time, and the reader's own random
    numbers go on as if nothing had been.

    Args:
        answer: The reader's function.
        cases: What to try it with; the first that fails is told.
        judge: Asks the answer for a case, and says what is wrong, or "".
        praise: Said if nothing is; a function is called in the end.
    """
    try:
        if not callable(answer):
            raise NotYet(
                f"The answer must be a function; {described(answer)} is none. Hand it "
                "over itself, by its name without brackets."
            )
        with contextlib.ExitStack() as stack:
            clock = stack.enter_context(_Clock())
            stack.enter_context(own_luck())
            stack.enter_context(contextlib.redirect_stdout(_Few(sys.stdout)))
            stack.enter_context(contextlib.redirect_stderr(_Few(sys.stderr)))
            ask = Ask(answer, clock)
            for case in cases:
                ask.afresh()
                if problem := judge(ask, case):
                    raise NotYet(problem)
        tell("", praise if isinstance(praise, str) else praise())
    except NotYet as told:
        tell(str(told), "")


def tell(problem: str, praise: str) -> None:
    """Print what is wrong with an answer; if nothing is, the praise."""
    print(f"Not yet. {problem}" if problem else praise)


# --- Asking -----------------------------------------------------------------------


class Ask:
    """Calls the answer; what then can't be judged is told by `NotYet`."""

    def __init__(self, answer: Callable[..., Any], clock: "_Clock"):
        self.answer = answer
        self._clock = clock

    def afresh(self) -> None:
        """Give the answer its time anew."""
        self._clock.afresh()

    def __call__(
        self,
        call: str,
        *arguments: Any,
        gives: Callable[[Any, str], T],
        spoils: str = "Build a new one instead.",
        by: Callable[..., Any] | None = None,
    ) -> T:
        """Call the answer.

        Args:
            call: The call in words: "rows(x, N=3) with x of shape (2, 3)".
            *arguments: What to call it with; it must leave them as they are.
            gives: Reads what it returned, see `truth`.  That takes the answer's time,
                since a generator runs when it is read.
            spoils: What to say to an answer that changes its input.
            by: Calls the answer, if something has to be done around it; it gets the
                answer and the arguments.

        Raises:
            NotYet: If the answer raises an error, returns something else than it
                should, or changes its input.
            TimeRanOut: If it takes too long.
        """
        kept = copy.deepcopy(arguments)

        def answered() -> T:
            got = by(self.answer, *arguments) if by else self.answer(*arguments)
            return gives(got, call)

        try:
            value = self._clock.timed(answered, call)
        except NotYet:
            raise
        except KeyboardInterrupt as error:
            if self._clock.stopped_by_reader:
                raise
            raise self._told(error, call) from None
        except BaseException as error:  # also an exit()
            raise self._told(error, call) from None
        if not _same(arguments, kept):
            raise NotYet(f"{call} changed its input. {spoils}")
        return value

    def _told(self, error: BaseException, call: str) -> NotYet:
        """What is to be said of an error; its message takes the answer's time, too."""
        told = self._clock.timed(lambda: _raised(error, call, self.answer), call)
        if self._clock.stopped_by_reader:
            raise KeyboardInterrupt
        return NotYet(told)


def _same(one: Any, other: Any) -> bool:
    """Whether an argument is as it was; of what holds no numbers this is not asked."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        alike = one.shape == other.shape and one.dtype == other.dtype
        return alike and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return not isinstance(one, int | float | str) or one == other


def _raised(error: BaseException, call: str, answer: Callable) -> str:
    try:
        message = shortened(" ".join(str(error).split()), 300)
    except BaseException:  # an answer's own kind of error can have an error itself
        message = "(its message cannot be read)"
    told = f"{call} raised {type(error).__name__}" + (message and f": {message}")
    if isinstance(error, RecursionError):
        told += ". Does it call itself?"
    line = _line_of(error, answer)
    return told + (line and f"\nThe line: {line}")


def _line_of(error: BaseException, answer: Callable) -> str:
    """The line of the answer that raised the error, if it is known."""
    parts = [answer]
    if isinstance(
        answer, type
    ):  # of a module: what PyTorch or the package did not give
        kinds = [kind for kind in answer.__mro__ if not _is_given(kind)]
        parts = [vars(k).get(name) for k in kinds for name in ("__init__", "forward")]
    codes = [getattr(inspect.unwrap(part), "__code__", None) for part in parts if part]
    files = {code.co_filename for code in codes if code}
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.line or "" for frame in frames if frame.filename in files]
    return shortened(lines[-1], 100) if lines else ""


def _is_given(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("torch", "vip_tutorial", "builtins")


# --- Reading what it returned -----------------------------------------------------


def anything(got: Any, call: str) -> Any:
    """Whatever it is."""
    return got


def required(got: Any, call: str, needed: str) -> NotYet:
    """What is to be said of a result that is of another kind than the needed one."""
    if got is None:
        return NotYet(f"{call} returned None. Does your function end in a return?")
    return NotYet(f"{call} returned {described(got)}; it must return {needed}.")


def truth(got: Any, call: str) -> bool:
    """True or False, also NumPy's and those in a tensor of one element."""
    if not is_true_or_false(got):
        raise required(got, call, "True or False")
    return bool(got)


def is_true_or_false(value: Any) -> bool:
    """Whether it is True or False, perhaps NumPy's or in a tensor of one element."""
    if isinstance(value, Tensor):
        is_one = value.numel() == 1 and not value.is_meta and not value.is_nested
        return value.dtype == torch.bool and is_one
    return type(value).__name__ in ("bool", "bool_")


def list_of(what: str) -> Callable[[Any, str], list[int]]:
    """Reads whole numbers, whatever holds them; `what` says what they number."""

    def numbers(got: Any, call: str) -> list[int]:
        if isinstance(got, Tensor) and (got.is_nested or got.ndim == 0):
            raise required(got, call, what)
        try:
            iterator = iter(got[:_MANY] if isinstance(got, Tensor) else got)
        except TypeError:
            raise required(got, call, what) from None
        items = list(islice(iterator, _MANY))
        try:
            read = [int(item) for item in items]
            whole = all(number == item for number, item in zip(read, items))
        except Exception:
            whole = False
        if not whole:
            raise required(got, call, what)
        return read

    return numbers


def is_dense(value: Any) -> bool:
    """Whether it is a tensor that has a shape, and all its numbers."""
    is_tensor = isinstance(value, Tensor)
    return is_tensor and value.layout == torch.strided and not value.is_nested


def tensor_like(x: Tensor) -> Callable[[Any, str], Tensor]:
    """Reads a tensor that has the numbers' type and device of `x`."""

    def tensor(got: Any, call: str) -> Tensor:
        if not isinstance(got, Tensor):
            raise required(got, call, "a tensor")
        if got.dtype != x.dtype or got.device != x.device or not is_dense(got):
            kind = " (nested)" if got.is_nested else " (sparse)"
            kind = "" if is_dense(got) else kind
            raise NotYet(
                f"{call} gave numbers of {got.dtype} on {got.device}{kind}; they "
                f"should stay {x.dtype} on {x.device}."
            )
        # A copy, since a thread of the answer might go on writing to it.
        return got.detach().clone() if got.numel() < _SMALL else got.detach()

    return tensor


def dictionary(got: Any, call: str) -> dict:
    """A dictionary, or what can be used as one."""
    if not isinstance(got, Mapping):
        raise required(got, call, "a dictionary")
    return dict(got)


class _Short(reprlib.Repr):
    """Shows no class of the reader's own by its repr, which may never end."""

    def repr_instance(self, value: Any, level: int) -> str:
        known = {*sys.stdlib_module_names, "torch", "numpy"}
        if type(value).__module__.partition(".")[0] not in known:
            return f"<{type(value).__name__}>"
        return super().repr_instance(value, level)


_SHORT = _Short()
_SHORT.maxlist = _SHORT.maxtuple = 16


def described(value: Any) -> str:
    """A value as it may stand in a sentence, however large it is."""
    try:
        return shortened(" ".join(_SHORT.repr(value).split()), 80)
    except Exception:
        return f"that {type(value).__name__}"


def shortened(text: str, most: int) -> str:
    """The beginning of a text."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


# --- The time ---------------------------------------------------------------------


class _Interrupt(KeyboardInterrupt):
    """Ends an answer whose time has run out; nobody but the clock sees it."""


class _Clock:
    """Counts the time of the answer's calls, and interrupts one that takes too long."""

    def __init__(self):
        self.stopped_by_reader = False
        self._spent = self._waited = 0.0
        self._number = 0  # of the call that runs, or ran last
        self._running: tuple | None = None  # that call, and what all clocks said
        self._struck = 0  # the call that was interrupted last
        self._unheard, self._sent_at = False, -1e9
        self._over = threading.Event()
        self._main = threading.current_thread() is threading.main_thread()
        self._screen = sys.stdout
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Clock":
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._signalled)
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._over.set()
            self._watcher.join()
        finally:
            if self._main:
                signal.signal(signal.SIGINT, self._before or signal.SIG_DFL)

    def afresh(self) -> None:
        self._spent = self._waited = 0.0

    def timed(self, function: Callable[[], T], call: str) -> T:
        """Call a function; `TimeRanOut` if it was stopped, or came too late."""
        self._number += 1
        number, before, began = self._number, time.thread_time(), time.monotonic()
        self._running = running = (
            *(number, call, self._spent, self._waited),
            *(time.process_time(), began),
        )
        value = error = None
        try:
            value = _inside(function)
        except BaseException as raised:
            error = raised
        self._running = None
        late = self._struck == number or self._beyond(running) >= 0
        self._spent += time.thread_time() - before
        self._waited += time.monotonic() - began
        # The answer, or PyTorch, may have made another error of the interrupt; or there
        # was none, in one long step or outside the main thread.
        if late and not self.stopped_by_reader:
            raise TimeRanOut(self._words(call))
        if error is not None:
            raise error
        return value

    def _words(self, call: str) -> str:
        if self._waited >= PATIENCE and self._spent < SECONDS:
            return (
                f"Time ran out: {call} had not ended after {PATIENCE:g} seconds by the "
                "clock, and computed little. Does it sleep, or wait for something?"
            )
        return (
            f"Time ran out: {call} was still running after {SECONDS:g} seconds of "
            "computing. Is there a loop that never ends, or one over single numbers? "
            "reshape, permute and matmul work on all of them at once."
        )

    def _beyond(self, running: tuple) -> float:
        """How many seconds a call is beyond its time; below 0 if it has some left."""
        _, _, spent, waited, cpu, began = running
        by_the_clock = time.monotonic() - began
        # The process has other threads, too, so it may be more than the clock's.
        computed = min(time.process_time() - cpu, by_the_clock)
        return max(spent + computed - SECONDS, (waited + by_the_clock - PATIENCE) / 6)

    def _watch(self) -> None:
        """What the watching thread does."""
        warned = 0
        while not self._over.wait(_TICK):
            if (running := self._running) is None:
                continue
            beyond = self._beyond(running)
            if beyond < 0:
                continue
            number, call, *_ = running
            self._interrupt(number)
            if beyond > _GRACE and warned != number:
                warned = number
                self._screen.write(
                    f"Time ran out: {call} is still running, and can't be interrupted: "
                    "it waits for one long step, or it catches every error. If it "
                    "doesn't end, restart the kernel.\n"
                )
                self._screen.flush()

    def _interrupt(self, number: int) -> None:
        if not self._main:
            return
        self._struck, self._unheard, self._sent_at = number, True, time.monotonic()
        if hasattr(signal, "pthread_kill"):  # ends a sleep, too
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        else:
            interrupt_main()

    def _signalled(self, signum: int, frame: Any) -> None:
        """Runs in the main thread, between two of its steps."""
        ours = self._unheard or time.monotonic() - self._sent_at < 1
        self._unheard = False
        if not ours:
            self.stopped_by_reader = True
            if callable(self._before):
                self._before(signum, frame)
            elif self._before == signal.SIG_DFL:
                raise KeyboardInterrupt
        elif self._struck == self._number and _is_inside(frame):
            raise _Interrupt


def _inside(function: Callable[[], T]) -> T:
    """Call the function: what has this on its stack may be interrupted."""
    return function()


def _is_inside(frame: Any) -> bool:
    while frame is not None and frame.f_code is not _inside.__code__:
        # What a weak reference calls may not raise: Python would drop it, and say so.
        # The next strike meets the answer elsewhere.
        if frame.f_code.co_filename.endswith(("weakref.py", "_weakrefset.py")):
            return False
        frame = frame.f_back
    return frame is not None


# --- What the answer may not do to the notebook -----------------------------------


@contextlib.contextmanager
def own_luck() -> Iterator[None]:
    """The same random numbers each time, and the reader's own kept."""
    python, numbers = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(0)
        np.random.seed(0)
        torch.random.default_generator.manual_seed(0)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numbers)


class _Few(io.TextIOBase):
    """Passes on the first characters that an answer prints: a page can drown."""

    def __init__(self, screen: TextIO):
        self._screen = screen
        self._left = _PRINTED

    def write(self, text: str) -> int:
        if text and self._left >= 0:
            self._screen.write(text[: self._left])
            if len(text) > self._left:
                self._screen.write("…\n(What your function prints further is cut.)\n")
        self._left -= len(text)
        return len(text)

    def flush(self) -> None:
        self._screen.flush()
