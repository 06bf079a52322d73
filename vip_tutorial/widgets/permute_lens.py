"""The permute lens: a recorded run that you can step, scrub, play and follow."""

from pathlib import Path
from typing import Any

import torch
import traitlets

from ..tracing import Trace
from .bundle import bundle
from .host import BookWidget

_CSS = Path(__file__).parent / "css" / "permute_lens.css"


class PermuteLens(BookWidget):
    """Show where every element goes in a recorded run.

    Args:
        recording: What `trace(f, x)` returned.
        title: Heading of the figure; the name of what ran if empty.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, as the figure's "copy" button gives it, e.g.
            "v1;step=2;numbers=birth".
        hue: Name of the input's axis that gives a cell its hue.
        light: Name of the input's axis that gives a cell its lightness.
        picture: Grey levels 0 to 1, `(H, W)`, if the tokens are pieces of a picture.
        state: State of the figure now, in the same words; empty at the start.

    Raises:
        TypeError: If `recording` is not a `Trace`, or an argument is not one of these.
        ValueError: If `name` cannot stand in a link, or `picture` is not a picture.
    """

    kind = "lens"
    shown = "recording name title start hue light picture state".split()
    _esm = bundle("permute_lens.js") + "\nexport default { render: renderLens };\n"
    _css = _CSS.read_text(encoding="utf-8")

    recording = traitlets.Dict(help="The run, as JSON.").tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    name = traitlets.Unicode("lens").tag(sync=True)
    start = traitlets.Unicode("").tag(sync=True)
    hue = traitlets.Unicode("H").tag(sync=True)
    light = traitlets.Unicode("W").tag(sync=True)
    picture = traitlets.List(allow_none=True, default_value=None).tag(sync=True)
    state = traitlets.Unicode("").tag(sync=True)
    link = traitlets.Unicode("").tag(sync=True)

    def __init__(self, recording: Trace, picture: Any = None, **kwargs: Any):
        if unknown := sorted(set(kwargs) - set(self.trait_names())):
            raise TypeError(f"PermuteLens has no argument {', '.join(unknown)}")
        if picture is not None:
            picture = _as_rows(picture)
        super().__init__(recording=_as_json(recording), picture=picture, **kwargs)

    def show(self, recording: Trace) -> None:
        """Show another run in the same figure."""
        self.recording = _as_json(recording)

    @traitlets.validate("name")
    def _check_name(self, proposal: dict[str, Any]) -> str:
        name = proposal["value"]
        if not name.replace("-", "").isalnum() or not name.isascii():
            raise ValueError(
                f"name is {name!r}; it stands in links, so it may hold letters, "
                "digits and hyphens only, e.g. 'height-branch'"
            )
        return name


def _as_rows(picture: Any) -> list[list[float]]:
    picture = torch.as_tensor(picture, dtype=torch.float32)
    if picture.ndim != 2 or not picture.isfinite().all():
        raise ValueError(
            f"picture has shape {tuple(picture.shape)}; it must be (H, W), a grey "
            "level from 0 to 1 for each token"
        )
    return picture.tolist()


def _as_json(recording: Trace) -> dict[str, Any]:
    if not isinstance(recording, Trace):
        raise TypeError(
            f"PermuteLens shows a recorded run, got {type(recording).__name__}: "
            "PermuteLens(trace(f, x))"
        )
    return recording.to_json()
