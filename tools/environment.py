"""Set up .venv, which `make` does before all else; a moment when nothing has changed.

Run by a Python from outside of .venv, of which it makes the environment.  A mark in
.venv says that `make` made it, and for which folder.  What is not marked, or is a link,
was made by somebody: it is used if it fits, and never deleted if it does not.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
MARK = VENV / ".made-by-make"  # holds the folder for which it was made
READY = VENV / ".ready"  # holds what was installed; empty while pip is at work
PYTHON = VENV / "bin" / "python"
TESTED = range(11, 15)  # 3.11 to 3.14
RANGE = f"3.{TESTED[0]} to 3.{TESTED[-1]}"
# -I: neither PYTHONPATH nor packages in the home folder count.
PROBE = [
    PYTHON,
    "-IBc",
    "import sys, pip; print(*sys.version_info[:2], sys.prefix)",
]
# Habits of the user that would install elsewhere.  Indexes and the like are kept.
INSTALL = "install -qq --disable-pip-version-check --no-user --target=".split()
ELSEWHERE = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")


def what_is_wrong(asked: tuple[int, int] | None) -> str:
    """Why .venv cannot be used; an empty text if it can.

    Args:
        asked: The version of Python that the user asked for, if any.
    """
    if not VENV.is_dir():
        return "is no folder"
    try:
        probe = subprocess.run(PROBE, capture_output=True, text=True)
    except OSError:
        return "has no Python that starts"
    if probe.returncode:
        no_pip = "No module named" in probe.stderr
        return "has no pip" if no_pip else "has no Python that starts"
    major, minor, prefix = probe.stdout.strip().split(" ", 2)
    version = int(major), int(minor)
    if Path(prefix).resolve() != VENV.resolve():
        return f"is no environment: its Python is that of {prefix}"
    if version < (3, TESTED[0]):
        return f"has Python {major}.{minor}; the book takes {RANGE}"
    if asked and asked != version:
        return f"has Python {major}.{minor}, and PYTHON asks for {asked[0]}.{asked[1]}"
    made_for = _text(MARK)
    if made_for and Path(made_for) != ROOT:
        return f"was made for {made_for}"
    if made_for and _text(READY) == "":
        return "is half made"
    return ""


def provide(asked: tuple[int, int] | None) -> None:
    """Make .venv, or make it anew, if that is ours to do."""
    there = os.path.lexists(VENV)
    wrong = what_is_wrong(asked) if there else ""
    if there and not wrong:
        return
    if there and (VENV.is_symlink() or _text(MARK) is None):
        _stop(
            f"{VENV} {wrong}. It was not made by `make`, which leaves it alone:\n"
            "move it away or remove it, then run make again."
        )
    if Path(sys.prefix).resolve() == VENV:
        _stop(f".venv {wrong}, and no other Python {RANGE} was found to make it anew.")
    if there:
        print(f".venv {wrong}: making it anew", flush=True)
        shutil.rmtree(VENV)
    # The mark comes first: whatever stops this, the next run knows whose it is.
    VENV.mkdir()
    MARK.write_text(str(ROOT), encoding="utf-8")
    if subprocess.run([sys.executable, "-m", "venv", VENV]).returncode:
        _stop(f"{sys.executable} -m venv failed; it says why above.")


def install() -> None:
    """Install what requirements.txt names, and the package itself, if they changed."""
    probe = subprocess.run(PROBE, capture_output=True, text=True, check=True)
    major, minor, _ = probe.stdout.split(" ", 2)
    files = [ROOT / "requirements.txt", ROOT / "pyproject.toml"]
    wanted = "\n".join(
        [str(ROOT), f"{major}.{minor}", *(f.read_text(encoding="utf-8") for f in files)]
    )
    before = _text(READY)
    if before == wanted:
        return
    untested = int(minor) not in TESTED
    print(
        f"Setting up .venv with Python {major}.{minor}"
        + f", which is untested: the book is tested on {RANGE}" * untested
        + ".\nThe first time this downloads PyTorch and the book's tools and takes "
        "some minutes.",
        flush=True,
    )
    READY.write_text("", encoding="utf-8")
    pip = [PYTHON, "-m", "pip", *INSTALL]
    kept = {k: v for k, v in os.environ.items() if k not in ELSEWHERE}
    # Where there is no wheel, a compiler would toil for an hour and then fail.
    wheels = ["--only-binary=:all:"] * untested
    own = ["--no-deps", "--no-build-isolation", "--editable", ROOT]
    for arguments in (["-r", ROOT / "requirements.txt", *wheels], own):
        if subprocess.run([*pip, *arguments], env=kept).returncode:
            # It stops before it changes anything, unless it is stopped.
            READY.write_text(before or "pip failed", encoding="utf-8")
            _stop(
                "pip could not install what the book needs; it says why above.\n"
                + f"Python {major}.{minor} may be too new for it: "
                f"make PYTHON=python3.{TESTED[-1]} takes another.\n"
                * untested
                + "Without a network, connect. Then run make again: it goes on."
            )
    READY.write_text(wanted, encoding="utf-8")


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _stop(why: str) -> NoReturn:
    sys.exit(why)


@contextlib.contextmanager
def _alone():
    """Another `make` in this folder waits until this one has set up."""
    folder = os.open(ROOT, os.O_RDONLY)
    with contextlib.suppress(ImportError, OSError):  # not on every file system
        import fcntl

        fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(folder)


if __name__ == "__main__":
    asked = sys.version_info[:2] if sys.argv[1:] == ["--asked"] else None
    try:
        with _alone():
            provide(asked)
            install()
    except KeyboardInterrupt:
        _stop("Stopped. The next make goes on.")
