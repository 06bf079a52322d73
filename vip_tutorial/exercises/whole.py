"""Write the whole module: whatever it is called and however it is written."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..lens import Trace, trace
from ..permute_mlp import WeightedPermuteMLP
from ..study.faults.checks import CHECKS
from ..study.faults.foreign import (
    ByRole,
    CannotAsk,
    Misfit,
    Roles,
    by_role,
)
from ..study.faults.mutants import MUTANTS
from ..study.oracles import weighted_permute_mlp_einsum
from .runner import Ask, NotYet, anything, required, run, shortened, tell, tensor_like

if TYPE_CHECKING:
    from ..lens import PermuteLens

Make = Callable[[int, int], nn.Module]

_SIZES = [(4, 2), (2, 5), (3, 4)]  # N and S; in the second C is no multiple of 4
_CLOSE = 1e-9  # in float64
_ASKED_ELSEWHERE = ("shape", "formula", "parameters")  # before, and with an element
_HINTS = {
    "gradient": " Is something detached, or under no_grad?",
    "training": " Is something dropped that is not proj_drop's?",
    "dropout": " It comes last, after the projection.",
}


@dataclass
class SideBySide:
    """A wrong module's run and the right one's, at the first wrong element.

    Attributes:
        yours: The run of the wrong module.
        right: The run of the right one, with the same parameters on the same image.
        element: The first wrong element of the output, `(b, h, w, c)`.
    """

    yours: "PermuteLens"
    right: "PermuteLens"
    element: tuple[int, ...]

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.yours, self.right)


def check_whole(make: Make) -> SideBySide | None:
    """Say whether `make(dim, segment_dim)` makes a `WeightedPermuteMLP`.

    Its parameters may have any names; which is which is found by their shapes and by
    what they do, and then it is asked by weights alone.  One part after the other is
    let through, the branches first, and compared with the right one.

    Args:
        make: Your class, or a function of the number of channels and of segments.

    Returns:
        If an element of the output is wrong, two lenses, yours and the right one, with
        the same weights on the same image.  In a notebook they are shown.
    """
    whole = _Whole()
    if isinstance(make, nn.Module):
        name = type(make).__name__
        tell(f"That is a module already; hand over the class, {name}.", "")
        return None
    run(make, _SIZES, whole.judge, whole.praise)
    return whole.lenses


class _Whole:
    """What has been found out about an answer."""

    def __init__(self) -> None:
        self.lenses: SideBySide | None = None
        self.roles: Roles | None = None
        self.passed: list[str] = []
        self.unasked: dict[str, str] = {}

    def praise(self) -> str:
        sizes = ", ".join(f"{N} x {N} tokens of {N * S} channels" for N, S in _SIZES)
        words = [f"Right: it computes what the package's module computes, for {sizes}."]
        words.append(f"It passes the checks {', '.join(self.passed)}.")
        for name, why in self.unasked.items():
            words.append(f"Not asked: {name}, since {why}.")
        return "\n".join([*words, *self._named()])

    def _named(self) -> list[str]:
        if self.roles is None or self.roles.are_the_packages:
            return []
        return [f"Which is which: {self.roles}."]

    def judge(self, ask: Ask, sizes: tuple[int, int]) -> str:
        """What is wrong at these sizes, or ""."""
        N, S = sizes
        C = N * S
        made = f"yours(dim={C}, segment_dim={N})"
        module = ask(made, C, N, gives=_module)
        x = torch.randn(2, N, N, C)
        call = f"{made}(x) with x of shape (B, H, W, C) = {tuple(x.shape)}"
        ask(call, x, by=lambda make, x: module.eval()(x), gives=_like(x))
        try:
            asked = _do(ask, f"{made}, in float64,", lambda: by_role(module, N, S))
        except Misfit as misfit:
            return f"The parameters of {made}: {misfit}."
        self.roles = asked.roles
        for stage in _stages(N, S):
            ask.afresh()
            if problem := self._element(ask, asked, stage):
                return problem
        if sizes == _SIZES[0]:
            return self._checks(ask, N, S)
        return ""

    def _element(self, ask: Ask, asked: ByRole, stage: "_Stage") -> str:
        made = f"yours, in float64 and with {stage.weights_in_words},"
        call = f"{made} called with an x of shape {tuple(stage.x.shape)},"
        got = ask(call, by=lambda make: stage.out_of(asked), gives=_like(stage.x))
        right = stage.right
        at = stage.first_wrong(got)
        if at is None:
            return ""
        place = ", ".join(map(str, at))
        digits = 9 if f"{got[at]:.4g}" == f"{right[at]:.4g}" else 4
        words = [
            f"{stage.title}: y[{place}] is {got[at]:.{digits}g} and should be "
            f"{right[at]:.{digits}g}, {stage.source(at)}.{stage.instead(got, at)} "
            f"(With {stage.weights_in_words}.)"
        ]
        words += _do(ask, made, lambda: _known(asked))
        ask.afresh()
        try:
            self.lenses, first = _do(ask, made, lambda: _side_by_side(asked, stage, at))
            words += first
        except NotYet:
            pass  # it can't be recorded; then the words must do
        return "\n".join([*words, *self._named()])

    def _checks(self, ask: Ask, N: int, S: int) -> str:
        roles = self.roles

        def make(dim: int, segment_dim: int) -> ByRole:
            return by_role(ask.answer(dim, segment_dim), N, S, roles)

        for name, check in CHECKS.items():
            if name in _ASKED_ELSEWHERE:
                continue
            ask.afresh()
            call = f"The check {name} of yours"
            said = _do(ask, call, lambda check=check: _said(check, make))
            if isinstance(said, CannotAsk):
                self.unasked[name] = str(said)
            elif said:
                asks = (check.__doc__ or "").splitlines()[0].rstrip(".")
                words = f"The check {name}, “{asks}”: {said}.{_HINTS.get(name, '')}"
                return "\n".join([words, *self._named()])
            else:
                self.passed.append(name)
        return ""


def _do(ask: Ask, call: str, what: Callable[[], Any]) -> Any:
    """Do something in which the answer's code runs, in the time that it has."""

    def done(make: Make) -> tuple[Any, Misfit | None]:
        try:
            return what(), None
        except Misfit as misfit:
            return None, misfit

    value, misfit = ask(call, by=done, gives=anything)
    if misfit:
        raise misfit
    return value


