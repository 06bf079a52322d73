"""The page "API": docstrings as autodoc finds them, less what is not for a reader.

Of a room it shows what the room's `__init__` offers; of the rooms that the chapters
explain, a paragraph each.  Refusals are left out: the errors say themselves what came,
what was needed and how to mend it.
"""

import re
import sys
from inspect import ismodule
from typing import Any

import traitlets
from sphinx.application import Sphinx

_BRIEF = ("vip_tutorial.mixers.", "vip_tutorial.study.")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx what to leave out."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("config-inited", _no_links_to_torch)
    app.connect("autodoc-process-docstring", _no_module_docstrings)
    # Before napoleon makes fields of the sections.
    app.connect("autodoc-process-docstring", _shorter, priority=400)
    app.connect("autodoc-process-signature", _no_empty_signatures)
    app.connect("autodoc-skip-member", _no_plain_attributes)
    app.connect("autodoc-skip-member", _nothing_behind_the_door)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }


def _no_links_to_torch(app: Sphinx, config: Any) -> None:
    """PyTorch's pages are elsewhere; a field of this type has no page to lead to."""
    config.nitpick_ignore = {
        *config.nitpick_ignore,
        ("py:class", "torch.Tensor"),
    }


def _no_module_docstrings(
    app: Sphinx,
    what: str,
    name: str,
    obj: Any,
    options: Any,
    lines: list[str],
) -> None:
    """They speak to who reads the files; the page has sentences of its own."""
    if what == "module":
        lines.clear()


def _shorter(
    app: Sphinx,
    what: str,
    name: str,
    obj: Any,
    options: Any,
    lines: list[str],
) -> None:
    """Take out the section "Raises"; of a brief room keep the first paragraph alone."""
    text = "\n".join(lines) + "\n"
    if name.startswith(_BRIEF):
        text = text.partition("\n\n")[0] + "\n"
    lines[:] = re.sub(r"(?m)^Raises:\n(?:(?: .*)?\n)*", "", text).split("\n")


def _no_empty_signatures(
    app: Sphinx,
    what: str,
    name: str,
    obj: Any,
    options: Any,
    *signature: str | None,
) -> tuple[str | None, str | None] | None:
    """Traitlets shows `(*args, **kwargs)` for every widget; its docstring says more."""
    if what == "class" and issubclass(obj, traitlets.HasTraits):
        return None, None
    return None


def _no_plain_attributes(
    app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Those that are for the reader are arguments too, and listed as such."""
    field = (getattr(obj, "__doc__", "") or "").startswith("Alias for field number")
    marker = what == "class" and isinstance(obj, type)
    return True if field or marker or isinstance(obj, traitlets.TraitType) else None


def _nothing_behind_the_door(
    app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Of a room, what its `__init__` offers, by itself or in a module."""
    if what == "class" and app.env.temp_data["autodoc:module"].startswith(_BRIEF):
        return True
    home, _, module = getattr(obj, "__module__", "").rpartition(".")
    if what != "module" or not home.startswith("vip_tutorial."):
        return None
    while not (offered := getattr(sys.modules[home], "__all__", None)):
        home, _, module = home.rpartition(".")
    whole = module in offered and ismodule(getattr(sys.modules[home], module))
    return None if name in offered or whole else True
