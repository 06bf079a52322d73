"""Write a check that catches a fault."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..permute_mlp import WeightedPermuteMLP
from ..study.faults.mutants import MUTANTS
from .runner import Ask, NotYet, TimeRanOut, required, run

_SEEDS = 5
_TIMEOUTS = 3  # so often time may run out on the other mutants


class _OneByOne(WeightedPermuteMLP):
    """A right module whose rounding doesn't depend on the size of the batch."""

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or len(x) < 2:
            return super().forward(x)
        # Each in memory of its own: that too can change how a sum is taken.
        return torch.cat([super(_OneByOne, self).forward(i[None].clone()) for i in x])


class _RoundedOtherwise(WeightedPermuteMLP):
    """A right module whose last digits depend on the size of what it is given.

    So it is on many processors, and here on all.
    """

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                layer.register_forward_hook(_round_otherwise)


def _round_otherwise(layer: nn.Module, given: tuple, y: Tensor) -> Tensor:
    places = torch.arange(y.shape[-1], device=y.device, dtype=torch.float64)
    up = torch.sin(1 + places * y.numel()).sign().to(y.dtype)  # no pattern to be seen
    return y * (1 + up * torch.finfo(y.dtype).eps)


def check_catches(check: Callable[[nn.Module], bool], mutant: type[nn.Module]) -> None:
    """Say whether `check` tells right modules from a faulty one.

    It is run on modules for 4 x 4 tokens of 8 channels with several random weights, and
    if it is right, on all the other mutants of `vip_tutorial.study.faults.mutants`, too.

    Args:
        check: Your function: True for a right module, False for a wrong one.
        mutant: The faulty class.
    """
    others: list[str] = []

    def judge(ask: Ask, mutant: type[nn.Module]) -> str:
        def verdicts(kind: type[nn.Module], what: str = "a right module") -> list[bool]:
            ask.afresh()
            return [_verdict(ask, kind, what, seed) for seed in range(_SEEDS)]

        problem = _problem(
            verdicts(WeightedPermuteMLP),
            verdicts(mutant, f"a {mutant.__name__}"),
            verdicts(_OneByOne),
            verdicts(_RoundedOtherwise),
            mutant.__name__,
        )
        if not problem:
            others.append(_others(ask, mutant))
        return problem

    def praise() -> str:
        return (
            "Right: it passes every right module and catches the fault, tried with "
            f"{_SEEDS} sets of weights. {others[0]}"
        )

    run(check, [mutant], judge, praise)


_TOLERANCE = (
    "Sums in another order differ in their last digits: compare with a tolerance, by "
    "torch.allclose(..., atol=1e-5)."
)


def _problem(
    right: list[bool],
    faulty: list[bool],
    one_by_one: list[bool],
    rounded: list[bool],
    mutant: str,
) -> str:
    """What is wrong with a check, by what it says with each set of weights.

    Whether it needs a tolerance is not left to how this machine rounds: `one_by_one`
    has no difference to be tolerated, and `rounded` always has one.
    """
    if not all(rounded) and (all(one_by_one) or (all(right) and any(one_by_one))):
        return (
            f"It accepts a right module or rejects it ({len(rounded) - sum(rounded)} "
            f"of {len(rounded)} times), depending on how its sums are rounded. "
            f"{_TOLERANCE}"
        )
    if not any(right):
        if any(faulty):
            return "It is the wrong way round: True should mean that all is well."
        return (
            "It rejects everything: right modules fail, too. If it asks whether "
            f"numbers are equal: {_TOLERANCE[0].lower()}{_TOLERANCE[1:]}"
        )
    if not all(right):
        return (
            "With some weights it accepts a right module, with others it doesn't "
            f"({sum(right)} of {len(right)}). Ask for something that holds whatever "
            f"the weights are. And if it is about equal numbers: {_TOLERANCE}"
        )
    if all(faulty):
        return f"It accepts everything: a {mutant} passes, too."
    if any(faulty):
        return (
            f"It catches the fault with some weights and misses it with others "
            f"({len(faulty) - sum(faulty)} of {len(faulty)} caught). Ask for something "
            "that holds whatever the weights are."
        )
    if not all(one_by_one):
        return (
            "It asks what the module is called: the same module, as a class of another "
            "name, fails. Ask what it does."
        )
    return ""


def _others(ask: Ask, mutant: type[nn.Module]) -> str:
    """What the check says of all other mutants."""
    caught, stuck, failed, left = [], [], [], []
    for other in MUTANTS:
        if other.module is mutant:
            continue
        if len(stuck) == _TIMEOUTS:
            left.append(other.name)
            continue
        ask.afresh()
        try:
            if not any(
                _verdict(ask, other.module, "another mutant", seed)
                for seed in range(_SEEDS)
            ):
                caught.append(other.name)
        except TimeRanOut:
            stuck.append(other.name)
        except NotYet:
            failed.append(other.name)
    told = {
        "It also catches": caught,
        "Time ran out on": stuck,
        "Not tried after that": left,
        "On these it raised an error or gave no verdict": failed,
    }
    words = [f"{what}: {', '.join(names)}." for what, names in told.items() if names]
    if not caught and not stuck:
        words.insert(0, "It catches no other.")
    return " ".join(words)


def _verdict(ask: Ask, kind: type[nn.Module], what: str, seed: int) -> bool:
    """What the check says of a kind of module, with one set of weights."""
    torch.random.default_generator.manual_seed(seed)
    module = kind(8, 4).eval()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    verdict = ask(f"On {what} your check", module, gives=_yes_or_no)
    changed = [
        k
        for k, v in module.state_dict().items()
        if v.device != before[k].device or not torch.equal(before[k], v)
    ]
    if changed:
        raise NotYet(
            f"Your check changes the module ({changed[0]}), and whoever uses it "
            "afterwards has another one. Try things out on copy.deepcopy(module)."
        )
    return verdict


def _yes_or_no(got: Any, call: str) -> bool:
    if got is None:
        raise required(got, call, "True or False")
    try:
        return bool(got)
    except Exception as error:  # a tensor of many elements, for one
        raise NotYet(
            f"Your check returned a {type(got).__name__} of many values; return one "
            "True or False, e.g. by torch.allclose."
        ) from error
