"""What a network computes with beside its weights, and what no file can keep of it."""

import math
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from functools import partial
from numbers import Integral, Real
from types import ModuleType
from typing import Any

import torch
from torch import nn

Settings = dict[str, dict[str, Any]]

# What PyTorch's modules hold for themselves, and what changes no result.
_APART = {"inplace", "not_settings", "_compiled_call_impl", *vars(nn.Module())}
_SAY_ALL = (torch.dtype, complex, bytes, range)  # in their repr
_NOT_PLAIN = object()


def settings(model: nn.Module) -> Settings:
    """What a network computes with, beside its weights.

    Returns:
        For each module by name its "class", and its attributes that are numbers, text,
        functions, or lists of such.  A class may say of another one that it
        `computes_like` that, as long as the settings of both agree; it is then "by" the
        class.  In `not_settings` it may name attributes that need not agree.  What does
        nothing in evaluation is left out.
    """
    found = {}
    for name, module in model.named_modules(remove_duplicate=False):
        own = type(module)
        kind = vars(own).get("computes_like", own)
        # Dropout and its like; a class derived from one of them may do something.
        if kind is nn.Identity or kind.__module__ == nn.Dropout.__module__:
            continue
        called = kind.__name__
        if hasattr(nn, called) and not _is_torchs(kind):
            called = f"{kind.__module__}.{called}"
        plain = {k: _plain(v) for k, v in _attributes(module).items()}
        plain = {k: v for k, v in plain.items() if v is not _NOT_PLAIN}
        by = {} if kind is own else {"by": own.__name__}
        found[name] = {"class": called} | by | plain
    return found


def refuse_unkept(model: nn.Module, so: str, hooks: bool = True) -> None:
    """Refuse a network of which neither its state dict nor `settings` tells all.

    Args:
        model: The network.
        so: What comes of it.
        hooks: Whether hooks count.

    Raises:
        ValueError: With what it is, and how to mend it.
    """
    found = [
        (name or "the network", *what)
        for name, module in model.named_modules()
        for what in _unkept(module, hooks)
    ]
    if found:
        where, what, mend = found[0]
        more = f" ({len(found) - 1} more are like it)" if len(found) > 1 else ""
        raise ValueError(f"{where} has {what}: {so}{more}; {mend}")


def _unkept(module: nn.Module, hooks: bool) -> Iterator[tuple[str, str]]:
    """What no file keeps of a module, and how to mend it."""
    apart = getattr(module, "not_settings", ())
    named = "name it in not_settings of its class if it changes no result"
    for key in sorted(module._non_persistent_buffers_set.difference(apart)):
        if module._buffers.get(key) is not None:
            yield f"the buffer {key}, not persistent", f"make it so, or {named}"
    if hooks and (module._forward_hooks or module._forward_pre_hooks):
        yield "a forward hook", "remove it for as long, or write it into the class"
    for key, value in _attributes(module).items():
        is_method = callable(value) and callable(getattr(type(module), key, None))
        # PyTorch's own modules hold what they need in any form.
        is_odd = _plain(value) is _NOT_PLAIN and not _is_torchs(type(module))
        if is_method or is_odd:
            called = getattr(value, "__qualname__", type(value).__name__)
            yield (
                f"{key}, {called}, neither a weight nor a plain setting",
                "make a tensor a buffer and a network a module, give a function a "
                f"name of its own, by def at the top of a file, or {named}",
            )


def _attributes(module: nn.Module) -> dict[str, Any]:
    apart = _APART.union(getattr(module, "not_settings", ()))
    return {
        key: value
        for key, value in vars(module).items()
        if key not in apart and not isinstance(value, torch.device)
    }


def _is_torchs(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "torch"


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it."""
    if value is None or isinstance(value, bool | str):
        return value
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    if isinstance(value, Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, _SAY_ALL):
        return repr(value)
    if isinstance(value, Real):
        number = int(value) if isinstance(value, Integral) else float(value)
        return number if math.isfinite(number) else str(number)  # JSON has no infinity
    if isinstance(value, partial):
        return _plain([value.func, value.args, value.keywords])
    if isinstance(value, Mapping):
        return _plain([list(pair) for pair in value.items()])
    if isinstance(value, list | tuple | set | frozenset):
        parts = [_plain(part) for part in value]
        if any(part is _NOT_PLAIN for part in parts):
            return _NOT_PLAIN
        return sorted(parts, key=repr) if isinstance(value, set | frozenset) else parts
    name = getattr(value, "__qualname__", None)  # of a class or a function
    bound = getattr(value, "__self__", None)  # whose method it is
    if not isinstance(name, str) or "<" in name:  # in a function: many can have it
        return _NOT_PLAIN
    if not isinstance(bound, None | type | ModuleType):
        return _NOT_PLAIN
    return f"{value.__module__}.{name}"


def refuse_settings(said: Settings, own: Settings, apart: Collection[str]) -> None:
    """Refuse weights of a network that computed something else with them.

    Args:
        said: `settings` of the network that the weights are from.
        own: `settings` of the one that they are for.
        apart: Settings that need not agree.

    Raises:
        ValueError: If a module is missing in one of them or of another class, or a
            setting differs.  One that only one of them has counts, unless they are by
            different classes or PyTorch's, of which another version may have it.
    """
    nothing = {"class": "nothing"}
    for name in own | said:
        was, now = said.get(name, nothing), own.get(name, nothing)
        alike = was.get("by") == now.get("by") and not hasattr(nn, now["class"])
        for key in was | now:
            missing = key not in was or key not in now
            if key in ("by", *apart) or (missing and not alike):
                continue
            if missing or was[key] != now[key]:
                one, other = (
                    f"{key}={s[key]!r}" if key in s else f"no {key}" for s in (was, now)
                )
                verb = "has"
                if key == "class":
                    verb, one, other = "is", was[key], now[key]
                raise ValueError(
                    f"{name or 'the network'} {verb} {one} in the file and {other} in "
                    "the model, which would compute something else with these weights: "
                    "build the model as that of the file was. To load them all the "
                    "same, pass the state dict, read_checkpoint(path)[0], and img_size"
                )
