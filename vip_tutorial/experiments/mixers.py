"""What the token mixers of `mixers` are worth, measured: five seeds each, or ten.

`python -m vip_tutorial.experiments.mixers` trains them all and writes
`results/mixers.json`; it takes an hour or two on one core.  One of the networks is kept
beside it, `results/token.safetensors`, for a chapter that looks into it.

    digits   8 x 8 tokens, the recipe of `ablations`
    nested   strokes made of marks: pictures with structure at two sizes
    sizes    networks trained on digits of 8 x 8 pixels, asked about larger ones
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import interpolate

from ..mixers.any_size import WAYS, for_size
from ..mixers.dynamic import DynamicPermuteMLP
from ..mixers.lightweight import LightPermuteMLP
from ..mixers.multi_scale import LocalPermuteMLP, MultiScalePermuteMLP
from ..networks.checkpoints import load_checkpoint, save_checkpoint
from ..permute_mlp import PermuteMLP, WeightedPermuteMLP
from ..study.cost import count_multiply_adds, count_parameters
from ..training.data import Labelled, Scale
from ..training.loop import History, Recipe, accuracy, fit, predict, small_network
from ..training.tasks import task
from ..vision_permutator import VisionPermutator
from . import results
from .ablations import DEPTH, DIM, MIXERS, RECIPE, SEEDS, pictures

# By name: class or partial of a token mixer, and channels of a token.
VARIANTS: dict[str, tuple[Callable[..., nn.Module], int]] = {
    "weighted": (WeightedPermuteMLP, DIM),
    "sum": (PermuteMLP, DIM),
    "third": (partial(DynamicPermuteMLP, temperature=1e6), DIM),  # the sum, by 3
    "static": (partial(DynamicPermuteMLP, weights="static"), DIM),
    "token": (partial(DynamicPermuteMLP, weights="token"), DIM),
    "cold": (partial(DynamicPermuteMLP, temperature=0.25), DIM),
    "learned": (partial(DynamicPermuteMLP, learned=True), DIM),
    "coarse": (MultiScalePermuteMLP, DIM),
    "twice": (partial(MultiScalePermuteMLP, pool=1), DIM),
    "local": (LocalPermuteMLP, DIM),
    "conv": (MIXERS["conv"].build, DIM),
    "rank8": (partial(LightPermuteMLP, rank=8), DIM),
    "rank4": (partial(LightPermuteMLP, rank=4), DIM),
    "rows4": (partial(LightPermuteMLP, groups=4, across="rows"), DIM),
    "channels4": (partial(LightPermuteMLP, groups=4, across="channels"), DIM),
    "shared": (partial(LightPermuteMLP, shared=True), DIM),
    "dim24": (WeightedPermuteMLP, 24),
    "dim16": (WeightedPermuteMLP, 16),
}
NESTED = (
    "weighted",
    "sum",
    "third",
    "static",
    "token",
    "coarse",
    "twice",
    "local",
    "conv",
)
NESTED_RECIPE = Recipe(epochs=20, batch=32, lr=5e-3)
NESTED_PATCH = 2  # 8 x 8 tokens
NESTED_SEEDS = tuple(range(10))  # they lie farther apart
COURSES = ("token", "dim16")  # begun anew on a page, with seed 0
SIZES = (8, 12, 16, 24)
TUNING = replace(RECIPE, epochs=3, lr=1e-3)

_KEPT = Path(results.__file__).with_name("token.safetensors")


@cache
def nested_pictures() -> tuple[Labelled, Labelled]:
    """Strokes made of marks, standardised: 3,000 to train with and 1,000 to test."""
    train, test = task("nested", 3000, seed=0), task("nested", 1000, seed=1)
    scale = Scale.of(train)
    return scale(train), scale(test)


def network(data: str, variant: str, seed: int) -> VisionPermutator:
    """An untrained network for "digits" or "nested"."""
    mixer, dim = VARIANTS[variant]
    return small_network(
        _pictures(data)[0],
        depth=DEPTH,
        dim=dim,
        seed=seed,
        patch_size=1 if data == "digits" else NESTED_PATCH,
        token_mixer=mixer,
    )


def course(
    model: VisionPermutator, data: str, seed: int, stop: int | None = None
) -> History:
    """Train one of them, in place, or begin to: see `stop` of `training.fit`."""
    recipe = replace(RECIPE if data == "digits" else NESTED_RECIPE, seed=seed)
    return fit(model, *_pictures(data), recipe, stop=stop, verbose=False)


@cache
def trained(data: str, variant: str, seed: int) -> VisionPermutator:
    """A network trained on "digits" or "nested"."""
    model = network(data, variant, seed)
    course(model, data, seed)
    return model


def kept() -> VisionPermutator:
    """The network with token-wise weights for the digits, seed 0, as it was trained."""
    model = network("digits", "token", seed=0)
    load_checkpoint(model, _KEPT)
    return model.eval()


def _pictures(data: str) -> tuple[Labelled, Labelled]:
    return pictures() if data == "digits" else nested_pictures()


def right(model: nn.Module, data: Labelled) -> int:
    """How many pictures the model names right."""
    return round(accuracy(model, data) * len(data.labels))


def grown(data: Labelled, side: int) -> Labelled:
    """The same pictures with more pixels, interpolated bilinearly."""
    images = interpolate(
        data.images, size=(side, side), mode="bilinear", antialias=True
    )  # (count, 1, side, side)
    return data._replace(images=images)


def placed(data: Labelled, side: int, seed: int = 0) -> Labelled:
    """The same pictures, somewhere on a larger sheet of paper."""
    count, in_chans, height, width = data.images.shape
    generator = torch.Generator().manual_seed(seed)
    paper = data.images.amin().item()
    images = torch.full((count, in_chans, side, side), paper)
    corners = torch.randint(side - height + 1, (count, 2), generator=generator)
    for image, picture, (top, left) in zip(images, data.images, corners.tolist()):
        image[:, top : top + height, left : left + width] = picture
    return data._replace(images=images)


def at_sizes(variant: str, seed: int) -> dict[str, dict[str, int]]:
    """How a network for 8 x 8 pixels does on larger ones, by kind, way and size."""
    model = trained("digits", variant, seed)
    train, test = pictures()
    found: dict[str, dict[str, int]] = {}
    for kind, larger in (("grown", grown), ("placed", placed)):
        for side in SIZES:
            data = larger(test, side)
            ways = {"resized": right(model, grown(data, model.img_size))}
            if variant == "conv":
                other = small_network(
                    data, depth=DEPTH, dim=DIM, token_mixer=VARIANTS["conv"][0]
                )
                other.load_state_dict(model.state_dict())
                ways["as it is"] = right(other, data)
            else:
                for way in WAYS:
                    if way == "resample" or side % model.img_size == 0:
                        ways[way] = right(for_size(model, side, way), data)
            if variant == "weighted" and side == 16:
                other = for_size(model, side)
                fit(other, larger(train, side), data, TUNING, verbose=False)
                ways["tuned"] = right(other, data)
            for way, count in ways.items():
                found.setdefault(f"{kind}, {way}", {})[str(side)] = count
    return found


def described(data: str, variant: str) -> dict[str, Any]:
    """Cost of a variant, and how many test pictures each seed's network names right."""
    test = _pictures(data)[1]
    seeds = SEEDS if data == "digits" else NESTED_SEEDS
    models = [trained(data, variant, seed) for seed in seeds]
    return {
        "parameters": count_parameters(models[0]),
        "multiply_adds": count_multiply_adds(models[0], test.images[:1]),
        "right": [right(model, test) for model in models],
    }


