"""The book's notebooks as files: read, strip, write, and run one alone.

    python tools/notebooks.py      strip outputs and execution counts, in place

Notebooks are kept without outputs: the build makes them, so they can't be out of date.
"""

import json
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def paths(root: Path = ROOT) -> list[Path]:
    """The notebooks of the book."""
    return sorted((root / "book").rglob("[!.]*.ipynb"))


def read(path: Path) -> dict:
    """A notebook, as the JSON that it is."""
    return json.loads(path.read_text(encoding="utf-8"))


def write(path: Path, notebook: dict) -> bool:
    """Write a notebook as Jupyter would; say whether that changed the file."""
    text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if text == path.read_text(encoding="utf-8"):
        return False
    path.write_text(text, encoding="utf-8", newline="\n")
    return True


def strip(notebook: dict) -> None:
    """Remove what running it has left in a notebook."""
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        for key in ("execution", "ExecuteTime", "collapsed", "outputId"):
            cell["metadata"].pop(key, None)
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None


@dataclass
class Run:
    """A notebook that has been run, and what came of it."""

    notebook: dict
    seconds: float
    faults: list[str] = field(default_factory=list)

    @property
    def views(self) -> int:
        """How many widgets are shown."""
        return sum(VIEW in data for _, data in _shown(self.notebook))


def run_alone(path: Path, environment: dict | None = None, timeout: int = 300) -> Run:
    """Run a copy of a notebook in a folder that holds nothing else.

    Args:
        path: The notebook.
        environment: Environment variables of the kernel; this process's if None.
        timeout: Seconds that one cell may take.

    Returns:
        The notebook with its outputs.  Its faults are what a reader would trip over:
        a cell that fails, anything on stderr, a widget without a view.
    """
    # Here, since stripping needs none of it.
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import (
        CellExecutionError,
        CellTimeoutError,
        DeadKernelError,
    )

    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, folder)
        client = NotebookClient(
            nbformat.read(Path(folder, path.name), as_version=4),
            timeout=timeout,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        start = time.perf_counter()
        stopped = []
        try:
            client.execute(env=dict(environment or os.environ))
        except CellExecutionError:
            pass  # the cell's output has it
        except (CellTimeoutError, DeadKernelError) as error:
            stopped.append(str(error).splitlines()[0])
        seconds = time.perf_counter() - start
    found = faults(client.nb)
    if not found:
        found = widget_faults(client.nb)
    return Run(client.nb, seconds, stopped + found)


def faults(notebook: dict) -> list[str]:
    """Errors and warnings among the outputs of a notebook that has been run.

    An error that a cell means to show counts too: in Colab, "Run all" stops there,
    whatever the cell's tags say.
    """
    found = []
    for number, output in _outputs(notebook):
        if output["output_type"] == "error":
            text = f"stops with {output['ename']}: {output['evalue']}"
        elif output.get("name") == "stderr":
            text = f"writes to stderr: {output['text'].strip()}"
        else:
            continue
        found.append(f"cell {number} {text.splitlines()[0][:200]}")
    return found


def widget_faults(notebook: dict) -> list[str]:
    """Widgets without a view in a notebook that has been run.

    A widget is shown by a view in an output, or inside a widget that is.  One that is
    printed as text, or made and never shown, gives the reader no figure.
    """
    widgets = notebook["metadata"].get("widgets", {}).get(STATE, {}).get("state", {})
    names = {model: _class_name(widget) for model, widget in widgets.items()}
    found, shown = [], set()
    for number, data in _shown(notebook):
        if VIEW in data:
            model = data[VIEW]["model_id"]
            shown.add(model)
            if model not in widgets:
                found.append(f"cell {number} shows a widget that does not exist")
        else:
            text = "".join(data.get("text/plain", ""))
            printed = re.match(r"<?(?:[\w.]*\.)?(\w+)(?:\(| object at )", text)
            if printed and printed[1] in names.values():
                found.append(
                    f"cell {number} shows {printed[1]} as text, without a view"
                )
    todo = list(shown)
    while todo:
        text = json.dumps(widgets.get(todo.pop(), {}))
        inside = re.findall(r'IPY_MODEL_(\w+)|"model_id": "(\w+)"', text)
        new = {one or other for one, other in inside} - shown
        shown |= new
        todo += new
    for model, widget in widgets.items():
        if widget["model_module"] == "anywidget" and model not in shown:
            found.append(f"{names[model]} is made but never shown")
    return found


def _outputs(notebook: dict):
    for number, cell in enumerate(notebook["cells"], 1):
        for output in cell.get("outputs", []):
            yield number, output


def _shown(notebook: dict):
    for number, output in _outputs(notebook):
        if "data" in output:
            yield number, output["data"]


def _class_name(widget: dict) -> str:
    # anywidget has one model for all classes, and notes the class in its id.
    name = widget["state"].get("_anywidget_id") or widget["model_name"]
    return name.rpartition(".")[2].removesuffix("Model")


if __name__ == "__main__":
    for path in paths():
        notebook = read(path)
        strip(notebook)
        if write(path, notebook):
            print(f"stripped {path.relative_to(ROOT).as_posix()}")
