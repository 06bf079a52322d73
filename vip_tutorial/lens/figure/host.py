"""What every widget of the book shares: one JavaScript core, many hosts.

In a notebook anywidget runs the core.  On the built site the same core runs on the
state that `_repr_mimebundle_` wrote into the page (see `book/_ext`).  A file holds all
that one figure needs (see files.py), and so does the HTML of a notebook that is shown
where there are no widgets.  Where no script runs there is the core's first frame.
"""

import os
import sys
from pathlib import Path
from typing import Any, ClassVar

from . import files
from .bundle import bundle, constant
from .files import page_json, style

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


# Set where the notebooks of the built site run, whose pages have the scripts.
FOR_SITE = "VIP_FOR_SITE"


class KernelFree:
    """Mixed into an ipywidget: it also gives HTML for a page with no kernel."""

    def alone(self) -> "BookWidget":
        """What of the widget is shown there."""
        raise NotImplementedError(f"{type(self).__name__} has no figure of its own")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure to a file, as it is now.

        Args:
            path: Where to.  Its ending says what is written: ".html", one file with
                the living figure, which asks nothing of the network; ".svg" or ".png",
                a picture of what it shows.

        Returns:
            Where it was written.

        Raises:
            ValueError: If the ending is another one, or the figure has no such picture.
            OSError: If the file cannot be written; it says why.
        """
        return files.save(self.alone(), path)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, *metadata = bundle if isinstance(bundle, tuple) else (bundle,)
        if not data:
            return bundle
        figure = self.alone()
        is_site = os.environ.get(FOR_SITE)
        page = figure.static_html() if is_site else files.framed(figure)
        data = {**data, "text/html": page}
        return (data, *metadata) if metadata else data


class BookWidget(KernelFree, anywidget.AnyWidget):
    """A widget of the book's own, drawn by JavaScript.

    A widget class names its `kind`.  Its JavaScript and its style sheet lie beside its
    Python file and have the same name, or where it says.

    Attributes:
        kind: Name of the widget on the site.
        module: Its JavaScript module, from the folder of its Python file; it exports
            `render`, with anywidget's contract, and `firstFrame`, which gives HTML.
        drawn_by: Likewise, a module that exports `picture`, which draws it for a file;
            None if it has no picture that stands alone.
        styles: Style sheets that it needs beside that of all figures, its own the last,
            from the same folder.
        shown: Traits that the core reads beside those of every widget; plain JSON each.
        apart: Those of them that are large: the built site loads them when the reader
            comes near the figure.
        height: Pixels that it takes in a frame in a notebook; in less it scrolls.
        kinds: All such classes by their kind.
        title: Heading of the figure; a title of its own if empty.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, as the figure's "copy" button gives it.
        state: State of the figure now, in the same words; empty at the start.
        link: Address of the page that the figure stands on; empty in a notebook.
    """

    kind: str
    module: str | Path = ""
    drawn_by: str | Path | None = None
    styles: tuple[str | Path, ...] = ()
    shown: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    height: int = 700
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
            drawn = vars(cls).get("drawn_by")  # what is inherited draws another figure
            cls.drawn_by = python.parent / drawn if drawn else None
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

    def alone(self) -> "BookWidget":
        return self

    def heading(self) -> str:
        """What the figure is called where it stands alone."""
        return self.title or type(self).__name__

    def static_html(self, picture: str | None = None) -> str:
        """The widget's state, and a place to draw.

        Args:
            picture: What stands there before a script draws; its `still` if None.
        """
        picture = self.still() if picture is None else picture
        state = page_json(self.page_state())
        return files.element(self.kind, self.name, picture, state)


def script(module: Path) -> str:
    """The one script that anywidget needs of a widget."""
    return (
        f"{bundle(module)}\nexport default {{ render: {constant(module)}.render }};\n"
    )
