"""Train a small classifier in a minute, and go on after an interruption.

The same seed gives the same weights, to the bit on a CPU with the same number of
threads; so does a run that was stopped and resumed.  For that, everything random in an
epoch follows from the seed and the number of the epoch.
"""

import io
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .checkpoints import write_atomically
from .data import Labelled
from .vision_permutator import VisionPermutator


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        epochs: Passes over the training images.
        batch: Images in a step; the last, smaller batch of an epoch is used too.
        lr: Highest learning rate of AdamW, reached after the warm-up; it then falls
            along half a cosine to almost nothing.
        weight_decay: Weight decay of AdamW.
        warmup: Share of the steps in which the learning rate rises.
        seed: Seed of all that is random in training; the first weights are the model's.
    """

    epochs: int = 15
    batch: int = 64
    lr: float = 3e-3
    weight_decay: float = 0.01
    warmup: float = 0.15
    seed: int = 0


def small_network(
    data: Labelled, *, depth: int = 1, dim: int = 32, seed: int = 0, **options: Any
) -> VisionPermutator:
    """A network for small images, of the size that this book trains.

    Args:
        data: The images that it is for; they say its input and its classes.
        depth: Blocks.
        dim: Channels of a token.
        seed: Seed of its first weights.
        **options: Arguments of `VisionPermutator`; a token is one pixel and the channel
            MLP twice as wide as the tokens, unless said otherwise here.

    Returns:
        A fresh network, on the CPU.
    """
    usual = {
        "layers": [depth],
        "embed_dims": [dim],
        "patch_size": 1,
        "img_size": data.images.shape[-1],
        "in_chans": data.images.shape[1],
        "num_classes": data.classes,
        "mlp_ratio": 2,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VisionPermutator(**(usual | options))


@dataclass
class History:
    """What came of each epoch.

    Attributes:
        loss: Mean training loss, measured while training.
        accuracy: Share of the test images that are classified right, after the epoch.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


def fit(
    model: nn.Module,
    train: Labelled,
    test: Labelled,
    recipe: Recipe | None = None,
    *,
    device: torch.device | str = "cpu",
    resume: str | os.PathLike | None = None,
    verbose: bool = True,
) -> History:
    """Train a model, in place.

    Args:
        model: From images to scores of the classes; it is moved to `device`.
        train: Images to learn from.
        test: Images to measure the accuracy with, after each epoch.
        recipe: How to train; `Recipe()` if None.
        device: Where to compute.
        resume: A file that is written after each epoch.  If it is there already,
            training goes on from it, and ends as if it had never been stopped.
        verbose: Whether to print how it goes, at most ten lines.

    Returns:
        Loss and accuracy of all epochs, those before an interruption included.

    Raises:
        ValueError: If there is nothing to learn from, the labels do not fit, the images
            are not finite, or `resume` is of another run.
        FloatingPointError: If the loss is no longer a number.
    """
    recipe = recipe or Recipe()
    for part, name in ((train, "train"), (test, "test")):
        _check(part, name)
    model.to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay
    )
    steps = recipe.epochs * math.ceil(len(train.labels) / recipe.batch)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=steps, pct_start=recipe.warmup
    )
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    history = History()
    if resume is not None and Path(resume).exists():
        history = _resumed(Path(resume), parts, recipe)
    for epoch in range(len(history.loss), recipe.epochs):
        # Forked, so that the caller's own random numbers go on as if nothing was.
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed * 1_000_003 + epoch)
            loss = _epoch(model, train, recipe.batch, optimizer, scheduler, device)
        history.loss.append(loss)
        history.accuracy.append(accuracy(model, test))
        if resume is not None:
            _save(resume, parts, recipe, history)
        if verbose and _is_told(epoch, recipe.epochs):
            print(
                f"epoch {epoch + 1:3} of {recipe.epochs}   loss {loss:.3f}   "
                f"test {history.accuracy[-1]:.1%}"
            )
    return history


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, batch: int = 500) -> Tensor:
    """Scores of the classes, `(count, classes)`, on the CPU, with dropout off."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    scores = [model(part.to(device)).cpu() for part in images.split(batch)]
    model.train(was_training)
    return torch.cat(scores)


def accuracy(model: nn.Module, data: Labelled) -> float:
    """Share of the images that the model classifies right."""
    guesses = predict(model, data.images).argmax(1)
    return (guesses == data.labels).double().mean().item()


def _epoch(model, train: Labelled, batch: int, optimizer, scheduler, device) -> float:
    model.train()
    total = 0.0
    for chosen in torch.randperm(len(train.labels)).split(batch):
        images, labels = train.images[chosen], train.labels[chosen]
        loss = cross_entropy(model(images.to(device)), labels.to(device))
        if not loss.isfinite():
            raise FloatingPointError(
                f"the loss is {loss.item()} at step {scheduler.last_epoch + 1}: lower "
                "the learning rate, or look for pixels that are not numbers"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        total += loss.item() * len(chosen)
    return total / len(train.labels)


def _is_told(epoch: int, epochs: int) -> bool:
    every = math.ceil(epochs / 10)
    return (epoch + 1) % every == 0 or epoch + 1 == epochs


def _check(data: Labelled, name: str) -> None:
    images, labels, classes = data
    if len(images) == 0:
        raise ValueError(f"{name} has no images")
    if labels.shape != (len(images),):
        raise ValueError(
            f"{name} has {len(images)} images and labels of shape "
            f"{tuple(labels.shape)}: give one label an image"
        )
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or high >= classes:
        raise ValueError(
            f"{name} has labels from {low} to {high}; with {classes} classes they must "
            f"go from 0 to {classes - 1}"
        )
    if name == "train" and low == high:
        raise ValueError(
            f"all images of train have the label {low}: there is nothing to tell apart"
        )
    if not images.isfinite().all():
        where = (~images.isfinite()).flatten(1).any(1).nonzero()[0].item()
        raise ValueError(f"{name} has pixels that are not numbers, in image {where}")


def _save(path, parts: Mapping[str, Any], recipe: Recipe, history: History) -> None:
    content = {name: part.state_dict() for name, part in parts.items()}
    content |= {"recipe": asdict(recipe), "history": asdict(history)}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def _resumed(path: Path, parts: Mapping[str, Any], recipe: Recipe) -> History:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        was = Recipe(**content["recipe"])
        history = History(**content["history"])
    except Exception as fault:  # any damage at all
        raise ValueError(
            f"{path} is no run that can be resumed ({fault}): remove it to start anew"
        ) from fault
    if was != recipe:
        raise ValueError(
            f"{path} is of a run with {was}, not with {recipe}: remove it to start "
            "anew, or train with the same recipe"
        )
    for name, part in parts.items():
        part.load_state_dict(content[name])
    return history
