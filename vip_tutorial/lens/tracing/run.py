"""Run a function of tensors and record what it does."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from .beneath import unobserved
from .failures import note_on, told
from .given import (
    check_gradient,
    check_inputs,
    entered,
    given_axes,
    most_elements,
)
from .gradients import record_gradients
from .recorder import Recorder
from .recording import Trace

MAX_ELEMENTS = 2048


def trace(
    function: Callable[..., Any],
    *inputs: Any,
    axes: str | Sequence[str] | None = None,
    gradient: Tensor | None = None,
    max_elements: int = MAX_ELEMENTS,
    partial: bool = False,
) -> Trace:
    """Run `function(*inputs)` and record the tensor calls that it makes.

    A step is a call that takes something that comes from the inputs.  What a call takes
    besides is kept with it: weights, biases, masks.  Calls inside compiled or scripted
    code, and those inside a call that does several things at once, are told by
    PyTorch's own operations, under the line that made the call.

    Args:
        function: A module, a bound method or any function of tensors.
        *inputs: Its inputs, a tensor first, on any device.
        axes: Names of the first input's axes, e.g. "BHWC".  If None they are read
            from a line `B, H, W, C = x.shape` of the code that runs, or else numbered.
        gradient: If given, a tensor like the output: each recorded tensor also gets
            the gradient of `(gradient * output).sum()`.  The function is then given
            inputs that require gradients and are detached from the caller's: so
            `result` requires grad too, and no gradient goes from it to the caller.
        max_elements: For a tensor with more elements, values, gradient and element
            map are left out; shapes, strides and the rest are kept.
        partial: If the function raises an Exception, return what ran before it.  The
            recording's `failed` says which call failed and why.

    Returns:
        The recording.  Its `result` is what `function(*inputs)` returns, to the bit.
        Its size is bounded: it holds at most 1,024 steps and `64 * max_elements`
        numbers, and 400 characters of each call and of each line of source.  What
        comes later or is longer is left out; `omitted` says which numbers and steps.

    Raises:
        TypeError: If `function` cannot be called, the first input or `gradient` is no
            tensor, if the first input has no strides (sparse, nested, quantized), if
            the gradient has no contents (meta), or if a name is no string.
        ValueError: If the function returns no tensor, if `axes`, `gradient` or
            `max_elements` do not fit, if gradients are switched off, or if the output
            does not depend on the inputs.
        Exception: What the function raises.  A note says how far it came: the steps
            as a table, and what the call that failed was given.
    """
    check_inputs(function, inputs)
    most = most_elements(max_elements)
    if gradient is not None:
        check_gradient(gradient)
        found = {id(x): entered(x) for x in inputs}
        inputs = tuple(found[id(x)] for x in inputs)
    recorder = Recorder(function, most, gradient is not None)
    with unobserved():
        recorder.add_inputs(inputs)
    if axes is not None:
        recorder.name_input(given_axes(axes, inputs[0]))
    try:
        with recorder.watching():
            result = function(*inputs)
    except BaseException as fault:
        with unobserved():
            failed = told(recorder.failure, fault)
            if partial and isinstance(fault, Exception):
                kind = type(fault).__name__
                recorder.break_off(
                    f"The run broke off: {kind}: {fault}\n{failed}".strip()
                )
                recorder.close()
                return recorder.recording
            fault.add_note(note_on(recorder.recording, failed))
        raise
    with unobserved():
        outputs = recorder.finish(result)
        if gradient is not None and not recorder.missing.changed:
            record_gradients(recorder, outputs[0], gradient)
        recorder.close()
    return recorder.recording
