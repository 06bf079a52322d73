"""Imports run one way, and who asks for one room does not wait for the others."""

import ast
import importlib
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from vip_tutorial import _moved

PACKAGE = Path(__file__).parents[1] / "vip_tutorial"
# Highest first.  A room imports from those below it, from the lens, and from itself.
LAYERS = [
    {"exercises", "figures"},
    {"experiments"},
    {"networks"},
    {"study"},
    {"mixers", "training"},
    {"vision_permutator"},
    {"permute_mlp"},
    {"_util"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}


def imported(file: Path) -> set[str]:
    """The rooms of the package that a file imports from."""
    here = file.relative_to(PACKAGE.parent).with_suffix("").parts
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level] if node.level else ()
            module = (*base, *(node.module or "").split("."))
            found += [(*module, name.name) for name in node.names]
        elif isinstance(node, ast.Import):
            found += [tuple(name.name.split(".")) for name in node.names]
    paths = [[part for part in path if part] for path in found]
    return {path[1] for path in paths if path[0] == "vip_tutorial" and len(path) > 1}


def test_imports_run_one_way():
    wrong = []
    for file in PACKAGE.rglob("*.py"):
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room in ("__init__", "_moved"):
            continue
        for other in imported(file) - {room}:
            # Of the root itself, what is not a room: nobody needs it.
            allowed = other == "lens" or LEVEL[room] < LEVEL.get(other, -1)
            if room == "lens" or not allowed:
                wrong.append(f"{file.relative_to(PACKAGE)} imports from {other}")
    assert wrong == []


def loaded_by(statement: str) -> set[str]:
    """Modules that a fresh process has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", code]
    return set(subprocess.check_output(command, text=True).split())


def test_the_lens_stands_alone():
    loaded = loaded_by("import vip_tutorial.lens")
    ours = {m for m in loaded if m.partition(".")[0] == "vip_tutorial"}
    rest = {m for m in ours if not m.startswith("vip_tutorial.lens")}
    assert rest == {"vip_tutorial", "vip_tutorial._moved"}


def test_who_imports_the_package_waits_for_nothing():
    assert "torch" not in loaded_by("import vip_tutorial")
    loaded = loaded_by("from vip_tutorial import WeightedPermuteMLP")
    assert {m for m in loaded if m.startswith("vip_tutorial.")} == {
        "vip_tutorial._moved",
        "vip_tutorial._util",
        "vip_tutorial._util.arguments",
        "vip_tutorial._util.inputs",
        "vip_tutorial.permute_mlp",
    }
    assert not loaded & {"anywidget", "ipywidgets", "matplotlib"}


def test_the_doors_say_what_is_behind_them():
    for name in ("vip_tutorial", "vip_tutorial.lens"):
        door = importlib.import_module(name)
        assert set(door.__all__) <= set(dir(door)), name


def test_without_the_widgets_it_says_how_to_install_them():
    for missing, door in (("anywidget", "lens"), ("traitlets", "figures")):
        hidden = f"import sys; sys.modules[{missing!r}] = None"
        code = f"{hidden}\nfrom vip_tutorial.{door} import PermuteLens"
        command = [sys.executable, "-c", code]
        said = subprocess.run(command, capture_output=True, text=True).stderr
        assert said.endswith(
            f"ModuleNotFoundError: {missing} is not installed, and to show a figure "
            'takes it: pip install "vip_tutorial[widgets]"\n'
        )


def test_the_names_of_the_last_version_still_work_and_warn():
    for old, new in _moved.NOW.items():
        if new == "networks.timm":  # it needs timm
            continue
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sys.modules.pop(f"vip_tutorial.{old}", None)
            module = importlib.import_module(f"vip_tutorial.{old}")
        assert module is importlib.import_module(f"vip_tutorial.{new}")
        assert any(f"vip_tutorial.{new} now" in str(w.message) for w in caught), old


@pytest.mark.slow
def test_an_old_name_is_whole_for_every_thread_that_asks():
    code = """
import threading, warnings
warnings.simplefilter("ignore")
import vip_tutorial
told = []
def ask():
    from vip_tutorial.checkpoints import load_checkpoint
    told.append(load_checkpoint)
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(told))
from vip_tutorial.beyond import export, experiments
print(export.__name__, experiments.__name__)
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert said == [
        "8",
        "vip_tutorial.networks.onnx",
        "vip_tutorial.experiments.mixers",
    ]


def test_an_old_name_that_is_run_tells_the_new_one():
    command = [sys.executable, "-m", "vip_tutorial.imagenet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "python -m vip_tutorial.networks.recipe" in done.stderr