def _said(check: Callable[..., None], make: Make) -> str | CannotAsk:
    try:
        check(make, *_SIZES[0])
    except AssertionError as error:
        return str(error)
    except CannotAsk as why:
        return why
    return ""


def _module(got: Any, call: str) -> nn.Module:
    if not isinstance(got, nn.Module):
        raise required(got, call, "a torch.nn.Module")
    return got


def _like(x: Tensor) -> Callable[[Any, str], Tensor]:
    def tensor(got: Any, call: str) -> Tensor:
        got = tensor_like(x)(got, call)
        if got.shape != x.shape:
            raise NotYet(f"{call} has shape {tuple(got.shape)}; it must be that of x.")
        return got

    return tensor


# --- One part after the other ------------------------------------------------------


class _Stage:
    """Weights that let one part of the module through, and what is right there.

    Args:
        title: What is looked at.
        weights_in_words: The weights, for the reader.
        x: The image that goes in.
        values: The weights, by the package's names; what is not named is zero.
        only_moves: Whether each element of the output is one of `x`, but for a factor.
    """

    def __init__(
        self,
        title: str,
        weights_in_words: str,
        x: Tensor,
        values: dict[str, Tensor],
        only_moves: bool = False,
    ):
        self.title, self.weights_in_words = title, weights_in_words
        self.x, self.values = x, values
        N, C = x.shape[2:]
        self.reference = WeightedPermuteMLP(C, N).double().eval()
        with torch.no_grad():
            for name, parameter in self.reference.named_parameters():
                parameter.copy_(values.get(name, torch.zeros(())))
            self.right = weighted_permute_mlp_einsum(self.reference, x)
            places = torch.arange(x.numel(), dtype=x.dtype).reshape(x.shape)
            # Which element of x it is.
            self.home = (
                weighted_permute_mlp_einsum(self.reference, places).round().long()
                if only_moves
                else None
            )

    @torch.no_grad()
    def out_of(self, asked: ByRole) -> Tensor:
        """What another module makes of them."""
        return asked.run(self.x.clone(), self.values)

    def first_wrong(self, got: Tensor) -> tuple[int, ...] | None:
        """Where the first wrong element stands, if there is one."""
        right = self.right
        near = (self._sized(got) - right).abs() <= _CLOSE * right.abs().max()
        wrong = (~near).nonzero()  # nan, too
        return tuple(wrong[0].tolist()) if len(wrong) else None

    def _sized(self, got: Tensor) -> Tensor:
        """Of a branch the size is left out: the shares decide it, which come later."""
        size = got.abs().sum()
        if self.home is None or not size > 0:
            return got
        return got * self.right.abs().sum() / size

    def source(self, at: tuple[int, ...]) -> str:
        """Where the right value comes from."""
        b, i, j, c = at
        if self.home is not None:
            return f"which comes from x[{self._coordinates(self.home[at])}] alone"
        with torch.no_grad():
            branches = self.reference.branches(self.x)
            weights = self.reference.branch_weights(*branches)[:, b, c]
        parts = [
            f"{weight:.3f} x {branch[at]:.3f} of {name}"
            for weight, branch, name in zip(
                weights, branches, ("height", "width", "channel")
            )
        ]
        if "proj.bias" in self.values:
            return (
                f"row {c} of the projection times the blended token [{b}, {i}, {j}], "
                f"plus its bias; channel {c} of the blend is {', '.join(parts)}"
            )
        return f"which is {', '.join(parts)}"

    def instead(self, got: Tensor, at: tuple[int, ...]) -> str:
        """Where the wrong value comes from, if that can be seen."""
        if self.home is None:
            return ""
        if not got.any():
            return " Nothing comes through: all of the output is 0."
        found = ((self.x - self._sized(got)[at]).abs() < 1e-6).flatten().nonzero()
        if len(found) != 1:
            return ""
        return f" Yours comes from x[{self._coordinates(found[0, 0])}]."

    def _coordinates(self, k: Tensor) -> str:
        at = torch.unravel_index(k, self.x.shape)
        return ", ".join(str(int(c)) for c in at)


