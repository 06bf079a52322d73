"""examples/train_folder.py: one process or two, killed or not: the same curve."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

SCRIPT = Path(__file__).parent.parent / "examples" / "train_folder.py"
SMALL = "--img-size 16 --patch-size 4 --dim 16 --depth 1 --batch 8 --lr 0.1 --epochs 3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Bright and dark pictures, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for part, count in (("train", 22), ("val", 6)):
        for name, low in (("bright", 150), ("dark", 0)):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                size = (20 + number, 30, 3)  # no two alike, none square
                pixels = random.integers(low, low + 100, size).astype(np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png")
            (folder / part / name / "notes.txt").write_text("not a picture")
    return folder


def command(folder: Path, run: Path, options: str = "", processes: int = 1) -> list:
    start = [sys.executable]
    if processes > 1:
        start += [
            *("-m", "torch.distributed.run", "--standalone", "--max-restarts=2"),
            *("--local-addr=127.0.0.1", f"--nproc-per-node={processes}"),
        ]
    start += [SCRIPT, folder, "--checkpoint", run]
    return [*start, *SMALL.split(), *options.split()]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def train(*args, **kwargs) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(*args, **kwargs),
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
        timeout=120,
    )


def history(run: Path) -> dict[str, list[float]]:
    return torch.load(run, weights_only=True)["history"]


@pytest.fixture(scope="module")
def alone(folder, tmp_path_factory) -> Path:
    """A whole run of one process: 3 epochs of 5 steps."""
    run = tmp_path_factory.mktemp("run") / "run.pt"
    done = train(folder, run)
    assert done.returncode == 0, done.stderr
    assert "44 images, 2 classes; 1 x 8 images a step" in done.stdout
    assert len(history(run)["loss"]) == 15 and len(history(run)["accuracy"]) == 3
    assert history(run)["loss"][-1] < history(run)["loss"][0]
    return run


def test_two_processes_take_the_same_steps_as_one(folder, alone, tmp_path):
    run = tmp_path / "run.pt"
    assert train(folder, run, "--at-most 7").returncode == 0
    done = train(folder, run, processes=2)  # what one began, two go on with
    assert done.returncode == 0, done.stderr
    assert "2 x 4 images a step" in done.stdout and "from step 7 of" in done.stdout
    two, one = history(run), history(alone)
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-4)
    assert two["accuracy"] == one["accuracy"]


def test_the_loss_of_a_worker_costs_nothing_but_time(folder, tmp_path):
    """`kill -9` for one of two: torchrun starts both anew, from the last save."""
    run, log = tmp_path / "run.pt", tmp_path / "log"
    options = "--epochs 60 --save-every 3"
    with log.open("w") as output:
        process = subprocess.Popen(
            command(folder, run, options, processes=2),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(),
        )
    try:
        wait_until(lambda: run.exists() and len(history(run)["loss"]) > 5, process)
        workers = [
            child
            for child in psutil.Process(process.pid).children()
            if str(SCRIPT) in child.cmdline()
        ]
        assert len(workers) == 2
        workers[-1].kill()
        process.wait(timeout=120)
    finally:
        for child in psutil.Process().children(recursive=True):
            child.kill()
        process.wait()
    text = log.read_text()
    assert process.returncode == 0, text
    first, again = (line for line in text.splitlines() if "from step" in line)
    assert "from step 0 of 300" in first and "from step 0 of" not in again
    whole = tmp_path / "whole.pt"
    assert train(folder, whole, options).returncode == 0
    np.testing.assert_allclose(
        history(run)["loss"], history(whole)["loss"], rtol=1e-2, atol=1e-4
    )


def test_a_killed_run_goes_on_where_it_was_saved(folder, tmp_path):
    """`kill -9`, and the same command again: the curve is that of a whole run."""
    run, options = tmp_path / "run.pt", "--epochs 40 --save-every 3"
    process = subprocess.Popen(
        command(folder, run, options), stdout=subprocess.DEVNULL, env=environment()
    )
    try:
        wait_until(lambda: run.exists() and len(history(run)["loss"]) > 20, process)
    finally:
        process.kill()
        process.wait()
    saved = len(history(run)["loss"])
    done = train(folder, run, options)
    assert f"from step {saved} of 200" in done.stdout, done.stderr
    whole = tmp_path / "whole.pt"
    assert train(folder, whole, options).returncode == 0
    assert history(run) == history(whole)


def wait_until(true, process, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, "it ended before its time"
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def test_a_run_in_pieces_is_the_whole_run(folder, alone, tmp_path):
    run = tmp_path / "run.pt"
    for steps in (4, 4, 7):
        assert train(folder, run, f"--at-most {steps}").returncode == 0
    assert history(run)["loss"] == history(alone)["loss"]
    assert train(folder, run).returncode == 0
    assert history(run) == history(alone)
    # The learning rate of each step depends on how many there will be.
    longer = train(folder, run, "--epochs 5")
    assert "is of another run (epochs 3, now 5)" in refusal(longer)


def refusal(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_a_run_with_other_settings_is_refused(folder, alone):
    before = alone.read_bytes()
    said = refusal(train(folder, alone, "--dim 32"))
    assert "is of another run (dim 16, now 32): name another --checkpoint" in said
    assert alone.read_bytes() == before


def test_a_damaged_run_is_refused(folder, alone, tmp_path):
    run = tmp_path / "run.pt"
    run.write_bytes(alone.read_bytes()[:-300])
    assert "is no run that can go on" in refusal(train(folder, run))


def test_a_full_disk_costs_nothing_that_was_saved(folder, alone, tmp_path):
    run = tmp_path / "run.pt"
    assert train(folder, run, "--at-most 2").returncode == 0
    before = run.read_bytes()
    limited = ["bash", "-c", 'trap "" XFSZ; ulimit -f 4; exec "$@"', "bash"]
    done = subprocess.run(
        [*limited, *map(str, command(folder, run))],
        capture_output=True,
        text=True,
        env=environment() | {"PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert "cannot be written" in refusal(done)
    assert "the last save is still there" in done.stderr
    assert run.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


@pytest.mark.parametrize(
    "options, said",
    [
        ("--batch 99", "--batch is 99 and there are 44 images"),
        ("--img-size 17", "not a multiple of patch_size 4"),
    ],
)
def test_numbers_that_do_not_fit(folder, tmp_path, options, said):
    assert said in train(folder, tmp_path / "run.pt", options).stderr


def test_a_batch_that_the_processes_cannot_share(folder, tmp_path):
    """It is told before the processes look for each other."""
    done = subprocess.run(
        command(folder, tmp_path / "run.pt"),
        capture_output=True,
        text=True,
        env=environment() | {"WORLD_SIZE": "3", "RANK": "0"},
        check=False,
    )
    assert "it must be a multiple of 3, e.g. 6" in refusal(done)


def test_a_folder_without_images(folder, tmp_path):
    said = refusal(train(tmp_path, tmp_path / "run.pt"))
    assert "has no images: it must hold a folder for each class" in said


def test_a_broken_image_is_named(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    broken = tmp_path / "copy" / "train" / "dark" / "3.png"
    broken.write_bytes(b"not a picture")
    said = refusal(train(tmp_path / "copy", tmp_path / "run.pt"))
    assert f"{broken} is no image that can be read" in said
