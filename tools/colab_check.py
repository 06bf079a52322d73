"""Run every notebook as Google Colab would.

    make colab-check                   with Colab's versions, in .venv-colab
    python tools/colab_check.py --here with the Python that runs this script, such as
                                       the one in Colab's own image

Each notebook is copied alone into an empty folder, in an environment that lacks the
package.  Its first cell has to install the package, by the command that it runs in
Colab; only git is told to fetch this clone's last commit when it asks for the
repository's address.  Then the notebook has to run without an error or a warning, each
widget has to give a view, and nothing that Colab brought may have changed.

Options:
    --here      do not make an environment, use this one
    --remote    let git fetch from the repository itself
    NOTEBOOK    check these only

Exit status: 0 if all is well, 1 if a notebook has a fault, 3 if something is missing
that the check needs: Python 3.13, git, disk.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import first_cell
import repository
from notebooks import ROOT, paths, run_alone

VERSIONS = Path(__file__).with_name("colab-versions.txt")
VENV = ROOT / ".venv-colab"
GIGABYTES = 8  # the environment takes 5.2, and pip unpacks beside it


def find_python() -> str | None:
    """A Python 3.13 that really starts."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [sys.executable, "python3.13"]
    candidates += sorted(map(str, pyenv.glob("versions/3.13*/bin/python")))
    for candidate in candidates:
        probe = "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 13))"
        command = [candidate, "-c", probe]
        if shutil.which(candidate) and not _quiet(command).returncode:
            return candidate
    return None


def make_environment() -> Path:
    """Colab's versions in .venv-colab; made once, and again when the list changes.

    Returns:
        The path of its Python.
    """
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = VENV / ".ready"
    wanted = VERSIONS.read_text(encoding="utf-8")
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return python
    base = find_python()
    if base is None:
        _give_up(
            "No Python 3.13 found, which is Colab's: not as python3.13, nor in pyenv.\n"
            "Install it, e.g. `pyenv install 3.13`, or name it:\n"
            "make colab-check PYTHON=/path/to/python3.13"
        )
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < GIGABYTES:
        _give_up(f"{VENV.name} needs {GIGABYTES} GB of disk; {free:.1f} GB are free")
    print(f"Making {VENV.name} from {VERSIONS.name}, once: about 5 GB, some minutes.")
    subprocess.run([base, "-m", "venv", "--clear", VENV], check=True)
    install = "-m pip install -qq --disable-pip-version-check -r".split()
    subprocess.run([python, *install, VERSIONS], check=True)
    ready.write_text(wanted, encoding="utf-8")
    return python


def check(path: Path, environment: dict[str, str]) -> tuple[str, list[str]]:
    """Run one notebook.

    Returns:
        Its row of the table, and its faults.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    _quiet([*pip, "uninstall", "-y", "vip_tutorial"])
    before = _packages()
    run = run_alone(path, environment)
    after = _packages()
    faults = list(run.faults)
    if after.pop("vip_tutorial", None) is None:
        faults.append("the first cell did not install vip_tutorial")
    if after != before:
        changed = sorted(map(str, after.items() ^ before.items()))
        faults.append(f"it changed what Colab brings: {', '.join(changed)}")
    verdict = "FAULTY" if faults else "ok"
    return f"{path.name:<36} {run.seconds:>7.1f} {run.views:>7}  {verdict}", faults


def _packages() -> dict[str, str]:
    # In a process of its own, since this one remembers what it has seen installed, and
    # isolated from this folder, which has the package in it.
    code = (
        "from importlib.metadata import distributions as all\n"
        "for d in all(): print(d.name.lower().replace('-', '_'), d.version)"
    )
    lines = _quiet([sys.executable, "-I", "-c", code]).stdout.splitlines()
    return dict(line.split() for line in lines)


def fetch_from_clone(folder: Path) -> dict[str, str]:
    """Make git take this clone's last commit for the repository's main branch and tag.

    Args:
        folder: Where to put a bare copy of the repository.

    Returns:
        The environment variables that do it.
    """
    bare = folder / "repository.git"
    _git("clone", "--quiet", "--bare", ROOT, bare)
    commit = _git("rev-parse", "HEAD")
    for name in ("heads/main", f"tags/v{first_cell.version()}"):
        _git("-C", bare, "update-ref", f"refs/{name}", commit)
    print(f"The first cell installs commit {commit[:10]} of this clone.")
    if _git("status", "--porcelain"):
        print("Changes that are not committed are NOT part of it.")
    settings = {f"url.{bare.as_uri()}.insteadOf": repository.current()}
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for i, (key, value) in enumerate(settings.items()):
        variables |= {f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value}
    return variables


def _git(*arguments) -> str:
    command = ["git", "-C", ROOT, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _quiet(command: list) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def _give_up(why: str) -> None:
    print(why, file=sys.stderr)
    sys.exit(3)


def main(arguments: list[str]) -> int:
    """Check the notebooks; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--here", action="store_true", help="use this environment")
    parser.add_argument("--remote", action="store_true", help="fetch from the remote")
    parser.add_argument("notebook", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    if not shutil.which("git"):
        _give_up("git is missing: the first cell installs the package through it")
    if not options.remote and not (ROOT / ".git").exists():
        _give_up("this folder is no clone made by git: use --remote, or clone it")
    if not options.here:
        command = [make_environment(), __file__, "--here", *arguments]
        # Or the debugger, which nobody uses here, prints a warning of its own.
        quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        return subprocess.run(command, env=os.environ | quiet).returncode

    notebooks = options.notebook or paths()
    if not notebooks:
        print("There is no notebook in book/.", file=sys.stderr)
        return 1
    # A package found by way of PYTHONPATH would not have to be installed.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        if not options.remote:
            environment |= fetch_from_clone(Path(folder))
        return report(notebooks, environment)


def report(notebooks: list[Path], environment: dict[str, str]) -> int:
    """Print the table; returns the exit status."""
    print(f"{'notebook':<36} {'seconds':>7} {'widgets':>7}")
    status = 0
    for path in notebooks:
        row, faults = check(path, environment)
        print(row, *faults, sep="\n    ", flush=True)
        status |= bool(faults)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
