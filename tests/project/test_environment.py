"""`make` uses a .venv that fits, makes its own anew, and deletes nobody else's."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

import environment

HERE = sys.version_info[:2]


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """The project's folder; `venv` makes environments without taking seconds."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    for name, path in [
        ("ROOT", folder),
        ("VENV", folder / ".venv"),
        ("MARK", folder / ".venv/.made-by-make"),
        ("READY", folder / ".venv/.ready"),
        ("PYTHON", folder / ".venv/bin/python"),
        ("PROBE", [folder / ".venv/bin/python", *environment.PROBE[1:]]),
    ]:
        monkeypatch.setattr(environment, name, path)
    return folder


def make(folder: Path, pip: bool = True) -> None:
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python3.*/site-packages")
    (site / "pip.py").touch() if pip else None
    (folder / "precious").touch()


def test_somebody_s_environment_that_fits_is_used(own):
    make(own / ".venv")
    environment.provide(None)
    environment.provide(HERE)
    assert (own / ".venv/precious").exists()


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("no pip", "has no pip"),
        ("other Python", "PYTHON asks for"),
        ("broken", "has no Python that starts"),
        ("a file", "is no folder"),
        ("a link to nothing", "is no folder"),
        ("a link to another clone's", "was made for /elsewhere"),
        ("not an environment", "is no environment"),
    ],
)
def test_somebody_s_environment_that_does_not_fit_is_left_alone(own, case, says):
    there = own / ".venv"
    if case == "a file":
        there.write_text("precious")
    elif case == "a link to nothing":
        there.symlink_to(own / "gone")
    elif case == "a link to another clone's":
        make(own / "theirs")
        (own / "theirs/.made-by-make").write_text("/elsewhere")
        there.symlink_to(own / "theirs")
    else:
        make(there, pip=case != "no pip")
        if case in ("broken", "not an environment"):
            environment.PYTHON.unlink()
        if case == "not an environment":
            environment.PYTHON.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
            environment.PYTHON.chmod(0o755)
    before = sorted(own.rglob("*"))
    with pytest.raises(SystemExit, match=says):
        environment.provide((3, 99) if case == "other Python" else None)
    assert sorted(own.rglob("*")) == before


@pytest.mark.parametrize("case", ["moved", "half made", "other Python", "broken"])
def test_make_makes_its_own_environment_anew(own, case, monkeypatch):
    made = []

    def run(command, **options):
        if "venv" in command:
            made.append(command)
            return subprocess.CompletedProcess(command, 0)
        return real(command, **options)

    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", run)
    make(own / ".venv")
    environment.MARK.write_text("/elsewhere" if case == "moved" else str(own))
    environment.READY.write_text("" if case == "half made" else "some")
    if case == "broken":
        environment.PYTHON.unlink()
    environment.provide((3, 99) if case == "other Python" else None)
    assert made
    assert not (own / ".venv/precious").exists()
    assert environment.MARK.read_text() == str(own)


PIP = """
import os, sys
if __name__ == "__main__":
    print("pip runs:", *sys.argv[1:])
    sys.exit(os.path.exists("offline"))
"""


def test_what_failed_is_done_again_and_what_is_done_is_not(own, monkeypatch, capfd):
    make(own / ".venv")
    (site,) = own.glob(".venv/lib/python3.*/site-packages")
    (site / "pip.py").write_text(PIP)
    (own / "pyproject.toml").touch()
    (own / "requirements.txt").touch()
    monkeypatch.chdir(own)

    def runs() -> int:
        environment.install()
        return capfd.readouterr().out.count("pip runs:")

    (own / "offline").touch()
    with pytest.raises(SystemExit, match="run make again"):
        environment.install()
    assert capfd.readouterr().out.count("pip runs:") == 1
    assert environment.what_is_wrong(None) == ""
    (own / "offline").unlink()
    assert [runs(), runs()] == [2, 0]
    (own / "requirements.txt").write_text("one==1")
    assert [runs(), runs()] == [2, 0]


def test_a_newer_python_than_the_tested_ones_is_told(own, monkeypatch, capfd):
    make(own / ".venv")
    (own / "requirements.txt").touch()
    (own / "pyproject.toml").touch()
    monkeypatch.setattr(environment, "TESTED", range(3, 5))
    environment.install()
    assert "untested: the book is tested on 3." in capfd.readouterr().out
