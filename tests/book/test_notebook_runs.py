"""The build runs what changed, side by side, and no page is made of half a chapter."""

import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from vip_site import notebooks, warm
from vip_site.notebooks import NotebooksFail, Outcomes, run_into

SECONDS = 600  # for one cell, as in the build


@pytest.fixture
def kept(tmp_path):
    return Outcomes(tmp_path / "outcomes", "now")


@pytest.fixture
def notebook(tmp_path):
    """`notebook(name, *cells)`: the file of a notebook with these cells of code."""

    def notebook(name, *cells):
        file = tmp_path / f"{name}.ipynb"
        cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), file)
        return file

    return notebook


def printed(kept, file) -> list[str]:
    """What the outputs of a notebook say, as MyST-NB will get them."""
    ran = kept.of(nbformat.read(file, as_version=4))
    return [output.text for cell in ran.cells for output in cell.get("outputs", [])]


def test_what_is_kept_is_not_run_again(kept, notebook, tmp_path):
    count = f"with open({str(tmp_path / 'runs')!r}, 'a') as file:\n    file.write('x')"
    one, other = notebook("one", count, "print(1)"), notebook("other", count)
    before = one.read_bytes()
    run_into(kept, [one, other], SECONDS)
    run_into(kept, [one, other], SECONDS)
    assert printed(kept, one) == ["1\n"] and one.read_bytes() == before
    assert (tmp_path / "runs").read_text() == "xx"
    run_into(kept, [notebook("one", count, "print(2)"), other], SECONDS)
    assert printed(kept, one) == ["2\n"]
    assert (tmp_path / "runs").read_text() == "xxx"


def test_prose_can_change_without_a_run(kept, notebook):
    file = notebook("one", "print(1)")
    run_into(kept, [file], SECONDS)
    changed = nbformat.read(file, as_version=4)
    changed.cells.insert(0, nbformat.v4.new_markdown_cell("More words."))
    filled = kept.of(changed)
    assert [cell.source for cell in filled.cells] == ["More words.", "print(1)"]
    assert filled.cells[1].outputs[0].text == "1\n" and not changed.cells[1].outputs


def test_what_another_state_of_the_package_gave_is_not_taken(kept, notebook):
    file = notebook("one", "print(1)")
    run_into(kept, [file], SECONDS)
    run_into(Outcomes(kept.root, "later"), [], SECONDS)
    assert Outcomes(kept.root, "later").of(nbformat.read(file, as_version=4)) is None


@pytest.mark.slow
def test_what_was_kept_and_is_damaged_is_run_again(kept, notebook):
    file = notebook("one", "print(1)")
    run_into(kept, [file], SECONDS)
    kept._file(nbformat.read(file, as_version=4)).write_text("")
    run_into(kept, [file], SECONDS)
    assert printed(kept, file) == ["1\n"]


@pytest.mark.slow
def test_without_the_process_that_imports_each_kernel_does(kept, notebook, monkeypatch):
    monkeypatch.setattr(warm, "_COMMAND", (sys.executable, "-c", "0"))
    files = [notebook(f"n{i}", f"print({i})") for i in range(3)]
    run_into(kept, files, SECONDS)
    assert [printed(kept, file) for file in files] == [["0\n"], ["1\n"], ["2\n"]]


@pytest.mark.slow
def test_only_the_states_that_were_used_last_are_kept(kept, notebook):
    file = notebook("one", "1")
    states = [Outcomes(kept.root, str(number)) for number in range(4)]
    for number, state in enumerate(states[:3]):
        run_into(state, [file], SECONDS)
        os.utime(state.folder, (number, number))
    run_into(states[0], [file], SECONDS)  # where nothing has to run
    run_into(states[3], [file], SECONDS)
    assert sorted(f.name for f in kept.root.iterdir() if f.is_dir()) == ["0", "2", "3"]


@pytest.mark.slow
def test_a_tag_is_a_change_too(kept, notebook):
    file = notebook("one", "print(1 / 0)")
    with pytest.raises(NotebooksFail):
        run_into(kept, [file], SECONDS)
    tagged = nbformat.read(file, as_version=4)
    tagged.cells[0].metadata["tags"] = ["raises-exception"]
    nbformat.write(tagged, file)
    run_into(kept, [file], SECONDS)
    assert kept.of(tagged).cells[0].outputs[0].ename == "ZeroDivisionError"
    tagged.cells[0].metadata["tags"] = []
    assert kept.of(tagged) is None


