"""The repository's address is the same everywhere; the files around the code agree."""

import contextlib
import os
import re
import shutil
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
import repository
import vip_tutorial
from repository import PLACES, ROOT, current, disagreements, parse, point_at
from tables import in_turn

FORK = parse("https://github.com/Some-Teacher/my.fork")
TEXT = ".cff .cfg .css .html .ipynb .js .md .py .toml .txt .yml .yaml".split()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project without what was built."""
    leave = shutil.ignore_patterns(
        ".git", ".venv*", "_build", "build", "*.egg-info", "__pycache__", ".*_cache"
    )
    return Path(shutil.copytree(ROOT, tmp_path / "copy", ignore=leave))


def texts(root: Path) -> dict[str, str]:
    """The project's text files."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*"))
        if path.is_file() and (path.suffix in TEXT or path.name in ("Makefile", "run"))
    }


def test_every_place_has_the_address_of_config():
    assert disagreements() == []


def test_setting_the_address_leaves_no_old_one(copy):
    old = current(copy)
    point_at(FORK, copy)
    assert current(copy) == FORK
    assert disagreements(copy) == []
    left = [
        f"{name}: {form}"
        for name, text in texts(copy).items()
        if not name.startswith("tests/")  # they make addresses up
        for form in (old.url, old.pages, f"/github/{old.slug}/")
        if form in text
    ]
    assert left == []


def test_setting_the_address_changes_nothing_else(copy):
    old, before = current(copy), texts(copy)
    changed = point_at(FORK, copy)
    assert "_config.yml" in changed and "README.md" in changed
    point_at(old, copy)
    assert texts(copy) == before
    assert point_at(old, copy) == []


@in_turn("place", PLACES, ids=lambda place: f"{place[0]}: {place[1]}")
def test_a_stale_address_is_found_and_mended(copy, place):
    point_at(current(), copy)
    glob, pattern, form = place
    path = min(copy.glob(glob))
    text = path.read_text(encoding="utf-8")
    at = re.search(pattern, text, re.MULTILINE)
    stale = text[: at.start(1)] + getattr(FORK, form) + text[at.end(1) :]
    path.write_text(stale, encoding="utf-8")
    right = current() if glob != "_config.yml" else FORK
    name = path.relative_to(copy).as_posix()
    found = disagreements(copy)
    assert found
    if right != FORK:
        assert any(sentence.startswith(name) for sentence in found)
    point_at(right, copy)
    assert disagreements(copy) == []


def test_a_place_that_is_gone_is_found(copy):
    cff = copy / "CITATION.cff"
    text = cff.read_text(encoding="utf-8").replace("repository-code", "repo-code")
    cff.write_text(text, encoding="utf-8")
    assert any("CITATION.cff has nothing like" in one for one in disagreements(copy))


@in_turn(
    "url",
    [
        "https://github.com/you/fork",
        "https://github.com/you/fork/",
        "https://github.com/you/fork.git",
        "  https://github.com/you/fork.git/\n",
        "https://www.github.com/you/fork",
    ],
)
def test_parse_takes_the_usual_spellings(url):
    assert parse(url).url == "https://github.com/you/fork"


def test_the_site_of_a_repository():
    assert FORK.pages == "https://some-teacher.github.io/my.fork/"
    own = parse("https://github.com/You/you.github.io")
    assert own.pages == "https://you.github.io/"


@in_turn(
    "url, says",
    [
        ("", "no URL"),
        ("fork", "https://"),
        ("http://github.com/you/fork", "https://"),
        ("git@github.com:you/fork.git", "ssh"),
        ("https://gitlab.com/you/fork", "not on github.com"),
        ("https://github.com.evil.org/you/fork", "not on github.com"),
        ("https://github.com/you", "does not name"),
        ("https://github.com/you/", "does not name"),
        ("https://github.com/you/..", "does not name"),
        ("https://github.com/you/fork/tree/main", "does not name"),
        ("https://github.com/you/fo rk", "does not name"),
        ("https://github.com/you/fork'; echo", "does not name"),
        ("https://github.com/-you/fork", "does not name"),
    ],
)
def test_parse_says_what_is_wrong(url, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        parse(url)


@in_turn("url", ["http://github.com/you/fork", "", "nonsense"])
def test_bad_input_changes_nothing(copy, url):
    before = texts(copy)
    command = [sys.executable, copy / "tools" / "repository.py", url]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr.startswith("Nothing was changed: ")
    assert texts(copy) == before


def test_the_version_is_the_same_everywhere():
    assert first_cell.version() == vip_tutorial.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (
        re.findall(r"^## (\S+)", changes, re.MULTILINE)[0] == vip_tutorial.__version__
    )


def test_no_link_to_colab_is_ambiguous():
    # In the address of a file, a slash ends the name of the branch or tag.
    assert "/" not in repository.setting("branch") + first_cell.version()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone made by git")
def test_colab_check_gives_this_clone_for_the_repository(tmp_path):
    environment = {**os.environ, **colab_check.fetch_from_clone(tmp_path)}
    command = ["git", "ls-remote", current().url, "refs/heads/main"]
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
    paths = re.findall(r"^\| `([^`]+)`", layout, re.MULTILINE)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


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


def test_the_example_in_the_readme_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
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
