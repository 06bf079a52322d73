"""Run the notebooks, as many at a time as there are cores, before Sphinx reads them.

MyST-NB runs a notebook when it reads it, so one after another, unless its cache has the
outcome.  This fills the cache first.  Only what changed is run: the cache goes by the
code of a notebook, and has a folder for each state of the package.

Each runs in an empty folder, as in Colab, and has one thread.  That is faster for the
book's small networks, and the numbers don't depend on how many cores there are: how a
sum is split between threads decides how it is rounded.
"""

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.util import logging

_LOGGER = logging.getLogger(__name__)
_AT_ONCE = min(os.cpu_count() or 1, 4)  # each takes some 500 MB
_KEPT = "What ran is kept: the next build runs only what failed or has changed."
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


class NotebooksFail(SphinxError):
    """Notebooks with a cell that fails.  No page is made of half a chapter."""

    category = "Notebooks that fail"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the runs with Sphinx."""
    app.connect("env-before-read-docs", _run_what_changed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _run_what_changed(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    if app.config.nb_execution_mode != "cache":
        return
    files = [Path(env.doc2path(page)) for page in pages]
    files = [file for file in files if file.suffix == ".ipynb"]
    cache = get_cache(app.config.nb_execution_cache_path)
    run_into(cache, files, app.config.nb_execution_timeout)


def run_into(cache: JupyterCacheAbstract, files: Iterable[Path], timeout: int) -> None:
    """Run the notebooks that a cache does not have, and put them there.

    Args:
        cache: Where MyST-NB will look for them.
        files: The notebooks, which stay as they are.
        timeout: Seconds that one cell may take.

    Raises:
        NotebooksFail: If a cell fails, after all others have run; with each traceback.
    """
    changed = {}
    for file in files:
        notebook = nbformat.read(file, as_version=4)
        try:
            cache.match_cache_notebook(notebook)
        except KeyError:
            changed[file] = notebook
    if failed := asyncio.run(_run_all(cache, changed, timeout)):
        raise NotebooksFail("\n\n".join([*failed, _KEPT]))


async def _run_all(
    cache: JupyterCacheAbstract,
    notebooks: dict[Path, nbformat.NotebookNode],
    timeout: int,
) -> list[str]:
    """Run the notebooks; say what failed."""
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    free = asyncio.Semaphore(_AT_ONCE)
    failed = []

    async def run(file: Path, notebook: nbformat.NotebookNode) -> None:
        client = NotebookClient(
            notebook,
            timeout=timeout,
            coalesce_streams=True,  # MyST-NB would break the line where two meet
            record_timing=False,  # would change the cells, by which the cache goes
        )
        async with free:
            start = time.perf_counter()
            try:
                with tempfile.TemporaryDirectory() as folder:
                    await client.async_execute(cwd=folder, env=environment)
            except (CellControlSignal, DeadKernelError) as error:
                failed.append(f"{file.name}: {_COLOURS.sub('', str(error)).strip()}")
                return
            seconds = time.perf_counter() - start
        data = {"execution_seconds": seconds}
        cache.cache_notebook_bundle(
            CacheBundleIn(notebook, str(file), data=data),
            check_validity=False,
            overwrite=True,
        )
        _LOGGER.info("ran %s in %.0f s", file.name, seconds)

    # The later chapters train networks, so they take longest: they begin first.
    await asyncio.gather(*(run(*one) for one in sorted(notebooks.items())[::-1]))
    return sorted(failed)