def test_what_writes_to_stderr_is_told_and_not_kept(kept, notebook):
    file = notebook("loud", "import sys\nprint('careful!', file=sys.stderr)")
    for _ in range(2):
        with pytest.raises(NotebooksFail) as failed:
            run_into(kept, [file], SECONDS)
        assert "loud.ipynb wrote to stderr:\ncareful!" in str(failed.value)


def test_two_run_at_the_same_time(kept, notebook, tmp_path, monkeypatch):
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
    run_into(kept, files, SECONDS)
    assert [printed(kept, file) for file in files] == [["True\n"], ["True\n"]]


@pytest.mark.slow
def test_a_notebook_has_one_thread_and_an_empty_folder(kept, notebook, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    file = notebook("alone", "import os\nprint(os.listdir())\nopen('x', 'w').close()")
    threads = notebook("threads", "import torch\nprint(torch.get_num_threads())")
    run_into(kept, [file, threads], SECONDS)
    assert printed(kept, file) == ["[]\n"] and not (file.parent / "x").exists()
    assert printed(kept, threads) == ["1\n"]


@pytest.mark.slow
def test_many_notebooks_share_one_import_of_torch_and_nothing_else(kept, notebook):
    code = """
import os, sys, threading
print("torch" in sys.modules, __name__, len(threading.enumerate()) < 9)
os.environ["LEFT"] = "x" if "LEFT" not in os.environ else "seen by another"
print(os.environ["LEFT"], os.listdir())
import matplotlib.pyplot as plt
plt.plot([1, 2]);
"""
    files = [notebook(f"n{i}", code, f"print({i})") for i in range(3)]
    run_into(kept, files, SECONDS)
    for i, file in enumerate(files):
        ran = kept.of(nbformat.read(file, as_version=4))
        first, picture = ran.cells[0].outputs
        warm = hasattr(os, "fork")
        assert first.text == f"{warm} __main__ True\nx []\n"
        assert "image/svg+xml" in picture.data
        assert ran.cells[1].outputs[0].text == f"{i}\n"


def test_a_line_that_is_printed_in_parts_stays_one(kept, notebook):
    parts = "import time\nprint('a', end='', flush=True)\ntime.sleep(1)\nprint('b')"
    file = notebook("parts", parts)
    run_into(kept, [file], SECONDS)
    assert printed(kept, file) == ["ab\n"]


@pytest.mark.slow
def test_every_notebook_that_fails_is_told_with_its_traceback(kept, notebook):
    files = [
        notebook("bad", "def divide():\n    return 1 / 0", "divide()"),
        notebook("good", "print('well')"),
        notebook("worse", "import os", "os._exit(1)"),
    ]
    for _ in range(2):  # the second build does not forget
        with pytest.raises(NotebooksFail) as failed:
            run_into(kept, files, SECONDS)
        bad, worse = str(failed.value).split("\n\nworse.ipynb: ")
        assert bad.startswith("bad.ipynb: ") and "\x1b" not in bad
        for part in ("return 1 / 0", "divide()", "ZeroDivisionError"):
            assert part in bad
        assert "Kernel died" in worse
    assert printed(kept, files[1]) == ["well\n"]


def test_a_cell_that_takes_too_long_is_told(kept, notebook):
    file = notebook("slow", "import time\ntime.sleep(60)")
    with pytest.raises(NotebooksFail, match=r"slow\.ipynb: .*timed out"):
        run_into(kept, [file], 1)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no groups of processes here")
def test_an_interrupt_ends_it_at_once_in_a_sentence(kept, notebook, tmp_path):
    begun = tmp_path / "begun"
    wait = f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(600)"
    file = notebook("one", wait)
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path\n"
        "from vip_site.notebooks import Outcomes, run_into\n"
        f"kept = Outcomes(Path({str(kept.root)!r}), 'now')\n"
        f"run_into(kept, [Path({str(file)!r})], 600)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    build = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not begun.exists():
        assert build.poll() is None, build.stderr.read()
        time.sleep(0.05)
    os.killpg(build.pid, signal.SIGINT)
    _, said = build.communicate()
    assert build.returncode == 130
    assert "Interrupted. What has run is kept." in said and "Traceback" not in said
    run_into(kept, [notebook("one", "print(1)")], SECONDS)
    assert printed(kept, file) == ["1\n"]
