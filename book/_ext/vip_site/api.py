"""The page "API": docstrings as autodoc finds them, less what is not for a reader."""

from typing import Any

import traitlets
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx what to leave out."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("config-inited", _no_links_to_torch)
    app.connect("autodoc-process-docstring", _no_module_docstrings)
    app.connect("autodoc-process-signature", _no_empty_signatures)
    app.connect("autodoc-skip-member", _no_inner_works)
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


def _no_inner_works(
    app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Traits for the reader are arguments, too; the other two are for the checkpoints."""
    inner = name in ("computes_like", "not_settings")
    return True if inner or isinstance(obj, traitlets.TraitType) else None
