"""One build at a time in a folder, and no site from what a broken-off one left.

Sphinx writes only pages that changed.  After a build that was killed or stopped it
would take half a page for a whole one, and after one with warnings it would not warn
again.  So a file says that a build is under way; where a build finds it, it begins
afresh.  What the notebooks gave is kept elsewhere, and stays.
"""

import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sphinx.application import Sphinx
from sphinx.util import logging

_LOGGER = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx what begins and ends a build."""
    # Before Sphinx looks at what the last build left.
    app.connect("config-inited", _begin, priority=1)
    app.connect("build-finished", _end, priority=999)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }


def lock_of(outdir: str | Path) -> FileLock:
    """What a build holds; take it to read a site that nobody is writing."""
    return FileLock(Path(outdir).parent / ".build.lock")


def _begin(app: Sphinx, config: Any) -> None:
    outdir = Path(app.outdir)
    outdir.parent.mkdir(parents=True, exist_ok=True)
    app.vip_lock = lock_of(outdir)  # held while the app lives
    try:
        app.vip_lock.acquire(timeout=0)
    except Timeout:
        _LOGGER.info("another build writes %s: waiting for it", outdir)
        app.vip_lock.acquire()
    unfinished = _unfinished(app)
    if unfinished.exists():
        for folder in (outdir, Path(app.doctreedir)):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
    unfinished.touch()


def _end(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and not app._warncount:
        _unfinished(app).unlink(missing_ok=True)
    app.vip_lock.release()


def _unfinished(app: Sphinx) -> Path:
    outdir = Path(app.outdir)
    return outdir.with_name(f".{outdir.name}.unfinished")
