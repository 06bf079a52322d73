"""Weights in files: the authors' checkpoints, this project's own, and wrong ones.

    model = vip_s7()
    load_checkpoint(model, "vip_s7.pth")     the authors' file, unchanged
    save_checkpoint(model, "mine.safetensors")

A file is read and checked in full before the model is touched, so a wrong one leaves
the model as it was.  No file can run code: PyTorch's are read with `weights_only=True`.

**The trap.**  The weights of `mlp_h` are C x C whatever the grid of tokens, so a
checkpoint for 224 x 224 images loads into a model for 448 x 448 without complaint and
computes nonsense: row 3, channel 5 of a segment has become another row and channel.
The authors' files do not say their grid, so the loader has to be told or to assume it,
and refuses a model of another one.  The files that `save_checkpoint` writes say it, and
every other setting that no shape tells.
"""

import argparse
import json
import os
import pickle
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._util.arguments import check_contents, checked_path, whole_number
from .._util.files import write_atomically
from .._util.settings import Settings, refuse_settings, refuse_unkept, settings
from ..mixers.resampling import resampled, resampled_bias, trained_size
from ..permute_mlp import Branches, WeightedPermuteMLP
from ..study.branch_weights import exchanged_order
from ..vision_permutator import VisionPermutator
from .weight_files import check_finite, check_weight, is_safetensors, refuse_grid

OFFICIAL_SIZE = 224  # side of the images that the authors' checkpoints are for
_ARTICLES = "reweighting"  # the often reprinted listing's name of `reweight`
_WRAPPERS = ("state_dict", "state_dict_ema", "model")
_SETTINGS = "vip_tutorial.settings"  # the note of a file that has them
_OF_THE_GRID = ("segment_dim", "places", "size")  # settings that resampling changes
_HEAD = "head."
_DAMAGED = "the checkpoint is damaged, or not one of weights"


def read_checkpoint(path: str | os.PathLike) -> tuple[dict[str, Tensor], int | None]:
    """Read weights from a file.

    Args:
        path: A safetensors file, or one that `torch.save` wrote: a state dict, or a
            dict with one under "state_dict".  Its content tells which, not its name.
            What data-parallel training and `torch.compile` add to names, "module." in
            front and "_orig_mod." anywhere, is dropped.

    Returns:
        The weights by name, and the side of the images that they are for; None if the
        file does not say it, as the authors' do not.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it cannot be read, or is a folder.
        ValueError: If the file is damaged, or holds no state dict.
        TypeError: If `path` is no name of a file.
    """
    weights, img_size, _ = _read(path)
    return weights, img_size


def load_checkpoint(
    model: VisionPermutator,
    source: str | os.PathLike | Mapping[str, Tensor],
    *,
    img_size: int | None = None,
    branch_order: str | None = None,
    head: bool = True,
    resample: bool = False,
) -> None:
    """Load weights into a model, all of them or none.

    A file that `save_checkpoint` wrote says what its network computed with, e.g. the
    `pool` of a token mixer, and is refused by one that computes with something else.

    Args:
        model: Where they go.
        source: A file, see `read_checkpoint`, or what may be in one.
        img_size: Side of the images that the weights are for.  None: as the file says.
            If it says nothing, 224 is assumed, for a model that is built for 224.
        branch_order: Order of the three branch weights that they were trained with:
            "hwc", the authors', or "cwh", the often reprinted listing's.  None: "hwc"
            for what `save_checkpoint` wrote; else as the names tell, since only that
            listing says `reweighting` for `reweight`.
        head: Whether to load the classifier; False keeps the model's own.
        resample: Whether weights for another grid may be resampled, see
            `resample_weights`; the result wants further training.  The file or
            `img_size` must say what they are for.

    Raises:
        OSError: If there is no such file, or it cannot be read.
        ValueError: If the weights do not fit; the model is then as it was before.
        TypeError: If the source, the model or `img_size` is of another kind.
    """
    model.load_state_dict(
        _fitting(model, source, img_size, branch_order, head, resample)
    )


