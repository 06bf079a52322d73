"""The build runs what changed, side by side, and no page is made of half a chapter."""

import nbformat
import pytest
from jupyter_cache import get_cache

from vip_tutorial.sphinx_ext import notebooks
from vip_tutorial.sphinx_ext.notebooks import NotebooksFail, run_into

SECONDS = 600  # for one cell, as in the build


@pytest.fixture
def cache(tmp_path):
    return get_cache(tmp_path / "cache")


@pytest.fixture
def notebook(tmp_path):
    """`notebook(name, *cells)`: the file of a notebook with these cells of code."""

    def notebook(name, *cells):
        file = tmp_path / f"{name}.ipynb"
        cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), file)
        return file

    return notebook


def printed(cache, file) -> list[str]:
    """What the outputs of a notebook say, as MyST-NB finds them in the cache."""
    stored = nbformat.read(file, as_version=4)
    _, ran = cache.merge_match_into_notebook(stored)
    return [output.text for cell in ran.cells for output in cell.get("outputs", [])]


def test_what_is_in_the_cache_is_not_run_again(cache, notebook, tmp_path):
    count = f"with open({str(tmp_path / 'runs')!r}, 'a') as file:\n    file.write('x')"
    one, other = notebook("one", count, "print(1)"), notebook("other", count)
    before = one.read_bytes()
    run_into(cache, [one, other], SECONDS)
    run_into(cache, [one, other], SECONDS)
    assert printed(cache, one) == ["1\n"] and one.read_bytes() == before
    assert (tmp_path / "runs").read_text() == "xx"
    run_into(cache, [notebook("one", count, "print(2)"), other], SECONDS)
    assert printed(cache, one) == ["2\n"]
    assert (tmp_path / "runs").read_text() == "xxx"


def test_two_run_at_the_same_time(cache, notebook, tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "_AT_ONCE", 2)
    meet = """
import pathlib, time
mine, other = map(pathlib.Path, {!r})
mine.touch()
end = time.monotonic() + 100
while not other.exists() and time.monotonic() < end:
    time.sleep(0.05)
print(other.exists())
"""
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    files = [notebook("one", meet.format((a, b))), notebook("two", meet.format((b, a)))]
    run_into(cache, files, SECONDS)
    assert [printed(cache, file) for file in files] == [["True\n"], ["True\n"]]


def test_a_notebook_has_one_thread_and_an_empty_folder(cache, notebook, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    file = notebook("alone", "import os\nprint(os.listdir())\nopen('x', 'w').close()")
    threads = notebook("threads", "import torch\nprint(torch.get_num_threads())")
    run_into(cache, [file, threads], SECONDS)
    assert printed(cache, file) == ["[]\n"] and not (file.parent / "x").exists()
    assert printed(cache, threads) == ["1\n"]


def test_a_line_that_is_printed_in_parts_stays_one(cache, notebook):
    parts = "import time\nprint('a', end='', flush=True)\ntime.sleep(1)\nprint('b')"
    file = notebook("parts", parts)
    run_into(cache, [file], SECONDS)
    assert printed(cache, file) == ["ab\n"]


def test_every_notebook_that_fails_is_told_with_its_traceback(cache, notebook):
    files = [
        notebook("bad", "def divide():\n    return 1 / 0", "divide()"),
        notebook("good", "print('well')"),
        notebook("worse", "import os", "os._exit(1)"),
    ]
    for _ in range(2):  # the second build does not forget
        with pytest.raises(NotebooksFail) as failed:
            run_into(cache, files, SECONDS)
        bad, worse = str(failed.value).split("\n\nworse.ipynb: ")
        assert bad.startswith("bad.ipynb: ") and "\x1b" not in bad
        for part in ("return 1 / 0", "divide()", "ZeroDivisionError"):
            assert part in bad
        assert "Kernel died" in worse
    assert printed(cache, files[1]) == ["well\n"]


def test_a_cell_that_takes_too_long_is_told(cache, notebook):
    file = notebook("slow", "import time\ntime.sleep(60)")
    with pytest.raises(NotebooksFail, match=r"slow\.ipynb: .*timed out"):
        run_into(cache, [file], 1)
