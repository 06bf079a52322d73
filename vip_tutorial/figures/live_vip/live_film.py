"""What the page gets of a film of a network's training, for film.js."""

import base64
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
        ValueError: If it is of another network, or too long for a page.
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
    return {
        "steps": [frame.step for frame in film.frames],
        "loss": [frame.loss for frame in film.frames],
        # The last one is shown with the network's own weights.
        "accuracy": [
            *(frame.accuracy for frame in film.frames[:-1]),
            film.frames[-1].exact_accuracy,
        ],
        "lengths": [own[name].numel() for name in order],
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


def _written(whole: torch.Tensor) -> str:
    raw = whole.to(torch.int8).numpy().tobytes()
    return base64.b64encode(raw).decode("ascii")
