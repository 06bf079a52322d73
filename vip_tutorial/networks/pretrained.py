"""Trained networks that come with the package, and how they were made.

Beside each file of weights, `weights/NAME.safetensors`, stands `weights/NAME.json`: the
arguments of the network, the recipe, the versions, and the accuracy that was measured.
`make weights` remakes both, and a test trains them again and compares.  Of some there
is a film, `weights/NAME-film.safetensors` and `.json`: what they were on the way.
"""

import json
import platform
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from .._util.files import write_atomically
from ..training import data, tasks
from ..training.data import Labelled, Scale
from ..training.film import Film, film_of
from ..training.loop import Recipe, accuracy, arguments_for, fit, small_network
from ..vision_permutator import VisionPermutator
from .checkpoints import load_checkpoint, save_checkpoint

__all__ = [
    "FILMS",
    "TRAININGS",
    "card",
    "film",
    "load",
    "pictures",
    "scale",
    "training",
]

WEIGHTS = Path(__file__).parent / "weights"
FOR_TASKS = Recipe(epochs=10, batch=32, lr=5e-3)


@dataclass(frozen=True)
class Training:
    """How one of the networks is made.

    Attributes:
        about: What it was trained for, in a few words.
        pictures: "digits", or the name of one of the `tasks`.
        options: What is unusual about its network, see `training.small_network`.
        recipe: How it is trained; its seed is that of the first weights, too.
    """

    about: str
    pictures: str
    options: dict[str, Any] = field(default_factory=dict)
    recipe: Recipe = FOR_TASKS


TRAININGS = {
    "digits": Training(
        "handwritten digits, 8 x 8", "digits", {"depth": 2}, Recipe(epochs=30)
    ),
    "row": Training("which row holds the dot", "row"),
    "linerow": Training("four dots in one row, or in four", "linerow"),
    "rowflat": Training(
        "which row, told from all tokens", "row", {"global_pool": "flatten"}
    ),
    "stuck": Training(
        "strokes made of marks; two strokes it never told apart",
        "nested",
        {"depth": 2, "dim": 16, "patch_size": 2},
        replace(FOR_TASKS, epochs=20),
    ),
}

# By network, after how many steps there is a frame.  The loss of "digits" stays at that
# of guessing for 50 steps of 630, falls to a quarter of it in the next 80, and to a
# twentieth in the rest: so the frames stand close where it falls.  "stuck" guesses for
# three epochs of 94 steps and rises to two thirds; the last four epochs bring nothing.
# All frames of both are less than 300 KB in a page, compressed: a byte a weight.
FILMS = {
    "digits": (0, 50, 65, 75, 85, 95, 110, 130, 165, 230, 345, 630),
    "stuck": (0, 282, 376, 564, 705, 940, 1504, 1880),
}


def pictures(name: str) -> tuple[Labelled, Labelled]:
    """What a network was trained and tested with.

    Args:
        name: One of `TRAININGS`.

    Returns:
        Training and test images, pixels from 0 to 1.
    """
    return pictures_for(training(name))


def pictures_for(how: Training) -> tuple[Labelled, Labelled]:
    """What a network that is made in this way is trained and tested with."""
    source = how.pictures
    if source == "digits":
        return data.digits()
    return tasks.task(source, 3000, seed=0), tasks.task(source, 1000, seed=1)


def scale(name: str) -> Scale:
    """How the pixels of a picture are standardised before the network gets them."""
    return Scale(*card(name)["scale"])


def training(name: str) -> Training:
    """How the network called `name` is made; a ValueError if there is none."""
    if name not in TRAININGS:
        raise ValueError(
            f"no weights called {name!r} come with the package: take one of "
            f"{', '.join(TRAININGS)}"
        )
    return TRAININGS[name]


def load(name: str) -> VisionPermutator:
    """A trained network, in evaluation mode, on the CPU.

    Args:
        name: One of `TRAININGS`.

    Raises:
        ValueError: If there is no such network.
    """
    with torch.random.fork_rng():  # the first weights do not last
        model = VisionPermutator(**card(name)["network"])
    load_checkpoint(model, WEIGHTS / f"{name}.safetensors")
    return model.eval()


def card(name: str) -> dict[str, Any]:
    """What was written down of the network: arguments, recipe, versions, accuracy."""
    training(name)
    return json.loads((WEIGHTS / f"{name}.json").read_text(encoding="utf-8"))


def film(name: str) -> Film:
    """Some moments of the training that made a network.

    Args:
        name: One of `FILMS`.

    Raises:
        ValueError: If there is no such film, or it is damaged or of another one.
    """
    training(name)
    if name not in FILMS:
        raise ValueError(
            f"no film of {name!r} comes with the package: take one of "
            f"{', '.join(FILMS)}, or make one with vip_tutorial.training.film_of"
        )
    path = _film_path(name)
    found = Film.load(path)
    needed = {key: weight.shape for key, weight in load(name).state_dict().items()}
    shapes = {key: whole.shape for key, whole in found.frames[0].whole.items()}
    if shapes != needed or asdict(found.recipe) != card(name)["recipe"]:
        raise ValueError(
            f"{path} is the film of another network or another recipe than those of "
            f"{name!r}: copy it and its .json from the package again"
        )
    return found


def _film_path(name: str) -> Path:
    return WEIGHTS / f"{name}-film.safetensors"


def make(name: str) -> tuple[VisionPermutator, float, Film | None]:
    """Train a network anew, and round its weights as the file holds them.

    Args:
        name: One of `TRAININGS`.

    Returns:
        The network in evaluation mode, its accuracy before it was rounded, and the film
        of its training, if it is one of `FILMS`.
    """
    how = training(name)
    train, test = pictures(name)
    model = small_network(train, seed=how.recipe.seed, **how.options)
    standard = Scale.of(train)
    train, test = standard(train), standard(test)
    taken = None
    if name in FILMS:
        taken = film_of(model, train, test, how.recipe, FILMS[name])
    else:
        fit(model, train, test, how.recipe, verbose=False)
    exact = accuracy(model, test)
    # Half the file: what that costs is measured, and is nothing.
    return model.half().float().eval(), exact, taken


def write(name: str) -> dict[str, Any]:
    """Make a network, and replace the files that come with the package.

    Returns:
        What `card` gives from now on.
    """
    how = training(name)
    train, test = pictures(name)
    model, exact, taken = make(name)
    written = {
        "about": how.about,
        "pictures": how.pictures,
        "options": how.options,
        "network": arguments_for(train, **how.options),
        "recipe": asdict(how.recipe),
        "scale": list(Scale.of(train)),
        "train_images": len(train.labels),
        "test_images": len(test.labels),
        "test_accuracy": accuracy(model, Scale.of(train)(test)),
        "test_accuracy_before_rounding": exact,
        "parameters": sum(p.numel() for p in model.parameters()),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__.partition("+")[0],
        },
    }
    if taken:
        taken.save(_film_path(name))
    save_checkpoint(model.half(), WEIGHTS / f"{name}.safetensors")
    text = json.dumps(written, indent=2)
    write_atomically(WEIGHTS / f"{name}.json", f"{text}\n".encode())
    return written


if __name__ == "__main__":
    for each in TRAININGS:
        print(f"{each:8} {write(each)['test_accuracy']:.1%} of the test images")
