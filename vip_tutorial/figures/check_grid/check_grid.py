"""The check grid: every faulty module meets every check; which one catches it?"""

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from ...lens.figure.host import BookWidget
from ...study.faults.checks import CHECKS, failures
from ...study.faults.mutants import MUTANTS, Mutant


class CheckGrid(BookWidget):
    """A row for each faulty module, a column for each check; press a mark to read it.

    What a mark says is what the check said when it met that module.

    Args:
        mutants: Which faulty modules; all of `MUTANTS` if None.
        caught: What the checks say to each, by its name, as `failures` gives it, where
            that was asked already; they are asked if None.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g.
            "v1;mutant=height-unpermuted;check=reach".

    Raises:
        TypeError: If one of `mutants` is no `Mutant`.
        ValueError: If there is no mutant, or `caught` lacks one or names a check that
            there is not.
    """

    kind = "check_grid"
    shown = ("checks", "mutants")

    name = traitlets.Unicode("checks").tag(sync=True)
    checks = traitlets.List(help="Name, and what it asks.").tag(sync=True)
    mutants = traitlets.List(help="Name, fault, and what the checks say.").tag(
        sync=True
    )

    def __init__(
        self,
        mutants: Sequence[Mutant] | None = None,
        caught: Mapping[str, Mapping[str, str]] | None = None,
        **kwargs: Any,
    ):
        asked = list(MUTANTS if mutants is None else mutants)
        if not asked:
            raise ValueError("there is no mutant to show; leave mutants=None out")
        if strange := [mutant for mutant in asked if not isinstance(mutant, Mutant)]:
            raise TypeError(
                f"{strange[0]!r} is no mutant; give Mutants, or Mutant.of a class"
            )
        if caught is None:
            caught = {mutant.name: failures(mutant.module) for mutant in asked}
        if lacking := [m.name for m in asked if m.name not in caught]:
            raise ValueError(
                f"caught says nothing of {', '.join(lacking)}; it must be "
                "{mutant.name: failures(mutant.module) for mutant in mutants}"
            )
        said = {check for mutant in asked for check in caught[mutant.name]}
        if unknown := sorted(said - set(CHECKS)):
            raise ValueError(
                f"caught names {', '.join(unknown)}; the checks are {', '.join(CHECKS)}"
            )
        super().__init__(
            checks=[
                {"name": name, "asks": (check.__doc__ or name).splitlines()[0]}
                for name, check in CHECKS.items()
            ],
            mutants=[
                {
                    "name": mutant.name,
                    "fault": mutant.fault,
                    "said": dict(caught[mutant.name]),
                }
                for mutant in asked
            ],
            **kwargs,
        )
