"""The experiment behind the chapter on branch weights; writes results/branches.json.

Fifteen seeds of a network for each of five problems, read in every way that
`branch_importance` knows, and the same networks trained with a single branch or without
the one that a problem needs; and ten seeds for the handwritten digits.  Takes about
half an hour on one thread: `python -m vip_tutorial.experiments.branches`.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..networks.pretrained import TRAININGS, Training, pictures_for
from ..study.branch_importance import (
    BRANCHES,
    SomeBranches,
    accuracy_alone,
    accuracy_changed,
    accuracy_without,
    blend_shares,
    fixed,
    mean_weights,
    output_shares,
    weights_changed,
)
from ..study.branch_weights import weights_by_block
from ..training.data import Labelled, Scale
from ..training.loop import History, accuracy, fit, small_network
from ..vision_permutator import VisionPermutator
from . import results

SEEDS = 15
SEEDS_RETRAINED = 2
SEEDS_DIGITS = 10
PROBLEMS = {
    **{name: TRAININGS[name] for name in ("row", "linerow", "rowflat")},
    "stripes": Training("horizontal or vertical stripes", "stripes"),
    "colour": Training("which of four colours", "colour"),
}
ODD = "row", 3
"""Problem and seed of a network that a page begins to train anew."""
NEEDED = {"row": "height", "linerow": "width"}
"""The branch that a problem cannot do without, where there is one."""


def images(how: Training) -> tuple[Labelled, Labelled]:
    """Training and test images, standardised."""
    train, test = pictures_for(how)
    standard = Scale.of(train)
    return standard(train), standard(test)


def trained(
    how: Training, seed: int, kept: Sequence[str] = BRANCHES
) -> VisionPermutator:
    """Train a network, as those in `pretrained` were trained but for seed and branches.

    With seed 0 and all branches it comes close to the one in `pretrained`, and is not
    the same to the bit unless it is trained with as many threads as the card says, on a
    processor of the same kind.

    Args:
        how: For what, and how.
        seed: Of its first weights and of the training.
        kept: The branches that its token mixers have.

    Returns:
        The network in evaluation mode, its weights rounded as in `pretrained`.
    """
    return _course(how, seed, kept)[0].half().float().eval()


def course(how: Training, seed: int, stop: int | None = None) -> History:
    """Loss and accuracy of each epoch of such a training, or of the first `stop`."""
    return _course(how, seed, BRANCHES, stop)[1]


def readings(model: VisionPermutator, test: Labelled) -> dict[str, Any]:
    """All that is read from one trained network, as plain numbers.

    Returns:
        Accuracy; by block the mean `weights` and the shares of the `blend` and of the
        `output`; by branch the accuracy `without` it and with it `alone`; the accuracy
        with all weights `even`, and with every channel's at their `mean` over the
        test images.
    """
    return {
        "accuracy": accuracy(model, test),
        "weights": _plain(mean_weights(model, test.images)),
        "blend": _plain(blend_shares(model, test.images)),
        "output": _plain(output_shares(model, test.images)),
        "without": _plain(accuracy_without(model, test)),
        "alone": _plain(accuracy_alone(model, test)),
        "even": accuracy_changed(model, test, fixed(torch.full((3,), 1 / 3))),
        "mean": _at_mean(model, test),
    }


def weights_by_class(model: VisionPermutator, test: Labelled) -> Tensor:
    """Mean branch weights of each block for the images of each class.

    Returns:
        `(blocks, classes, 3)`.
    """
    blocks = weights_by_block(model, test.images).values()  # (3, B, C) each
    chosen = [test.labels == label for label in range(test.classes)]
    return torch.stack(
        [
            torch.stack([a[:, which].mean(dim=(1, 2)) for which in chosen])
            for a in blocks
        ]
    )  # (blocks, classes, 3)


def agreement(patterns: Tensor) -> float:
    """Mean correlation of the patterns of two seeds, over all pairs of seeds.

    Args:
        patterns: A pattern for each seed, `(seeds, classes)`.
    """
    seeds = len(patterns)
    pairs = torch.ones(seeds, seeds).triu(diagonal=1) == 1
    return torch.corrcoef(patterns)[pairs].mean().item()


def agreement_by_chance(patterns: Tensor, tries: int = 1000) -> Tensor:
    """What `agreement` comes to when the classes of each seed are shuffled.

    Returns:
        `(tries,)`.
    """
    generator = torch.Generator().manual_seed(0)
    shuffled = torch.rand(tries, *patterns.shape, generator=generator).argsort(-1)
    found = patterns.expand_as(shuffled).gather(-1, shuffled)  # (tries, seeds, classes)
    return torch.tensor([agreement(one) for one in found])


def problem(name: str) -> dict[str, Any]:
    """All that is measured for one of the `PROBLEMS`."""
    how = PROBLEMS[name]
    test = images(how)[1]
    networks = []
    for seed in range(SEEDS):
        networks.append(readings(trained(how, seed), test))
        print(name, seed, networks[-1], flush=True)
    retrained = {}
    for branch in BRANCHES:
        retrained[branch] = _accuracies(how, test, SEEDS_RETRAINED, [branch])
        print(name, "only", branch, retrained[branch], flush=True)
    result = {"networks": networks, "only": retrained}
    if needed := NEEDED.get(name):
        others = [branch for branch in BRANCHES if branch != needed]
        result["without_needed"] = _accuracies(how, test, SEEDS, others)
        print(name, "without", needed, result["without_needed"], flush=True)
    return result


def digit_stories() -> dict[str, Any]:
    """Mean height weight of each block for each digit, for ten networks."""
    how = TRAININGS["digits"]
    test = images(how)[1]
    accuracies, heights = [], []
    for seed in range(SEEDS_DIGITS):
        model = trained(how, seed)
        accuracies.append(accuracy(model, test))
        heights.append(_plain(weights_by_class(model, test)[..., 0], digits=6))
        print("digits", seed, accuracies[-1], flush=True)
    return {"accuracy": accuracies, "height": heights}


def _course(
    how: Training, seed: int, kept: Sequence[str], stop: int | None = None
) -> tuple[VisionPermutator, History]:
    train, test = images(how)
    options = dict(how.options)
    if tuple(kept) != BRANCHES:
        options["token_mixer"] = partial(SomeBranches, kept=kept)
    model = small_network(train, seed=seed, **options)
    recipe = replace(how.recipe, seed=seed)
    return model, fit(model, train, test, recipe, stop=stop, verbose=False)


def _at_mean(model: VisionPermutator, test: Labelled) -> float:
    blocks = weights_by_block(model, test.images).values()  # (3, B, C) each
    with ExitStack() as stack:
        for number, weights in enumerate(blocks):
            mean = fixed(weights.mean(dim=1))
            stack.enter_context(weights_changed(model, mean, [number]))
        return accuracy(model, test)


def _accuracies(
    how: Training, test: Labelled, seeds: int, kept: Sequence[str]
) -> list[float]:
    return [accuracy(trained(how, seed, kept), test) for seed in range(seeds)]


def _plain(numbers: Tensor, digits: int = 4) -> list:
    return [
        _plain(row, digits) if row.ndim else round(row.item(), digits)
        for row in numbers.unbind()
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    results.write(
        "branches",
        {
            "recipe": asdict(TRAININGS["row"].recipe),
            "odd": asdict(course(PROBLEMS[ODD[0]], ODD[1])),
            "problems": {name: problem(name) for name in PROBLEMS},
            "digits": digit_stories(),
        },
    )