def strokes_named(model: nn.Module, data: Labelled) -> list[list[int]]:
    """How often each stroke of "nested" is named as each: `[stroke][named]`."""
    named = predict(model, data.images).argmax(dim=1)  # (count,)
    table = torch.zeros(4, 4, dtype=torch.int64)
    table.index_put_((data.labels // 4, named // 4), torch.tensor(1), accumulate=True)
    return table.tolist()


def as_models(
    measured: dict[str, Any], labels: Mapping[str, str], data: str
) -> list[dict[str, Any]]:
    """Some of the measured variants, as `SeedComparison` takes them.

    Args:
        measured: What `results.read("mixers")` gives.
        labels: What each variant is called, by its name in `VARIANTS`; one that was not
            trained on these pictures is left out.
        data: "digits" or "nested".
    """
    runs = measured["runs"][data]
    return [
        {"name": name, "label": label, "group": data, "right": runs[name]["right"]}
        for name, label in labels.items()
        if name in runs
    ]


def measure() -> dict[str, Any]:
    """Train them all, and say what came of it; prints as it goes."""
    runs: dict[str, dict[str, Any]] = {}
    for data, names in {"digits": VARIANTS, "nested": NESTED}.items():
        runs[data] = {}
        for variant in names:
            runs[data][variant] = described(data, variant)
            print(f"{data} {variant:10} {runs[data][variant]}", flush=True)
    sizes = {
        variant: [at_sizes(variant, seed) for seed in SEEDS]
        for variant in ("weighted", "conv")
    }
    temperatures = [
        [
            block.attn.temperature.item()
            for block in trained("digits", "learned", seed).blocks
        ]
        for seed in SEEDS
    ]
    return {
        "recipes": {"digits": asdict(RECIPE), "nested": asdict(NESTED_RECIPE)},
        "shape": {"dim": DIM, "depth": DEPTH},
        "seeds": {"digits": list(SEEDS), "nested": list(NESTED_SEEDS)},
        "of": {"digits": len(pictures()[1].labels), "nested": 1000},
        "runs": runs,
        "courses": {
            variant: asdict(course(network("digits", variant, seed=0), "digits", 0))
            for variant in COURSES
        },
        "strokes": [
            strokes_named(trained("nested", "weighted", seed), nested_pictures()[1])
            for seed in NESTED_SEEDS
        ],
        "sizes": sizes,
        "tuning": asdict(TUNING),
        "temperatures": temperatures,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    save_checkpoint(trained("digits", "token", 0), _KEPT)
    results.write("mixers", measure())
