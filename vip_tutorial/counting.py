"""What a module costs, by counting and not by formula."""

import torch
from torch import Tensor, nn
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
