"""The recipe and the estimate: the paper's arithmetic."""

import subprocess
import sys

import numpy as np
import pytest

from tables import in_turn
from vip_tutorial.networks.recipe import as_yaml, estimate, recipe


def test_the_whole_recipe():
    """Against table 1, section 4.1 and the README's command, written out."""
    assert recipe("vip_l7", gpus=8, per_gpu=128) == {
        "model": "vip_l7",
        "batch_size": 128,
        "opt": "adamw",
        "lr": 1e-3,
        "weight_decay": 0.05,
        "sched": "cosine",
        "epochs": 300,
        "warmup_epochs": 20,
        "warmup_lr": 1e-6,
        "min_lr": 1e-5,
        "cooldown_epochs": 10,
        "drop_path": 0.3,
        "aa": "rand-m9-mstd0.5-inc1",
        "color_jitter": 0.4,
        "reprob": 0.25,
        "remode": "pixel",
        "smoothing": 0.1,
        "mixup": 0.8,
        "cutmix": 1.0,
        "amp": True,
    }


def test_the_numbers_are_pythons():
    """So that they can be written into the configuration file."""
    assert type(recipe("vip_s7", per_gpu=np.int64(64))["batch_size"]) is int


def test_the_rate_grows_with_the_batch():
    assert recipe("vip_s7", gpus=8, per_gpu=256)["lr"] == pytest.approx(2e-3)
    assert recipe("vip_s7", gpus=1, per_gpu=64)["lr"] == pytest.approx(6.25e-5)
    assert recipe("vip_s7", gpus=4, per_gpu=64)["batch_size"] == 64


def test_stochastic_depth_is_that_of_table_1():
    names = ("vip_s14", "vip_s7", "vip_m7", "vip_l7")
    assert [recipe(name)["drop_path"] for name in names] == [0.1, 0.1, 0.2, 0.3]


def test_the_estimate_starts_from_the_published_figure():
    small, large = estimate("vip_s7"), estimate("vip_l7", gpus=16, price=1.5)
    assert small.hours == 30 and small.gpu_hours == 240 and small.cost == 480
    assert small.images == 310 * 1_281_167
    ratio = large.multiply_adds / small.multiply_adds
    assert ratio == pytest.approx(24.34 / 6.90, rel=1e-3)
    assert large.gpu_hours == pytest.approx(240 * ratio)
    assert (small.gpus, large.gpus) == (8, 16)
    assert large.hours == large.gpu_hours / 16
    assert large.cost == large.gpu_hours * 1.5


@pytest.mark.slow
def test_the_configuration_is_printed():
    command = [
        sys.executable,
        "-m",
        "vip_tutorial.networks.recipe",
        "vip_m7",
        "--gpus",
        "2",
    ]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out == as_yaml(recipe("vip_m7", gpus=2))
    lines = dict(line.split(": ") for line in out.splitlines())
    assert lines["drop_path"] == "0.2" and float(lines["lr"]) == 5e-4
    assert lines["amp"] == "true" and lines["model"] == "vip_m7"


@in_turn("ask", [recipe, estimate])
def test_bad_input(ask):
    with pytest.raises(ValueError, match="there is no size 'vip_s'"):
        ask("vip_s")
    with pytest.raises(ValueError, match="gpus is 0; it must be at least 1"):
        ask("vip_s7", gpus=0)
    with pytest.raises(TypeError, match=r"gpus is 1\.5; it must be a whole number"):
        ask("vip_s7", gpus=1.5)
    with pytest.raises(ValueError, match=r"there is no size \['vip_s7'\]"):
        ask(["vip_s7"])


def test_bad_numbers():
    with pytest.raises(ValueError, match="per_gpu is 0; it must be at least 1"):
        recipe("vip_s7", per_gpu=0)
    with pytest.raises(TypeError, match=r"per_gpu is 1\.5; it must be a whole number"):
        recipe("vip_s7", per_gpu=1.5)
    with pytest.raises(ValueError, match="price is -1; it must be at least 0"):
        estimate("vip_s7", price=-1)
    with pytest.raises(ValueError, match="price is nan; it must be finite"):
        estimate("vip_s7", price=float("nan"))
    with pytest.raises(TypeError, match="price is 'x'; it must be a number"):
        estimate("vip_s7", price="x")


def test_the_command_says_what_it_needs():
    command = [
        sys.executable,
        "-m",
        "vip_tutorial.networks.recipe",
        "vip_s7",
        "--gpus",
        "0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "gpus is 0; it must be at least 1" in done.stderr


def test_yaml_gives_back_what_was_said():
    """A number that is read as text would compare with none."""
    yaml = pytest.importorskip("yaml")
    settings = recipe("vip_s7", gpus=2, per_gpu=8)
    assert yaml.safe_load(as_yaml(settings)) == settings