def _fitting(
    model: VisionPermutator,
    source: str | os.PathLike | Mapping[str, Tensor],
    img_size: int | None = None,
    branch_order: str | None = None,
    head: bool = True,
    resample: bool = False,
) -> dict[str, Tensor]:
    """What `load_checkpoint` loads, if all of it fits."""
    _check_model(model)
    if isinstance(source, Mapping):
        weights, told, network = _state_dict(source, "the mapping"), None, None
    else:
        weights, told, network = _read(source)
    if branch_order not in (None, "hwc", "cwh"):
        raise ValueError(f"branch_order is {branch_order!r}; it must be 'hwc' or 'cwh'")
    img_size = None if img_size is None else whole_number("img_size", img_size)
    for name, given, said in (
        ("img_size", img_size, told),
        ("branch_order", branch_order, network and "hwc"),
    ):
        if given and said and given != said:
            raise ValueError(
                f"{name} is {given!r} and the file says {said!r}: leave it out, or, if "
                "the file is wrong, pass its state dict, read_checkpoint(path)[0]"
            )
    img_size = img_size or told
    if network is None:
        is_articles = any(_ARTICLES in name.split(".") for name in weights)
        branch_order = branch_order or ("cwh" if is_articles else "hwc")
        weights = _renamed(weights, _official_name, "the checkpoint")
    own = model.state_dict()
    if not head:
        weights = {k: v for k, v in weights.items() if not k.startswith(_HEAD)}
        weights |= {k: v for k, v in own.items() if k.startswith(_HEAD)}
    weights = _as_the_model_has_them(weights, own)
    built = trained_size(model)
    resampled = (img_size or OFFICIAL_SIZE) != built
    if resampled and not (img_size and resample):
        refuse_grid(img_size, OFFICIAL_SIZE, built)
    if network is not None:
        apart = _OF_THE_GRID if resampled else ()
        both = network, settings(model)
        if not head:  # and how the tokens are pooled for it
            both = (
                {k: v for k, v in s.items() if f"{k}." not in (".", _HEAD)}
                for s in both
            )
        refuse_settings(*both, apart)
    if resampled:
        weights = resample_weights(weights, model, img_size)
    weights = _exchanged(weights, model, branch_order or "hwc")
    _refuse_lost(weights, own)
    return weights


def save_checkpoint(model: VisionPermutator, path: str | os.PathLike, **notes: str):
    """Write the model's weights to a safetensors file, with the size that they are for.

    The file appears whole or not at all: an interrupted write leaves an old one as it
    was.  It has the branch weights in the authors' order h, w, c whatever the model's
    own order is, so that `load_checkpoint` need not be told.  Beside them it has what
    the model computes with, see `settings` in `_util.settings`.

    Args:
        model: The model.
        path: Where to; the name ends in ".safetensors".
        **notes: Anything to be kept beside the weights, as text.

    Raises:
        ValueError: If the name has another ending, or a weight is not finite, or the
            file would lose something, e.g. a hook, or could not be loaded again, or a
            note has a name that the file needs.
        TypeError: If a note is no text, or the model no `VisionPermutator`.
    """
    from safetensors.torch import save

    _check_model(model)
    path = checked_path("path", path)
    if path.suffix != ".safetensors":
        raise ValueError(
            f"{path} would hold safetensors and look like something else: give it a "
            'name that ends in ".safetensors"'
        )
    refuse_unkept(model, "the file would lose it, and was not written")
    own = {"format": "pt", "img_size": str(trained_size(model))}
    own[_SETTINGS] = json.dumps(settings(model))
    for name, note in notes.items():
        if name in own:
            raise ValueError(f"a note can't be called {name!r}: each file has its own")
        if not isinstance(note, str):
            raise TypeError(f"the note {name} is {note!r}; it must be text: use str()")
    state, so = model.state_dict(), "the file could not be loaded again; mend the model"
    for name, value in state.items():
        check_weight(name, value, value, so)
    check_finite(state, so)
    # A copy of each, since a layer that two branches share is kept under both names.
    whole = torch.contiguous_format
    weights = {
        k: v.detach().cpu().clone(memory_format=whole)
        for k, v in _exchanged(state, model, "hwc").items()
    }
    try:
        content = save(weights, metadata=own | notes)
        write_atomically(path, content, check=partial(_fitting, model))
    except OSError:
        raise
    except Exception as fault:  # safetensors, too, has its limits
        raise ValueError(
            f"{path} was not written, since it could not be loaded again: {fault}"
        ) from fault


