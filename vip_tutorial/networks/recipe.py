"""Training the real thing: the paper's recipe as numbers, and what it would cost.

`python -m vip_tutorial.networks.recipe vip_s7 --gpus 8 --per-gpu 256` prints the recipe
as a configuration file for timm's training script.

Sources: the paper, Hou et al., arXiv:2106.12368, section 4.1 and table 1, for rate,
batch, weight decay, epochs and stochastic depth; the command in the README of the
authors' code for the rest, and for "less than 30 h" on 8 A100 of vip_s7.
"""

import argparse
import functools
import math
from typing import Any, NamedTuple

import torch

from .._util.arguments import real_number, whole_number
from ..study.cost import count_multiply_adds
from ..vision_permutator import SIZES, VisionPermutator

__all__ = ["EPOCHS", "IMAGES", "as_yaml", "estimate", "recipe"]

RATE, RATE_BATCH = 1e-3, 1024  # learning rate for so many images in a step
DROP_PATH = {"vip_s14": 0.1, "vip_s7": 0.1, "vip_m7": 0.2, "vip_l7": 0.3}
EPOCHS, COOLDOWN = 300, 10
IMAGES = 1_281_167  # training images of ImageNet-1k
PUBLISHED_HOURS = 30 * 8  # GPU hours of vip_s7, at most: 8 A100 for 30 hours


def recipe(name: str, gpus: int = 8, per_gpu: int = 256) -> dict[str, Any]:
    """The paper's recipe, by the names of the arguments of timm's `train.py`.

    Args:
        name: "vip_s14", "vip_s7", "vip_m7" or "vip_l7".
        gpus: How many GPUs share a step.
        per_gpu: Images of one GPU in a step.

    Returns:
        The arguments.  The learning rate is that of the paper for 1,024 images, times
        the images that you have in a step.

    Raises:
        ValueError: If there is no such size, or a number is less than 1.
        TypeError: If a number is no whole number.
    """
    _known(name)
    per_gpu = whole_number("per_gpu", per_gpu)
    batch = whole_number("gpus", gpus) * per_gpu
    return {
        "model": name,
        "batch_size": per_gpu,  # timm's is that of one process
        "opt": "adamw",
        "lr": RATE * batch / RATE_BATCH,
        "weight_decay": 0.05,
        "sched": "cosine",
        "epochs": EPOCHS,
        "warmup_epochs": 20,
        "warmup_lr": 1e-6,
        "min_lr": 1e-5,
        "cooldown_epochs": COOLDOWN,
        "drop_path": DROP_PATH[name],
        "aa": "rand-m9-mstd0.5-inc1",
        "color_jitter": 0.4,
        "reprob": 0.25,
        "remode": "pixel",
        "smoothing": 0.1,
        "mixup": 0.8,
        "cutmix": 1.0,
        "amp": True,
    }


class Estimate(NamedTuple):
    """What a training would take: arithmetic from one published figure, no measurement.

    Attributes:
        multiply_adds: Of one image, forward.
        images: Seen in the whole training, those of the cooldown included.
        gpu_hours: Of an A100.
        gpus: How many A100 share the work.
        hours: With so many of them, if nothing is lost in sharing.
        cost: In the currency of the price.
    """

    multiply_adds: int
    images: int
    gpu_hours: float
    gpus: int
    hours: float
    cost: float


def estimate(name: str, gpus: int = 8, price: float = 2.0) -> Estimate:
    """What training a size on ImageNet-1k would take, at most about.

    The authors say that vip_s7 took less than 30 hours on 8 A100; the other sizes are
    taken to need as much more as they multiply more.

    Args:
        name: "vip_s14", "vip_s7", "vip_m7" or "vip_l7".
        gpus: How many A100 share the work.  The published figure is of 8; the paper
            itself trained on V100, whose hours are others.
        price: Of an hour of one of them.

    Raises:
        ValueError: If there is no such size, `gpus` is less than 1, or `price` less
            than 0.
        TypeError: If `gpus` is no whole number, or `price` no number.
    """
    _known(name)
    gpus = whole_number("gpus", gpus)
    price = real_number("price", price, 0, math.inf)
    gpu_hours = PUBLISHED_HOURS * _multiply_adds(name) / _multiply_adds("vip_s7")
    images = (EPOCHS + COOLDOWN) * IMAGES
    hours, cost = gpu_hours / gpus, gpu_hours * price
    return Estimate(_multiply_adds(name), images, gpu_hours, gpus, hours, cost)


def as_yaml(settings: dict[str, Any]) -> str:
    """The settings as timm's `--config` reads them: a line for each."""
    lines = (f"{key}: {_scalar(value)}" for key, value in settings.items())
    return "\n".join(lines) + "\n"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    # Without a point, a number with an exponent is text in YAML 1.1.
    if isinstance(value, float) and "." not in text:
        text = text.replace("e", ".0e")
    return text


def _known(name: str) -> None:
    if not isinstance(name, str) or name not in SIZES:
        raise ValueError(f"there is no size {name!r}: take one of {', '.join(SIZES)}")


@functools.cache
def _multiply_adds(name: str) -> int:
    with torch.device("meta"):  # counted, not computed
        model = VisionPermutator(**SIZES[name])
        return count_multiply_adds(model, torch.empty(1, 3, 224, 224))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the paper's recipe for timm.")
    parser.add_argument("name", choices=SIZES)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--per-gpu", type=int, default=256)
    given = parser.parse_args()
    try:
        print(as_yaml(recipe(given.name, given.gpus, given.per_gpu)), end="")
    except ValueError as fault:
        parser.error(str(fault))
