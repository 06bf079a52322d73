"""The notebooks: clean as stored, the same first cell, and each runs alone."""

import contextlib
import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import first_cell
import notebooks
from notebooks import STATE, VIEW, faults, paths, read, run_alone, strip, widget_faults
from tables import in_turn
from vip_site import package_digest
from vip_site.notebooks import NotebooksFail, Outcomes, run_into
from vip_tutorial import figures

NOTEBOOKS = in_turn("path", paths(), ids=lambda path: path.stem)
ROOT = Path(__file__).parents[2]
SECONDS = 600  # for one cell, as in the build


def cell_text(cell: dict) -> str:
    return "".join(cell["source"])


# --- As stored ----------------------------------------------------------------------


@NOTEBOOKS
def test_is_stored_without_outputs(path):
    notebook = read(path)
    stripped = copy.deepcopy(notebook)
    strip(stripped)
    assert notebook == stripped, "run `make notebooks`"


@NOTEBOOKS
def test_is_a_valid_notebook_for_any_python_kernel(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"


@NOTEBOOKS
def test_has_the_generated_first_cell(path):
    assert first_cell.has_it(read(path)), "run `make notebooks`"


RAW_MYST = re.compile(
    r"""
      ^\s*:::             # a directive between colons
    | ^\s*(?:```|~~~)\{   # a directive in a fence
    | \{[\w:.-]+\}`       # a role
    | ^\([\w.-]+\)=\s*$   # a label
    | ^\+\+\+             # a cell break
    """,
    re.MULTILINE | re.VERBOSE,
)


@NOTEBOOKS
def test_has_no_raw_myst(path):
    # Colab shows it as it is typed.
    for cell in read(path)["cells"]:
        if cell["cell_type"] == "markdown":
            assert not RAW_MYST.search(cell_text(cell)), cell_text(cell)


@in_turn(
    "text",
    [
        ":::{note}\nhi\n:::",
        "```{figure} x.png\n```",
        "see {ref}`here`",
        "see {py:func}`trace`",
        "(label)=\n# Title",
        "+++",
    ],
)
def test_raw_myst_is_recognised(text):
    assert RAW_MYST.search(text)


def test_plain_markdown_is_not_taken_for_myst():
    text = "$S_{N}$ is `C // N`; {1, 2}\n\n```python\nx = {}\n```\n(see below)\n"
    assert not RAW_MYST.search(text)


LOCAL = re.compile(r"(?:^|[\s\"'(=])(?:/(?:home|Users|root|tmp|content)/|[A-Z]:\\)")


@NOTEBOOKS
def test_names_no_folder_of_one_machine(path):
    for cell in read(path)["cells"]:
        assert not LOCAL.search(cell_text(cell)), cell_text(cell)


IMAGE = re.compile(r"!\[[^\]]*\]\((?!data:|attachment:)|<img[^>]+src=[\"'](?!data:)")


@NOTEBOOKS
def test_no_figure_shows_random_numbers_before_a_seed_is_set(path):
    """Else each build has another page."""
    is_seeded = False
    for cell in read(path)["cells"]:
        code = "".join(cell["source"]) if cell["cell_type"] == "code" else ""
        called = re.sub(r"^def .*\n(?:[ )].*\n|\n)*", "", code, flags=re.MULTILINE)
        before, seed, _ = called.partition("manual_seed(")
        drawn = re.search(r"\brandn?\(|PermuteMLP\(\w", before)
        shows = re.search(rf"^({'|'.join(figures.__all__)})\(", code, re.MULTILINE)
        assert is_seeded or not (drawn and shows), f"{path.name}, {cell['id']}"
        is_seeded = is_seeded or bool(seed)


@NOTEBOOKS
def test_shows_no_image_from_elsewhere(path):
    # A file beside the notebook is missing in Colab; one from the web, offline.
    for cell in read(path)["cells"]:
        if cell["cell_type"] == "markdown":
            assert not IMAGE.search(cell_text(cell)), cell_text(cell)


# --- Run alone ----------------------------------------------------------------------


@pytest.fixture(scope="session")
def ran(request):
    """Runs a notebook as the build does.  What one of them has run, the other takes."""
    kept = Outcomes(ROOT / "_build" / "outcomes", package_digest())
    chosen = [
        item.callspec.params["path"]
        for item in request.session.items
        if item.name.startswith("test_runs_alone_in_an_empty_folder[")
    ]

    def outcome(path):
        run_into(kept, [path], SECONDS)
        return kept.of(nbformat.read(path, as_version=4))

    with contextlib.suppress(NotebooksFail):  # that one's own test will say it
        run_into(kept, chosen, SECONDS)
    return outcome


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_runs_alone_in_an_empty_folder(path, ran):
    notebook = ran(path)
    assert faults(notebook) + widget_faults(notebook) == []


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("1 / 0", "cell 1 stops with ZeroDivisionError"),
        ("import warnings\nwarnings.warn('old')", "cell 1 writes to stderr"),
        ("print('well')", None),
        ("import ipywidgets\nipywidgets.IntSlider()", None),
        (
            "import anywidget\n"
            "class Lens(anywidget.AnyWidget):\n"
            "    _esm = 'export default {}'\n"
            "lens = Lens()",
            "Lens is made but never shown",
        ),
    ],
    ids="error warning text view unseen".split(),
)
def test_the_faults_of_a_run_are_found(tmp_path, code, fault):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    path = tmp_path / "made-up.ipynb"
    nbformat.write(notebook, path)
    found = run_alone(path, timeout=SECONDS).faults
    if fault is None:
        assert found == []
    else:
        assert len(found) == 1 and found[0].startswith(fault)


