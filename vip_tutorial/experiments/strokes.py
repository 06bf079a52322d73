"""How often does training get stuck on strokes made of marks?  Seeds named beforehand.

`mixers` trained ten networks of a kind on "nested", and saw that some get stuck: they
never tell one diagonal from the other.  Seeds that raise a suspicion do not confirm
it.  Here are twenty others, named before any of them was trained (some from 10 to 29
had been looked at in passing).  The limit below which a network counts as stuck is the
one that was set on the first ten.

`python -m vip_tutorial.experiments.strokes` trains them and writes
`results/strokes.json` after each, so it can be stopped at any time and goes on from
there; all of it takes some hours on one core.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import nn

from ..permute_mlp import WeightedPermuteMLP
from ..training.loop import Recipe, fit
from . import results
from .mixers import NESTED, NESTED_RECIPE, nested_pictures, network, right

SEEDS = tuple(range(30, 50))
STUCK_BELOW = 0.8  # of the test pictures; who guesses the diagonals names 0.75 right


def even_start(model: nn.Module) -> None:
    """Let every channel take exactly a third of each branch, until training begins."""
    for module in model.modules():
        if isinstance(module, WeightedPermuteMLP):
            nn.init.zeros_(module.reweight.fc2.weight)
            nn.init.zeros_(module.reweight.fc2.bias)


@dataclass(frozen=True)
class Setting:
    """One thing that is done otherwise than in the recipe of `mixers`.

    Attributes:
        label: What, in a few words.
        recipe: Which of the recipe's numbers are others.
        begin: What is done to the network before it is trained.
    """

    label: str
    recipe: dict[str, Any] = field(default_factory=dict)
    begin: Callable[[nn.Module], None] | None = None


SETTINGS = {
    "as before": Setting("the recipe as it was"),
    "lower": Setting("a third of the learning rate", {"lr": NESTED_RECIPE.lr / 3}),
    "warm": Setting("the rate rises for 40 % of the steps", {"warmup": 0.4}),
    "longer": Setting("twice the steps", {"epochs": 2 * NESTED_RECIPE.epochs}),
    "even": Setting("the branch weights start at a third", begin=even_start),
}
# What is asked first is trained first.
ASKED = (
    *(("as before", variant) for variant in ("weighted", "sum", "token", "conv")),
    *(("lower", variant) for variant in ("weighted", "sum")),
    ("even", "weighted"),
    *(("warm", variant) for variant in ("weighted", "sum")),
    *(("longer", variant) for variant in ("weighted", "sum")),
    *(("as before", variant) for variant in NESTED),
)
RUNS = tuple(dict.fromkeys(ASKED))


def recipe(setting: str, seed: int) -> Recipe:
    """How the networks of a setting are trained."""
    return replace(NESTED_RECIPE, seed=seed, **SETTINGS[setting].recipe)


def right_of(setting: str, variant: str, seed: int) -> int:
    """Train one network; how many of the 1,000 test pictures does it then name right?

    Args:
        setting: One of the `SETTINGS`.
        variant: A token mixer, by its name in `mixers.VARIANTS`.
        seed: Of its first weights and of the training.
    """
    train, test = nested_pictures()
    model = network("nested", variant, seed)
    if begin := SETTINGS[setting].begin:
        begin(model)
    fit(model, train, test, recipe(setting, seed), verbose=False)
    return right(model, test)


def measure(write: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """Train those that are not trained yet; prints as it goes.

    Args:
        write: Gets what is measured so far, after each network.

    Returns:
        By setting and variant, how many pictures the network of each seed names right.
    """
    measured = {
        "recipe": asdict(NESTED_RECIPE),
        "settings": {name: s.recipe for name, s in SETTINGS.items()},
        "seeds": list(SEEDS),
        "stuck_below": STUCK_BELOW,
        "of": len(nested_pictures()[1].labels),
        "runs": {},
    }
    try:
        before = results.read("strokes")
    except FileNotFoundError:
        before = {}
    if all(before.get(key) == measured[key] for key in measured if key != "runs"):
        measured["runs"] = before["runs"]
    for setting, variant in RUNS:
        found = measured["runs"].setdefault(setting, {}).setdefault(variant, [])
        for seed in SEEDS[len(found) :]:
            found.append(right_of(setting, variant, seed))
            print(f"{setting:10} {variant:10} seed {seed}: {found[-1]}", flush=True)
            if write:
                write(measured)
    return measured


if __name__ == "__main__":
    torch.set_num_threads(1)
    measure(lambda measured: results.write("strokes", measured))
