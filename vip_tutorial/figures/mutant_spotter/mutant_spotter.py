"""The mutant spotter: two pictures, one of them by a faulty module.  Which?"""

import random
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import Any

import traitlets

from ...lens.figure.host import BookWidget
from ...permute_mlp import WeightedPermuteMLP
from ...study.faults.checks import CHECKS, failures
from ...study.faults.mutants import MUTANTS, Mutant
from ...study.faults.views import VIEWS, Evidence, evidence

# Checks that say of a fault little more than that there is one.
_GENERAL = ["blend", "transpose", "formula", "gradient"]
_LEVELS = {"image": 99, "matrix": 1, "shares": 999, "bars": 999}


class MutantSpotter(BookWidget):
    """Guess which of two pictures is wrong, then see the fault and what catches it.

    All that is shown has been run: both pictures (see `vip_tutorial.study.faults.views`), the
    lines of code, and what each check of `vip_tutorial.study.faults.checks` says.

    Args:
        mutants: Which faulty modules to ask about; all of `MUTANTS` if None.  A class
            of your own will do, with a docstring that says what is wrong.
        seed: Seed of their order, and of which of the two pictures is the wrong one.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;round=3".

    Raises:
        TypeError: If `seed` is no whole number, or a mutant neither a `Mutant` nor a
            class.
        ValueError: If there is no mutant to ask about.
    """

    kind = "mutant_spotter"
    shown = ("game",)

    name = traitlets.Unicode("spotter").tag(sync=True)
    game = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        mutants: Sequence[Mutant | type[WeightedPermuteMLP]] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed is {seed!r}; it must be a whole number")
        asked = [
            _record(mutant) for mutant in (MUTANTS if mutants is None else mutants)
        ]
        if not asked:
            raise ValueError("there is no mutant to ask about; leave mutants=None out")
        # A number for each mutant, so that one more leaves the others in their order.
        chance = {m.name: random.Random(f"{seed} {m.name}").random() for m in asked}
        asked.sort(key=lambda mutant: chance[mutant.name])
        rounds = [
            _round(mutant, int(chance[mutant.name] * 1000) % 2) for mutant in asked
        ]
        used = {each["view"] for each in rounds}
        super().__init__(
            game={
                "rounds": rounds,
                "views": {name: _view(name) for name in VIEWS if name in used},
            },
            **kwargs,
        )


def _record(mutant: Mutant | type[WeightedPermuteMLP]) -> Mutant:
    if isinstance(mutant, Mutant):
        return mutant
    if not (isinstance(mutant, type) and issubclass(mutant, WeightedPermuteMLP)):
        raise TypeError(
            f"{mutant!r} is no mutant; give a Mutant, or a class made from "
            "WeightedPermuteMLP"
        )
    return Mutant.of(mutant)


def _view(name: str) -> dict[str, Any]:
    view = VIEWS[name]
    given = view.given and (view.given() * _LEVELS["image"]).round().int()
    return {
        "title": view.title,
        "expect": view.expect,
        "form": view.form,
        "given": [] if given is None else given.flatten().tolist(),
    }


def _round(mutant: Mutant, place: int) -> dict[str, Any]:
    """All that is asked and told of a mutant, whose picture is number `place`."""
    found = evidence(WeightedPermuteMLP, mutant.module)
    told = failures(mutant.module)
    telling = sorted(
        told, key=lambda name: name in _GENERAL and _GENERAL.index(name) + 1
    )
    return {
        "name": mutant.name,
        "fault": mutant.fault,
        "seen": mutant.seen,
        "known": mutant.known,
        "method": mutant.method,
        "code": _compared(*mutant.lines()),
        "shape": "shape" not in told,
        "caught": [name for name in CHECKS if name in told],
        "told": [telling[0], told[telling[0]]] if told else [],
        "wrong": place,
        **_pictures(found, place),
    }


def _pictures(found: Evidence, place: int) -> dict[str, Any]:
    form = VIEWS[found.view].form
    top = max(found.right.max().item(), found.wrong.max().item(), 1e-30)
    if form in ("shares", "bars"):  # they are stacked, shares up to 1 if all is well
        sums = [shown.sum(0).max().item() for shown in (found.right, found.wrong)]
        top = max(1.0 if form == "shares" else 1e-30, *sums)
    pictures = [
        (shown / top * _LEVELS[form]).round().int().flatten().tolist()
        for shown in (found.right, found.wrong)
    ]
    return {
        "view": found.view,
        "visible": found.visible,
        "apart": ((found.right - found.wrong).abs().max() / top).item(),
        "top": top,
        "pictures": pictures if place else pictures[::-1],
    }


def _compared(right: list[str], wrong: list[str]) -> list[list[str]]:
    """Both versions of some lines, side by side.

    Returns:
        For each pair of lines a mark, and the two: "=" if they are equal, "~" if they
        differ or one is missing, "..." for equal lines that are left out.
    """
    pairs = []
    for mark, a, b, c, d in SequenceMatcher(None, right, wrong).get_opcodes():
        mark = "=" if mark == "equal" else "~"
        both = zip_longest(right[a:b], wrong[c:d], fillvalue="")
        pairs += [[mark, one, other] for one, other in both]
    changed = [i for i, (mark, _, _) in enumerate(pairs) if mark == "~"]
    near = [any(abs(i - j) <= 1 for j in changed) for i in range(len(pairs))]
    shown = []
    for is_near, group in groupby(zip(near, pairs), key=itemgetter(0)):
        shown += [pair for _, pair in group] if is_near else [["...", "", ""]]
    return shown
