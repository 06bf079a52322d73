"""Kernels that begin with PyTorch already imported.

A kernel spends some six seconds of a processor on importing torch, matplotlib and the
rest, and each of twenty notebooks has its own.  Where the system can fork, one
process imports them, and every kernel is a fork of it.  That process does nothing else
and has one thread, so a fork finds what a fresh kernel would have made.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

from jupyter_client.provisioning import (
    KernelProvisionerFactory,
    LocalProvisioner,
)

_NAME = "warm-provisioner"
_COMMAND = (sys.executable, __file__)
_IMPORTED = (
    "ipykernel.kernelapp",
    "matplotlib.pyplot",
    "sklearn.datasets",
    "sklearn.linear_model",
    "torch",
    "torch._dynamo",  # counting products imports it
    "vip_tutorial.figures",
)


@contextlib.contextmanager
def warm_kernels(environment: dict[str, str]) -> Iterator[None]:
    """Inside, new kernels are forks; without `os.fork`, they are as ever.

    Args:
        environment: Variables of the process that imports; a kernel has its own.
    """
    if not hasattr(os, "fork"):
        yield
        return
    factory = KernelProvisionerFactory.instance()
    usual = factory.default_provisioner_name
    _Provisioner.parent_process = subprocess.Popen(
        _COMMAND,
        # As each kernel does before it imports matplotlib.
        env=environment | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    factory.provisioners[_NAME] = EntryPoint(_NAME, f"{__name__}:_Provisioner", "")
    factory.default_provisioner_name = _NAME
    try:
        yield
    finally:
        factory.default_provisioner_name = usual
        with _Provisioner.parent_process as process, contextlib.suppress(OSError):
            process.stdin.close()


def end_kernels() -> None:
    """End all that were forked, at once and without a word."""
    for pid in _Provisioner.pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class _Provisioner(LocalProvisioner):
    """Asks for a fork where its base class starts a process."""

    parent_process: subprocess.Popen
    pids: ClassVar[set[int]] = set()

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        asked = {
            "arguments": cmd[3:],
            "cwd": kwargs.get("cwd"),
            "env": kwargs["env"],
        }
        try:
            self.parent_process.stdin.write(json.dumps(asked) + "\n")
            self.parent_process.stdin.flush()
            self.pid = int(self.parent_process.stdout.readline())
        except (OSError, ValueError):  # it has ended: a kernel of its own, then
            return await super().launch_kernel(cmd, **kwargs)
        self.pids.add(self.pid)
        self.process, self.pgid = _Fork(self.pid), self.pid
        return self.connection_info


class _Fork:
    """What a provisioner needs of a process that is another one's child."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int):
        self.pid = pid

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 1  # only its parent learns how it ended
        return None

    wait = poll

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


def _serve() -> None:
    """Import once; then fork a kernel for each line of standard input."""
    # A kernel ends when its parent has; ipykernel reads this once, as it is imported.
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    # An interrupt is for the build, and its end is that of this input.  A kernel
    # listens while it runs a cell: ipykernel sees to that.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _IMPORTED:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            _become_kernel(**asked)
        print(pid, flush=True)


def _become_kernel(arguments: list[str], cwd: str | None, env: dict[str, str]) -> None:
    from ipykernel.kernelapp import launch_new_instance

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd or os.getcwd())
    sys.argv = ["ipykernel_launcher", *arguments]
    sys.path[0] = ""
    launch_new_instance()
    os._exit(0)


if __name__ == "__main__":
    _serve()
