"""Record what a forward pass really does, step by step.

`trace(f, x)` runs `f(x)` and writes down the tensor calls that take what comes from x:
the operation and its arguments, the line of source that made the call, shapes, strides,
whether the result is a view of the same memory or a copy, where each element went, and
the values.  Every figure, shape table and check of the book reads such a recording;
nothing about the permutes is told a second time.

    >>> from vip_tutorial import WeightedPermuteMLP, trace
    >>> module = WeightedPermuteMLP(dim=8, segment_dim=4)
    >>> print(trace(module.height, torch.randn(1, 4, 4, 8)).table())

It works on any code that calls tensors, not only on this package's.  What is
said is known, or said not to be: each step tells whether it is exact what its elements
were made from, a bound, or unknown.

    run.py         `trace`: runs the function, explains a failure
    recorder.py    sees each call of the torch API; a step for each that takes what
                   comes from the inputs
    beneath.py     PyTorch's own operations under a call: what writes, moves, chooses
    moves.py       where each element came from, for calls that only move
    reads.py       which elements an element is made from, for the others
    axes.py        names of axes, which follow their elements; claims.py, the reader's
    tensors.py     the tensors that are recorded; outside.py: what calls take besides;
                   threads.py: whether another thread had a hand in it
    effects.py     what one step did to elements
    recording.py   `Trace`: what is kept, and what can be read off it
    files.py       a recording as a file
    gradients.py, failures.py, omissions.py, source.py, modules.py, given.py, damage.py
"""

from .recording import Operand, Step, TensorRecord, Trace
from .run import trace
from .source import SourceLine

__all__ = ["Operand", "SourceLine", "Step", "TensorRecord", "Trace", "trace"]
