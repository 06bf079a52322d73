"""The live ViP: a trained network that runs in the page, on what the reader draws."""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import traitlets
from torch import Tensor

from ...lens.figure.host import BookWidget
from ...lens.tracing import trace
from ...study.branch_weights import weights_by_block
from ...training.data import Scale, digits, patterns
from ...training.film import Film
from ...vision_permutator import VisionPermutator
from ..shared.pictures import said, shown_picture, with_said, written
from .live_film import page_film
from .live_network import page_network

MOST_DRAWN = 2_048  # numbers, as in the lens's recording.js
_NAMES = "zero one two three four five six seven eight nine".split()


class _Given(traitlets.Any):
    """Anything but None, which would pass by the check of what is given."""

    allow_none = False


class LiveViP(BookWidget):
    """Draw a picture, and a network answers in the page, without a kernel.

    All of its flow is seen at once, from the pixels to the scores, and every step of a
    branch can be opened.  Branches can be switched off or their weights held, to see
    what the scores owe to them, and a film leads through the network's training.

    A notebook can drive the figure: `live.picture = image` draws a picture, and
    `live.scores` is what the network answered.  Both, and `frame`, are traits, so
    `ipywidgets.link` ties them to other controls.

    Args:
        model: A network for pictures with one channel, whose blocks mix tokens with a
            `WeightedPermuteMLP`, without transitions, and with at most 60,000 weights.
        scale: How pixels are standardised before the network gets them.
        pictures: Grey levels `(height, width)`, 0 to 1, by name, rounded to sixteenths;
            the first is shown first.  If None, patterns, and for a network with ten
            classes and 8 x 8 pixels, handwritten digits that are no training images.
        labels: What each class is called; its number if None.
        film: The network's training, `training.film_of(...)` or
            `networks.pretrained.film(...)`; its last frame must be this network, as far
            as rounding lets it.  No film if None.
        mean_over: Images `(count, 1, height, width)` with pixels from 0 to 1.  Weights
            can be held at their mean over these images, block by block and channel by
            channel; not so if None.
        hint: A sentence that stands under the paper, e.g. on how to draw.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;picture=noise;off=1h;open=2".
        state: State of the figure now, in the same words; empty at the start.

    Attributes:
        picture: Grey levels `(height, width)`, 0 to 1, of the picture that is shown,
            drawn or chosen; set it to show another.
        scores: The scores of the classes, as the page computed them; empty until the
            figure has been drawn in a notebook.
        frame: Number of the film's frame that is shown, -1 for the network itself.

    Raises:
        TypeError: If `model` is not a `VisionPermutator`, its blocks are of another
            kind, or an argument has the wrong type.
        ValueError: If the page cannot run the network, its weights are not finite, or
            the pictures, labels or images do not fit it.
    """

    kind = "live_vip"
    styles = (
        "../shared/drawing.css",
        "../../lens/permute_lens/permute_lens.css",
        "live_vip.css",
    )
    shown = (
        "size",
        "pictures",
        "labels",
        "network",
        "weights",
        "means",
        "recordings",
        "film",
        "hint",
    )
    apart = ("weights", "recordings", "film")

    name = traitlets.Unicode("live").tag(sync=True)
    size = traitlets.List(help="Height and width of a picture.").tag(sync=True)
    pictures = traitlets.List(help="Names and grey levels.").tag(sync=True)
    labels = traitlets.List(help="Names of the classes.").tag(sync=True)
    network = traitlets.Dict(help="Sizes of the network.").tag(sync=True)
    weights = traitlets.Dict(help="All weights, base64.").tag(sync=True)
    recordings = traitlets.Dict(
        help="The steps of a block's branches h, w and c, without numbers."
    ).tag(sync=True)
    means = traitlets.List(
        allow_none=True,
        default_value=None,
        help="A block's mean weights of h, w and c, each a list of C.",
    ).tag(sync=True)
    film = traitlets.Dict(
        allow_none=True,
        default_value=None,
        help="Steps of the training: what came of each, and the weights after it.",
    ).tag(sync=True)
    hint = traitlets.Unicode("", help="What stands under the paper.").tag(sync=True)
    scores = traitlets.List(
        traitlets.Float(), read_only=True, help="What the page computed."
    ).tag(sync=True)
    picture = _Given(help="Grey levels, (height, width).")
    frame = traitlets.Int(-1, help="Of the film; -1 for the network itself.")

    def __init__(
        self,
        model: VisionPermutator,
        scale: Scale,
        pictures: Mapping[str, Tensor] | None = None,
        labels: Sequence[str] | None = None,
        film: Film | None = None,
        mean_over: Tensor | None = None,
        **kwargs: Any,
    ):
        network, weights = page_network(model)
        network["scale"] = _checked_scale(scale)
        if pictures is None:
            pictures = _usual_pictures(model)
        size, levels = written(pictures)
        if size != (model.img_size, model.img_size):
            raise ValueError(
                f"the pictures are {size[0]} x {size[1]} pixels and the network takes "
                f"{model.img_size} x {model.img_size}: give pictures of its size"
            )
        if mean_over is not None:
            mean_over = _mean_weights(model, scale, mean_over)
        super().__init__(
            size=list(size),
            pictures=levels,
            labels=_checked_labels(labels, model.num_classes),
            network=network,
            weights=weights,
            recordings=_recorded(model),
            means=mean_over,
            film=None if film is None else page_film(film, model),
            **kwargs,
        )
        self._mirror()

    @traitlets.observe("state", "start", "scores")  # the page may send both at once
    def _mirror(self, change: object = None) -> None:
        """Have `picture` and `frame` say what the state does."""
        if not self.pictures:
            return  # not made yet
        state = self.state or self.start
        picture = shown_picture(state, self.pictures, self.size)
        if self.picture is None or not torch.equal(self.picture, picture):
            self.set_trait("picture", picture)
        frames = [str(number) for number in range(self._frames())]
        frame = said(state, "frame")
        self.frame = int(frame) if frame in frames else -1  # as the page does

    def _frames(self) -> int:
        """How many frames the film has before the last, the network itself."""
        return len((self.film or {}).get("base64", ()))

    @traitlets.validate("picture")
    def _check_picture(self, proposal: dict[str, Any]) -> Tensor:
        size, [[_, levels]] = written({"picture": proposal["value"]})
        if list(size) != list(self.size):
            raise ValueError(
                f"the picture has shape {size} and the network takes "
                f"{tuple(self.size)}: give a picture of that size"
            )
        return shown_picture(f"picture={levels}", self.pictures, self.size)

    @traitlets.observe("picture")
    def _show_picture(self, change: dict[str, Any]) -> None:
        state = self.state or self.start
        if not torch.equal(
            change["new"], shown_picture(state, self.pictures, self.size)
        ):
            _, [[_, levels]] = written({"picture": change["new"]})
            self.state = with_said(state, "picture", levels)

    @traitlets.validate("frame")
    def _check_frame(self, proposal: dict[str, Any]) -> int:
        frame, count = int(proposal["value"]), self._frames()
        if not -1 <= frame < count:
            raise ValueError(
                f"frame is {frame}; the film has {count} frames before the last, so "
                f"it must be -1, the network itself, or 0 to {count - 1}"
                if count
                else f"frame is {frame}, and the figure has no film: give it one"
            )
        return frame

    @traitlets.observe("frame")
    def _show_frame(self, change: dict[str, Any]) -> None:
        frame = "" if change["new"] < 0 else str(change["new"])
        state = self.state or self.start
        if said(state, "frame") != frame:
            self.state = with_said(state, "frame", frame)


