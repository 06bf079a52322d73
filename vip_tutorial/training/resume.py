"""A run of training in a file, so that it can go on after an interruption.

The file holds the state of everything that changes in training, and a description of
what does not: recipe, network and images.  A run goes on only with all three as they
were; with any other it would end as neither run would have ended.
"""

import errno
import hashlib
import io
import math
import os
import shutil
from collections.abc import Collection, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._util.files import write_atomically
from .._util.settings import refuse_unkept, settings
from .data import Labelled

State = dict[str, Any]

_SETTINGS = "settings"
# What of the schedule and of AdamW's settings no version of PyTorch does without.
_STEPS = ("total_steps", "last_epoch")
OF_THE_RECIPE = ("lr", "betas", "eps", "weight_decay", "params")


def described(
    recipe: object, model: nn.Module, train: Labelled, test: Labelled
) -> dict[str, str]:
    """What decides how a run ends, beside the weights.

    Args:
        recipe: How it is trained; its `repr` says all of it.
        model: The network; two are the same if their `repr` is, and their settings, and
            their parameters agree in name, shape, dtype and in which of them learn.
        train: Images to learn from; any pixel or label counts, and their order.
        test: Images that the accuracies are of; likewise.

    Raises:
        ValueError: If the network has something of which nothing tells whether it is
            the same, e.g. a function without a name.
    """
    refuse_unkept(model, "resume could not tell it from another one", hooks=False)
    parameters = [
        f"{name} {tuple(p.shape)} of {p.dtype}, learns: {p.requires_grad}"
        for name, p in model.named_parameters()
    ]
    return {
        "recipe": repr(recipe),
        "network": "\n".join([repr(model), *parameters]),
        _SETTINGS: "\n".join(
            f"{'.'.join([*filter(None, [name]), key])} = {value!r}"
            for name, own in settings(model).items()
            for key, value in own.items()
        ),
        "training images or labels": _digest(train),
        "test images or labels": _digest(test),
    }


