"""The live ViP: a trained network that runs in the page, on what the reader draws."""

import base64
import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import traitlets
from torch import Tensor, nn

from ..branch_weights import weights_by_block
from ..data import Scale, digits, patterns
from ..permute_mlp import Mlp, WeightedPermuteMLP
from ..tracing import trace
from ..vision_permutator import PermutatorBlock, VisionPermutator
from .host import BookWidget, script, style
from .pictures import MOST_PIXELS, shown_picture, written

MOST_WEIGHTS = 60_000
MOST_CLASSES = 20
MOST_DRAWN = 2_048  # numbers, as in js/run.js
_NAMES = "zero one two three four five six seven eight nine".split()


class LiveViP(BookWidget):
    """Draw a picture, and a network answers in the page, without a kernel.

    Every block can be opened, and its branches switched off or their weights held, to
    see what the scores owe to them.

    Args:
        model: A network for pictures with one channel, whose blocks mix tokens with a
            `WeightedPermuteMLP`, without transitions, and with at most 60,000 weights.
        scale: How pixels are standardised before the network gets them.
        pictures: Grey levels `(height, width)`, 0 to 1, by name, rounded to sixteenths;
            the first is shown first.  If None, patterns, and for a network with ten
            classes and 8 x 8 pixels, handwritten digits that are no training images.
        labels: What each class is called; its number if None.
        mean_over: Images `(count, 1, height, width)` with pixels from 0 to 1.  Weights
            can be held at their mean over these images, block by block and channel by
            channel; not so if None.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;picture=noise;off=1h;open=2".
        state: State of the figure now, in the same words; empty at the start.

    Raises:
        TypeError: If `model` is not a `VisionPermutator`, its blocks are of another
            kind, or an argument has the wrong type.
        ValueError: If the page cannot run the network, its weights are not finite, or
            the pictures, labels or images do not fit it.
    """

    kind = "live"
    module = "live.js"
    render = "renderLive"
    frame = "liveFirstFrame"
    shown = ("size", "pictures", "labels", "network", "weights", "means", "recordings")
    apart = ("weights", "recordings")
    styles = ("drawing", "lens")
    _esm = script(module, render)
    _css = style(*styles, kind)

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

    def __init__(
        self,
        model: VisionPermutator,
        scale: Scale,
        pictures: Mapping[str, Tensor] | None = None,
        labels: Sequence[str] | None = None,
        mean_over: Tensor | None = None,
        **kwargs: Any,
    ):
        network = _sizes(model) | {"scale": _checked_scale(scale)}
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
            weights=_packed(model),
            recordings=_recorded(model),
            means=mean_over,
            **kwargs,
        )

    def picture(self) -> Tensor:
        """The picture that is shown now, `(height, width)`, drawn or chosen."""
        return shown_picture(self.state or self.start, self.pictures, self.size)


def _usual_pictures(model: VisionPermutator) -> dict[str, Tensor]:
    """Patterns of the network's size, after digits if it may be one that reads them."""
    side = model.img_size
    if side != 8 or model.num_classes != 10:
        return patterns(side, side)
    _, test = digits()
    first = [test.images[test.labels == label][0, 0] for label in range(10)]
    order = [7, *range(7), 8, 9]  # a seven stands first in this book
    return {_NAMES[label]: first[label] for label in order} | patterns(side, side)


def _sizes(model: VisionPermutator) -> dict[str, Any]:
    """What the page needs to know of a network beside its weights."""
    # A subclass may compute in another way than the page does.
    if type(model) is not VisionPermutator:
        raise TypeError(
            f"got a {type(model).__name__}; this figure runs a VisionPermutator, e.g. "
            'bundled.load("digits")'
        )
    _refuse(model)
    first = model.blocks[0]
    patch = model.patch_embed.proj
    norms = [norm for block in model.blocks for norm in (block.norm1, block.norm2)]
    return {
        "side": model.img_size,
        "patch": patch.kernel_size[0],
        "dim": patch.out_channels,
        "depth": len(model.blocks),
        "squeezed": first.attn.reweight.fc1.out_features,
        "hidden": first.mlp.fc1.out_features,
        "classes": model.num_classes,
        "bias": first.attn.mlp_c.bias is not None,
        "flatten": model.global_pool == "flatten",
        "orders": [block.attn.branch_order for block in model.blocks],
        "eps": [norm.eps for norm in (*norms, model.norm)],
        "skips": [block.skip_lam for block in model.blocks],
    }


