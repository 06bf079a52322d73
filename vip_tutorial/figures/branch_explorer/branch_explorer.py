"""A lens with sliders: choose the sizes, and Python traces the module anew."""

from typing import Any

import ipywidgets
import torch

from ...lens.figure.host import KernelFree
from ...lens.permute_lens.permute_lens import PermuteLens
from ...lens.tracing import Trace, trace
from ...permute_mlp import PermuteMLP


class BranchExplorer(KernelFree, ipywidgets.VBox):
    """Sliders for the sizes, a choice of branch, a seed; the lens shows what runs.

    On a page without a kernel only the lens is shown, with the first run.

    Args:
        branch: "height", "width" or "channel".
        segments: Number of segments, N = H = W.
        per_segment: Channels in a segment, S.
        seed: Seed of the weights and of the input.
        **lens: Further arguments of `PermuteLens`, e.g. `name`.
    """

    def __init__(
        self,
        branch: str = "height",
        segments: int = 4,
        per_segment: int = 2,
        seed: int = 0,
        **lens: Any,
    ):
        self.branch = ipywidgets.Dropdown(
            options=["height", "width", "channel"], value=branch, description="branch"
        )
        self.segments = _slider(segments, 2, 8, "N = H = W")
        self.per_segment = _slider(per_segment, 1, 4, "S")
        self.seed = _slider(seed, 0, 20, "seed")
        controls = [self.branch, self.segments, self.per_segment, self.seed]
        self.lens = PermuteLens(self.run(), **lens)
        for control in controls:
            control.observe(lambda change: self.lens.show(self.run()), names="value")
        rows = [ipywidgets.HBox(controls[:2]), ipywidgets.HBox(controls[2:])]
        super().__init__([*rows, self.lens])

    def run(self) -> Trace:
        """Trace the chosen branch with the chosen sizes."""
        N, S = self.segments.value, self.per_segment.value
        with torch.random.fork_rng(devices=[]):  # the reader's own numbers go on
            torch.manual_seed(self.seed.value)
            module = PermuteMLP(N * S, N)
            x = torch.randn(1, N, N, N * S)
        gradient = torch.zeros_like(x)
        gradient[0, N // 2, N // 2] = 1  # the blame of one token
        branch = getattr(module, self.branch.value)
        return trace(branch, x, axes="BHWC", gradient=gradient)

    def alone(self) -> PermuteLens:
        """The lens: without a kernel nothing could answer the sliders."""
        return self.lens


def _slider(value: int, low: int, high: int, name: str) -> ipywidgets.IntSlider:
    return ipywidgets.IntSlider(
        value, low, high, description=name, continuous_update=False
    )