def save(
    path: str | os.PathLike, parts: Mapping[str, Any], about: State, history: State
) -> None:
    """Write a run; the file is complete or not there.

    Args:
        path: Where to.
        parts: What changes in training: "model", "optimizer" and "scheduler".
        about: What does not, see `described`.
        history: Lists "loss" and "accuracy", a number for each epoch.
    """
    content = {name: part.state_dict() for name, part in parts.items()}
    content["learnt"] = sorted(content["optimizer"]["state"])
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
        # The files of version 0.1 do not tell of the settings.
        was = {name: told[name] for name in about if name in told or name != _SETTINGS}
    except KeyError as fault:
        raise ValueError(
            f"{path} is no run that can be resumed ({fault!r}): remove it to start anew"
        ) from fault
    if odd := [name for name in was if not isinstance(was[name], str)]:
        raise ValueError(
            f"{path} is a damaged run (its {odd[0]} is no text): remove it to start "
            "anew"
        )
    for name in was:
        if was[name] == (now := about[name]):
            continue
        what = f"a run with {was[name]}, not with {now}"
        if name in ("network", _SETTINGS):
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

    What the recipe and the number of epochs decide is not taken from the file: the file
    has to agree.

    Args:
        path: Where the run was read from.
        content: What `read` gave.
        parts: As in `save`; optimizer and scheduler are fresh.
        epochs: How many the whole run has.

    Raises:
        ValueError: If the run is damaged, or not of this recipe; the model is then as
            it was.
    """
    model, optimizer, scheduler = (
        parts[name] for name in ("model", "optimizer", "scheduler")
    )
    history = content.get("history")
    try:
        done = _epochs_of(history, epochs)
        steps = done * scheduler.total_steps // epochs
        _move_on(scheduler, steps)
        own = optimizer.state_dict()
        _check_fit("model", content.get("model"), model.state_dict())
        _check_fit("scheduler", content.get("scheduler"), _schedule(scheduler), _STEPS)
        parameters = list(model.parameters())
        _check_optimizer(content.get("optimizer"), own, parameters, steps)
        states = content["optimizer"]["state"]
        learnt = content.get("learnt", sorted(states))
        if not isinstance(learnt, list) or learnt != sorted(states):
            raise ValueError("optimizer.state lacks parameters that have learnt")
    except ValueError as fault:
        raise ValueError(
            f"{path} is a damaged run ({fault}): remove it to start anew"
        ) from fault
    model.load_state_dict(content["model"])
    # The recipe has set all else of the optimizer, and the schedule.
    optimizer.load_state_dict(own | {"state": states})
    return dict(history)


def check_room(path: str | os.PathLike, model: nn.Module) -> None:
    """See that a run of this model can be written.

    Raises:
        FileNotFoundError: If the folder is not there.
        OSError: If the disk has no room for it.
    """
    path = Path(os.path.realpath(path))  # where a link leads
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


def _epochs_of(history: Any, epochs: int) -> int:
    """How many epochs a history tells of, if it is one of such a run."""
    series = {"loss": math.inf, "accuracy": 1.0}  # and how large they may be
    if not isinstance(history, Mapping) or set(history) != set(series):
        told = list(history) if isinstance(history, Mapping) else type(history).__name__
        raise ValueError(f"its history is {told}, not the lists {list(series)}")
    for name, most in series.items():
        told = history[name]
        if not isinstance(told, list) or not all(
            isinstance(n, float) and math.isfinite(n) and 0 <= n <= most for n in told
        ):
            raise ValueError(f"history.{name} is {told!r:.60}, no list of such numbers")
    done, also = (len(history[name]) for name in series)
    if done != also or done > epochs:
        raise ValueError(
            f"its history has the loss of {done} and the accuracy of {also} epochs, in "
            f"a run of {epochs}"
        )
    return done


def _move_on(scheduler: Any, steps: int) -> None:
    """Bring a fresh schedule, and what it sets in its optimizer, to a later step."""
    if steps:
        # At a count of 1 it would warn that the optimizer has made no step.
        at = {"last_epoch": steps - 1, "_step_count": max(2, steps)}
        scheduler.load_state_dict(scheduler.state_dict() | at)
        scheduler.step()


def _schedule(scheduler: Any) -> State:
    return {k: v for k, v in scheduler.state_dict().items() if k != "_step_count"}


def _check_optimizer(
    told: Any, own: State, parameters: list[nn.Parameter], steps: int
) -> None:
    """See that a state of AdamW is one of this recipe after so many steps."""
    for part in ("state", "param_groups"):
        if not isinstance(told, Mapping) or part not in told:
            raise ValueError(f"optimizer lacks {part}")
    name = "optimizer.param_groups"
    _check_fit(name, told["param_groups"], own["param_groups"], OF_THE_RECIPE)
    _check_fit("optimizer.state", told["state"], {}, needed=())  # a dict at all
    dtype = torch.promote_types(torch.get_default_dtype(), torch.float32)
    step = torch.zeros((), dtype=dtype)
    wanted = {
        index: {"step": step, "exp_avg": p, "exp_avg_sq": p}
        for index, p in enumerate(parameters)
        if p.requires_grad and index in told["state"]
    }
    _check_fit("optimizer.state", told["state"], wanted)
    for index, state in told["state"].items():
        if not 1 <= state["step"] <= steps:
            came = f"{state['step']:g}"
            raise ValueError(f"optimizer.state.{index}.step is {came} after {steps}")
        for name, value in state.items():
            least = 0 if name == "exp_avg_sq" else -math.inf
            if not (value.isfinite() & (value >= least)).all():
                raise ValueError(
                    f"optimizer.state.{index}.{name} has impossible numbers"
                )


def _check_fit(
    name: str, told: Any, wanted: Any, needed: Collection[str] | None = None
) -> None:
    """See that a part of a run is what it has to be.

    Args:
        name: What it is called.
        told: What the file has.
        wanted: What it must equal; a tensor, in its form alone.
        needed: The entries of dicts that must be there, of which another version of
            PyTorch may have more or fewer; None: all, and no others.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(told, Mapping):
            raise ValueError(f"{name} is a {type(told).__name__}, not a dict")
        for key in wanted if needed is None else needed:
            if key not in told:
                raise ValueError(f"{name} lacks {key}")
        for key in told:
            if key in wanted:
                _check_fit(f"{name}.{key}", told[key], wanted[key])
            elif needed is None:
                raise ValueError(f"{name} has {key}, which it should not")
        return
    if isinstance(wanted, list | tuple):
        fits = isinstance(told, list | tuple) and len(told) == len(wanted)
        if fits:
            for place, parts in enumerate(zip(told, wanted)):
                _check_fit(f"{name}.{place}", *parts, needed)
    elif isinstance(wanted, Tensor):
        told, wanted = _form(told), _form(wanted)
        fits = told == wanted
    elif isinstance(wanted, float):  # computed here, perhaps on another machine
        fits = isinstance(told, float) and math.isclose(told, wanted, rel_tol=1e-6)
    else:
        fits = type(told) is type(wanted) and told == wanted
    if not fits:
        raise ValueError(f"{name} is {told!r:.60}, not {wanted!r:.60}")


def _form(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return tuple(value.shape), value.dtype, value.layout


def _no_run(path: str | os.PathLike) -> str:
    return (
        f"{path} is no file that fit wrote, so it stays as it is: give resume another "
        "name. To start from weights in it, call vip_tutorial.networks.checkpoints."
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
