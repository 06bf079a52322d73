# @title Set-up: run this cell first
import importlib
import os
import platform
import re
import subprocess
import sys
from importlib.util import find_spec

REPOSITORY = "https://github.com/vip-tutorial/vip-tutorial"
VERSION = "0.2.0"  # of the package that this notebook goes with


class SetUpStopped(Exception):
    """Stops "Run all" with a few sentences instead of a traceback."""

    def _render_traceback_(self):
        return str(self).splitlines()


needed = "torch numpy matplotlib sklearn ipywidgets anywidget".split()
missing = [name for name in needed if find_spec(name) is None]
if missing:
    install = " ".join(missing).replace("sklearn", "scikit-learn")
    raise SetUpStopped(
        f"This notebook uses Python packages that are missing here: {install}.\n"
        f"Run  %pip install {install}  in a cell of its own, then this cell again."
    )


def install(revision):
    print(f"Installing vip_tutorial from {REPOSITORY} ({revision}) ...")
    source = f"vip_tutorial @ git+{REPOSITORY}@{revision}"
    # No dependencies: they are all here, in the versions that belong together.
    return subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", source],
        env=os.environ | {"GIT_TERMINAL_PROMPT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


found = find_spec("vip_tutorial")
# A folder of that name that is no package has no origin.
if found is None or found.origin is None:
    pip = install(f"v{VERSION}")
    if pip.returncode and "did not match" in pip.stderr:
        print(
            f"There is no v{VERSION} there yet; main is what comes closest."
        )
        pip = install("main")
    importlib.invalidate_caches()
    if pip.returncode:
        reason = re.search("(fatal|ERROR): .*", pip.stderr)
        raise SetUpStopped(
            f"vip_tutorial could not be installed from {REPOSITORY}.\n"
            f"The reason given: {reason[0] if reason else pip.stderr.strip()}\n"
            "If the network is off, connect and run this cell again. If git is "
            "missing, install it.\n"
            "Without a network, put the repository's folder vip_tutorial beside this "
            "notebook and run this cell again.\n"
            "The pages of the built book show the same figures and need nothing."
        )

import ipywidgets
import torch

import vip_tutorial

device = "cpu"
if torch.accelerator.is_available():
    device = torch.accelerator.current_accelerator().type
installed = vip_tutorial.__version__
print("vip_tutorial", installed, f"(this notebook goes with {VERSION})")
if installed != VERSION:
    print(
        "They differ, so a cell may fail. To have the right one, run\n"
        f"%pip install --no-deps vip_tutorial@git+{REPOSITORY}@v{VERSION}\n"
        "in a cell of its own, restart the kernel, and run this cell again."
    )
print("Python      ", platform.python_version())
print("torch       ", torch.__version__)
print("ipywidgets  ", ipywidgets.__version__)
print("device      ", device)
