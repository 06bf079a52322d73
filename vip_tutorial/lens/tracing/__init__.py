"""Record what a forward pass really does, step by step.

`trace(f, x)` runs `f(x)` and writes down every tensor call on the way: the operation
and its arguments, the line of source that made the call, shapes, strides, whether the
result is a view of the same memory or a copy, where each element went, and the values.
Every figure, shape table and check of the book reads such a recording; nothing about
the permutes is told a second time.

    >>> from vip_tutorial import WeightedPermuteMLP, trace
    >>> module = WeightedPermuteMLP(dim=8, segment_dim=4)
    >>> print(trace(module.height, torch.randn(1, 4, 4, 8)).table())

It works on any code that calls tensors, not only on this package's.
"""

from .recording import Operand, Step, TensorRecord, Trace
from .run import trace
from .source import SourceLine

__all__ = ["Operand", "SourceLine", "Step", "TensorRecord", "Trace", "trace"]
