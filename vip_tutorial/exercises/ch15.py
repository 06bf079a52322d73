"""Put a temperature into the weights of a Linear."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, linear

from .runner import Ask, described, dictionary, is_dense, run

State = Mapping[str, Tensor]

_CASES = [(4, 0.25), (12, 3.0), (8, 0.01)]  # channels and temperature


def check_cooled(cooled: Callable[[dict[str, Tensor], float], Any]) -> None:
    """Say whether `cooled(state, temperature)` puts the temperature into the weights.

    Args:
        cooled: Your function.  `state` has `fc1.weight`, `fc1.bias`, `fc2.weight` and
            `fc2.bias` of a `reweight`; it gives a new dictionary with the same keys, in
            which they make what they made before, divided by the temperature.
    """
    told = ", ".join(f"{temperature:g}" for _, temperature in _CASES)
    run(
        cooled,
        _CASES,
        _judge,
        f"Right, at the temperatures {told}: a temperature is the size of fc2.",
    )


def _some_state(C: int, generator: torch.Generator) -> dict[str, Tensor]:
    shapes = {
        "fc1.weight": (C // 4, C),
        "fc1.bias": (C // 4,),
        "fc2.weight": (3 * C, C // 4),
        "fc2.bias": (3 * C,),
    }
    return {
        key: torch.randn(shape, generator=generator, dtype=torch.float64)
        for key, shape in shapes.items()
    }


def _logits(state: State, pooled: Tensor) -> Tensor:
    hidden = gelu(linear(pooled, state["fc1.weight"], state["fc1.bias"]))
    return linear(hidden, state["fc2.weight"], state["fc2.bias"])


def _judge(ask: Ask, case: tuple[int, float]) -> str:
    C, temperature = case
    state = _some_state(C, torch.Generator().manual_seed(0))
    call = f"cooled(state, {temperature:g}) for {C} channels"
    spoils = (
        "Whoever gave it would lose those weights. Begin with a copy, such as "
        "dict(state), and put new tensors into it."
    )
    got = ask(call, dict(state), temperature, gives=dictionary, spoils=spoils)
    if problem := _no_state(got, state, call):
        return problem
    pooled = torch.randn(
        20, C, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    made, wanted = _logits(got, pooled), _logits(state, pooled) / temperature
    if torch.allclose(made, wanted, rtol=1e-6, atol=1e-6):
        return ""
    return f"{call}: {_hint(got, state, made, pooled, temperature)}"


def _no_state(got: Any, state: State, call: str) -> str:
    """What keeps `got` from being weights of the same layers."""
    if got.keys() != state.keys():
        return (
            f"{call} has the keys {described(sorted(map(str, got)))}; it must have "
            f"those of state: {', '.join(state)}."
        )
    for key, before in state.items():
        if not is_dense(got[key]) or got[key].shape != before.shape:
            came = got[key].shape if is_dense(got[key]) else got[key]
            return (
                f"{call}: {key} is {described(came)}; "
                f"it must stay a tensor {tuple(before.shape)}."
            )
        if got[key].dtype != before.dtype or got[key].device != before.device:
            return f"{call}: {key} must stay {before.dtype} on {before.device}."
    return ""


def _hint(
    got: State, state: State, made: Tensor, pooled: Tensor, temperature: float
) -> str:
    """What wrong logits say of how they were made."""

    def like(logits: Tensor) -> bool:
        return torch.allclose(made, logits, rtol=1e-6, atol=1e-6)

    before, bias = _logits(state, pooled), state["fc2.bias"]
    if like(before):
        return "what the softmax gets is what it was before, as at temperature 1."
    if like(before * temperature):
        return "it is multiplied, and a temperature divides: cold makes numbers larger."
    if like((before - bias) / temperature + bias):
        return (
            "the weight of fc2 is divided, its bias is not. What the softmax gets is "
            "weight times hidden, plus bias, and all of that is divided."
        )
    if like(before - bias + bias / temperature):
        return "the bias of fc2 is divided, its weight is not."
    if any(not torch.equal(got[key], state[key]) for key in ("fc1.weight", "fc1.bias")):
        return (
            "fc1 has changed. Between it and the softmax stands a GELU, and half of "
            "what goes into a GELU does not make half of what comes out. Which layer "
            "comes after it?"
        )
    return (
        f"the first number that the softmax gets is {made[0, 0]:.3g}, it must be "
        f"{before[0, 0] / temperature:.3g}: before, it was {before[0, 0]:.3g}."
    )
