"""Results of experiments that take hours, so that a chapter can show many seeds.

Each file is written by the module that makes the experiment, and the chapter that shows
it repeats a part and compares.  `make measurements` runs them all, and says of those
that need pictures or timm what to give it.
"""

import json
import platform
from datetime import date
from pathlib import Path
from typing import Any

import torch

from ..._util.files import write_atomically

_FOLDER = Path(__file__).parent


def read(name: str) -> dict[str, Any]:
    """What was measured, when, on what machine and with which versions.

    Args:
        name: Name of a file beside this one, without its ending.

    Raises:
        FileNotFoundError: If nothing of that name was measured.
    """
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def write(name: str, measured: dict[str, Any]) -> None:
    """Keep what was measured, with versions, machine and day, in place of the last."""
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
        "threads": torch.get_num_threads(),
    }
    about = {
        "versions": versions,
        "machine": f"{platform.system()}, {platform.machine()}",
        "day": date.today().isoformat(),
    }
    text = json.dumps(about | measured, indent=1)
    write_atomically(_FOLDER / f"{name}.json", f"{text}\n".encode())
