"""What the page can run of a network: its sizes and weights for js/network.js.

Whatever js/network.js computes otherwise than this network would is refused here, with
a sentence, and not found out by a reader of the page.
"""

import base64
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ...permute_mlp import Mlp, WeightedPermuteMLP
from ...vision_permutator import PermutatorBlock, VisionPermutator
from ..shared.pictures import MOST_PIXELS

MOST_WEIGHTS = 60_000
MOST_CLASSES = 20
MOST_BLOCKS = 64
# The layers of a block in the order in which js/network.js reads them.
_OF_A_BLOCK = {
    "norm1": nn.LayerNorm,
    "attn.mlp_c": nn.Linear,
    "attn.mlp_h": nn.Linear,
    "attn.mlp_w": nn.Linear,
    "attn.reweight.fc1": nn.Linear,
    "attn.reweight.fc2": nn.Linear,
    "attn.proj": nn.Linear,
    "norm2": nn.LayerNorm,
    "mlp.fc1": nn.Linear,
    "mlp.fc2": nn.Linear,
}


def network_sizes(model: VisionPermutator) -> dict[str, Any]:
    """What the page needs to know of a network beside its weights.

    Raises:
        TypeError: If a part of it is of a kind that the page does not compute.
        ValueError: If its sizes or settings are not what the page computes, or a weight
            is not finite.
    """
    # A subclass may compute in another way than the page does.
    if type(model) is not VisionPermutator:
        raise TypeError(
            f"got a {type(model).__name__}; this figure runs a VisionPermutator, e.g. "
            'bundled.load("digits")'
        )
    _refuse(model)
    first = model.blocks[0]
    norms = [norm for block in model.blocks for norm in (block.norm1, block.norm2)]
    sizes = {
        "side": model.img_size,
        "patch": model.patch_embed.proj.kernel_size[0],
        "dim": first.attn.dim,
        "depth": len(model.blocks),
        "squeezed": first.attn.reweight.fc1.out_features,
        "hidden": first.mlp.fc1.out_features,
        "classes": model.num_classes,
        "bias": first.attn.mlp_c.bias is not None,
        "flatten": model.global_pool == "flatten",
        "orders": [block.attn.branch_order for block in model.blocks],
        "eps": [float(norm.eps) for norm in (*norms, model.norm)],
        "skips": [float(block.skip_lam) for block in model.blocks],
    }
    for (name, layer, _), shape in zip(_layers(model), _shapes(sizes), strict=True):
        if tuple(layer.weight.shape) != shape:
            raise ValueError(
                f"{name} has a weight of shape {tuple(layer.weight.shape)}; for its "
                f"place in this network it must be {shape}"
            )
    return sizes


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
        _refuse_block(number, block)
    _refuse_layers(model)
    for number, block in enumerate(model.blocks, start=1):
        shapes = [[p.shape for p in b.parameters()] for b in (block, model.blocks[0])]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"block {number} has weights of other shapes than block 1; this figure "
                "runs blocks of one size only"
            )
    side, patch = model.img_size, model.patch_embed.proj.kernel_size[0]
    grids = {block.attn.segment_dim for block in model.blocks}
    if model.patch_embed.proj.kernel_size != (patch, patch) or side % patch:
        raise ValueError(
            f"patches of {model.patch_embed.proj.kernel_size} pixels do not cut "
            f"{side} x {side} pixels into squares without a rest"
        )
    if grids != {side // patch}:
        raise ValueError(
            f"the token mixers are for grids of {sorted(grids)} tokens a side, and "
            f"{side} pixels in patches of {patch} make {side // patch}"
        )
    if model.global_pool not in ("avg", "flatten"):
        raise ValueError(
            f"global_pool is {model.global_pool!r}; this figure runs 'avg' and "
            "'flatten'"
        )
    if side**2 > MOST_PIXELS:
        raise ValueError(
            f"the network takes {side} x {side} pixels; the figure "
            f"draws each of them, so it takes at most {MOST_PIXELS}"
        )
    count = sum(p.numel() for p in model.parameters())
    if count > MOST_WEIGHTS:
        raise ValueError(
            f"the network has {count:,} weights; a page has to load them, so the "
            f"figure takes at most {MOST_WEIGHTS:,}: give it a smaller dim or depth"
        )
    if len(model.blocks) > MOST_BLOCKS:
        raise ValueError(
            f"the network has {len(model.blocks)} blocks; the figure shows each, so it "
            f"takes at most {MOST_BLOCKS}"
        )
    for name, weight in model.named_parameters():
        if not weight.float().isfinite().all():
            raise ValueError(
                f"the weights {name} are not all finite numbers: look at where the "
                "training went wrong, or load the weights anew"
            )


def _refuse_block(number: int, block: nn.Module) -> None:
    """Say what of a block the page cannot run, its layers aside."""
    parts = {
        PermutatorBlock: block,
        WeightedPermuteMLP: getattr(block, "attn", None),
        Mlp: getattr(block, "mlp", None),
    }
    for kind, part in parts.items():
        # A subclass may compute something else.
        if type(part) is not kind:
            raise TypeError(
                f"block {number} has a {type(part).__name__} where this figure "
                f"runs a {kind.__name__} only"
            )
    if type(block.attn.reweight) is not Mlp:
        raise TypeError(
            f"block {number} re-weights with a {type(block.attn.reweight).__name__}; "
            "this figure runs an Mlp"
        )
    for mlp in (block.attn.reweight, block.mlp):
        if type(mlp.act) is not nn.GELU or mlp.act.approximate != "none":
            raise ValueError(
                f"block {number} has the activation {mlp.act}; this figure "
                "computes nn.GELU(), the exact one, only"
            )
    if block.attn.branch_order not in ("hwc", "cwh"):
        raise ValueError(
            f"block {number} has the branch_order {block.attn.branch_order!r}; it must "
            "be 'hwc' or 'cwh'"
        )
    skip = block.skip_lam
    if not isinstance(skip, (int, float)) or not 0 < skip < math.inf:
        raise ValueError(
            f"block {number} has the skip_lam {skip!r}; it must be a finite number "
            "above 0"
        )


def _refuse_layers(model: VisionPermutator) -> None:
    """Say which layer is none that the page computes, if there is one."""
    if not 0 < model.num_classes <= MOST_CLASSES:
        raise ValueError(
            f"the network has {model.num_classes} classes; the figure draws a bar for "
            f"each, so there must be 1 to {MOST_CLASSES}"
        )
    if type(model.head) is not nn.Linear:
        raise TypeError(
            f"the head is a {type(model.head).__name__}; this figure runs an nn.Linear"
        )
    for name, layer, kind in _layers(model):
        # A subclass, or a layer that a library has wrapped, may compute otherwise.
        if type(layer) is not kind:
            raise TypeError(
                f"{name} is a {type(layer).__name__}; this figure runs an "
                f"nn.{kind.__name__} there"
            )
    has_bias = model.blocks[0].attn.mlp_c.bias is not None
    for name, layer, kind in _layers(model):
        if layer.weight is None:
            raise ValueError(f"{name} has no weight: make it with the usual one")
        wants = has_bias if name.endswith(("mlp_c", "mlp_h", "mlp_w")) else True
        if (layer.bias is not None) != wants:
            raise ValueError(
                f"{name} has {'no' if wants else 'a'} bias; this figure runs one "
                f"{'with' if wants else 'without'}, as VisionPermutator makes it"
            )
        if kind is nn.LayerNorm and not 0 <= layer.eps < math.inf:
            raise ValueError(f"{name} has the eps {layer.eps}; it must be 0 or more")
    patches = model.patch_embed.proj
    plain = nn.Conv2d(1, 1, patches.kernel_size, stride=patches.kernel_size)
    for setting in ("stride", "padding", "dilation", "groups"):
        found, usual = (getattr(conv, setting) for conv in (patches, plain))
        if found != usual:
            raise ValueError(
                f"patch_embed.proj has {setting} {found}; this figure cuts patches "
                f"that touch and do not overlap: {setting} {usual}"
            )


def _layers(
    model: VisionPermutator,
) -> Iterator[tuple[str, nn.Module, type[nn.Module]]]:
    """Name, layer and kind of all layers, in the order of js/network.js."""
    yield "patch_embed.proj", model.patch_embed.proj, nn.Conv2d
    for number, block in enumerate(model.blocks, start=1):
        for path, kind in _OF_A_BLOCK.items():
            layer = block
            for step in path.split("."):
                layer = getattr(layer, step)
            yield f"block {number}, {path}", layer, kind
    yield "norm", model.norm, nn.LayerNorm
    yield "head", model.head, nn.Linear


def _shapes(sizes: dict[str, Any]) -> Iterator[tuple[int, ...]]:
    """Shapes of their weights, as js/network.js expects them."""
    C, patch, hidden = sizes["dim"], sizes["patch"], sizes["hidden"]
    yield C, 1, patch, patch
    for _ in range(sizes["depth"]):
        yield (C,)
        yield from [(C, C)] * 3
        yield sizes["squeezed"], C
        yield 3 * C, sizes["squeezed"]
        yield C, C
        yield (C,)
        yield hidden, C
        yield C, hidden
    yield (C,)
    tokens = (sizes["side"] // patch) ** 2
    yield sizes["classes"], tokens * C if sizes["flatten"] else C


def packed_weights(model: VisionPermutator) -> dict[str, str]:
    """All weights in the order in which js/network.js reads them.

    In float16 if that loses nothing, as with the weights that come with the package.
    """
    parts = [p for _, layer, _ in _layers(model) for p in (layer.weight, layer.bias)]
    flat = [p.detach().cpu().float().flatten() for p in parts if p is not None]
    numbers = torch.cat(flat)
    dtype = "float32"
    if torch.equal(numbers.half().float(), numbers):
        numbers, dtype = numbers.half(), "float16"
    raw = numbers.numpy().astype(f"<f{numbers.element_size()}").tobytes()
    return {"dtype": dtype, "base64": base64.b64encode(raw).decode("ascii")}
