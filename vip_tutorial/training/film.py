"""A film of a training: some moments of it, small enough to be sent with a page.

    film = film_of(model, train, test, Recipe(), at=[0, 10, 100])
    model.load_state_dict(film.frames[1].weights())   as it was after ten steps

A frame keeps each parameter as whole numbers from -127 to 127 and one scale, a byte a
weight.  What it says of itself, loss and accuracy, is measured with what it keeps: so a
page that computes with it comes to the same.
"""

import copy
import hashlib
import itertools
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .._util.arguments import checked_path, real_number, whole_number
from .._util.files import write_atomically
from .data import Labelled
from .loop import Recipe, accuracy, fit, predict, steps_of

_MOST = 127
_SCALES = "scales"  # the tensor of a file that is no parameter


@dataclass(frozen=True, eq=False)  # tensors have no equality of their own
class Frame:
    """A network in the middle of its training.

    Attributes:
        step: How many steps it has taken.
        loss: Mean cross-entropy of the test images, with the rounded weights.
        accuracy: Share of the test images that it classifies right, with the rounded
            weights.
        exact_accuracy: The same with the weights as they were.
        whole: By name of parameter, its weights in whole numbers, -127 to 127, int8.
        scale: By name of parameter, what a one of them stands for; float16 can hold it.
    """

    step: int
    loss: float
    accuracy: float
    exact_accuracy: float
    whole: dict[str, Tensor] = field(repr=False)
    scale: dict[str, float] = field(repr=False)

    def weights(self) -> dict[str, Tensor]:
        """The rounded weights in float32, for `load_state_dict` of the network."""
        return {name: whole * self.scale[name] for name, whole in self.whole.items()}


@dataclass(frozen=True, eq=False)
class Film:
    """Frames of one training, in the order of their steps.

    Attributes:
        frames: At least one.
        recipe: How it was trained.
        steps: How many steps the whole training has.
    """

    frames: tuple[Frame, ...]
    recipe: Recipe
    steps: int

    def save(self, path: str | os.PathLike) -> None:
        """Write the film: the weights into a safetensors file, all else beside it.

        Args:
            path: Of the weights, e.g. "mine.safetensors"; the rest goes into
                "mine.json".

        Raises:
            OSError: If a file cannot be written.
            ValueError: If both would be the same file.
            TypeError: If `path` is no name of a file.
        """
        from safetensors.torch import save

        path = checked_path("path", path)
        names = list(self.frames[0].whole)
        tensors = {n: torch.stack([f.whole[n] for f in self.frames]) for n in names}
        # (frames, *shape of the parameter) each
        scales = torch.tensor([[f.scale[n] for n in names] for f in self.frames])
        weights = save(tensors | {_SCALES: scales.half()})
        told = {
            "recipe": asdict(self.recipe),
            "steps": self.steps,
            "frames": [
                {
                    "step": frame.step,
                    "loss": frame.loss,
                    "accuracy": frame.accuracy,
                    "exact_accuracy": frame.exact_accuracy,
                }
                for frame in self.frames
            ],
            "parameters": names,
            "sha256": hashlib.sha256(weights).hexdigest(),
        }
        write_atomically(path, weights)
        text = json.dumps(told, indent=2)
        write_atomically(_card_of(path), f"{text}\n".encode())

    @staticmethod
    def load(path: str | os.PathLike) -> "Film":
        """Read what `save` wrote.

        Raises:
            ValueError: If one of the two files is missing, damaged, or of another film.
            TypeError: If `path` is no name of a file.
        """
        from safetensors.torch import load

        path = checked_path("path", path)
        card = _card_of(path)
        try:
            weights = path.read_bytes()
            told = json.loads(card.read_text(encoding="utf-8"))
            if hashlib.sha256(weights).hexdigest() != told["sha256"]:
                raise ValueError(f"{card.name} tells of another {path.name}")
            tensors, names = load(weights), told["parameters"]
            scales = tensors[_SCALES].float().tolist()  # (frames, parameters)
            frames = tuple(
                Frame(
                    **_checked_facts(facts),
                    whole={name: tensors[name][number] for name in names},
                    scale=dict(zip(names, scales[number], strict=True)),
                )
                for number, facts in enumerate(told["frames"])
            )
            steps = whole_number("steps", told["steps"])
            _checked_steps([frame.step for frame in frames], steps)
            return Film(frames, Recipe(**told["recipe"]), steps)
        except FileNotFoundError as fault:
            raise ValueError(
                f"there is no file {fault.filename}: a film is two files, {path.name} "
                f"and {card.name}; copy both, or make it anew with film_of"
            ) from fault
        except Exception as fault:  # any damage at all
            raise ValueError(
                f"{path} is damaged, or no film ({type(fault).__name__}: {fault}): "
                f"copy it and {card.name} again, or make it anew with film_of"
            ) from fault


