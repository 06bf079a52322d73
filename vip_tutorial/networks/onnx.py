"""Out of PyTorch: a network as an ONNX file, in ONNX Runtime, and with int8 weights.

ONNX is a file format for networks; ONNX Runtime runs it on phones, in browsers, on
small boards, without Python or PyTorch.  The packages for it are an extra of this one:

    pip install "vip_tutorial[deploy]"

Without them the functions here say so, and nothing else in this package needs them.

    >>> to_onnx(model, "digits.onnx")
    >>> scores = run_onnx("digits.onnx", images)
    >>> small = quantised("digits.onnx")  # digits.int8.onnx
"""

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .._util.arguments import whole_number
from .._util.files import write_atomically
from ..vision_permutator import VisionPermutator

# From the moment it is imported ONNX Runtime collects what it is used for: it leaves
# files in the home folder and looks up a host to send them to.  Unless this is set
# before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_EXPORT = ("onnx", "onnxscript")
_RUN = ("onnxruntime",)
_QUANTISE = ("onnx", "onnxruntime")


def to_onnx(model: VisionPermutator, path: str | os.PathLike) -> None:
    """Write a network as one ONNX file that takes any number of images.

    Dropout and stochastic depth are off in it, whatever mode the model is in; the model
    stays in that mode.  The file is complete or not there.

    Args:
        model: The network, with any token mixer.
        path: Where to.

    Raises:
        ModuleNotFoundError: If `onnx` or `onnxscript` is not installed.
        TypeError: If `model` is no `VisionPermutator`, or not all float32.
        OSError: If there is no such folder, or the file cannot be written.
    """
    _need("to write ONNX files", _EXPORT)
    if not isinstance(model, VisionPermutator):
        raise TypeError(
            f"model is a {type(model).__name__}; it must be a VisionPermutator, which "
            "knows the size of its images"
        )
    dtypes = {p.dtype for p in model.parameters()} - {torch.float32}
    if dtypes:
        raise TypeError(
            f"model has weights of {dtypes.pop()}, and what runs ONNX files here gives "
            "them float32 images: export model.float()"
        )
    _check_target(path)  # now, and not when the slow part is done
    weight = model.patch_embed.proj.weight
    side = model.img_size
    # Two of them: of a single image it could not be told that it is one of any number.
    images = weight.new_zeros(2, model.in_chans, side, side)
    was_training = model.training
    model.eval()
    try:
        with _quiet_export():
            program = torch.onnx.export(
                model,
                (images,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["images"],
                output_names=["scores"],
                verbose=False,
            )
    finally:
        model.train(was_training)
    assert program is not None  # there is one with `dynamo`
    proto = program.model_proto
    # What was run to make each operation, line by line, with the paths of this machine:
    # two thirds of the file of a small network, and nobody else's business.
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info):
        del part.metadata_props[:]
    write_atomically(path, proto.SerializeToString())


def loaded(
    path: str | os.PathLike, threads: int = 1, batch: int = 500
) -> Callable[[Tensor], Tensor]:
    """An ONNX file, ready to run on the CPU: from images to scores, like the model.

    Args:
        path: The file.
        threads: On how many threads.
        batch: Images that go through at once.

    Raises:
        ModuleNotFoundError: If `onnxruntime` is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If ONNX Runtime cannot read it; later, if the images do not fit.
        TypeError: Later, if the images are no tensor, or not one of real numbers.
    """
    _need("to run ONNX files", _RUN)
    batch = whole_number("batch", batch)
    session = _session(path, whole_number("threads", threads))
    (wanted,) = session.get_inputs()

    def run(images: Tensor) -> Tensor:
        _check_images(images, wanted.shape)
        parts = images.detach().cpu().float().split(batch)
        scores = [session.run(None, {wanted.name: part.numpy()})[0] for part in parts]
        return torch.cat([torch.from_numpy(part) for part in scores])

    return run


