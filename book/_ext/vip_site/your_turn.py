"""What a page says of an exercise that only Python can check.

The built page has no kernel.  There a cell that ends in a check shows what the check
says of the unanswered cell, which is "Not yet".  So between the two stands where the
cell can be answered, with a link to its notebook in Colab; nothing is asked of Colab
before a reader follows it.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform with Sphinx."""
    # When pages are written, not when they are read: the link depends on the settings.
    app.add_post_transform(NeedsPython)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }


class NeedsPython(SphinxPostTransform):
    """See the module's docstring."""

    default_priority = 400
    formats = ("html",)

    def run(self, **options: Any) -> None:
        """Add the line to each exercise of the page."""
        for cell in self.document.findall(_is_exercise):
            cell.insert(1, _line(self._address()))

    def _address(self) -> str:
        """Where the page's notebook can be run; as the theme's own button has it."""
        theme = self.config.html_theme_options
        colab = theme.get("launch_buttons", {}).get("colab_url", "").strip("/")
        repository = theme.get("repository_url", "").strip("/")
        if not colab or "github.com/" not in repository:
            return ""
        branch = theme.get("repository_branch") or "main"
        folder = theme.get("path_to_docs", "").strip("/")
        file = self.env.doc2path(self.env.docname, base=False)
        path = f"{folder}/{file}".strip("/")
        slug = repository.partition("github.com/")[2]
        return f"{colab}/github/{slug}/blob/{branch}/{path}"


def _is_exercise(node: nodes.Node) -> bool:
    """Whether it is a code cell that ends in the check of an exercise."""
    if not isinstance(node, nodes.container) or "cell" not in node["classes"]:
        return False
    code = next(iter(node.findall(nodes.literal_block)), None)
    return code is not None and is_check(code.astext())


def is_check(code: str) -> bool:
    """Whether the last line of a cell calls an exercise's check."""
    return code.rstrip().rpartition("\n")[2].startswith("check_")


def _line(address: str) -> nodes.paragraph:
    line = nodes.paragraph(classes=["needs-python"])
    line += nodes.strong(text="This needs Python.")
    if address:
        line += nodes.Text(" ")
        line += nodes.reference(text="Open this notebook in Colab", refuri=address)
        line += nodes.Text(", or in Jupyter from a clone of the book")
    else:
        line += nodes.Text(" Open this notebook in Jupyter, from a clone of the book")
    line += nodes.Text(
        "; run its first cell, and then this one with your own lines in it. With "
        "nothing filled in the check says:"
    )
    return line
