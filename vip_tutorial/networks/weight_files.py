"""Files of weights: what one holds, and which network may load it."""

import math
import re
from collections.abc import Collection, Mapping
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

Settings = dict[str, dict[str, Any]]

# What PyTorch's modules hold for themselves, and what changes no result.
_NO_SETTINGS = {"inplace", *vars(nn.Module())}
_NOT_PLAIN = object()


def is_safetensors(path: Path) -> bool:
    """Whether a file is to be read as such, by how it begins, if it may hold weights.

    Raises:
        ValueError: If it is something else that often lies where weights should be.
    """
    with open(path, "rb") as file:
        start = file.read(64)
    text = start.strip().lower()
    if start[7:9] == b"\0{":  # eight bytes that say a length, then JSON
        return True
    if start.startswith((b"PK", b"\x80")):  # what torch.save writes, now and long ago
        return False
    if text.startswith(b"version https://git-lfs"):
        found = "is a Git LFS pointer, which only names the file: run git lfs pull"
    elif text.startswith(b"<"):
        found = "is a web page: look in a browser what its address shows"
    elif re.fullmatch(rb"[\t\n\r -~]+", start):
        found = f"is text that begins {start[:20].decode()!r}: get the true file"
    else:
        return path.suffix.lower() == ".safetensors"
    raise ValueError(f"{path} holds no weights, it {found}")


def check_weight(name: str, value: Any, like: Any, so: str) -> None:
    """Refuse what is no dense tensor of such numbers; `so` says what comes of it.

    Args:
        name: What it is called.
        value: What is to be loaded or saved.
        like: A tensor of the kind of numbers that is needed: real or whole numbers, or
            truth values.
        so: What comes of it.
    """
    kind = _numbers(like)
    if (
        not isinstance(value, Tensor)
        or value.layout != torch.strided
        or value.is_nested
        or value.is_meta
        or value.is_quantized
        or value.is_complex()
        or _numbers(value) != kind
    ):
        raise ValueError(f"{name} is not a dense tensor of {kind}: {so}")


def _numbers(value: Any) -> str:
    dtype = getattr(value, "dtype", torch.float32)
    if dtype.is_floating_point or dtype.is_complex:
        return "real numbers"
    return "truth values" if dtype == torch.bool else "whole numbers"


def check_finite(weights: Mapping[str, Tensor], so: str) -> None:
    """Refuse weights that are not finite; `so` says what comes of them."""
    for name, value in weights.items():
        # PyTorch cannot ask this of numbers with 8 bits.
        asked = value.float() if value.itemsize == 1 else value
        if not asked.isfinite().all():
            raise ValueError(f"{name} is not finite everywhere, in {value.dtype}: {so}")


def settings(model: nn.Module) -> Settings:
    """What a network computes with, beside its weights.

    Returns:
        For each module by name its "class", and its attributes that are numbers, text,
        functions, or lists of such.  A class may say of another one that it
        `computes_like` that, as long as they have the same settings; and name in
        `not_settings` attributes that need not agree.  What does nothing in evaluation
        is left out.
    """
    found = {}
    for name, module in model.named_modules(remove_duplicate=False):
        kind = vars(type(module)).get("computes_like", type(module))
        if issubclass(kind, nn.Identity | nn.modules.dropout._DropoutNd):
            continue
        apart = _NO_SETTINGS.union(getattr(module, "not_settings", ()))
        own = {k: _plain(v) for k, v in vars(module).items() if k not in apart}
        own = {k: v for k, v in own.items() if v is not _NOT_PLAIN}
        found[name] = {"class": kind.__name__} | own
    return found


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Real):
        number = int(value) if isinstance(value, Integral) else float(value)
        return number if math.isfinite(number) else str(number)  # JSON has no infinity
    if isinstance(value, partial):
        return _plain([value.func, value.args, value.keywords])
    if isinstance(value, Mapping):
        return _plain([list(pair) for pair in value.items()])
    if isinstance(value, list | tuple | set | frozenset):
        ordered = (
            sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        )
        parts = [_plain(part) for part in ordered]
        return _NOT_PLAIN if any(part is _NOT_PLAIN for part in parts) else parts
    name = getattr(value, "__qualname__", None)  # of a class or a function
    return name if isinstance(name, str) else _NOT_PLAIN


def refuse_settings(said: Settings, own: Settings, apart: Collection[str]) -> None:
    """Refuse weights of a network that computed something else with them.

    Args:
        said: `settings` of the network that the weights are from.
        own: `settings` of the one that they are for.
        apart: Settings that need not agree.

    Raises:
        ValueError: If a module is missing in one of them or of another class, or a
            setting that both have differs.
    """
    nothing = {"class": "nothing"}
    for name in own | said:
        was, now = said.get(name, nothing), own.get(name, nothing)
        for key in now:
            if key in was and key not in apart and was[key] != now[key]:
                where = name or "the network"
                told = f"{where} is {was[key]} in the file and {now[key]} in the model"
                if key != "class":
                    told = (
                        f"{where} has {key}={was[key]!r} in the file and "
                        f"{key}={now[key]!r} in the model"
                    )
                raise ValueError(
                    f"{told}, which would compute something else with these weights: "
                    "build the model as that of the file was. To load them all the "
                    "same, pass the state dict, read_checkpoint(path)[0], and img_size"
                )


def refuse_grid(img_size: int | None, assumed: int, built_for: int) -> NoReturn:
    """Say why weights for images of another size than the model's are not loaded.

    Args:
        img_size: Side of the images that the weights are for, if anything says it.
        assumed: What it is taken to be if nothing does.
        built_for: Side of the images that the model is built for.
    """
    trap = (
        "since their shapes are the same, and compute nonsense: mlp_h and mlp_w mean "
        "another grid of tokens"
    )
    if img_size is None:
        raise ValueError(
            f"nothing says which images the weights are for, so {assumed} x {assumed}, "
            f"the authors', is assumed, and the model is built for {built_for} x "
            f"{built_for}. Weights for another size would load, {trap}. Pass img_size="
            f"{built_for} to load_checkpoint if they are for that size; or the true "
            "size and resample=True, and train further"
        )
    raise ValueError(
        f"the weights are for images of {img_size} x {img_size} and the model is built "
        f"for {built_for} x {built_for}. They would load, {trap}. Build the model with "
        f"img_size={img_size}, or pass resample=True and train further"
    )