def resample_weights(
    weights: Mapping[str, Tensor], model: VisionPermutator, img_size: int
) -> dict[str, Tensor]:
    """Weights for the model's grid, made from weights for another one.

    A weight of `mlp_h` is a matrix over pairs (row, channel of a segment).  Its rows of
    the grid are resampled linearly, those that go in so that a constant column gives
    the same output.  With more rows a segment has fewer channels: what an old segment
    mixed between channels that are now in different segments is lost, and the rest is
    averaged over the new segments, which share one matrix.  With fewer rows a new
    segment joins several old ones, which stay separate.  Neither is exact: train
    further.

    Args:
        weights: Weights by name.
        model: The model that they are to fit.
        img_size: Side of the images that the weights are for.

    Returns:
        All weights; only those of `mlp_h` and `mlp_w`, and their biases, differ.

    Raises:
        ValueError: If one grid is not a multiple of the other, or the channels cannot
            be cut into as many segments, or a weight is missing or of another shape.
        TypeError: If `model` is no `VisionPermutator`, or `img_size` no whole number.
    """
    _check_model(model)
    img_size = whole_number("img_size", img_size)
    weights = _state_dict(weights, "weights")
    result = dict(weights)
    built = trained_size(model)
    for name, mixer in model.named_modules():
        if not isinstance(mixer, Branches):
            continue
        after = mixer.segment_dim
        before, rest = divmod(after * img_size, built)
        if rest or max(before, after) % min(before, after):
            raise ValueError(
                f"{name} would have to go from a grid of {after * img_size} / "
                f"{built} rows to one of {after}: resampling needs grids of "
                "which one is a multiple of the other"
            )
        if mixer.dim % before:
            raise ValueError(
                f"{name} has {mixer.dim} channels, which could not be cut into the "
                f"{before} segments of a network for images of {img_size} x "
                f"{img_size}: give the img_size that the weights are for"
            )
        for branch in ("mlp_h", "mlp_w"):
            key = f"{name}.{branch}.weight"
            weight = weights.get(key)
            if weight is None or weight.shape != (mixer.dim, mixer.dim):
                came = "missing" if weight is None else f"{tuple(weight.shape)}"
                raise ValueError(
                    f"{key} is {came}; only a whole weight, {(mixer.dim, mixer.dim)} "
                    "here, can be resampled, none of a low rank or in groups"
                )
            result[key] = resampled(weight, before, after)
            bias = f"{name}.{branch}.bias"
            if bias in weights:
                result[bias] = resampled_bias(weights[bias], before, after)
    return result


def _read(
    path: str | os.PathLike,
) -> tuple[dict[str, Tensor], int | None, Settings | None]:
    """Weights, size and settings, as far as the file says them."""
    or_weights = ", or for load_checkpoint a state dict, e.g. model.state_dict()"
    path = checked_path("the checkpoint", path, or_weights)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    if not is_safetensors(path):
        return _state_dict(_read_torch(path), str(path)), None, None
    weights, notes = _read_safetensors(path)
    if _SETTINGS in notes:  # our own file: each name in it is the model's
        network = _said_settings(path, notes[_SETTINGS])
    else:
        weights, network = _state_dict(weights, str(path)), None
    return weights, _said_size(path, notes), network


def _state_dict(content: Any, source: str) -> dict[str, Tensor]:
    """The weights by name in what `torch.load` gave, without what wrappers added."""
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not content:
        raise ValueError(
            f"{source} holds a {type(content).__name__}; it must hold a state dict, or "
            'a dict with one under "state_dict"'
        )
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"{source} holds {name!r}, of type {type(value).__name__}, where a "
                "state dict has tensors by name: is the state dict under another key "
                f"than {', '.join(map(repr, _WRAPPERS))}?"
            )
    return _renamed(content, _unwrapped, source)


def _unwrapped(name: str) -> str:
    return name.replace("_orig_mod.", "").removeprefix("module.")


def _renamed(
    weights: Mapping[str, Tensor], rename: Callable[[str], str], source: str
) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, value in weights.items():
        if rename(name) in renamed:
            raise ValueError(
                f"{source} has {rename(name)} twice, once called {name}: which counts? "
                "Load it yourself and pass a state dict with one of them"
            )
        renamed[rename(name)] = value
    return renamed


