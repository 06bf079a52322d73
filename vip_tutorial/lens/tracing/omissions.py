"""What a recording leaves out, told in sentences."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from .recording import TensorRecord

MOST_FOLLOWED = 16_384  # numbers of a tensor, as in the lens's recording.js


class Omissions:
    """What is left out of a run's recording, as far as it is known.

    Args:
        max_elements: Of tensors with more elements no numbers are kept.
        max_tensors: So many tensors of that size fit into a recording.
        max_steps: So many steps do.
    """

    def __init__(self, max_elements: int, max_tensors: int, max_steps: int):
        self._most = max_elements
        self._room = max_tensors * max_elements
        self._max_steps = max_steps
        self.steps_cut = False
        self.crowded_out = 0
        self.unseen: dict[int, Tensor] = {}  # that no step made, by id()
        self.puzzling: dict[str, None] = {}  # calls that could not be explored
        self.unlike: dict[str, None] = {}  # calls whose repetition gave something else
        self.changed: set[int] = set()  # records of tensors that no write explains
        self.aside: dict[str, None] = {}  # how operands were made from parameters
        self.fused: set[str] = set()  # operations that stand for whole modules
        self.back: dict[str, None] = {}  # calls that took a number back from Python
        self.is_beneath = False  # whether steps are seen only as PyTorch's own

    def explored(self, what: str, function: Callable, *args: Any) -> Any:
        """What a function gives; None if it raises, and then what is missing is noted.

        A reader's run is never stopped by what the recorder does on its own.
        """
        try:
            return function(*args)
        except Exception:  # it may be any call at all
            self.puzzling[what] = None
            return None

    def sentences(self, tensors: Sequence[TensorRecord]) -> list[str]:
        found = []
        large = [n for n in (math.prod(t.shape) for t in tensors) if n > self._most]
        if large:
            advice = "trace a smaller input, e.g. fewer channels or a smaller picture"
            if max(large) <= MOST_FOLLOWED:
                advice += f", or with max_elements={max(large)}"
            found.append(
                f"Values and element maps of {len(large)} tensors with more than "
                f"{self._most:,} elements (the largest has {max(large):,}) were left "
                f"out; {advice}."
            )
        if self.crowded_out:
            found.append(
                f"Values, element maps or gradients of {self.crowded_out} tensors were "
                f"left out: a recording holds {self._room:,} numbers at most; trace a "
                "part of the function, or a smaller input."
            )
        if self.puzzling:
            found.append(
                "Element maps, names of axes or values are missing where they could "
                f"not be found out: {', '.join(self.puzzling)}."
            )
        if self.unlike:
            found.append(
                "Element maps are missing where a call, made again, gave something "
                f"else than it did in the run: {', '.join(self.unlike)}."
            )
        if self.changed:
            found.append(
                f"Tensors that changed without a write of PyTorch's: "
                f"{len(self.changed)}. Something else, such as NumPy, wrote to their "
                "memory: where the new numbers came from is left out, and so are all "
                "gradients."
            )
        if self.aside:
            found.append(
                "Calls on tensors that come from no input are no steps; what they made "
                f"is kept with the call that took it: {'; '.join(self.aside)}."
            )
        if self.back:
            found.append(
                "A number left the run as Python's, by item() or its like, and may "
                f"have come back in {', '.join(self.back)}: what came of that is not "
                "known."
            )
        if self.is_beneath:
            found.append(
                "Some steps ran in code that the trace cannot look into (vmap, "
                "scripted or compiled code).  They are told as PyTorch's own "
                "operations, under the line that called that code."
            )
        if self.fused:
            found.append(
                "PyTorch ran a whole module as one operation, its fast path: nothing "
                "is seen inside it.  torch.backends.mha.set_fastpath_enabled(False) "
                "before the run turns that off."
            )
        if self.steps_cut:
            found.append(
                f"The steps after the first {self._max_steps} were left out; trace a "
                "part of the function."
            )
        elif self.unseen:
            found.append(
                f"Tensors that no step made: {len(self.unseen)}. They came from where "
                "the trace cannot look (NumPy, a file, another thread, vmap, compiled "
                "code), or are not plain tensors (sparse, nested, quantized): of what "
                "is made from them nothing is said."
            )
        return found
