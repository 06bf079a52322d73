"""What the page gets of a film of a network's training, for film.js."""

import base64
import itertools
import math
from typing import Any

import torch

from ...training.film import Film
from ...vision_permutator import VisionPermutator
from .live_network import parts_of

MOST_FRAMES = 40


def page_film(film: Film, model: VisionPermutator) -> dict[str, Any]:
    """A film as JSON: what came of each frame, and all weights but those of the last.

    Each weight is a whole number from -127 to 127, times one scale for its parameter;
    the order is that of `packed_weights`.

    Raises:
        TypeError: If `film` is no `Film`.
        ValueError: If it is of another network, too long for a page, or has numbers
            that no page draws.
    """
    if not isinstance(film, Film):
        raise TypeError(
            f"film is a {type(film).__name__}; it must be a Film, e.g. "
            'pretrained.film("digits")'
        )
    if not 2 <= len(film.frames) <= MOST_FRAMES:
        raise ValueError(
            f"the film has {len(film.frames)} frames; a page has to load them, so it "
            f"takes 2 to {MOST_FRAMES}"
        )
    names = {id(part): name for name, part in model.named_parameters()}
    order = [names[id(part)] for part in parts_of(model)]
    own = model.state_dict()
    for frame in film.frames:
        theirs = {name: tuple(whole.shape) for name, whole in frame.whole.items()}
        if theirs != {name: tuple(weight.shape) for name, weight in own.items()}:
            raise ValueError(
                f"the film's frame of step {frame.step} has other parameters than the "
                "network: give the film of this network's own training"
            )
    _refuse_another_run(film, own)
    _refuse_what_no_page_draws(film)
    return {
        "steps": [frame.step for frame in film.frames],
        "loss": [frame.loss for frame in film.frames],
        # The last one is shown with the network's own weights.
        "accuracy": [
            *(frame.accuracy for frame in film.frames[:-1]),
            film.frames[-1].exact_accuracy,
        ],
        "scales": [[f.scale[name] for name in order] for f in film.frames[:-1]],
        "base64": [
            _written(torch.cat([f.whole[name].flatten() for name in order]))
            for f in film.frames[:-1]
        ],
    }


def _refuse_another_run(film: Film, own: dict[str, torch.Tensor]) -> None:
    last = film.frames[-1]
    for name, weight in last.weights().items():
        gap = (own[name].cpu().float() - weight).abs().max().item()
        if not gap <= 0.51 * last.scale[name] + 1e-3 * weight.abs().max().item():
            raise ValueError(
                f"the film ends with another {name} than the network has, {gap:.2g} "
                "apart: give the film of this network's own training"
            )


def _refuse_what_no_page_draws(film: Film) -> None:
    steps = [frame.step for frame in film.frames]
    if any(before >= after for before, after in itertools.pairwise(steps)):
        raise ValueError(
            f"the film's frames are of the steps {steps}; they must rise: give them in "
            "the order of the training, each once"
        )
    for frame in film.frames:
        shares = (frame.accuracy, frame.exact_accuracy)
        numbers = (frame.loss, *frame.scale.values())
        is_whole = all(part.dtype == torch.int8 for part in frame.whole.values())
        if (
            not is_whole
            or not all(0 <= number < math.inf for number in numbers)
            or not all(0 <= share <= 1 for share in shares)
        ):
            raise ValueError(
                f"the film's frame of step {frame.step} has loss {frame.loss}, "
                f"accuracy {frame.accuracy} and weights that are "
                f"{'' if is_whole else 'not '}int8; the page draws finite numbers, "
                "shares of 0 to 1 and int8: make the film with film_of, at a lower "
                "learning rate if the loss ran away"
            )


def _written(whole: torch.Tensor) -> str:
    raw = whole.numpy().tobytes()
    return base64.b64encode(raw).decode("ascii")
