"""Would training tell that a module is wrong?  The right one and five mutants.

`python -m vip_tutorial.experiments.faults` trains three seeds of each on the digits and
writes `results/faults.json`; it takes less than a minute.
"""

from dataclasses import asdict, replace
from typing import Any

import torch

from ..permute_mlp import WeightedPermuteMLP
from ..study.faults import mutants
from ..training.loop import History, Recipe, fit, small_network
from . import results
from .ablations import pictures

KINDS = (
    WeightedPermuteMLP,
    mutants.HeightNotPutBack,
    mutants.ArticleOrder,
    mutants.WidthAfterHeight,
    mutants.HeightUnpermuted,
    mutants.SoftmaxOverBatch,
)
SEEDS = (0, 1, 2)
RECIPE = Recipe(epochs=10, batch=128, lr=0.01)


def course(
    kind: type[WeightedPermuteMLP], seed: int, stop: int | None = None
) -> History:
    """Loss and accuracy of each epoch of a small network with such a module.

    Args:
        kind: The token mixer of its one block.
        seed: Of its first weights and of the training.
        stop: Epochs, if not all of the `RECIPE`.
    """
    train, test = pictures()
    model = small_network(train, patch_size=2, seed=seed, token_mixer=kind)
    recipe = replace(RECIPE, seed=seed)
    return fit(model, train, test, recipe, stop=stop, verbose=False)


def measure() -> dict[str, Any]:
    """Train them all, and say what came of it; prints as it goes."""
    runs = {}
    for kind in KINDS:
        runs[kind.__name__] = [asdict(course(kind, seed)) for seed in SEEDS]
        told = [run["accuracy"][-1] for run in runs[kind.__name__]]
        print(f"{kind.__name__:20} {told}", flush=True)
    return {"recipe": asdict(RECIPE), "runs": runs}


if __name__ == "__main__":
    torch.set_num_threads(1)
    results.write("faults", measure())
