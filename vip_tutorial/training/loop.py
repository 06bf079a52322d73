"""Train a small classifier in a minute, and go on after an interruption.

The same seed gives the same weights, to the bit on a CPU with the same number of
threads; so does a run that was stopped and resumed.  For that, everything random in an
epoch follows from the seed and the number of the epoch.
"""

import math
import os
import warnings
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .._util.arguments import (
    check_contents,
    checked_path,
    checked_seed,
    real_number,
    whole_number,
)
from .._util.inputs import check_dense
from ..vision_permutator import VisionPermutator
from . import resume as runs
from .data import Labelled

_FAR = 20  # standardised pixels have mean 0 and spread 1


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

    Raises:
        ValueError: If a number is out of range.
        TypeError: If it is none, or no whole number where one is needed.
    """

    epochs: int = 15
    batch: int = 64
    lr: float = 3e-3
    weight_decay: float = 0.01
    warmup: float = 0.15
    seed: int = 0

    def __post_init__(self):
        checked = {
            "epochs": whole_number("epochs", self.epochs),
            "batch": whole_number("batch", self.batch),
            "lr": real_number("lr", self.lr, 0, math.inf),
            "weight_decay": real_number("weight_decay", self.weight_decay, 0, math.inf),
            "warmup": real_number("warmup", self.warmup, 0, 1),
            "seed": checked_seed(self.seed),
        }
        for name, number in checked.items():  # Python's own, whatever kind came
            object.__setattr__(self, name, number)


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

    Raises:
        ValueError: If the images are not square, `seed` is negative or huge, or
            `VisionPermutator` says so.
        TypeError: If `data` is no `Labelled`, or `seed` no whole number.
    """
    arguments = arguments_for(data, depth=depth, dim=dim, **options)
    with torch.random.fork_rng():
        torch.manual_seed(checked_seed(seed))
        return VisionPermutator(**arguments)


def arguments_for(
    data: Labelled, *, depth: int = 1, dim: int = 32, **options: Any
) -> dict[str, Any]:
    """The arguments of `VisionPermutator` that `small_network` builds with."""
    _check_images(data, "data")
    usual = {
        "layers": [depth],
        "embed_dims": [dim],
        "patch_size": 1,
        "img_size": data.images.shape[-1],
        "in_chans": data.images.shape[1],
        "num_classes": data.classes,
        "mlp_ratio": 2,
    }
    return usual | options


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
    stop: int | None = None,
    verbose: bool = True,
) -> History:
    """Train a model, in place.

    Args:
        model: From images to scores of the classes; it is moved to `device`, and left
            in evaluation mode.
        train: Images to learn from.
        test: Images to measure the accuracy with, after each epoch.
        recipe: How to train; `Recipe()` if None.
        device: Where to compute.
        resume: A file that is written after each epoch.  If it is there already,
            training goes on from it, and ends as if it had never been stopped; so
            recipe, images and network must be the same, but for its weights.
        stop: Stop after so many epochs, of a recipe with more: they are as they would
            be in the whole run.
        verbose: Whether to print how it goes, at most ten lines.

    Returns:
        Loss and accuracy of all epochs, those before an interruption included.

    Raises:
        ValueError: If there is nothing to learn from or nothing that learns, the labels
            do not fit, the images are not finite, there is no such device, or `resume`
            is damaged, of another run or no run at all.
        TypeError: If something is of another kind, e.g. labels that are no whole
            numbers.
        OSError: If `resume` cannot be written, or the disk has no room for it.
        FloatingPointError: If the loss, or the best score of a test image, is no longer
            a finite number; `resume` then holds the epoch before.

    Warns:
        UserWarning: If the pixels are far from standardised, e.g. go up to 255.
    """
    recipe = recipe or Recipe()
    steps = steps_of(train, recipe)
    for part, name in ((train, "train"), (test, "test")):
        _check(part, name)
        _warn_if_far(part, name)
    last = recipe.epochs
    if stop is not None:
        last = min(last, whole_number("stop", stop))
    resume = None if resume is None else checked_path("resume", resume)
    device = _checked_device(device)
    _check_model(model)
    for part in (train, test):  # one image, so that a misfit shows before all else
        _check_scores(model, predict(model, part.images[:1]), part.classes)
    about, run = {}, None
    if resume is not None:
        about = runs.described(recipe, model, train, test)
        run = runs.read(resume, about) if resume.exists() else None
    model.to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay
    )
    # A warm-up of a single step would start at its own end: it is none.
    warmup = 0.0 if recipe.warmup * steps == 1 else recipe.warmup
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=steps, pct_start=warmup
    )
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    history = History()
    if run is not None:
        history = History(**runs.take_up(resume, run, parts, recipe.epochs))
    if resume is not None and len(history.loss) < recipe.epochs:
        # Now, and not after the first epoch, it shows if that can't be done.
        runs.check_room(resume, model)
        runs.save(resume, parts, about, asdict(history))
    for epoch in range(len(history.loss), last):
        # Forked, so that the caller's own random numbers go on as if nothing was.
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed * 1_000_003 + epoch)
            loss = _epoch(model, train, recipe.batch, optimizer, scheduler, device)
        history.loss.append(loss)
        history.accuracy.append(accuracy(model, test))
        if resume is not None:
            runs.save(resume, parts, about, asdict(history))
        if verbose and _is_told(epoch, recipe.epochs):
            print(
                f"epoch {epoch + 1:3} of {recipe.epochs}   loss {loss:.3f}   "
                f"test {history.accuracy[-1]:.1%}"
            )
    model.eval()
    return history


