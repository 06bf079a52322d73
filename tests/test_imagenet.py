"""The recipe and the estimate: the paper's arithmetic."""

import subprocess
import sys

import pytest

from vip_tutorial.imagenet import as_yaml, estimate, recipe


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
    assert large.hours == large.gpu_hours / 16
    assert large.cost == large.gpu_hours * 1.5


def test_the_configuration_is_printed():
    command = [sys.executable, "-m", "vip_tutorial.imagenet", "vip_m7", "--gpus", "2"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out == as_yaml(recipe("vip_m7", gpus=2))
    lines = dict(line.split(": ") for line in out.splitlines())
    assert lines["drop_path"] == "0.2" and float(lines["lr"]) == 5e-4
    assert lines["amp"] == "true" and lines["model"] == "vip_m7"


@pytest.mark.parametrize("ask", [recipe, estimate])
def test_bad_input(ask):
    with pytest.raises(ValueError, match="there is no size 'vip_s'"):
        ask("vip_s")
    with pytest.raises(ValueError, match="gpus is 0; it must be at least 1"):
        ask("vip_s7", gpus=0)
    with pytest.raises(TypeError, match=r"gpus is 1\.5; it must be a whole number"):
        ask("vip_s7", gpus=1.5)