def _usual_pictures(model: VisionPermutator) -> dict[str, Tensor]:
    """Patterns of the network's size, after digits if it may be one that reads them."""
    side = model.img_size
    if side != 8 or model.num_classes != 10:
        return patterns(side, side)
    _, test = digits()
    first = [test.images[test.labels == label][0, 0] for label in range(10)]
    order = [7, *range(7), 8, 9]  # a seven stands first in this book
    return {_NAMES[label]: first[label] for label in order} | patterns(side, side)


def _recorded(model: VisionPermutator) -> dict[str, dict[str, Any]]:
    """The recorded steps of h, w and c, which are the same in each block, as JSON.

    The page has the numbers, and finds the moves from shapes and orders.  Empty if
    there are more numbers than the lens can draw.
    """
    mixer = copy.deepcopy(model.blocks[0].attn).cpu().float()
    side, dim = mixer.segment_dim, mixer.dim
    if side * side * dim > MOST_DRAWN:
        return {}
    x = torch.zeros(1, side, side, dim)  # (B, H, W, C)
    branches = {"h": mixer.height, "w": mixer.width, "c": mixer.channel}
    recorded = {key: trace(f, x, axes="BHWC") for key, f in branches.items()}
    for recording in recorded.values():
        for record in (*recording.tensors, *recording.operands):
            record.values = None
        for step in recording.steps:
            step.map = None
    return {key: recording.to_json() for key, recording in recorded.items()}


def _mean_weights(
    model: VisionPermutator, scale: Scale, images: Any
) -> list[list[list[float]]]:
    """For each block `(3, C)`: the weights of h, w and c, averaged over images."""
    if not isinstance(images, Tensor):
        raise TypeError(
            f"mean_over is {type(images).__name__}; it must be a tensor of images "
            "(count, 1, height, width)"
        )
    wanted = (1, model.img_size, model.img_size)
    if images.ndim != 4 or not len(images) or tuple(images.shape[1:]) != wanted:
        raise ValueError(
            f"mean_over has shape {tuple(images.shape)}; it must be images "
            f"(count, {', '.join(map(str, wanted))})"
        )
    if not images.isfinite().all():
        raise ValueError("mean_over has pixels that are not numbers")
    low, high = images.min().item(), images.max().item()
    if low < 0 or high > 1:
        raise ValueError(
            f"mean_over has pixels from {low:g} to {high:g}; they must go from 0 to 1: "
            "give the images as they were before they were standardised"
        )
    exact = copy.deepcopy(model).cpu().double()
    pixels = (images.detach().cpu().double() - scale.mean) / scale.spread
    return [
        [[float(f"{v:.6g}") for v in row] for row in weights.mean(1).tolist()]
        for weights in weights_by_block(exact, pixels).values()  # (3, B, C) each
    ]


def _checked_scale(scale: Any) -> list[float]:
    if not isinstance(scale, Scale):
        raise TypeError(
            f"scale is {type(scale).__name__}; it must be the Scale that the training "
            'images had, e.g. Scale.of(train) or pretrained.scale("digits")'
        )
    try:
        mean, spread = map(float, scale)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{scale} does not hold two numbers") from None
    if not math.isfinite(mean) or not 0 < spread < math.inf:
        raise ValueError(
            f"scale is {scale}; its mean must be finite and its spread above 0"
        )
    return [mean, spread]


def _checked_labels(labels: Any, classes: int) -> list[str]:
    if labels is None:
        return [str(number) for number in range(classes)]
    # A text is iterable, too: letter by letter.
    is_list = isinstance(labels, Iterable) and not isinstance(labels, str)
    names = list(labels) if is_list else []
    if not is_list or not all(isinstance(name, str) and name for name in names):
        raise TypeError(
            f"labels is {labels!r}; it must be a list of names, one for each class"
        )
    if len(names) != classes:
        raise ValueError(
            f"there are {len(names)} labels and {classes} classes: name each class"
        )
    return names