def run_onnx(path: str | os.PathLike, images: Tensor) -> Tensor:
    """What ONNX Runtime makes of images: scores of the classes, `(count, classes)`.

    Args:
        path: A file that `to_onnx` or `quantised` wrote.
        images: Any number of them, `(count, in_chans, height, width)`.

    Raises:
        ModuleNotFoundError: If `onnxruntime` is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or the images are not of its size.
        TypeError: If `images` is no tensor, or not one of real numbers.
    """
    return loaded(path)(images)


def quantised(path: str | os.PathLike) -> Path:
    """Keep the weights of an ONNX file as whole numbers from -127 to 127: int8.

    Each weight matrix gets one step width, and its numbers are rounded to steps.  What
    is multiplied with them is rounded, too, with a step width that is found anew for
    each input while it runs: "dynamic" quantisation, which needs no pictures to
    calibrate with.  Sums, softmax, LayerNorm and GELU stay float32.

    Args:
        path: A file that `to_onnx` wrote.

    Returns:
        The path of the new file, "name.int8.onnx" beside "name.onnx".

    Raises:
        ModuleNotFoundError: If `onnx` or `onnxruntime` is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If ONNX Runtime cannot read it, or it is called "name.int8.onnx".
        OSError: If the new file cannot be written; an old one then stays as it was.
    """
    _need("to quantise ONNX files", _QUANTISE)
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path = Path(path)
    if path.name.endswith(".int8.onnx"):
        raise ValueError(
            f"{path} has the name of a file that is quantised already: give the one "
            "that to_onnx wrote"
        )
    _session(path, 1)  # refuses a file that cannot be read
    to = path.with_suffix(".int8.onnx")
    _check_target(to)
    with tempfile.TemporaryDirectory() as folder:
        # ONNX Runtime's own advice: a graph with all shapes known is quantised better.
        prepared = Path(folder, "prepared.onnx")
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
        small = Path(folder, "small.onnx")
        quantize_dynamic(prepared, small, weight_type=QuantType.QInt8)
        write_atomically(to, small.read_bytes())
    return to


def _session(path: str | os.PathLike, threads: int) -> Any:
    import onnxruntime

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}: write it with to_onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(
            os.fspath(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as fault:  # its kinds of error have no common one of their own
        raise ValueError(f"{path} is no ONNX file that can be run: {fault}") from fault


def _check_target(path: str | os.PathLike) -> None:
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} is a folder: give the name of a file in it, e.g. "
            f"{path / 'network.onnx'}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{path} cannot be written: there is no folder {path.parent}; make it first"
        )


def _need(what: str, names: tuple[str, ...]) -> None:
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        are = "are" if len(missing) > 1 else "is"
        raise ModuleNotFoundError(
            f"{' and '.join(missing)} {are} not installed, and {what} takes "
            f"{'them' if len(missing) > 1 else 'it'}: pip install "
            f"{' '.join(missing)}",
            name=missing[0],
        )


@contextlib.contextmanager
def _quiet_export() -> Iterator[None]:
    """Without what PyTorch's exporter says of itself, and no caller can mend."""
    # That torchvision, which nothing here uses, is not installed.
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # It copies objects of a class that PyTorch itself calls deprecated.
            warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
            yield
    finally:
        log.setLevel(level)


def _check_images(images: Tensor, wanted: list) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images is a {type(images).__name__}; it must be a torch.Tensor"
        )
    if not images.dtype.is_floating_point:
        raise TypeError(
            f"images has dtype {images.dtype}; the file takes real numbers: for pixels "
            "from 0 to 255 use images.float() / 255, then normalise"
        )
    shape = tuple(images.shape)
    if shape[1:] != tuple(wanted[1:]) or images.ndim != len(wanted):
        sizes = ", ".join(str(size) for size in wanted[1:])
        raise ValueError(
            f"images has shape {shape}; the file takes (count, {sizes}): export a "
            "network for this size, or resize the images"
        )
