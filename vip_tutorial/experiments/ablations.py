"""An ablation small enough to repeat: fourteen token mixers, one recipe, five seeds.

`python -m vip_tutorial.experiments.ablations` trains them all on scikit-learn's digits
and writes `results/ablations.json`; it takes about a quarter of an hour on one quiet
core.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from ..mixers.fewer_branches import ReducedPermuteMLP
from ..mixers.rivals import Convolution, Placed, SelfAttention, TokenMixing
from ..permute_mlp import PermuteMLP, WeightedPermuteMLP
from ..study.cost import count_multiply_adds, count_parameters
from ..training.data import Labelled, Scale, digits
from ..training.loop import History, Recipe, accuracy, fit, small_network
from ..vision_permutator import VisionPermutator
from . import results

DIM, DEPTH = 32, 2
SEEDS = (0, 1, 2, 3, 4)
RECIPE = Recipe(epochs=30)  # the same for all; tuned for none of them


@dataclass(frozen=True)
class Mixer:
    """One way to mix tokens.

    Attributes:
        label: What it is, in a few words.
        build: Makes it; called like a `token_mixer` of `VisionPermutator`.
    """

    label: str
    build: Callable[..., nn.Module]


def _only(branches: str, replaced: bool = False) -> Callable[..., nn.Module]:
    return partial(ReducedPermuteMLP, branches=branches, replaced=replaced)


# The rivals have no segments, and their own opinion on biases.
def _mixer(dim: int, segment_dim: int, qkv_bias: bool) -> nn.Module:
    return TokenMixing(segment_dim, segment_dim, hidden=dim)


def _attention(dim: int, segment_dim: int, qkv_bias: bool) -> nn.Module:
    return SelfAttention(dim)


def _placed(dim: int, segment_dim: int, qkv_bias: bool) -> nn.Module:
    return Placed(SelfAttention(dim), segment_dim, segment_dim, dim)


def _convolution(dim: int, segment_dim: int, qkv_bias: bool) -> nn.Module:
    return Convolution(dim)


MIXERS = {
    "c": Mixer("channel only", _only("c")),
    "h": Mixer("height only", _only("h")),
    "w": Mixer("width only", _only("w")),
    "ch": Mixer("channel + height", _only("ch")),
    "cw": Mixer("channel + width", _only("cw")),
    "hw": Mixer("height + width", _only("hw")),
    "chc": Mixer("width replaced by channel", _only("ch", replaced=True)),
    "cwc": Mixer("height replaced by channel", _only("cw", replaced=True)),
    "sum": Mixer("all three, plain sum", PermuteMLP),
    "weighted": Mixer("all three, weighted", WeightedPermuteMLP),
    "mixer": Mixer("MLP-Mixer's token mixing", _mixer),
    "attention": Mixer("attention, not told where", _attention),
    "placed": Mixer("attention, told where", _placed),
    "conv": Mixer("3 x 3 convolution", _convolution),
}


@dataclass(frozen=True)
class Experiment:
    """Some of the mixers, trained under the same conditions.

    Attributes:
        mixers: Which, by their names in `MIXERS`.
        patch: Side of a patch in pixels: 2 gives a digit 4 x 4 tokens, 1 gives 8 x 8.
        transposed: Whether rows and columns of every picture change places.
        longer: How many times as long as the `RECIPE` says.
    """

    mixers: tuple[str, ...]
    patch: int = 2
    transposed: bool = False
    longer: int = 1


EXPERIMENTS = {
    "4x4": Experiment(tuple(MIXERS)),
    "8x8": Experiment(("c", "ch", "cw", "sum", "weighted", "mixer", "conv"), patch=1),
    "transposed": Experiment(("ch", "cw"), transposed=True),
    "longer": Experiment(("weighted", "placed"), longer=3),
}
REGULARISATIONS = (0.01, 0.1, 1.0)


def pictures(transposed: bool = False) -> tuple[Labelled, Labelled]:
    """Training and test digits, standardised; `transposed` lays them on their side."""
    train, test = digits()
    scale = Scale.of(train)
    parts = scale(train), scale(test)
    if transposed:
        parts = tuple(p._replace(images=p.images.transpose(2, 3)) for p in parts)
    return parts


def network(experiment: Experiment, mixer: str, seed: int) -> VisionPermutator:
    """An untrained network of the experiment."""
    return small_network(
        pictures()[0],
        depth=DEPTH,
        dim=DIM,
        seed=seed,
        patch_size=experiment.patch,
        token_mixer=MIXERS[mixer].build,
    )


def course(
    experiment: Experiment, model: VisionPermutator, seed: int, stop: int | None = None
) -> History:
    """Train one of its networks, in place, or begin to: see `stop` of `fit`."""
    train, test = pictures(experiment.transposed)
    recipe = replace(RECIPE, epochs=RECIPE.epochs * experiment.longer, seed=seed)
    return fit(model, train, test, recipe, stop=stop, verbose=False)


def right(experiment: Experiment, mixer: str, seed: int) -> int:
    """Train one network; how many of the 500 test digits does it then name right?"""
    model = network(experiment, mixer, seed)
    course(experiment, model, seed)
    test = pictures(experiment.transposed)[1]
    return round(accuracy(model, test) * len(test.labels))


def twins(seed: int) -> tuple[VisionPermutator, VisionPermutator]:
    """Channel + width, and channel + height, from the same numbers.

    The patches of the second lie on their side.  Shown lying digits it computes,
    product by product, what the first computes of upright ones.
    """
    size = EXPERIMENTS["4x4"]
    upright, lying = network(size, "cw", seed), network(size, "ch", seed)
    with torch.no_grad():
        lying.patch_embed.proj.weight.copy_(upright.patch_embed.proj.weight.mT)
    return upright, lying


def courses() -> dict[str, dict[str, list[float]]]:
    """Loss and accuracy after every epoch of three networks, of seed 0.

    A page trains them for their first epochs, and compares.
    """
    upright, lying = twins(seed=0)
    four = EXPERIMENTS["4x4"]
    models = {
        "sum": (four, network(four, "sum", seed=0)),
        "upright": (four, upright),
        "lying": (EXPERIMENTS["transposed"], lying),
    }
    return {name: asdict(course(*each, seed=0)) for name, each in models.items()}


def logistic(c: float) -> int:
    """The same count for a linear classifier of the pixels, with scikit-learn's `C`."""
    from sklearn.linear_model import LogisticRegression

    train, test = (
        (part.images.flatten(1).numpy(), part.labels.numpy()) for part in pictures()
    )
    model = LogisticRegression(C=c, max_iter=2000).fit(*train)
    return int((model.predict(test[0]) == test[1]).sum())


