"""Run the notebooks, as many at a time as there are cores, and keep what they gave.

What a notebook gave is kept in a file, named by the code and the tags of its cells and
by the state of the package, so only what changed is run, and prose can change without a
run.  The files lie in `_build/outcomes`, whatever builds the site: `make book` and
`make test` share them.  MyST-NB runs nothing; it is handed each notebook with its
outputs.

Each runs in an empty folder, as in Colab, and has one thread.  That is faster for the
book's small networks, and the numbers don't depend on how many cores there are: how a
sum is split between threads decides how it is rounded.
"""

import asyncio
import copy
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import nbformat
from filelock import FileLock
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.util import logging

from vip_tutorial._util.files import write_atomically
from vip_tutorial.lens.figure.host import FOR_SITE

from . import plots
from .warm import end_kernels, warm_kernels

_LOGGER = logging.getLogger(__name__)
_AT_ONCE = min(os.cpu_count() or 1, 4)  # each takes some 500 MB
_STATES = 3  # of the package, whose outcomes are kept
_KEPT = "What ran is kept: the next build runs only what failed or has changed."
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


class NotebooksFail(SphinxError):
    """Notebooks with a cell that fails.  No page is made of half a chapter."""

    category = "Notebooks that fail"


class Outcomes:
    """The outputs that notebooks gave with one state of the package.

    Args:
        root: Folder for all states.
        state: Names this one, e.g. a digest of the package's files.
    """

    def __init__(self, root: Path, state: str):
        self.root = root
        self.folder = root / state

    def of(self, notebook: NotebookNode) -> NotebookNode | None:
        """A notebook with the outputs that its code gave; None if it has not been run.

        All but outputs, counts and the state of the widgets is the notebook's own.
        """
        try:
            text = self._file(notebook).read_text(encoding="utf-8")
            ran = nbformat.reads(text, as_version=4)
        except (FileNotFoundError, ValueError):  # not there, or damaged
            return None
        filled = copy.deepcopy(notebook)
        filled.metadata.widgets = ran.metadata.get("widgets", {})
        for cell, other in zip(_code(filled), _code(ran)):
            cell.outputs, cell.execution_count = other.outputs, other.execution_count
        return filled

    def keep(self, ran: NotebookNode) -> None:
        """Keep a notebook that has been run."""
        for widget in _widgets(ran):
            for code in (
                "_esm",
                "_css",
            ):  # the package's, and most of the file
                widget["state"].pop(code, None)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file(ran), nbformat.writes(ran).encode())

    def forget_old(self) -> None:
        """Drop what was kept for all states of the package but those used last."""
        if self.folder.is_dir():
            os.utime(self.folder)  # whoever goes back to an old state goes on using it
        states = [folder for folder in self.root.iterdir() if folder.is_dir()]
        states.sort(key=lambda folder: folder.stat().st_mtime)
        for folder in states[:-_STATES]:
            shutil.rmtree(folder, ignore_errors=True)

    def _file(self, notebook: NotebookNode) -> Path:
        # Tags decide whether a cell is run, and whether it may fail.
        cells = [[c.source, c.metadata.get("tags", [])] for c in _code(notebook)]
        code = json.dumps(cells)
        return self.folder / f"{hashlib.sha256(code.encode()).hexdigest()[:32]}.json"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the runs with Sphinx."""
    app.connect("env-before-read-docs", _run_what_changed)
    app.connect("source-read", _give_outputs)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }


def outcomes(app: Sphinx) -> Outcomes:
    """Where a build finds what the notebooks gave."""
    root = Path(app.srcdir, "_build", "outcomes")
    return Outcomes(root, app.config.vip_package_digest)


def _run_what_changed(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    files = [Path(env.doc2path(page)) for page in pages]
    files = [file for file in files if file.suffix == ".ipynb"]
    run_into(outcomes(app), files, app.config.nb_execution_timeout)


def _give_outputs(app: Sphinx, page: str, source: list[str]) -> None:
    """Hand MyST-NB the notebook as it is now, with the outputs of its run."""
    if Path(app.env.doc2path(page)).suffix == ".ipynb":
        notebook = nbformat.reads(source[0], as_version=4)
        filled = outcomes(app).of(notebook)
        if filled is None:
            raise NotebooksFail(
                f"{page} was changed while the notebooks ran: build again"
            )
        plots.put_into_page(filled)
        source[0] = nbformat.writes(filled)


def run_into(kept: Outcomes, files: Iterable[Path], timeout: int) -> None:
    """Run the notebooks whose outcome is not kept, and keep it.

    A build that comes while another one runs notebooks waits, and finds what that has
    kept.

    Args:
        kept: Where outcomes are kept.
        files: The notebooks, which stay as they are.
        timeout: Seconds that one cell may take.

    Raises:
        NotebooksFail: If a cell fails or writes to stderr, after all others have run;
            with each traceback or text.
    """
    kept.root.mkdir(parents=True, exist_ok=True)
    with FileLock(kept.root / "lock"):
        notebooks = {file: nbformat.read(file, as_version=4) for file in files}
        missing = {f: book for f, book in notebooks.items() if kept.of(book) is None}
        # In a thread of its own, where nbclient takes no signals: so that an interrupt
        # comes here, and ends all of it.
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(asyncio.run, _run_all(kept, missing, timeout))
            try:
                failed = run.result()
            except KeyboardInterrupt:
                end_kernels()
                print(
                    "\nInterrupted. What has run is kept.", file=sys.stderr, flush=True
                )
                os._exit(130)  # the threads of twenty notebooks would not end
        kept.forget_old()
    if failed:
        raise NotebooksFail("\n\n".join([*failed, _KEPT]))


async def _run_all(
    kept: Outcomes, notebooks: dict[Path, NotebookNode], timeout: int
) -> list[str]:
    """Run the notebooks; say what failed."""
    environment = {**os.environ, **plots.ENVIRONMENT, "OMP_NUM_THREADS": "1"}
    environment[FOR_SITE] = "1"
    free = asyncio.Semaphore(_AT_ONCE)
    failed = []

    async def run(file: Path, notebook: NotebookNode) -> None:
        # Coalesced, since MyST-NB would break the line where two pieces meet.
        client = NotebookClient(
            notebook,
            timeout=timeout,
            coalesce_streams=True,
            extra_arguments=[*plots.ARGUMENTS],
        )
        async with free:
            start = time.perf_counter()
            try:
                with tempfile.TemporaryDirectory() as folder:
                    await client.async_execute(cwd=folder, env=environment)
            except (CellControlSignal, DeadKernelError) as error:
                failed.append(f"{file.name}: {_COLOURS.sub('', str(error)).strip()}")
                return
        if said := _complaints(notebook):
            failed.append(f"{file.name} wrote to stderr:\n{said}")
            return
        kept.keep(notebook)
        _LOGGER.info("ran %s in %.0f s", file.name, time.perf_counter() - start)

    # The later chapters train networks, so they take longest: they begin first.
    with warm_kernels(environment) if len(notebooks) > 2 else nullcontext():
        await asyncio.gather(*(run(*one) for one in sorted(notebooks.items())[::-1]))
    return sorted(failed)


def _complaints(notebook: NotebookNode) -> str:
    outputs = [output for cell in _code(notebook) for output in cell.outputs]
    texts = [o.text for o in outputs if o.get("name") == "stderr"]
    return _COLOURS.sub("", "".join(texts)).strip()


def _widgets(notebook: NotebookNode) -> list[NotebookNode]:
    kinds = notebook.metadata.get("widgets", {}).values()
    return [widget for kind in kinds for widget in kind["state"].values()]


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]