def film_of(
    model: nn.Module,
    train: Labelled,
    test: Labelled,
    recipe: Recipe,
    at: Sequence[int],
) -> Film:
    """Train a model as `fit` does, in place, and keep what it was at some steps.

    Args:
        model: From images to scores of the classes, on the CPU; it ends with the same
            weights as without a film.
        train: Images to learn from.
        test: Images that loss and accuracy of a frame are measured with.
        recipe: How to train.
        at: After how many steps to keep a frame, in rising order; 0 is before the
            first.

    Raises:
        ValueError: If `at` names no step, one twice, one that the training does not
            have, or not in rising order; if a weight is too large to be kept; or what
            `fit` raises.
        TypeError: If `at` is no list of whole numbers; or what `fit` raises.
    """
    steps = steps_of(train, recipe)
    wanted = _checked_steps(at, steps)
    kept: dict[int, dict[str, Tensor]] = {}
    done = 0

    def keep(module: nn.Module, inputs: Any) -> None:
        nonlocal done
        if not module.training:
            return  # it is measured, and does not learn
        if done in wanted:
            kept[done] = copy.deepcopy(module.state_dict())
        done += 1

    hook = model.register_forward_pre_hook(keep)
    try:
        fit(model, train, test, recipe, verbose=False)
    finally:
        hook.remove()
    if steps in wanted:
        kept[steps] = copy.deepcopy(model.state_dict())
    scene = copy.deepcopy(model)
    frames = tuple(_frame(step, kept[step], scene, test) for step in wanted)
    return Film(frames, recipe, steps)


def _frame(
    step: int, weights: dict[str, Tensor], scene: nn.Module, test: Labelled
) -> Frame:
    """A frame of these weights; `scene` is a network to measure with."""
    scene.load_state_dict(weights)
    exact = accuracy(scene, test)
    scale = {name: _scale(name, weight) for name, weight in weights.items()}
    whole = {
        name: (weight / scale[name]).round().to(torch.int8)
        for name, weight in weights.items()
    }
    frame = Frame(step, math.nan, math.nan, exact, whole, scale)
    scene.load_state_dict(frame.weights())
    loss = cross_entropy(predict(scene, test.images), test.labels).item()
    return replace(frame, loss=loss, accuracy=accuracy(scene, test))


def _scale(name: str, weight: Tensor) -> float:
    """The least number of float16 of which 127 reach all that is in a weight."""
    if not weight.is_floating_point():
        raise ValueError(
            f"{name} has dtype {weight.dtype}; a film keeps real numbers alone: make a "
            "film of a network without such buffers"
        )
    needed = weight.abs().max().item() / _MOST
    least = torch.tensor(needed).half()
    if least.item() < needed or needed == 0:  # the next one, by its bits
        least = (least.view(torch.int16) + 1).view(torch.half)
    if not least.isfinite():
        raise ValueError(
            f"{name} goes up to {needed * _MOST:.3g}, which a film cannot keep: lower "
            "the learning rate"
        )
    return least.item()


def _checked_steps(at: Sequence[int], steps: int) -> list[int]:
    if isinstance(at, str) or not isinstance(at, Sequence):
        raise TypeError(
            f"at is a {type(at).__name__}; it must be a list of whole numbers, the "
            "steps to keep a frame of, e.g. [0, 10, 100]"
        )
    if not at:
        raise ValueError(
            f"at names no step: give one or more from 0 to {steps}, e.g. [0, {steps}]"
        )
    wanted = [whole_number(f"at[{i}]", step, 0) for i, step in enumerate(at)]
    if wanted[-1] > steps:
        raise ValueError(
            f"at has {wanted[-1]}, and the training ends after step {steps}: leave it "
            "out, or train for more epochs"
        )
    for before, after in itertools.pairwise(wanted):
        if not before < after:
            raise ValueError(
                f"at has {after} after {before}; the steps must rise: give "
                "sorted(set(at))"
            )
    return wanted


def _checked_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the card tells of a frame."""
    shares = ("accuracy", "exact_accuracy")
    return {
        "step": whole_number("step", facts["step"], 0),
        "loss": real_number("loss", facts["loss"], 0, math.inf),
        **{name: real_number(name, facts[name], 0, 1.001) for name in shares},
    }


def _card_of(path: Path) -> Path:
    if path.suffix.lower() == ".json":
        raise ValueError(
            f"{path} is the name of what is told of a film: give that of its weights, "
            f"{path.with_suffix('.safetensors').name}"
        )
    return path.with_suffix(".json")
