"""Which module is at work, and what the parameters of a run are called."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from torch import Tensor, nn

_CALL = nn.Module._call_impl.__code__


class Names:
    """Names in a run, as the module that runs gives them: "reweight.fc1".

    If what runs is no module and no method of one, names begin with the class of the
    module that it calls: "Mlp.fc1".

    Args:
        function: What runs.
    """

    def __init__(self, function: Callable[..., Any]):
        owner = getattr(function, "__self__", function)
        self._modules: dict[int, str] = {}
        self._tensors: dict[int, str] = {}
        self._kept: list[nn.Module] = []  # so that no id() is used again
        if isinstance(owner, nn.Module):
            self._add(owner, "")

    def running(self) -> str | None:
        """The innermost module whose forward is running; "" for the one that is traced.

        None if there is none.
        """
        stack = _modules_on_the_stack()
        for module in stack:  # the outermost first: it names those in it
            if id(module) not in self._modules:
                self._add(module, type(module).__name__)
        return self._modules[id(stack[-1])] if stack else None

    def of(self, x: Tensor) -> str:
        """The name of a parameter or buffer; "" if no module has it."""
        return self._tensors.get(id(x), "")

    def _add(self, root: nn.Module, prefix: str) -> None:
        for name, module in root.named_modules(prefix=prefix):
            self._modules.setdefault(id(module), name)
            self._kept.append(module)
        for found in (root.named_parameters, root.named_buffers):
            for name, x in found(prefix=prefix):
                self._tensors.setdefault(id(x), name)


def _modules_on_the_stack() -> list[nn.Module]:
    found = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _CALL:
            found.append(frame.f_locals["self"])
        frame = frame.f_back
    return found[::-1]
