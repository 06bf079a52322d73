"""Networks: weights in files, trained ones, and the way out of PyTorch.

checkpoints  weights in files, the authors' among them
pretrained   five small networks that come with the package, in weights/, and two films
onnx         a network as a file of ONNX, in float32 or with weights of one byte
recipe       the paper's training as numbers, and what it would cost
timm         the four sizes by name in timm; import it to register them

`pretrained` and `recipe` can be run, too, so they are imported when asked for.
"""

from .checkpoints import load_checkpoint, read_checkpoint, save_checkpoint
from .onnx import loaded, quantised, run_onnx, to_onnx

__all__ = [
    "load_checkpoint",
    "loaded",
    "pretrained",
    "quantised",
    "read_checkpoint",
    "recipe",
    "run_onnx",
    "save_checkpoint",
    "to_onnx",
]
