"""The repository's address is the same everywhere; the files around the code agree."""

import contextlib
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import colab_check
import first_cell
import vip_tutorial
from repository import ROOT, current, forms, point_at
from tables import in_turn

FORK = "https://github.com/Some-Teacher/my.fork"
CLONE = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="not a clone made by git"
)


def files(folder: Path) -> dict[str, bytes]:
    """What git knows of a folder."""
    command = ["git", "-C", folder, "ls-files", "-z"]
    names = subprocess.check_output(command, text=True).split("\0")
    paths = {name: folder / name for name in names if name}
    return {n: path.read_bytes() for n, path in paths.items() if path.is_file()}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A clone of the project as it is now, without this file: it names the fork."""
    for name, content in files(ROOT).items():
        if ROOT / name == Path(__file__):
            continue
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    for words in (["init", "--quiet"], ["add", "--all", "--force"]):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    return tmp_path


@CLONE
def test_the_project_is_pointed_at_a_fork_and_back(copy):
    before = files(copy)
    changed = point_at(FORK, copy)
    assert current(copy) == FORK
    assert {"_config.yml", "README.md", "CITATION.cff", "pyproject.toml"} < {*changed}
    assert len([name for name in changed if name.endswith(".ipynb")]) > 15
    text = b"\n".join(files(copy).values()).decode(errors="replace")
    for old in forms(current()):
        assert not re.search(re.escape(old) + r"(?![\w-])", text)
    assert f"git clone {FORK}\ncd my.fork" in text
    assert "https://some-teacher.github.io/my.fork/" in text
    point_at(current(), copy)
    assert files(copy) == before
    assert point_at(current(), copy) == []


@CLONE
def test_another_repository_is_left_alone(copy):
    readme = copy / "README.md"
    readme.write_text(f"{current()}-extra, {current()}.git", encoding="utf-8")
    point_at(FORK, copy)
    assert readme.read_text(encoding="utf-8") == f"{current()}-extra, {FORK}.git"


@in_turn("around", ["{}", "{}/", "{}.git", "  {}.git/\n"])
def test_the_usual_spellings_are_taken(around):
    assert forms(around.format(FORK)) == forms(FORK)
    assert forms("https://www.github.com/You/you.github.io") == [
        "https://github.com/You/you.github.io",
        "https://you.github.io/",
        "/github/You/you.github.io/",
        "cd you.github.io",
    ]


@in_turn(
    "url",
    [
        "",
        "fork",
        "http://github.com/you/fork",
        "git@github.com:you/fork.git",
        "https://gitlab.com/you/fork",
        "https://github.com.evil.org/you/fork",
        "https://github.com/you/",
        "https://github.com/you/..",
        "https://github.com/you/fork/tree/main",
        "https://github.com/you/fork'; echo",
        "https://github.com/-you/fork",
    ],
)
def test_another_address_is_refused_with_a_sentence(url):
    before = (ROOT / "_config.yml").read_bytes()
    command = [sys.executable, ROOT / "tools" / "repository.py", url]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Nothing was changed: ")
    assert "make repo URL=https://github.com/" in done.stderr
    assert (ROOT / "_config.yml").read_bytes() == before


def test_the_version_is_the_same_everywhere():
    assert first_cell.version() == vip_tutorial.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (
        re.findall(r"^## (\S+)", changes, re.MULTILINE)[0] == vip_tutorial.__version__
    )


def test_no_link_to_colab_is_ambiguous():
    # In the address of a file, a slash ends the name of the branch or tag.
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert "/" not in settings["repository"]["branch"] + first_cell.version()


@CLONE
def test_colab_check_gives_this_clone_for_the_repository(tmp_path):
    environment = {**os.environ, **colab_check.fetch_from_clone(tmp_path)}
    command = ["git", "ls-remote", current(), "refs/heads/main"]
    asked = subprocess.run(command, env=environment, capture_output=True, text=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    assert asked.stdout.split()[0] == head.stdout.strip()


# --- Commands and paths that the texts name -----------------------------------------


def targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^\.PHONY: (\S+)$", text, re.MULTILINE))


def named(text: str) -> set[str]:
    """The targets of the `make` commands in a text."""
    pattern = r"(?:^|`|run: |run-)\s*make (?:[A-Z]\w*=\S+ )*([a-z][a-z-]*)"
    return set(re.findall(pattern, text, re.MULTILINE))


@in_turn(
    "name",
    [
        "README.md",
        "CONTRIBUTING.md",
        ".ci/run",
        *(str(p.relative_to(ROOT)) for p in (ROOT / ".github").rglob("*.yml")),
    ],
)
def test_the_make_commands_in_a_text_exist(name):
    commands = named((ROOT / name).read_text(encoding="utf-8"))
    assert commands <= targets()
    if name != ".github/workflows/colab.yml":
        assert commands, "no command found: the pattern no longer fits the text"


def test_help_names_every_target():
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    told = set(re.findall(r"\bmake ([a-z][a-z-]*)", done.stdout))
    assert told == targets() - {"help", "setup"}


def test_the_layout_in_the_readme_exists():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    layout = text.partition("## What is where")[2].partition("\n## ")[0]
    paths = re.findall(r"^( *)([\w./-]+) {2,}", layout, re.MULTILINE)
    assert len(paths) > 10
    inside, floor = [], ""
    for indent, name in paths:
        floor = floor if indent else name
        inside.append(f"{floor}{name}" if indent else name)
    assert [path for path in inside if not (ROOT / path).exists()] == []
    rooms = {path.name for path in (ROOT / "vip_tutorial").glob("[a-z]*/")}
    named = {name.partition("/")[2] for name in inside if "/" in name}
    assert {name.strip("/") for name in named} >= rooms


def test_the_test_files_that_the_workflow_names_exist():
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    files = re.findall(r"\btests/\S+\.py\b", text)
    assert files and [name for name in files if not (ROOT / name).exists()] == []


@in_turn("name", ["README.md", "CONTRIBUTING.md"])
def test_the_files_that_a_text_links_to_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)|/blob/main/([^)]+)", text)
    missing = [
        path or blob for path, blob in links if not (ROOT / (path or blob)).exists()
    ]
    assert missing == []


def test_the_example_in_the_readme_runs(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)  # it saves files
    exec(compile(example, "README.md", "exec"), {})


# --- Requirements, citation ---------------------------------------------------------


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if "==" in line and line[0] != "#"]
    return {canonicalize_name(r.name): str(r.specifier)[2:] for r in wanted}


def test_everything_that_the_requirements_pull_in_is_pinned():
    pinned = pins("requirements.txt")
    assert pins("requirements.in").items() <= pinned.items()
    torch_s_own = ("cuda-", "nvidia-", "triton")
    assert [name for name in pinned if name.startswith(torch_s_own)] == []
    for name in pinned:
        with contextlib.suppress(metadata.PackageNotFoundError):  # another platform's
            for line in metadata.requires(name) or []:
                need = Requirement(line)
                if need.marker is None or need.marker.evaluate({"extra": ""}):
                    found = canonicalize_name(need.name)
                    assert found in pinned or found.startswith(torch_s_own), line


def test_the_requirements_have_what_pyproject_asks_for():
    pinned = pins("requirements.in")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = project["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    for line in lines:
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        if name == "vip-tutorial":
            continue
        assert wanted.specifier.contains(pinned[name]), line
        # An upper bound would break Colab, save for the tools that Colab never sees.
        upper = [s for s in wanted.specifier if s.operator in ("<", "<=", "==", "~=")]
        assert not upper or name == "jupyter-book"


def test_the_citation_can_be_read():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    citation = yaml.safe_load(text)
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == vip_tutorial.__version__
    paper = citation["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == (
        "Hou Jiang Yuan Cheng Yan Feng".split()
    )