def _stages(N: int, S: int) -> list[_Stage]:
    """The parts of the module, from the branches to the whole."""
    C = N * S
    generator = torch.Generator().manual_seed(N)

    def numbers(*sizes: int) -> Tensor:
        return torch.randn(*sizes, generator=generator, dtype=torch.float64)

    one = torch.eye(C, dtype=torch.float64)
    circle = torch.randperm(C, generator=generator)
    takes = torch.empty_like(circle)
    takes[circle] = circle.roll(-1)  # each from the next one of the circle
    # Every number its own, and half of them below zero.
    x = torch.randperm(N * N * C, generator=generator).double() + 1
    x = (x * (1 - 2 * (x % 2))).reshape(1, N, N, C)
    stages = [
        _Stage(
            f"The {branch} branch",
            f"an mlp_{branch[0]} whose rows take one number each, the other branches "
            "0, shares of a third and a projection of 3 times the identity",
            x,
            {f"mlp_{branch[0]}.weight": one[takes], "proj.weight": 3 * one},
            only_moves=True,
        )
        for branch in ("height", "width", "channel")
    ]
    branches = {f"mlp_{k}.weight": numbers(C, C) / C**0.5 for k in "hwc"}
    shares = {"reweight.fc2.bias": numbers(3 * C)}
    pooled = {
        "reweight.fc1.weight": numbers(C // 4, C) / C**0.5,
        "reweight.fc1.bias": numbers(C // 4),
        "reweight.fc2.weight": numbers(3 * C, C // 4),
    }
    proj = {"proj.weight": numbers(C, C) / C**0.5, "proj.bias": numbers(C)}
    x = numbers(2, N, N, C) + 4 * numbers(2, 1, 1, C)  # else the mean is next to 0
    same = {"proj.weight": one}
    for title, words, values in (
        (
            "The blend",
            "a re-weighting of its last bias alone, and the identity as projection",
            {**branches, **shares, **same},
        ),
        (
            "The re-weighting",
            "random weights, and the identity as projection",
            {**branches, **shares, **pooled, **same},
        ),
        ("The projection", "random weights", {**branches, **shares, **pooled, **proj}),
    ):
        stages.append(_Stage(title, words, x, values))
    return stages


# --- What is known of such a fault -------------------------------------------------


def _known(asked: ByRole) -> list[str]:
    """The mutant that computes the same, if there is one."""
    C, N = asked.dim, asked.segment_dim
    stage = _stages(N, C // N)[-1]
    got = stage.out_of(asked)
    for mutant in MUTANTS:
        other = mutant.module(C, N).double().eval()
        names = dict(other.named_parameters())
        if names.keys() != dict(stage.reference.named_parameters()).keys():
            continue
        with torch.no_grad():
            for name, parameter in names.items():
                parameter.copy_(stage.values[name])
            theirs = other(stage.x.clone())
        if _is_same(theirs, got) and not _is_same(theirs, stage.right):
            fault = mutant.fault[:1].lower() + mutant.fault[1:]
            return [f"It does what the mutant “{mutant.name}” does: {fault}"]
    return []


# --- Shown -------------------------------------------------------------------------


def _side_by_side(
    asked: ByRole, stage: _Stage, at: tuple[int, ...]
) -> tuple[SideBySide | None, list[str]]:
    """Two lenses at the element, and the first call of yours that leaves the way."""
    from ..lens import PermuteLens

    module = copy.deepcopy(asked._module[0])
    held = dict(module.named_parameters())
    with torch.no_grad():
        for role, place in asked.roles.places.items():
            like = asked.get_parameter(role)
            held[place.name].copy_(place.put(stage.values.get(role, like * 0)))
        yours, right = (trace(f, stage.x.clone()) for f in (module, stage.reference))
    if not yours.steps:
        return None, [
            "Your forward calls nothing that makes a tensor, as far as is recorded."
        ]
    steps, first = _parting(yours, right)
    cell = int(torch.arange(stage.x.numel()).reshape(stage.x.shape)[at])
    place = ", ".join(map(str, at))
    lenses = [
        PermuteLens(
            recording,
            title=f"{whose}; followed is the element [{place}]",
            name=name,
            start=f"v1;step={step};cell={cell};fill=value;numbers=value",
        )
        for recording, whose, name, step in zip(
            (yours, right),
            ("Yours", "The right one"),
            ("whole-yours", "whole-right"),
            steps,
        )
    ]
    return SideBySide(*lenses, element=at), first


def _parting(yours: Trace, right: Trace) -> tuple[tuple[int, int], list[str]]:
    """The steps at which two runs part: the first whose numbers the right one lacks."""
    seen = [_flat(right, step.output) for step in right.steps]
    last = 0  # the step of the right run that yours has come to
    for number, step in enumerate(yours.steps, 1):
        values = _flat(yours, step.output)
        met = [k for k, other in enumerate(seen, 1) if _is_same(values, other)]
        if not met:
            line = step.source and f", in {shortened(step.source.text, 90)}"
            return (number, min(last + 1, len(seen))), [
                f"The first call whose numbers stand nowhere in the right one: number "
                f"{number}, {shortened(step.call, 60)}{line or ''}"
            ]
        if last + 1 in met:
            last += 1
        elif last not in met:
            last = min((k for k in met if k > last), default=last)
    return (len(yours.steps), len(seen)), []


def _flat(recording: Trace, id: int) -> Tensor | None:
    values = recording.values(id)
    return None if values is None else torch.tensor(values, dtype=torch.float64)


def _is_same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None or one.shape != other.shape:
        return False
    return bool(torch.allclose(one, other, rtol=1e-9, atol=1e-9))
