"""What a module costs, by counting and not by formula."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(module: nn.Module) -> int:
    """How many numbers the module learns."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_multiply_adds(module: nn.Module, x: Tensor) -> int:
    """How often the module multiplies two numbers and adds the product, for input `x`.

    PyTorch counts matrix products and convolutions as they run, a multiplication and
    an addition each as one; here they are one together.  Sums, means, softmax and GELU
    are not counted.  On the device "meta" nothing is computed, so that a large module
    can be counted in no time.
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    return counter.get_total_flops() // 2


def count_bytes_moved(function: Callable[[Tensor], Tensor], x: Tensor) -> int:
    """How many bytes the operations read and write, for input `x`.

    Each operation counts every tensor that it reads once, and every one that it writes.
    A view moves nothing.  Where these bytes lie, in a cache or in memory, is not asked,
    nor how often an operation reads the same number.  On the device "meta" nothing is
    computed.
    """
    with _Traffic() as traffic, torch.no_grad():
        function(x)
    return traffic.bytes


class _Traffic(TorchDispatchMode):
    """Adds up what each operation reads and writes."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = operation(*args, **kwargs)
        name = operation.overloadpacket.__name__
        given, made = _tensors((args, kwargs)), _tensors(result)
        homes = {_memory(x) for x in given}
        view = all(_memory(x) in homes for x in made)
        if "empty" in name or (view and not operation._schema.is_mutable):
            return result
        # What is filled, given as out= or only taken as a pattern is not read.
        fills = name in ("copy_", "fill_") or name.startswith("new_") or "_like" in name
        filled = kwargs.get("out", args[0] if fills else None)
        read = list({id(x): x for x in given if x is not filled}.values())
        self.bytes += sum(x.nbytes for x in read + made)
        return result


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _memory(x: Tensor) -> int:
    """Tensors with the same number lie in the same piece of memory."""
    return x.untyped_storage()._cdata
