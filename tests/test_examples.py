"""examples/train_folder.py: one process or two, killed or not: the same curve."""

import importlib.util
import os
import runpy
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


@pytest.fixture
def script():
    """The script as a module: what ends at once needs no process of its own."""
    spec = importlib.util.spec_from_file_location("train_folder", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def said(script, monkeypatch, capsys):
    """What a command that is refused says; it must not have begun to train."""

    def call(folder, run, options="") -> str:
        argv = list(map(str, command(folder, run, options)[1:]))
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as end:
            script.main()
        told = capsys.readouterr()
        assert "from step" not in told.out
        return told.err if end.value.code == 2 else end.value.code

    return call


def test_a_run_with_other_settings_is_refused(folder, alone, said):
    before = alone.read_bytes()
    told = said(folder, alone, "--dim 32 --epochs 5")
    assert "is of another run (dim 16, now 32; epochs 3, now 5): with other" in told
    assert "begins anew, so name another --checkpoint" in told
    assert alone.read_bytes() == before


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_run_with_other_images_is_refused(folder, alone, said, tmp_path, part):
    """One has another name: so the order of the images is another one."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    one = copy / part / "dark" / "3.png"
    one.rename(one.with_name("99.png"))
    told = said(copy, alone)
    assert "is of another run (images 56 (names " in told
    assert "with other settings or images a run begins anew" in told


def test_a_run_goes_on_in_a_folder_that_was_moved(folder, alone, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert "from step 15 of 15" in train(copy, alone).stdout


def cut(run: Path) -> None:
    run.write_bytes(run.read_bytes()[:-300])


def spoilt(change):
    def spoil(run: Path) -> None:
        content = torch.load(run, weights_only=True)
        change(content)
        torch.save(content, run)

    return spoil


DAMAGE = {
    "cut": (cut, ""),
    "empty": (lambda run: run.write_bytes(b""), "EOFError"),
    "folder": (lambda run: (run.unlink(), run.mkdir()), ""),
    "optimizer": (spoilt(lambda c: c.pop("optimizer")), "KeyError: 'optimizer'"),
    "settings": (spoilt(lambda c: c.update(settings=None)), "NoneType"),
    "history": (spoilt(lambda c: c["history"].pop("loss")), "KeyError: 'loss'"),
    "weight": (spoilt(lambda c: c["model"].pop("head.bias")), "head.bias"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_run_is_refused(folder, alone, said, tmp_path, damage):
    spoil, reason = DAMAGE[damage]
    run = Path(shutil.copy(alone, tmp_path / "run.pt"))
    spoil(run)
    told = said(folder, run)
    assert f"{run} is no run that can go on (" in told and reason in told
    assert told.endswith("): move it away") and "()" not in told


def test_a_place_that_cannot_be_written_is_told_before_training(folder, said, tmp_path):
    told = said(folder, tmp_path / "absent" / "run.pt")
    assert "cannot be written" in told and "last save" not in told


@pytest.mark.parametrize("saved", [True, False])
def test_a_full_disk_costs_nothing_that_was_saved(folder, alone, tmp_path, saved):
    run = tmp_path / "run.pt"
    if saved:
        shutil.copy(alone, run)
        spoilt(lambda c: c["history"]["accuracy"].pop())(run)  # and so has to be saved
    limited = ["bash", "-c", 'trap "" XFSZ; ulimit -f 4; exec "$@"', "bash"]
    done = subprocess.run(
        [*limited, *map(str, command(folder, run))],
        capture_output=True,
        text=True,
        env=environment() | {"PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert "cannot be written" in refusal(done)
    assert ("the last save is still there" in done.stderr) == saved
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"] * saved
    if saved:
        assert len(history(run)["accuracy"]) == 2


@pytest.mark.parametrize(
    "options, needed",
    [
        ("--batch 99", "--batch is 99 and there are 44 images"),
        ("--img-size 17", "there is no such network: img_size 17 is not a multiple"),
        ("--dim 15", "there is no such network: dim 15 cannot be cut"),
        ("--drop-path 1", "--drop-path: it is 1; it must be at least 0 and below 1"),
        ("--batch 0", "--batch: it is 0; it must be at least 1"),
        ("--batch -8", "--batch: it is -8; it must be at least 1"),
        ("--batch many", "--batch: invalid number value: 'many'"),
        ("--batch 2.5", "--batch: invalid number value: '2.5'"),
        ("--save-every 0", "--save-every: it is 0; it must be at least 1"),
        ("--save-every -1", "--save-every: it is -1"),
        ("--lr-batch 0", "--lr-batch: it is 0; it must be at least 1"),
        ("--lr -1", "--lr: it is -1; it must be at least 0"),
        ("--lr nan", "--lr: it is nan; it must be at least 0"),
        ("--lr inf", "--lr: it is inf; it must be at least 0 and below inf"),
        ("--weight-decay -1", "--weight-decay: it is -1"),
        ("--warmup -1", "--warmup: it is -1; it must be at least 0"),
        ("--at-most 0", "--at-most: it is 0; it must be at least 1"),
        ("--epochs 0", "--epochs: it is 0; it must be at least 1"),
        ("--depth 0", "--depth: it is 0; it must be at least 1"),
        (f"--seed {2**32}", "it must be at least 0 and below 4294967296"),
    ],
)
def test_numbers_that_do_not_fit(folder, said, tmp_path, options, needed):
    assert needed in said(folder, tmp_path / "run.pt", options)


def test_the_largest_seed(folder, tmp_path):
    done = train(folder, tmp_path / "run.pt", f"--seed {2**32 - 1} --at-most 1")
    assert done.returncode == 0, done.stderr


def test_a_batch_that_the_processes_cannot_share(folder, said, tmp_path, monkeypatch):
    """It is told before the processes look for each other."""
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert "it must be a multiple of 3, e.g. 6" in said(folder, tmp_path / "run.pt")


def test_a_folder_that_is_not_there(said, tmp_path):
    told = said(tmp_path, tmp_path / "run.pt")
    assert "train must hold a folder for each class to read: " in told
    assert "No such file" in told


def test_a_class_that_cannot_be_read(folder, said, tmp_path, monkeypatch):
    """Root may read whatever it likes, so the refusal is played."""
    real = os.listdir

    def listdir(path):
        if Path(path).name == "dark":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    told = said(folder, tmp_path / "run.pt")
    assert "Permission denied" in told and str(folder / "train" / "dark") in told


def test_what_is_no_class(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "train" / ".DS_Store").write_bytes(b"of a Mac")
    (copy / "train" / "notes.txt").write_text("of a person")
    (copy / "val" / ".ipynb_checkpoints").mkdir()
    done = train(copy, tmp_path / "run.pt", "--at-most 1")
    assert "44 images, 2 classes" in done.stdout, done.stderr


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_class_without_images(folder, said, tmp_path, part):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / part / "grey").mkdir()
    told = said(copy, tmp_path / "run.pt")
    assert f"{copy / part} has the classes ['bright', 'dark', 'grey']" in told
    assert "no images of ['grey']: it must hold" in told


def test_a_single_class(folder, said, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    for part in ("train", "val"):
        shutil.rmtree(copy / part / "dark")
    told = said(copy, tmp_path / "run.pt")
    assert "['bright']" in told and "two classes or more" in told


def test_classes_of_one_part_only(folder, said, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    shutil.copytree(copy / "val" / "dark", copy / "val" / "black")
    assert "train has the classes ['bright', 'dark'] and val" in said(
        copy, tmp_path / "run.pt"
    )


def test_broken_images_are_all_named_before_the_first_step(folder, said, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    broken = [copy / "train" / kind / "3.png" for kind in ("bright", "dark")]
    broken[0].write_bytes(b"not a picture")
    broken[1].write_bytes(broken[1].read_bytes()[:-900])  # its header is whole
    told = said(copy, tmp_path / "run.pt")
    assert all(f"{path} (" in told for path in broken) and "4.png" not in told
    assert "remove them before a run begins" in told


def test_the_accuracy_is_that_of_the_network_at_rest(script, folder):
    """Nothing is skipped while it is measured, and training goes on as before."""

    class Noted(torch.nn.Module):
        def forward(self, images):
            asked.append((self.training, torch.is_grad_enabled(), len(images)))
            return torch.tensor([[1.0, 0.0]]).expand(len(images), 2)

    asked, model = [], Noted()
    val = script.Pictures.of(folder / "val", 16)
    one = script.Team(1, 0, torch.device("cpu"))
    assert script.accuracy(model, val, one) == 0.5
    assert asked == [(False, False, 12)] and model.training


def test_what_is_random_is_random_again_in_pieces(folder, tmp_path):
    """With stochastic depth, cut within a second epoch; a drawn number more shows."""
    options = "--depth 2 --drop-path 0.5"
    whole, run = tmp_path / "whole.pt", tmp_path / "run.pt"
    assert train(folder, whole, options).returncode == 0
    assert train(folder, run, f"{options} --at-most 7").returncode == 0
    assert train(folder, run, options).returncode == 0
    assert history(run) == history(whole)
    still = tmp_path / "still.pt"
    assert train(folder, still, "--depth 2").returncode == 0
    assert history(still) != history(whole)


@pytest.mark.parametrize("timm", [False, True])
def test_timms_script_and_what_is_missing(timm, monkeypatch):
    path = SCRIPT.with_name("train_with_timm.py")
    monkeypatch.delitem(sys.modules, "vip_tutorial.timm_models", raising=False)
    monkeypatch.setattr(sys, "argv", [str(path)])
    if timm:
        module = type(sys)("vip_tutorial.timm_models")
        monkeypatch.setitem(sys.modules, "vip_tutorial.timm_models", module)
    else:
        monkeypatch.setitem(sys.modules, "timm", None)
        monkeypatch.setitem(sys.modules, "timm.data", None)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(path))
    needed = "give the path of timm's train.py first" if timm else "pip install timm ."
    assert needed in end.value.code
