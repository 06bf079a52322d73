"""Shape puzzles: what does this line of reshapes and permutes do?"""

from collections.abc import Iterable
from typing import Any

import traitlets

from ...lens.figure.host import BookWidget

KINDS = ("shape", "order", "copy", "address", "einops", "place", "line", "seen")


class ShapePuzzles(BookWidget):
    """Questions about reshapes and permutes that check your answer and draw it.

    They are made from a seed and get harder with their number.  The kinds:

    * "shape": which shape does this line give?
    * "order": which permute comes before this reshape, or undoes this permute?
    * "copy": is the result a view, or a copy?
    * "address": where in memory does this element lie?
    * "einops": write the einops pattern that does the same.
    * "place": where in the result does this element stand?
    * "line": which of these lines has made this picture?
    * "seen": on which tokens does this token depend?

    Args:
        kinds: The kinds to choose from, in this order; the first one is shown first.
        seed: 0 to 999999; the same seed always makes the same puzzles.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;kind=order;number=5;seed=3"; if
            given, it says the seed, too.

    Raises:
        TypeError: If `kinds` or `seed` are of another type.
        ValueError: If `kinds` is empty or names an unknown kind, or `seed` is outside.
    """

    kind = "shape_puzzles"
    styles = ("../shared/strip.css", "shape_puzzles.css")
    shown = ("kinds",)

    name = traitlets.Unicode("puzzles").tag(sync=True)
    kinds = traitlets.List(traitlets.Unicode(), list(KINDS)).tag(sync=True)

    def __init__(self, kinds: Iterable[str] = KINDS, seed: int = 1, **kwargs: Any):
        if isinstance(kinds, str):
            raise TypeError(f"kinds is {kinds!r}; it must be a list, e.g. ({kinds!r},)")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed is {seed!r}; it must be a whole number")
        if not 0 <= seed <= 999999:
            raise ValueError(f"seed is {seed}; it must be from 0 to 999999")
        kinds = list(kinds)
        if kinds:  # else the check of the trait says what is wrong
            kwargs.setdefault("start", f"v1;kind={kinds[0]};seed={seed}")
        super().__init__(kinds=kinds, **kwargs)

    @traitlets.validate("kinds")
    def _check_kinds(self, proposal: dict[str, Any]) -> list[str]:
        kinds = proposal["value"]
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown or not kinds:
            raise ValueError(
                f"kinds is {kinds!r}; it must name at least one of {', '.join(KINDS)}"
            )
        return kinds
