"""The exercise of the chapter on faults: write a check that catches one."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..mutants import MUTANTS
from ..permute_mlp import WeightedPermuteMLP
from .runner import Deadline, attempt, described

_SEEDS = 5


class _Told(Exception):
    """What is to be said of an answer that can't be judged further."""


class _UnderAnotherName(WeightedPermuteMLP):
    """A right module that is not of the usual class."""


def check_catches(check: Callable[[nn.Module], bool], mutant: type[nn.Module]) -> None:
    """Say whether `check` tells right modules from a faulty one.

    It is run on modules for 4 x 4 tokens of 8 channels with several random weights, and
    if it is right, on all the other mutants of `vip_tutorial.mutants`, too.

    Args:
        check: Your function: True for a right module, False for a wrong one.
        mutant: The faulty class.
    """
    deadline = Deadline()
    try:
        verdicts = _verdicts(check, WeightedPermuteMLP, "a right module", deadline)
        faulty = _verdicts(check, mutant, f"a {mutant.__name__}", deadline)
        renamed = _verdicts(check, _UnderAnotherName, "a right module", deadline)
        problem = _problem(verdicts, faulty, renamed, mutant)
    except _Told as told:
        problem = str(told)
    if problem:
        print(f"Not yet. {problem}")
        return
    others = [
        m.name
        for m in MUTANTS
        if m.module is not mutant and _rejects(check, m, deadline)
    ]
    also = (
        f"It also catches: {', '.join(others)}." if others else "It catches no other."
    )
    print(
        f"Right: it passes every right module and catches the fault, tried with "
        f"{_SEEDS} sets of weights. {also}"
    )


def _problem(
    right: list[bool], faulty: list[bool], renamed: list[bool], mutant: type[nn.Module]
) -> str:
    if not any(right):
        if any(faulty):
            return "It is the wrong way round: True should mean that all is well."
        return "It rejects everything: right modules fail, too."
    if not all(right):
        return (
            f"With some weights it accepts a right module, with others it doesn't "
            f"({sum(right)} of {len(right)}). Sums in another order differ in their "
            "last digits: compare with a tolerance, by torch.allclose(..., atol=1e-5)."
        )
    if all(faulty):
        return f"It accepts everything: a {mutant.__name__} passes, too."
    if any(faulty):
        return (
            f"It catches the fault with some weights and misses it with others "
            f"({len(faulty) - sum(faulty)} of {len(faulty)} caught). Ask for something "
            "that holds whatever the weights are."
        )
    if not all(renamed):
        return (
            "It asks what the module is called: the same module, as a class of another "
            "name, fails. Ask what it does."
        )
    return ""


def _verdicts(
    check: Callable[[nn.Module], Any],
    kind: type[nn.Module],
    what: str,
    deadline: Deadline,
) -> list[bool]:
    """What the check says of a kind of module, with several sets of weights."""
    if not callable(check):
        raise _Told(
            f"check_catches got {described(check)}; give it your function itself: "
            "check_catches(my_check, ...)."
        )
    verdicts = []
    for seed in range(_SEEDS):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = kind(8, 4).eval()
            before = {k: v.clone() for k, v in module.state_dict().items()}
            call = f"On {what} your check"
            verdict, problem = attempt(check, module, call=call, deadline=deadline)
            if problem:
                raise _Told(problem)
        if verdict is None:
            raise _Told("Your check returned None. Does it end in a return?")
        try:
            verdicts.append(bool(verdict))
        except Exception as error:  # a tensor of many elements, for one
            raise _Told(
                f"Your check returned a {type(verdict).__name__} of many values; "
                "return one True or False, e.g. by torch.allclose."
            ) from error
        changed = [
            k
            for k, v in module.state_dict().items()
            if v.device != before[k].device or not torch.equal(before[k], v)
        ]
        if changed:
            raise _Told(
                f"Your check changes the module ({changed[0]}), and whoever uses it "
                "afterwards has another one. Try things out on copy.deepcopy(module)."
            )
    return verdicts


def _rejects(check: Callable, mutant: Any, deadline: Deadline) -> bool:
    try:
        return not any(_verdicts(check, mutant.module, "another mutant", deadline))
    except _Told:
        return False
