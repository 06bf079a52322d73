"""The permute lens: a recorded run that you can step, scrub, play and follow."""

import os
from typing import Any

import torch
import traitlets

from ..figure.host import FOR_SITE, BookWidget
from ..playground.from_run import link_of
from ..tracing import Trace
from .still import still


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
        picture: Grey levels 0 to 1, `(H, W)`, if the tokens are pieces of a picture;
            one for each token, along the axes `hue` and `light`.
        state: State of the figure now, in the same words; empty at the start.

    Raises:
        TypeError: If `recording` is not a `Trace`, or an argument is not one of these.
        ValueError: If `name` cannot stand in a link, or `picture` is not a picture.
    """

    kind = "permute_lens"
    drawn_by = "lens_picture.js"
    height = 980
    shown = ("recording", "hue", "light", "picture", "program")

    recording = traitlets.Dict(help="The run, as JSON.").tag(sync=True)
    name = traitlets.Unicode("lens").tag(sync=True)
    hue = traitlets.Unicode("H").tag(sync=True)
    light = traitlets.Unicode("W").tag(sync=True)
    picture = traitlets.List(allow_none=True, default_value=None).tag(sync=True)
    program = traitlets.Unicode(help="Where its lines can be changed.").tag(sync=True)

    def __init__(self, recording: Trace, picture: Any = None, **kwargs: Any):
        data = self._as_json(recording)
        if picture is not None:
            picture = _as_rows(picture)
        super().__init__(recording=data, picture=picture, **kwargs)
        self._check_run(data)

    @traitlets.observe("recording")
    def _find_program(self, change: dict[str, Any]) -> None:
        self.program = link_of(change["new"], FOR_SITE in os.environ)

    def show(self, recording: Trace) -> None:
        """Show another run in the same figure."""
        data = self._as_json(recording)
        self._check_run(data)
        self.recording = data

    def heading(self) -> str:
        return self.title or str(self.recording["name"]) or super().heading()

    def still(self) -> str:
        return still(self.recording)

    def _as_json(self, recording: Trace) -> dict[str, Any]:
        if not isinstance(recording, Trace):
            kind = type(self).__name__
            raise TypeError(
                f"{kind} shows a recorded run, got {type(recording).__name__}: "
                f"{kind}(trace(f, x))"
            )
        return recording.to_json()

    def _check_run(self, recording: dict[str, Any]) -> None:
        """See that the picture has a grey level for each token of a recording."""
        if self.picture is None:
            return
        first = (recording["inputs"] or recording["steps"][0]["inputs"])[0]
        axes, shape = (recording["tensors"][first][key] for key in ("axes", "shape"))
        # As the figure itself does where the input has no axes of these names.
        spare = [size for size in shape if size > 1] or [1]
        wanted = tuple(
            shape[axes.index(name)] if name in axes else other
            for name, other in ((self.hue, spare[0]), (self.light, spare[:2][-1]))
        )
        came = len(self.picture), len(self.picture[0]) if self.picture else 0
        if came != wanted:
            raise ValueError(
                f"picture has shape {came}, and the tokens of {recording['name']} are "
                f"{wanted} along {self.hue} and {self.light}, of "
                f"{tuple(shape)} in all: give one grey level for each token"
            )


def _as_rows(picture: Any) -> list[list[float]]:
    try:
        picture = torch.as_tensor(picture, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as fault:
        raise ValueError(
            f"picture is a {type(picture).__name__} that is no grid of numbers "
            f"({fault}); it must be (H, W), a grey level from 0 to 1 for each token"
        ) from fault
    if picture.ndim != 2 or not picture.isfinite().all():
        raise ValueError(
            f"picture has shape {tuple(picture.shape)}; it must be (H, W), a grey "
            "level from 0 to 1 for each token"
        )
    return picture.tolist()
