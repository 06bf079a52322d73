"""Files of weights: what one holds, and for which grid it is."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor


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