def steps_of(train: Labelled, recipe: Recipe) -> int:
    """How many steps a training has; what is no recipe or no images is refused."""
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipe is a {type(recipe).__name__}; it must be a Recipe")
    _check(train, "train")
    return recipe.epochs * math.ceil(len(train.labels) / recipe.batch)


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, batch: int = 500) -> Tensor:
    """Scores of the classes, `(count, classes)`, on the CPU, with dropout off.

    Args:
        model: From images to scores; it stays in the mode that it is in.
        images: Any number of images, none included.
        batch: Images that go through the model at once.
    """
    if isinstance(images, Labelled):
        raise TypeError("images is a Labelled; it must be a tensor: give data.images")
    check_dense("images", images, "a tensor (count, in_chans, height, width)")
    whole_number("batch", batch)
    device = next(model.parameters(), torch.empty(0)).device
    was_training = model.training
    model.eval()
    try:
        scores = [model(part.to(device)) for part in images.split(batch)]
    finally:
        model.train(was_training)
    if not all(isinstance(some, Tensor) for some in scores):
        raise TypeError(
            f"the model gives a {type(scores[0]).__name__}; it must give one tensor, "
            "the scores (count, classes): wrap it in a module that returns them alone"
        )
    return torch.cat([some.cpu() for some in scores])


