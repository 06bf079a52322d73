"""The directive `traced-shapes`: lines of the module, and what came out of each.

    ```{traced-shapes} WeightedPermuteMLP.height
    ```

makes a table of the method's lines with the axes of the tensor that each line made and
whether that tensor is a view.  The module runs when the page is read, and the table is
taken from the recording: nobody types what a permute does.
"""

import inspect
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import torch
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from vip_tutorial import permute_mlp
from vip_tutorial.lens.tracing import Step, Trace, trace

N, S = 5, 8  # of the module that runs; its grid is N x N
C = N * S
# Axes that the code gives no name, only a size that nothing else has here.
NAMELESS = {str(C // 4): "C//4", str(C * 3): "C*3"}
HEAD = ("line", "comes out", "memory")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive with Sphinx."""
    app.add_directive("traced-shapes", TracedShapes)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }


class TracedShapes(SphinxDirective):
    """See the module's docstring."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The table, as docutils wants it."""
        return [_table(HEAD, rows(self.arguments[0]))]


def rows(name: str) -> list[tuple[str, str, str]]:
    """The rows of a method's table.

    Args:
        name: Class and method in `permute_mlp`, e.g. "WeightedPermuteMLP.height".

    Returns:
        Line of code, axes of what comes out, "view", "copy" or "new", for each line
        from the method's first tensor call to its last.  Lines of other methods that
        run in between are among them.

    Raises:
        ValueError: If there is no such method, or it calls no tensor itself.
    """
    owner, _, method = name.partition(".")
    function = getattr(getattr(permute_mlp, owner, None), method, None)
    if not inspect.isfunction(function):
        raise ValueError(f"traced-shapes: permute_mlp has no method {name}")
    recording = run_of_the_module()
    lines, start = inspect.getsourcelines(function)
    own = [
        number
        for number, step in enumerate(recording.steps)
        if step.source.file.endswith("/permute_mlp.py")
        and start <= step.source.line < start + len(lines)
    ]
    if not own:
        raise ValueError(f"traced-shapes: no line of {name} calls a tensor")
    steps = recording.steps[own[0] : own[-1] + 1]
    return [
        _row(recording, list(group))
        for _, group in groupby(steps, lambda step: step.source.line)
    ]


def run_of_the_module() -> Trace:
    """A recorded run of a `WeightedPermuteMLP` on one small image."""
    torch.manual_seed(0)
    module = permute_mlp.WeightedPermuteMLP(dim=C, segment_dim=N)
    return trace(module, torch.randn(1, N, N, C))


def _row(recording: Trace, steps: list[Step]) -> tuple[str, str, str]:
    """One row for all the steps of a line; what the last one made came out."""
    code = steps[0].source.text.partition("#")[0].strip()
    moves = all(step.kind == "move" for step in steps)
    copies = any(step.copy for step in steps)
    memory = ("copy" if copies else "view") if moves else "new"
    axes = recording.tensors[steps[-1].output].axes
    return code, f"({', '.join(NAMELESS.get(a, a) for a in axes)})", memory


def _table(head: tuple[str, ...], body: list[tuple[str, ...]]) -> nodes.table:
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _tr(nodes.Text(text) for text in head))
    group += nodes.tbody(
        "",
        *(
            _tr(
                [
                    nodes.literal("", code),
                    nodes.Text(axes),
                    nodes.Text(memory),
                ]
            )
            for code, axes, memory in body
        ),
    )
    return nodes.table("", group, classes=["traced-shapes"])


def _tr(cells: Iterator[nodes.Node] | list[nodes.Node]) -> nodes.row:
    return nodes.row(
        "",
        *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells),
    )
