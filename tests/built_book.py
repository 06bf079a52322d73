"""The book, built once a run, beside the tests that need no page of it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_COMMAND = (
    *(sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build"),
    *(ROOT, "-W", "-n", "--keep-going", "-q"),
)


def build_once(folder: Path) -> str:
    """Build it as `make book` does, or wait for the process of this run that does.

    Args:
        folder: Shared by the processes of the run.

    Returns:
        What the build complained of; nothing if it is built.
    """
    from filelock import FileLock  # the tests of timm run without it

    said = folder / "book.txt"
    with FileLock(folder / "book.lock"):
        if not said.exists():
            done = subprocess.run(_COMMAND, capture_output=True, text=True, cwd=ROOT)
            complaint = f"{done.stdout}\n{done.stderr}" if done.returncode else ""
            said.write_text(complaint, encoding="utf-8")
        return said.read_text(encoding="utf-8")
