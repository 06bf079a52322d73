"""Files that are whole or not there."""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write_atomically(
    path: str | os.PathLike,
    content: bytes,
    check: Callable[[Path], object] | None = None,
) -> None:
    """Write a file that is either complete or not there; see `os.replace`.

    Where the path leads through a link, the file that it leads to is written.  One that
    was there before leaves its permissions to the new one.

    Args:
        path: Where to.
        content: What is to be in it.
        check: Gets the file before it takes its place, and raises if it may not.

    Raises:
        OSError: If it cannot be written, with the name of the file.
    """
    target = Path(os.path.realpath(path))
    # Not tempfile's: a file of that kind is for its owner's eyes only, and stays so.
    # A part of the name is enough: the whole may be as long as a name can be.
    temporary = target.with_name(f".{target.name[:50]}.{secrets.token_hex(4)}")
    try:
        there = os.path.lexists(target)
        if there and not target.is_file():  # a device, or a link that leads to itself
            raise OSError(errno.EINVAL, "this is no regular file")
        with open(temporary, "xb") as file:
            if there:
                os.chmod(temporary, target.stat().st_mode & 0o7777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if check:
            check(temporary)
        os.replace(temporary, target)
    except BaseException as fault:
        with contextlib.suppress(OSError):  # the first fault is the one to tell
            temporary.unlink(missing_ok=True)
        if not isinstance(fault, OSError):
            raise
        # What fails on a full disk knows no name, or that of the temporary file.
        why = f"{fault.strerror or fault}; it was not written"
        raise OSError(fault.errno, why, os.fspath(path)) from fault
