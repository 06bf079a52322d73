"""Ask autograd for the gradients of a recorded run."""

import contextlib
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from .recorder import Recorder
from .recording import Step, TensorRecord
from .tensors import as_numbers


def record_gradients(recorder: Recorder, output: Tensor, gradient: Tensor) -> None:
    """Give each recorded tensor the gradient of `(gradient * output).sum()`.

    What follows from the moves that use a tensor, undone, is not stored; whether it
    does is looked up: a function with a backward of its own may do something else.

    Raises:
        ValueError: If `gradient` does not fit `output`, or that depends on no input.
    """
    if gradient.shape != output.shape:
        raise ValueError(
            f"gradient has shape {tuple(gradient.shape)} but the output has "
            f"{tuple(output.shape)}: they must be the same"
        )
    if not output.requires_grad:
        raise ValueError(
            "the output does not depend on the inputs in a way that autograd "
            "follows, so it has no gradient: was it detached, or rounded?"
        )
    recording = recorder.recording
    wanted = list(recorder.tensors.differentiable())
    gradients = _asked(output, wanted, gradient.to(output)) if wanted else {}
    if wanted and not gradients:
        raise ValueError(
            "autograd finds no way back from the output: an operation on the way has "
            "no gradient, or a tensor was written to that its gradient needs"
        )
    wanted = [(record, x) for record, x in wanted if record.id in gradients]
    uses: dict[int, list[Step]] = {record.id: [] for record in recording.tensors}
    for step in recording.steps:
        # Where autograd does not look, a move tells nothing of gradients.
        step.backward = step.output in gradients
        for id_ in set(step.inputs):
            uses[id_].append(step)
    cut = recorder.missing.steps_cut
    needed = [
        record
        for record, _ in wanted
        if cut
        or record.id in recording.outputs
        or not _follows(record, uses[record.id], gradients)
    ]
    # All or none: from a part of them wrong ones would be derived.
    size = sum(math.prod(record.shape) for record in needed)
    if size > recorder.tensors.room:
        recorder.missing.crowded_out += len(needed)
        for step in recording.steps:
            step.backward = False
        return
    recorder.tensors.room -= size
    for record in needed:
        grad = gradients[record.id]
        zeros = [0.0] * math.prod(record.shape)
        record.gradient = zeros if grad is None else as_numbers(grad)


def _asked(
    output: Tensor, wanted: list[tuple[TensorRecord, Any]], gradient: Tensor
) -> dict[int, Tensor | None]:
    """Gradients by record; without those of tensors that autograd refuses."""

    def ask(some: list[tuple[TensorRecord, Any]]) -> dict[int, Tensor | None]:
        tensors = [x for _, x in some]
        options = {"allow_unused": True, "retain_graph": True}
        found = torch.autograd.grad(output, tensors, gradient, **options)
        return {record.id: grad for (record, _), grad in zip(some, found)}

    try:
        return ask(wanted)
    except RuntimeError:  # of one of them, e.g. a view that a function made by itself
        gradients: dict[int, Tensor | None] = {}
        for one in wanted:
            with contextlib.suppress(RuntimeError):
                gradients |= ask([one])
        return gradients


def _follows(
    record: TensorRecord, uses: Iterable[Step], gradients: dict[int, Tensor | None]
) -> bool:
    """Whether a gradient is that of the moves which use the tensor, undone."""
    own = gradients[record.id]
    total = torch.zeros(math.prod(record.shape), dtype=torch.float64)
    steps = list(uses)
    if own is None or not steps:
        return False
    for step in steps:
        after = gradients.get(step.output)
        if step.map is None or after is None or step.inputs.count(record.id) > 1:
            return False
        if step.inputs[0] != record.id:
            continue  # a move takes nothing of its other inputs
        total.index_add_(0, torch.tensor(step.map, dtype=torch.int64), _flat(after))
    return torch.allclose(total, _flat(own), rtol=1e-4, atol=1e-7, equal_nan=True)


def _flat(x: Tensor) -> Tensor:
    x = x.detach().cpu()
    return (x.abs() if x.is_complex() else x).to(torch.float64).reshape(-1)
