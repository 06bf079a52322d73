"""The map of a recorded run: all of it in one look, beside the lines that made it."""

from typing import Any

import traitlets

from ..permute_lens.permute_lens import PermuteLens
from ..tracing import Trace


class ModuleMap(PermuteLens):
    """Show a recorded run whole: its tensors as small pictures, and what leads to what.

    A press on a line of the code, or on an act of the picture, opens the lens there.

    Args:
        recording: What `trace(f, x)` returned.
        title: Heading of the figure; the name of what ran if empty.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, as the figure's "copy" button gives it, e.g.
            "v1;step=3;cell=8".
        hue: Name of the input's axis that gives a cell its hue.
        light: Name of the input's axis that gives a cell its lightness.
        picture: Grey levels 0 to 1, `(H, W)`, if the tokens are pieces of a picture.
        here: Name of a function or module of the run, e.g. "height".  Then the map is a
            small one that says "you are here": the rest stands back.
        state: State of the figure now, in the same words; empty at the start.

    Raises:
        TypeError: If `recording` is not a `Trace`, or an argument is not one of these.
        ValueError: If `name` cannot stand in a link, `picture` is not a picture, or
            nothing of the run is called `here`.
    """

    kind = "module_map"
    styles = ("../permute_lens/permute_lens.css", "module_map.css")
    shown = (*PermuteLens.shown, "here")

    name = traitlets.Unicode("map").tag(sync=True)
    here = traitlets.Unicode("").tag(sync=True)

    def __init__(self, recording: Trace, here: str = "", **kwargs: Any):
        super().__init__(recording, here=here, **kwargs)

    def _check_run(self, recording: dict[str, Any]) -> None:
        """See, too, that the run has the place that the chapter is about."""
        super()._check_run(recording)
        if self.here and self.here not in (names := _names(recording)):
            raise ValueError(
                f"here is {self.here!r}, and nothing of this run is called that; there "
                f"are {', '.join(sorted(names)) or 'no names in it'}"
            )


def _names(recording: dict[str, Any]) -> set[str]:
    """What a place on the map can be called."""
    steps = recording["steps"]
    functions = {step["source"]["function"] for step in steps if step["source"]}
    return functions | {step["module"] for step in steps if step["module"]}