def test_a_notebook_runs_in_a_folder_that_holds_nothing_else(tmp_path):
    code = "import os\nassert os.listdir() == ['alone.ipynb']"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    path = tmp_path / "alone.ipynb"
    nbformat.write(notebook, path)
    (tmp_path / "another file").touch()
    assert run_alone(path, timeout=SECONDS).faults == []


def shown(data: dict, widgets: dict) -> dict:
    """A notebook that shows `data`, with widgets of the given models and states."""
    state = {
        name: {"model_name": model, "model_module": module, "state": state}
        for name, (module, model, state) in widgets.items()
    }
    output = {"output_type": "display_data", "data": data}
    return {
        "metadata": {"widgets": {STATE: {"state": state}}},
        "cells": [{"cell_type": "code", "outputs": [output]}],
    }


LENS = ("anywidget", "AnyModel", {"_anywidget_id": "vip_tutorial.figures.lens.Lens"})


@in_turn(
    "data, widgets, found",
    [
        ({VIEW: {"model_id": "a"}}, {"a": LENS}, []),
        ({VIEW: {"model_id": "b"}}, {}, ["cell 1 shows a widget that does not exist"]),
        ({"text/plain": "Lens()"}, {"a": LENS}, ["as text", "never shown"]),
        ({"text/plain": "<x.Lens object at 0x7f>"}, {"a": LENS}, ["as text", "never"]),
        ({"text/plain": "42"}, {"a": LENS}, ["Lens is made but never shown"]),
        (
            {VIEW: {"model_id": "b"}},
            {
                "a": LENS,
                "b": ("controls", "VBoxModel", {"children": ["IPY_MODEL_a"]}),
            },
            [],
        ),
    ],
    ids="view dangling text object unseen inside".split(),
)
def test_widgets_without_a_view_are_found(data, widgets, found):
    told = widget_faults(shown(data, widgets))
    assert len(told) == len(found)
    assert all(part in sentence for part, sentence in zip(found, told))


def test_strip_removes_what_a_run_leaves(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("6 * 7")])
    path = tmp_path / "run.ipynb"
    nbformat.write(notebook, path)
    ran = run_alone(path, timeout=SECONDS).notebook
    assert faults(ran) == [] and ran.cells[0].outputs
    nbformat.write(ran, path)
    stored = read(path)
    strip(stored)
    notebooks.write(path, stored)
    again = read(path)
    assert again["cells"][0]["outputs"] == []
    assert again["cells"][0]["execution_count"] is None
    assert notebooks.write(path, again) is False


# --- The first cell -----------------------------------------------------------------

# Runs the cell as a notebook would, as if the packages named were not installed.
SHELL = """
import importlib.util, sys
from IPython.core.interactiveshell import InteractiveShell
code, *absent = sys.argv[1:]
real = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in absent else real(name)
shell = InteractiveShell.instance()
shell.colors = "nocolor"
sys.exit(not shell.run_cell(open(code, encoding="utf-8").read()).success)
"""


def run_first_cell(folder: Path, *absent: str, **environment: str):
    environment = {**os.environ, "IPYTHONDIR": str(folder), **environment}
    return subprocess.run(
        [sys.executable, "-c", SHELL, first_cell.CODE, *absent],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_first_cell_says_what_runs_here(tmp_path):
    done = run_first_cell(tmp_path)
    assert done.returncode == 0, done.stdout
    labels = [line.split()[0] for line in done.stdout.splitlines()]
    assert labels == "vip_tutorial Python torch ipywidgets device".split()
    assert done.stderr == ""


def test_the_first_cell_names_the_packages_that_are_missing(tmp_path):
    done = run_first_cell(tmp_path, "sklearn", "anywidget")
    assert done.returncode == 1
    assert "%pip install scikit-learn anywidget" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    "cause", ["network", pytest.param("git", marks=pytest.mark.slow)]
)
def test_without_network_or_git_the_first_cell_says_what_to_do(tmp_path, cause):
    nowhere = (tmp_path / "nowhere").as_uri()
    environment = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{nowhere}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com",
    }
    if cause == "git":
        environment["PATH"] = str(tmp_path)
    done = run_first_cell(tmp_path, "vip_tutorial", **environment)
    assert done.returncode == 1
    assert "could not be installed from https://github.com/" in done.stdout
    assert "The reason given: " in done.stdout
    assert "beside this notebook" in done.stdout
    assert "Traceback" not in done.stdout
    assert "line" not in done.stdout
    assert len(done.stdout.splitlines()) < 10


def test_the_first_cell_never_touches_what_is_installed():
    code = first_cell.CODE.read_text(encoding="utf-8")
    assert '"--no-deps"' in code
    assert "--upgrade" not in code and "-U" not in code


def test_a_first_cell_is_put_in_place_of_an_older_one():
    old = {**first_cell.first_cell(), "source": ["print('old')"]}
    title = {"cell_type": "markdown", "metadata": {}, "source": ["# Title"]}
    code = {"cell_type": "code", "id": "a", "metadata": {}, "source": ["1"]}
    for cells in ([title, code], [title, old, code], [title, code, old]):
        notebook = {"nbformat_minor": 5, "cells": cells}
        assert not first_cell.has_it(notebook)
        first_cell.put(notebook)
        assert notebook["cells"] == [title, first_cell.first_cell(), code]
        assert first_cell.has_it(notebook)