def _refuse(model: VisionPermutator) -> None:
    """Say what of this network the page cannot run, if there is something."""
    if model.in_chans != 1:
        raise ValueError(
            f"the network takes images with {model.in_chans} channels; a drawing has "
            "one: make it with in_chans=1"
        )
    if not all(isinstance(stage, nn.Sequential) for stage in model.network):
        raise ValueError(
            "the network has a transition between its stages, which this figure does "
            "not run: make it with one stage, e.g. layers=[2], embed_dims=[32]"
        )
    if not model.blocks:
        raise ValueError("the network has no block: make it with layers=[1] or more")
    for number, block in enumerate(model.blocks, start=1):
        parts = {
            PermutatorBlock: block,
            WeightedPermuteMLP: block.attn,
            Mlp: block.mlp,
        }
        for kind, part in parts.items():
            # A subclass may compute something else.
            if type(part) is not kind:
                raise TypeError(
                    f"block {number} has a {type(part).__name__} where this figure "
                    f"runs a {kind.__name__} only"
                )
        for mlp in (block.attn.reweight, block.mlp):
            if type(mlp.act) is not nn.GELU or mlp.act.approximate != "none":
                raise ValueError(
                    f"block {number} has the activation {mlp.act}; this figure "
                    "computes nn.GELU(), the exact one, only"
                )
        shapes = [[p.shape for p in b.parameters()] for b in (block, model.blocks[0])]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"block {number} has weights of other shapes than block 1; this figure "
                "runs blocks of one size only"
            )
    if type(model.head) not in (nn.Linear, nn.Identity):
        raise TypeError(
            f"the head is a {type(model.head).__name__}; this figure runs an nn.Linear"
        )
    if not 0 < model.num_classes <= MOST_CLASSES:
        raise ValueError(
            f"the network has {model.num_classes} classes; the figure draws a bar for "
            f"each, so there must be 1 to {MOST_CLASSES}"
        )
    if model.img_size**2 > MOST_PIXELS:
        raise ValueError(
            f"the network takes {model.img_size} x {model.img_size} pixels; the figure "
            f"draws each of them, so it takes at most {MOST_PIXELS}"
        )
    count = sum(p.numel() for p in model.parameters())
    if count > MOST_WEIGHTS:
        raise ValueError(
            f"the network has {count:,} weights; a page has to load them, so the "
            f"figure takes at most {MOST_WEIGHTS:,}: give it a smaller dim or depth"
        )
    for name, weight in model.named_parameters():
        if not weight.float().isfinite().all():
            raise ValueError(
                f"the weights {name} are not all finite numbers: look at where the "
                "training went wrong, or load the weights anew"
            )


def _packed(model: VisionPermutator) -> dict[str, str]:
    """All weights in the order in which js/network.js reads them.

    In float16 if that loses nothing, as with the weights that come with the package.
    """
    parts = [model.patch_embed.proj.weight, model.patch_embed.proj.bias]
    for block in model.blocks:
        attn, mlp = block.attn, block.mlp
        layers = [block.norm1, attn.mlp_c, attn.mlp_h, attn.mlp_w]
        layers += [attn.reweight.fc1, attn.reweight.fc2, attn.proj]
        layers += [block.norm2, mlp.fc1, mlp.fc2]
        parts += [p for layer in layers for p in (layer.weight, layer.bias)]
    parts += [model.norm.weight, model.norm.bias, model.head.weight, model.head.bias]
    flat = [p.detach().cpu().float().flatten() for p in parts if p is not None]
    numbers = torch.cat(flat)
    dtype = "float32"
    if torch.equal(numbers.half().float(), numbers):
        numbers, dtype = numbers.half(), "float16"
    raw = numbers.numpy().astype(f"<f{numbers.element_size()}").tobytes()
    return {"dtype": dtype, "base64": base64.b64encode(raw).decode("ascii")}


def _recorded(model: VisionPermutator) -> dict[str, dict[str, Any]]:
    """The recorded steps of h, w and c, which are the same in each block, as JSON.

    The page has the numbers.  Empty if there are more than the lens can draw.
    """
    mixer = copy.deepcopy(model.blocks[0].attn).cpu().float()
    side, dim = mixer.segment_dim, mixer.dim
    if side * side * dim > MOST_DRAWN:
        return {}
    x = torch.zeros(1, side, side, dim)  # (B, H, W, C)
    branches = {"h": mixer.height, "w": mixer.width, "c": mixer.channel}
    recorded = {key: trace(f, x, axes="BHWC") for key, f in branches.items()}
    for recording in recorded.values():
        for tensor in recording.tensors:
            tensor.values = None
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
            'images had, e.g. Scale.of(train) or bundled.scale("digits")'
        )
    mean, spread = map(float, scale)
    if not math.isfinite(mean) or not 0 < spread < math.inf:
        raise ValueError(
            f"scale is {scale}; its mean must be finite and its spread above 0"
        )
    return [mean, spread]


def _checked_labels(labels: Sequence[str] | None, classes: int) -> list[str]:
    if labels is None:
        return [str(number) for number in range(classes)]
    if isinstance(labels, str) or not all(isinstance(x, str) and x for x in labels):
        raise TypeError(
            f"labels is {labels!r}; it must be a list of names, one for each class"
        )
    if len(labels) != classes:
        raise ValueError(
            f"there are {len(labels)} labels and {classes} classes: name each class"
        )
    return list(labels)
