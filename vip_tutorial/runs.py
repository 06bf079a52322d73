"""A run of training in a file, so that it can go on after an interruption.

The file holds the state of everything that changes in training, and a description of
what does not: recipe, network and images.  A run goes on only with all three as they
were; with any other it would end as neither run would have ended.
"""

import copy
import errno
import hashlib
import io
import os
import shutil
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .data import Labelled
from .weight_files import write_atomically

State = dict[str, Any]


def described(
    recipe: object, model: nn.Module, train: Labelled, test: Labelled
) -> dict[str, str]:
    """What decides how a run ends, beside the weights.

    Args:
        recipe: How it is trained; its `repr` says all of it.
        model: The network; two are the same if their `repr` is, and their parameters
            agree in name, shape, dtype and in which of them learn.
        train: Images to learn from; any pixel or label counts, and their order.
        test: Images that the accuracies are of; likewise.
    """
    parameters = [
        f"{name} {tuple(p.shape)} of {p.dtype}, learns: {p.requires_grad}"
        for name, p in model.named_parameters()
    ]
    return {
        "recipe": repr(recipe),
        "network": "\n".join([repr(model), *parameters]),
        "training images or labels": _digest(train),
        "test images or labels": _digest(test),
    }


def save(
    path: str | os.PathLike, parts: Mapping[str, Any], about: State, history: State
) -> None:
    """Write a run; the file is complete or not there.

    Args:
        path: Where to.
        parts: What changes in training, by name: each has a `state_dict`.
        about: What does not, see `described`.
        history: Lists "loss" and "accuracy", a number for each epoch.
    """
    content = {name: part.state_dict() for name, part in parts.items()}
    buffer = io.BytesIO()
    torch.save(content | {"about": about, "history": history}, buffer)
    write_atomically(path, buffer.getvalue())


def read(path: str | os.PathLike, about: Mapping[str, str]) -> State:
    """What `save` wrote, if it is of a run of this description.

    Raises:
        ValueError: If the file is damaged, or of another run, when it says what
            differs; or if no run is in it at all.
    """
    raw = Path(path).read_bytes()
    try:
        content = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception as fault:  # any damage at all
        if raw and not raw.startswith(b"PK"):  # `save` writes a zip file
            raise ValueError(_no_run(path)) from fault
        raise ValueError(
            f"{path} is damaged or cut off: remove it to start anew, if fit wrote it, "
            "or name another file"
        ) from fault
    told = content.get("about") if isinstance(content, Mapping) else None
    if not isinstance(told, Mapping):
        raise ValueError(_no_run(path))
    try:
        was = {name: told[name] for name in about}
    except KeyError as fault:
        raise ValueError(
            f"{path} is no run that can be resumed ({fault!r}): remove it to start anew"
        ) from fault
    for name, now in about.items():
        if was[name] == now:
            continue
        what = f"a run with {was[name]}, not with {now}"
        if name == "network":
            what = f"a run of another network: {_first_difference(was[name], now)}"
        elif name != "recipe":
            what = f"a run with other {name}"
        raise ValueError(
            f"{path} is of {what}: remove it to start anew, go on with the same, or "
            "name another file"
        )
    return content


def take_up(
    path: str | os.PathLike, content: State, parts: Mapping[str, Any], epochs: int
) -> State:
    """Bring everything to where a run was, and give its history.

    Args:
        path: Where the run was read from.
        content: What `read` gave.
        parts: What changes in training, by name.
        epochs: How many the whole run has.

    Raises:
        ValueError: If the run is damaged; everything is then as it was.
    """
    before = copy.deepcopy({name: part.state_dict() for name, part in parts.items()})
    steps = before["scheduler"]["total_steps"]
    try:
        history, scheduler = content["history"], content["scheduler"]
        told, done = [*history["loss"], *history["accuracy"]], len(history["loss"])
        numbers = all(isinstance(value, float) for value in told)
        if not numbers or len(told) != 2 * done or done > epochs:
            raise ValueError(f"it tells of {done} epochs")
        if scheduler["total_steps"] != steps:
            raise ValueError(f"it has {scheduler['total_steps']} steps, not {steps}")
        if scheduler["last_epoch"] != done * steps // epochs:
            raise ValueError("its learning rate is of another epoch than its history")
        for name, part in parts.items():
            part.load_state_dict(content[name])
    except Exception as fault:
        for name, part in parts.items():  # nothing is left half loaded
            part.load_state_dict(before[name])
        raise ValueError(
            f"{path} is a damaged run ({fault}): remove it to start anew"
        ) from fault
    return history


def check_room(path: str | os.PathLike, model: nn.Module) -> None:
    """See that a run of this model can be written.

    Raises:
        FileNotFoundError: If the folder is not there.
        OSError: If the disk has no room for it.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"resume is {path}, and there is no folder {path.parent}: create it first"
        )
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    # AdamW keeps two numbers more for each, and a file is written beside the old one.
    needed, free = 2 * 3 * weights, shutil.disk_usage(path.parent).free
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"resume needs {needed / 1e6:.0f} MB and the disk has {free / 1e6:.0f} MB",
            str(path),
        )


def _no_run(path: str | os.PathLike) -> str:
    return (
        f"{path} is no file that fit wrote, so it stays as it is: give resume another "
        "name. To start from weights in it, call vip_tutorial.checkpoints."
        "load_checkpoint(model, ...) first"
    )


def _digest(data: Labelled) -> str:
    digest = hashlib.sha256()
    for part in (data.images, data.labels):
        digest.update(f"{tuple(part.shape)} {part.dtype}".encode())
        part = part.detach().cpu().contiguous().flatten()
        digest.update(part.view(torch.uint8).numpy())
    return digest.hexdigest()


def _first_difference(was: str, now: str) -> str:
    for one, other in zip_longest(was.splitlines(), now.splitlines()):
        if one != other:
            break
    one, other = (line.strip() if line else "nothing more" for line in (one, other))
    return f"it has {one} where this one has {other}"