def measure() -> dict[str, Any]:
    """Train them all, and say what came of it; prints as it goes."""
    runs = {}
    for name, experiment in EXPERIMENTS.items():
        runs[name] = {}
        for mixer in experiment.mixers:
            model = network(experiment, mixer, seed=0)
            image = torch.zeros(1, 1, 8, 8)
            runs[name][mixer] = {
                "parameters": count_parameters(model),
                "multiply_adds": count_multiply_adds(model, image),
                "right": [right(experiment, mixer, seed) for seed in SEEDS],
            }
            print(f"{name:11} {mixer:10} {runs[name][mixer]}", flush=True)
    return {
        "recipe": asdict(RECIPE) | {"dim": DIM, "depth": DEPTH, "seeds": list(SEEDS)},
        "of": len(pictures()[1].labels),
        "runs": runs,
        "courses": courses(),
        "logistic": {str(c): logistic(c) for c in REGULARISATIONS},
    }


def as_models(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """The upright runs at both sizes, as `SeedComparison` takes them."""
    return [
        {
            "name": f"{size}-{mixer}",
            "label": MIXERS[mixer].label,
            "group": f"{size[0]} x {size[0]} tokens",
            "right": run["right"],
        }
        for size in ("4x4", "8x8")
        for mixer, run in measured["runs"][size].items()
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    results.write("ablations", measure())