def _as_the_model_has_them(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The weights in the dtypes of the model, if they are as many and as large."""
    missing = [name for name in own if name not in weights]
    unknown = [name for name in weights if name not in own]
    if missing or unknown:
        fault = "lacks" if missing else "has"
        first = (missing or unknown)[0]
        raise ValueError(
            f"the checkpoint {fault} {first} ({len(missing)} names of the model are "
            f"missing, {len(unknown)} are unknown): it is of another architecture, "
            "e.g. vip_m7 for vip_s7"
        )
    for name, value in own.items():
        check_weight(name, value, value, "the model cannot be loaded into")
        check_weight(name, weights[name], value, _DAMAGED)
        if weights[name].shape == value.shape:
            continue
        hint = "it is of another width or architecture"
        if name.startswith(_HEAD):
            own_pool = value.ndim == 2 and len(weights[name]) == len(value)
            hint = (
                "its classifier takes another number of features: build the model "
                "with the same global_pool"
                if own_pool
                else f"it has {len(weights[name])} classes and the model {len(value)}: "
                f"build the model with num_classes={len(weights[name])}, or keep the "
                "model's own classifier with head=False"
            )
        raise ValueError(
            f"{name} has shape {tuple(weights[name].shape)} in the checkpoint and "
            f"{tuple(value.shape)} in the model: {hint}"
        )
    loaded = {name: weights[name].to(value.dtype) for name, value in own.items()}
    check_finite(loaded, "the checkpoint is damaged, or the model's dtype too small")
    for name, value in loaded.items():
        came = weights[name]
        if not came.is_floating_point() and not torch.equal(value.to(came.dtype), came):
            raise ValueError(
                f"{name} has numbers that {value.dtype} cannot hold: {_DAMAGED}"
            )
    return loaded


def _refuse_lost(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Refuse weights of which some would overwrite others where the model keeps them.

    They are written as they would be there: into memory that is shared in the same way.
    """
    memory: dict[tuple, tuple[torch.UntypedStorage, list[str]]] = {}
    written: dict[str, Tensor] = {}

    def is_lost(name: str) -> bool:
        one, other = (
            w[name].to("cpu", own[name].dtype).reshape(-1).contiguous()
            for w in (written, weights)
        )
        return not torch.equal(one.view(torch.uint8), other.view(torch.uint8))

    for name, value in own.items():
        storage = value.untyped_storage()
        place = value.device, storage.data_ptr()
        if place not in memory:
            memory[place] = torch.UntypedStorage(storage.nbytes()), []
        room, names = memory[place]
        names.append(name)
        layout = value.storage_offset(), value.shape, value.stride()
        written[name] = torch.empty(0, dtype=value.dtype).set_(room, *layout)
        try:
            written[name].copy_(weights[name])
            lost = is_lost(name)
        except RuntimeError:  # PyTorch writes into nothing that `expand` gave
            lost = True
        if lost:
            raise ValueError(
                f"{name} keeps one number in several places in the model, so that "
                f"others would be lost: give each its own, with {name}.data.clone()"
            )
    for _, names in memory.values():
        for name in filter(is_lost, names):
            for other in names:  # which of them overwrites it?
                written[name].copy_(weights[name])
                written[other].copy_(weights[other])
                if is_lost(name):
                    break
            raise ValueError(
                f"{name} and {other} are one weight in the model, or share a part, and "
                "two different ones in the checkpoint, of which one would be lost: "
                "build the model with two"
            )


def _official_name(name: str) -> str:
    parts = name.split(".")
    return ".".join("reweight" if part == _ARTICLES else part for part in parts)


def _check_model(model: VisionPermutator) -> None:
    if not isinstance(model, VisionPermutator):
        raise TypeError(
            f"the model is a {type(model).__name__}; it must be a VisionPermutator, "
            "e.g. vip_s7(); of a compiled or parallel one give the model inside"
        )
    check_contents(model)


def _exchanged(
    weights: Mapping[str, Tensor], model: nn.Module, order: str
) -> dict[str, Tensor]:
    """Weights in one branch order for the model's own, block by block; or back."""
    others = tuple(
        f"{name}.reweight.fc2."
        for name, module in model.named_modules()
        if isinstance(module, WeightedPermuteMLP) and module.branch_order != order
    )
    rows = {k: v for k, v in weights.items() if others and k.startswith(others)}
    return dict(weights) | (exchanged_order(rows) if rows else {})


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Weights and notes."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, notes
    except (SafetensorError, OSError) as fault:
        raise ValueError(f"{path} is damaged or cut off: {fault}") from fault


def _said_size(path: Path, notes: Mapping[str, str]) -> int | None:
    if "img_size" not in notes:
        return None
    said = notes["img_size"]
    if not re.fullmatch("[1-9][0-9]{0,4}", said):
        raise ValueError(
            f"{path} says that it is for images of size {said[:20]!r}, which is no "
            "number from 1 to 99999: load it yourself and pass its state dict"
        )
    return int(said)


def _said_settings(path: Path, note: str) -> Settings:
    try:
        said = json.loads(note)
        if all("class" in module for module in dict(said).values()):
            return {name: dict(module) for name, module in said.items()}
    except (AttributeError, ValueError, TypeError, RecursionError):
        pass
    raise ValueError(
        f"{path} is damaged: its settings cannot be read: load it yourself and pass "
        "its state dict"
    )


def _read_torch(path: Path) -> Any:
    try:
        # The options of a training script, which many files hold beside the weights.
        with (
            torch.serialization.safe_globals([argparse.Namespace]),
            open(path, "rb") as file,  # by a name, torch would go by how it ends
        ):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as fault:
        raise ValueError(
            f"{path} holds more than weights, or is no PyTorch file. It was not "
            "opened, since it could run code. If you trust it, load it yourself and "
            "pass its state dict"
        ) from fault
    except Exception as fault:  # any damage at all
        raise ValueError(f"{path} is damaged or cut off: get it again") from fault
