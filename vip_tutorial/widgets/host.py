"""What every widget of the book shares: one JavaScript core, three hosts.

In a notebook anywidget runs the core.  On the built site the same core runs on the
state that `_repr_mimebundle_` wrote into the page.  Where no script runs, the page
shows the first frame that the core drew at build time (see `sphinx_ext`).
"""

import json
from typing import Any

import anywidget


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

    Attributes:
        kind: Name of the widget in `site_script`.
        shown: Traits that the JavaScript core reads; plain JSON each.
    """

    kind: str
    shown: tuple[str, ...]

    def static_html(self) -> str:
        """The widget's state, and a place to draw."""
        state = json.dumps({name: getattr(self, name) for name in self.shown})
        # "</script>" would end the element, and "<!--<script>" keep it from ending.
        state = state.replace("<", "\\u003c")
        return (
            f'<div data-vip-widget="{self.kind}" id="{self.name}">'
            f'<div class="vip vip-{self.kind}"></div>'
            f'<script type="application/json">{state}</script></div>'
        )
