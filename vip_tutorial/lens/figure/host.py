"""What every widget of the book shares: one JavaScript core, three hosts.

In a notebook anywidget runs the core.  On the built site the same core runs on the
state that `_repr_mimebundle_` wrote into the page.  Where no script runs, the page
shows the first frame that the core drew at build time (see `book/_ext`).
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from .bundle import bundle, constant

try:
    import anywidget
    import traitlets
except ModuleNotFoundError as fault:
    missing = (fault.name or "").partition(".")[0]
    raise ModuleNotFoundError(
        f"{missing} is not installed, and to show a figure takes it: pip install "
        '"vip_tutorial[widgets]"',
        name=missing,
    ) from fault

FIGURE_CSS = Path(__file__).parent / "figure.css"


class KernelFree:
    """Mixed into an ipywidget: it also gives HTML for a page with no kernel."""

    def static_html(self) -> str:
        """The widget for such a page."""
        raise NotImplementedError(f"{type(self).__name__} has no static_html")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if isinstance(bundle, tuple):
            data, metadata = bundle
            return {**data, "text/html": self.static_html()}, metadata
        return bundle and {**bundle, "text/html": self.static_html()}


class BookWidget(KernelFree, anywidget.AnyWidget):
    """A widget of the book's own, drawn by JavaScript.

    A widget class names its `kind`.  Its JavaScript and its style sheet lie beside its
    Python file and have the same name, or where it says.

    Attributes:
        kind: Name of the widget on the site.
        module: Its JavaScript module, from the folder of its Python file; it exports
            `render`, with anywidget's contract, and `firstFrame`, which gives HTML.
        styles: Style sheets that it needs beside that of all figures, its own the last,
            from the same folder.
        shown: Traits that the core reads beside those of every widget; plain JSON each.
        apart: Those of them that are large: the built site loads them when the reader
            comes near the figure.
        kinds: All such classes by their kind.
        title: Heading of the figure; a title of its own if empty.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, as the figure's "copy" button gives it.
        state: State of the figure now, in the same words; empty at the start.
        link: Address of the page that the figure stands on; empty in a notebook.
    """

    kind: str
    module: str | Path = ""
    styles: tuple[str | Path, ...] = ()
    shown: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    kinds: ClassVar[dict[str, type["BookWidget"]]] = {}

    title = traitlets.Unicode("").tag(sync=True)
    name = traitlets.Unicode("figure").tag(sync=True)
    start = traitlets.Unicode("").tag(sync=True)
    state = traitlets.Unicode("").tag(sync=True)
    link = traitlets.Unicode("").tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any):
        if "kind" in vars(cls):
            python = Path(sys.modules[cls.__module__].__file__)
            own = python.with_suffix(".css").name
            module = vars(cls).get("module") or python.with_suffix(".js").name
            cls.module = python.parent / module
            styles = vars(cls).get("styles") or (own,)
            cls.styles = tuple((python.parent / file).resolve() for file in styles)
            cls._esm = script(cls.module)
            cls._css = style(cls.styles)
            BookWidget.kinds[cls.kind] = cls
        super().__init_subclass__(**kwargs)

    def __init__(self, **kwargs: Any):
        if unknown := sorted(set(kwargs) - set(self.trait_names())):
            raise TypeError(
                f"{type(self).__name__} has no argument {', '.join(unknown)}"
            )
        super().__init__(**kwargs)

    @traitlets.validate("name")
    def _check_name(self, proposal: dict[str, Any]) -> str:
        name = proposal["value"]
        if not name.replace("-", "").isalnum() or not name.isascii():
            raise ValueError(
                f"name is {name!r}; it stands in links, so it may hold letters, "
                "digits and hyphens only, e.g. 'height-branch'"
            )
        return name

    def page_state(self) -> dict[str, Any]:
        """What the JavaScript core reads, where there is no kernel to ask."""
        names = ("title", "name", "start", "state", *self.shown)
        return {name: getattr(self, name) for name in names}

    def still(self) -> str:
        """A picture for where no script runs; empty if the figure has none."""
        return ""

    def static_html(self, picture: str | None = None) -> str:
        """The widget's state, and a place to draw.

        Args:
            picture: What stands there before a script draws; its `still` if None.
        """
        state = page_json(self.page_state())
        picture = self.still() if picture is None else picture
        return (
            f'<div data-vip-widget="{self.kind}" id="{self.name}">'
            f'<div class="vip vip-{self.kind}">{picture}</div>'
            f'<script type="application/json">{state}</script></div>'
        )


def page_json(state: dict[str, Any]) -> str:
    """JSON that can stand in a script element."""
    # "</script>" would end the element, and "<!--<script>" keep it from ending.
    return json.dumps(state).replace("<", "\\u003c")


def script(module: Path) -> str:
    """The one script that anywidget needs of a widget."""
    return (
        f"{bundle(module)}\nexport default {{ render: {constant(module)}.render }};\n"
    )


def style(files: Iterable[Path]) -> str:
    """The style sheet of all figures, and then these, each once."""
    return "\n".join(
        file.read_text(encoding="utf-8") for file in dict.fromkeys([FIGURE_CSS, *files])
    )
