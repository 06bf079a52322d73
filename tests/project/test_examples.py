"""The scripts of examples/: what they write, and what they say when they can't."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vip_tutorial.networks.checkpoints import load_checkpoint, read_checkpoint
from vip_tutorial.training import accuracy, loop, small_network
from vip_tutorial.training.data import Scale
from vip_tutorial.training.image_files import read_folder

Image = pytest.importorskip("PIL.Image")

SCRIPT = Path(__file__).parents[2] / "examples" / "train_folder.py"
SMALL = "--img-size 16 --patch-size 4 --dim 16 --depth 1 --batch 8 --epochs 3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Bright and dark pictures, no two alike."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for part, count in (("train", 22), ("val", 6)):
        for name, low in (("dark", 0), ("bright", 150)):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(low, low + 100, (20 + number, 30, 3))
                picture = Image.fromarray(pixels.astype(np.uint8))
                picture.save(folder / part / name / f"{number}.png")
    return folder


def command(folder: Path, place: Path, options: str = "") -> list[str]:
    files = ["--run", place / "run.pt", "--weights", place / "mine.safetensors"]
    return [*map(str, [SCRIPT, folder, *files]), *f"{SMALL} {options}".split()]


@pytest.fixture
def run(monkeypatch):
    """The script in this process, without waiting for another to import PyTorch."""

    def run(*args) -> None:
        monkeypatch.setattr(sys, "argv", command(*args))
        runpy.run_path(str(SCRIPT), run_name="__main__")

    return run


@pytest.mark.slow
def test_a_folder_becomes_weights_that_tell_its_classes(folder, tmp_path):
    done = subprocess.run(
        [sys.executable, *command(folder, tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "44 pictures to train with, 12 to test with" in done.stdout
    assert "classes: bright, dark" in done.stdout
    assert "epoch   3 of 3" in done.stdout and "test 100.0%" in done.stdout

    from safetensors import safe_open

    file = tmp_path / "mine.safetensors"
    with safe_open(file, "pt") as content:
        notes = content.metadata()
    assert json.loads(notes["classes"]) == ["bright", "dark"]
    train, test = read_folder(folder, 16)
    scale = Scale(*json.loads(notes["scale"]))
    assert scale == pytest.approx(Scale.of(train))
    model = small_network(train, dim=16, patch_size=4, seed=9)
    load_checkpoint(model, file)
    assert accuracy(model, scale(test)) == 1


def test_the_same_command_goes_on_and_ends_as_if_never_stopped(
    folder, tmp_path, run, monkeypatch
):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir(), stopped.mkdir()
    run(folder, whole)
    real, epochs = loop._epoch, iter(range(2))

    def until_the_power_fails(*args):
        if next(epochs, None) is None:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "_epoch", until_the_power_fails)
        run(folder, stopped)
    assert [file.name for file in stopped.iterdir()] == ["run.pt"]
    run(folder, stopped)
    files = [place / "mine.safetensors" for place in (whole, stopped)]
    one, two = (read_checkpoint(file)[0] for file in files)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    one, two = (
        torch.load(place / "run.pt", weights_only=True)["history"]
        for place in (whole, stopped)
    )
    assert one == two and len(one["loss"]) == 3
    with pytest.raises(SystemExit, match=r"of a run with Recipe\(epochs=3.* remove it"):
        run(folder, stopped, "--epochs 4")


def test_what_cannot_be_done_is_a_sentence(folder, tmp_path, run):
    for options, told in (
        ("--img-size 17", "img_size 17 is not a multiple"),
        ("--dim 15", "dim 15 cannot be cut"),
        ("--batch 0", "batch is 0; it must be at least 1"),
        ("--lr nan", "lr is nan; it must be"),
        ("--lr 1e30", "the loss is "),
        ("--seed -1", "seed is -1; it must be at least 0"),
        ("--device nowhere", "device is 'nowhere', and there is none here"),
        (f"--run {tmp_path}/absent/run.pt", "there is no folder"),
        (f"--weights {tmp_path}/mine.pt", 'ends in ".safetensors"'),
    ):
        with pytest.raises(SystemExit) as end:
            run(folder, tmp_path, options)
        assert told in str(end.value), options
        (tmp_path / "run.pt").unlink(missing_ok=True)
    for options in ("--batch 2.5", "--batch many", "--epochs"):
        with pytest.raises(SystemExit) as end:
            run(folder, tmp_path, options)
        assert end.value.code == 2  # argparse has said it
    with pytest.raises(SystemExit, match="there is no folder"):
        run(tmp_path / "nowhere", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("timm", [False, True])
def test_timms_script_and_what_is_missing(timm, monkeypatch):
    path = SCRIPT.with_name("train_with_timm.py")
    monkeypatch.delitem(sys.modules, "vip_tutorial.networks.timm", raising=False)
    monkeypatch.setattr(sys, "argv", [str(path)])
    if timm:
        module = type(sys)("vip_tutorial.networks.timm")
        monkeypatch.setitem(sys.modules, "vip_tutorial.networks.timm", module)
    else:
        monkeypatch.setitem(sys.modules, "timm", None)
        monkeypatch.setitem(sys.modules, "timm.data", None)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(path))
    needed = "give the path of timm's train.py first" if timm else "pip install timm ."
    assert needed in end.value.code
