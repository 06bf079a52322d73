"""Clothes: the token mixers on pictures that nobody made up for them.

Fashion-MNIST is 70,000 pictures of ten kinds of clothing, 28 x 28 pixels each, free
under the MIT licence.  All networks have two blocks on 8 x 8 tokens, the same recipe,
and as many multiply-adds as the one with the paper's mixer, to within a few per cent.

`python -m vip_tutorial.experiments.garments FOLDER` trains them on the four files in
the folder and writes `results/garments.json` after each, so it can be stopped at any
time and goes on from there; all of it takes an hour on one core.

    from torchvision.datasets import FashionMNIST
    FashionMNIST("FOLDER", download=True)
"""

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..mixers.rivals import TokenMixing
from ..permute_mlp import PermuteMLP, WeightedPermuteMLP
from ..study.cost import count_multiply_adds, count_parameters
from ..training.data import Labelled, Scale, mnist
from ..training.loop import Recipe, fit, predict, small_network
from ..vision_permutator import VisionPermutator
from . import results
from .ablations import MIXERS

DEPTH, DIM, PATCH = 2, 64, 4
TRAIN, TEST = 5_000, 10_000
SEEDS = (0, 1, 2, 3, 4)  # named before any of them was trained
RECIPE = Recipe(epochs=8, batch=128, lr=2e-3, weight_decay=0.05)
COPIES, FARTHEST = 4, 2  # of a picture, and pixels that one is moved


# Twice as wide inside as in the ablations, for as many multiply-adds.
def _mixer(dim: int, segment_dim: int, qkv_bias: bool) -> nn.Module:
    return TokenMixing(segment_dim, segment_dim, hidden=2 * dim)


# By name: what it is, how a token mixer is built, and channels of a token.
VARIANTS: dict[str, tuple[str, Callable[..., nn.Module], int]] = {
    "weighted": ("three branches, weighted", WeightedPermuteMLP, DIM),
    "sum": ("three branches, plain sum", PermuteMLP, DIM),
    "conv": ("3 x 3 convolution", MIXERS["conv"].build, 50),
    "attention": ("attention, told where", MIXERS["placed"].build, 56),
    "mixer": ("MLP-Mixer's token mixing", _mixer, DIM),
}
VARIED = ("weighted", "conv")  # trained on moved pictures, too


@cache
def pictures(folder: str | Path) -> tuple[Labelled, Labelled]:
    """Training and test pictures, `(count, 1, 32, 32)`, standardised."""
    train, test = mnist(folder, train=TRAIN, test=TEST)
    scale = Scale.of(train)
    return scale(train), scale(test)


def varied(data: Labelled, seed: int) -> Labelled:
    """Copies of each picture, each moved by up to two pixels, half of them mirrored."""
    generator = torch.Generator().manual_seed(seed)
    paper = data.images.amin().item()
    count, _, height, width = data.images.shape
    copies = []
    for _ in range(COPIES):
        room = nn.functional.pad(data.images, [FARTHEST] * 4, value=paper)
        corner = torch.randint(2 * FARTHEST + 1, (2, count), generator=generator)
        rows = corner[0, :, None] + torch.arange(height)  # (count, height)
        columns = corner[1, :, None] + torch.arange(width)  # (count, width)
        mirrored = torch.rand(count, generator=generator) < 0.5
        columns[mirrored] = columns[mirrored].flip(1)
        which = torch.arange(count)[:, None, None]
        moved = room[which, 0, rows[:, :, None], columns[:, None, :]]
        copies.append(moved[:, None])  # (count, 1, height, width)
    labels = data.labels.repeat(COPIES)
    return data._replace(images=torch.cat(copies), labels=labels)


def network(data: Labelled, variant: str, seed: int) -> VisionPermutator:
    """An untrained network with one of the token mixers."""
    _, mixer, dim = VARIANTS[variant]
    options = {"patch_size": PATCH, "token_mixer": mixer}
    return small_network(data, depth=DEPTH, dim=dim, seed=seed, **options)


def trained(
    folder: str | Path, variant: str, seed: int, moved: bool = False
) -> VisionPermutator:
    """Train one network.

    Args:
        folder: Where the files of Fashion-MNIST are.
        variant: One of the `VARIANTS`.
        seed: Of its first weights and of the training.
        moved: Whether it learns from moved and mirrored copies, in as many steps.
    """
    train, test = pictures(folder)
    model = network(train, variant, seed)
    recipe = replace(RECIPE, seed=seed)
    if moved:
        train = varied(train, seed)
        recipe = replace(recipe, epochs=RECIPE.epochs // COPIES)
    # What it gets right is asked at the end, of all; here of a few, for time's sake.
    few = test._replace(images=test.images[:500], labels=test.labels[:500])
    fit(model, train, few, recipe, verbose=False)
    return model


def taken_for(model: nn.Module, data: Labelled) -> list[list[int]]:
    """How often each kind of clothing is named as each: `[kind][named]`."""
    named = predict(model, data.images).argmax(dim=1)  # (count,)
    table = torch.zeros(data.classes, data.classes, dtype=torch.int64)
    table.index_put_((data.labels, named), torch.tensor(1), accumulate=True)
    return table.tolist()


def linear(folder: str | Path) -> int:
    """How many test pictures one Linear from the pixels names right."""
    from sklearn.linear_model import LogisticRegression

    train, test = pictures(folder)
    pixels, test_pixels = (part.images.flatten(1).numpy() for part in (train, test))
    fitted = LogisticRegression(max_iter=300).fit(pixels, train.labels)
    return int((fitted.predict(test_pixels) == test.labels.numpy()).sum())


def measure(
    folder: str | Path, write: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Train those that are not trained yet; prints as it goes.

    Args:
        folder: Where the files of Fashion-MNIST are.
        write: Gets what is measured so far, after each network.
    """
    train, test = pictures(folder)
    measured = {
        "recipe": asdict(RECIPE),
        "shape": {"depth": DEPTH, "dim": DIM, "patch": PATCH},
        "seeds": list(SEEDS),
        "pictures": {"train": TRAIN, "test": TEST},
        "runs": {},
    }
    try:
        before = results.read("garments")
    except FileNotFoundError:
        before = {}
    if all(before.get(key) == measured[key] for key in measured if key != "runs"):
        measured = before
    asked = [(name, False) for name in VARIANTS] + [(name, True) for name in VARIED]
    for seed in SEEDS:  # so that a part of it compares all of them, too
        for variant, moved in asked:
            name = f"{variant}, moved" if moved else variant
            model = network(train, variant, seed)
            run = measured["runs"].setdefault(
                name,
                {
                    "label": VARIANTS[variant][0],
                    "parameters": count_parameters(model),
                    "multiply_adds": count_multiply_adds(model, test.images[:1]),
                    "right": [],
                    "taken_for": [],
                },
            )
            if len(run["right"]) > SEEDS.index(seed):
                continue
            table = taken_for(trained(folder, variant, seed, moved), test)
            run["right"].append(sum(row[i] for i, row in enumerate(table)))
            run["taken_for"].append(table)
            print(f"{name:18} seed {seed}: {run['right'][-1]}", flush=True)
            write(measured)
    if "linear" not in measured:
        measured["linear"] = linear(folder)
        write(measured)
    return measured


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) != 2:
        sys.exit(f"Which folder holds Fashion-MNIST?\n\n{__doc__}")
    measure(sys.argv[1], lambda measured: results.write("garments", measured))
