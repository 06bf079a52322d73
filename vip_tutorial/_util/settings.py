"""What a network computes with, beside its weights."""

import math
from collections.abc import Collection, Mapping
from functools import partial
from numbers import Integral, Real
from typing import Any

from torch import nn

Settings = dict[str, dict[str, Any]]

# What PyTorch's modules hold for themselves, and what changes no result.
_NO_SETTINGS = {"inplace", *vars(nn.Module())}
_NOT_PLAIN = object()


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