def accuracy(model: nn.Module, data: Labelled) -> float:
    """Share of the images that the model classifies right.

    Raises:
        ValueError: If there are no images, or labels or model do not fit them.
        TypeError: If something is of another kind.
        FloatingPointError: If the best score of an image is no finite number.
    """
    if isinstance(data, Labelled) and len(data.labels) == 0:
        raise ValueError("there are no images to measure the accuracy with")
    _check(data, "the data")
    scores = predict(model, data.images)
    _check_scores(model, scores, data.classes)
    best, guesses = scores.max(1)
    if wrong := (~best.isfinite()).sum().item():
        raise FloatingPointError(
            f"the model's best score is no finite number for {wrong} of {len(best)} "
            "images: train with a lower learning rate, or look for weights that are "
            "not numbers"
        )
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
    _check_images(data, name)
    images, labels, classes = data
    if len(images) == 0:
        raise ValueError(f"{name} has no images")
    check_dense(f"{name}.labels", labels, "a tensor (count,)")
    if labels.shape != (len(images),):
        raise ValueError(
            f"{name} has {len(images)} images and labels of shape "
            f"{tuple(labels.shape)}: give one label an image"
        )
    if labels.dtype != torch.int64:
        raise TypeError(
            f"{name}.labels has dtype {labels.dtype}; a label is the number of a "
            "class, torch.int64: convert with labels.long()"
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


def _warn_if_far(data: Labelled, name: str) -> None:
    images = data.images
    mean, spread = images.mean().item(), images.std(correction=0).item()
    if abs(mean) > _FAR or spread > _FAR:
        warnings.warn(
            f"the pixels of {name} have mean {mean:.3g} and spread {spread:.3g}, far "
            "from 0 and 1, and a network learns worse from them: divide pixels from 0 "
            "to 255 by 255, then standardise them with vip_tutorial.training.Scale",
            stacklevel=3,
        )


def _check_images(data: Labelled, name: str) -> None:
    if not isinstance(data, Labelled):
        raise TypeError(
            f"{name} is a {type(data).__name__}; it must be a "
            "vip_tutorial.training.data.Labelled(images, labels, classes)"
        )
    images = data.images
    wanted = "a tensor (count, in_chans, height, width)"
    check_dense(f"{name}.images", images, wanted)
    shape = tuple(images.shape)
    if len(shape) != 4:
        hint = "for grey pictures, images[:, None]" if len(shape) == 3 else "reshape it"
        raise ValueError(
            f"{name}.images has shape {shape}; it must be (count, in_chans, height, "
            f"width): {hint}"
        )
    if shape[2] != shape[3]:
        mend = "crop or pad them"
        if shape[1] == shape[2] and shape[3] in (1, 3, 4):
            mend = "these have their channels last, call images.permute(0, 3, 1, 2)"
        raise ValueError(
            f"{name}.images has shape {shape}: the pictures must be square, since a "
            f"ViP has as many segments as rows and as columns; {mend}"
        )
    if not images.is_floating_point():
        raise TypeError(
            f"{name}.images has dtype {images.dtype}; they must be real numbers: for "
            "pixels from 0 to 255 use images.float() / 255"
        )
    whole_number(f"{name}.classes", data.classes, least=2)


def _checked_device(device: torch.device | str) -> torch.device:
    if not isinstance(device, str | torch.device):
        raise TypeError(
            f"device is {device!r}; it must be the name of a device, e.g. 'cpu'"
        )
    try:
        found = torch.empty(0, device=device).device
    except Exception as fault:  # torch and its back ends raise every kind
        said = str(fault).partition("\n")[0]
        raise ValueError(
            f"device is {str(device)!r}, and there is none here ({said}): take 'cpu', "
            "or 'cuda' if torch.cuda.is_available()"
        ) from fault
    if found.type == "meta":
        raise ValueError(
            "device is 'meta', where tensors have no contents: take 'cpu', or 'cuda' "
            "if torch.cuda.is_available()"
        )
    return found


def _check_model(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model is a {type(model).__name__}; it must be a torch.nn.Module, e.g. "
            "small_network(train)"
        )
    parameters = list(model.parameters())
    if not parameters:
        raise ValueError(
            f"the model, a {type(model).__name__}, has no parameters, so there is "
            "nothing to train: give it a layer that has, e.g. nn.Linear"
        )
    if not any(parameter.requires_grad for parameter in parameters):
        raise ValueError(
            "all parameters of the model are frozen, so there is nothing to train: "
            "thaw them with model.requires_grad_(True), or those of a part"
        )
    check_contents(model)


def _check_scores(model: nn.Module, scores: Tensor, classes: int) -> None:
    if isinstance(model, VisionPermutator) and isinstance(model.head, nn.Identity):
        raise ValueError(
            "the model has no classifier, num_classes=0, and gives tokens instead of "
            f"scores: give it one with model.reset_classifier({classes})"
        )
    if scores.ndim != 2 or scores.shape[1] < classes:
        raise ValueError(
            f"the model makes {(1, *scores.shape[1:])} of one image; with {classes} "
            f"classes it must be (1, {classes}): build it with num_classes={classes}"
        )
