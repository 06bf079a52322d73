"""What the page can run of a network: its sizes and weights for network.js.

Whatever network.js would compute otherwise than this network does is refused here,
with a sentence, and not found out by a reader of the page.  Nothing is assumed of how
the network is made: it is built anew from what the page gets, and both are asked.
"""

import base64
import copy
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ...permute_mlp import WeightedPermuteMLP
from ...vision_permutator import VisionPermutator
from ..shared.pictures import MOST_PIXELS

MOST_WEIGHTS = 60_000
MOST_CLASSES = 20
MOST_BLOCKS = 64
# The layers of a block in the order in which network.js reads them.
_OF_A_BLOCK = (
    "norm1",
    "attn.mlp_c",
    "attn.mlp_h",
    "attn.mlp_w",
    "attn.reweight.fc1",
    "attn.reweight.fc2",
    "attn.proj",
    "norm2",
    "mlp.fc1",
    "mlp.fc2",
)
_RUNS = (
    "this figure runs a VisionPermutator of one stage, as this package makes it of "
    'WeightedPermuteMLPs, with in_chans=1, e.g. pretrained.load("digits")'
)


def page_network(model: VisionPermutator) -> tuple[dict[str, Any], dict[str, str]]:
    """What the page needs to know of a network: its sizes, and all weights.

    Raises:
        TypeError: If it has no such parts as the page computes.
        ValueError: If it is too large for a page, a weight is not finite, or from the
            same numbers the page would compute something else.
    """
    if getattr(model, "blocks", None) == []:
        raise ValueError("the network has no block: make it with layers=[1] or more")
    sizes = _read(_sizes, model)
    _refuse_what_no_page_takes(model, sizes)
    weights = _read(packed_weights, model)
    rebuilt = _rebuilt(sizes, weights)
    _refuse_what_answers_otherwise(model, rebuilt)
    return sizes, weights


def _read(read: Callable[[VisionPermutator], Any], model: VisionPermutator) -> Any:
    try:
        return read(model)
    except (AttributeError, RuntimeError, TypeError, ValueError) as fault:
        raise TypeError(f"got a {type(model).__name__} ({fault}); {_RUNS}") from fault


def _sizes(model: VisionPermutator) -> dict[str, Any]:
    first = model.blocks[0]
    norms = [norm for block in model.blocks for norm in (block.norm1, block.norm2)]
    return {
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


def _refuse_what_no_page_takes(model: nn.Module, sizes: dict[str, Any]) -> None:
    settings = {"eps": sizes["eps"], "skip_lam": sizes["skips"]}
    for name, numbers in settings.items():
        if not all(0 <= number < math.inf for number in numbers):
            raise ValueError(
                f"the network has a {name} of {numbers}; each must be finite and not "
                "negative"
            )
    count = sum(p.numel() for p in model.parameters())
    for name, number, most in (
        ("pixels", sizes["side"] ** 2, MOST_PIXELS),
        ("weights", count, MOST_WEIGHTS),
        ("classes", sizes["classes"], MOST_CLASSES),
        ("blocks", sizes["depth"], MOST_BLOCKS),
    ):
        if not 0 < number <= most:
            raise ValueError(
                f"the network has {number:,} {name}; a page has to load and draw them, "
                f"so the figure takes 1 to {most:,}: give it another network"
            )
    for name, weight in model.named_parameters():
        if not weight.float().isfinite().all():
            raise ValueError(
                f"the weights {name} are not all finite numbers: look at where the "
                "training went wrong, or load the weights anew"
            )


def _rebuilt(sizes: dict[str, Any], weights: dict[str, str]) -> VisionPermutator:
    """The network that the page makes of this, in float64."""
    orders = iter(sizes["orders"])
    raw = bytearray(base64.b64decode(weights["base64"]))
    numbers = torch.frombuffer(raw, dtype=getattr(torch, weights["dtype"])).double()
    try:
        with torch.random.fork_rng(devices=[]):  # the reader's own numbers go on
            model = VisionPermutator(
                layers=[sizes["depth"]],
                embed_dims=[sizes["dim"]],
                patch_size=sizes["patch"],
                img_size=sizes["side"],
                in_chans=1,
                num_classes=sizes["classes"],
                mlp_ratio=sizes["hidden"] / sizes["dim"],
                qkv_bias=sizes["bias"],
                global_pool="flatten" if sizes["flatten"] else "avg",
                token_mixer=lambda *args, **options: WeightedPermuteMLP(
                    *args, **options, branch_order=next(orders)
                ),
            ).double()
        parts = parts_of(model)
        sizes_of_parts = [part.numel() for part in parts]
        if (needed := sum(sizes_of_parts)) != len(numbers):
            raise ValueError(
                f"{needed:,} numbers are needed: each layer must have its weight and, "
                "but for those of the branches, its bias"
            )
        for part, values in zip(parts, numbers.split(sizes_of_parts), strict=True):
            part.data = values.reshape(part.shape)
    except (RuntimeError, ValueError) as fault:
        raise ValueError(
            f"the page cannot make this network of its sizes and its {len(numbers):,} "
            f"numbers ({fault}); {_RUNS}"
        ) from fault
    for block, skip in zip(model.blocks, sizes["skips"]):
        block.skip_lam = skip
    norms = [norm for block in model.blocks for norm in (block.norm1, block.norm2)]
    for norm, eps in zip((*norms, model.norm), sizes["eps"]):
        norm.eps = eps
    return model.eval()


def _refuse_what_answers_otherwise(
    model: VisionPermutator, rebuilt: VisionPermutator
) -> None:
    """Compare what both make of a picture, block by block."""
    # The page gets the weights in float32.
    exact = copy.deepcopy(model).cpu().float().double().eval()
    side = rebuilt.img_size
    noise = torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(0))
    theirs = _seen(rebuilt, noise.double())
    try:
        ours = _seen(exact, noise.double())
    except (RuntimeError, ValueError, TypeError) as fault:
        raise ValueError(
            f"the network does not take a picture of {side} x {side} pixels ({fault}); "
            f"{_RUNS}"
        ) from fault
    for place, answer in ours.items():
        other = theirs[place]
        slack = 1e-9 * max(1.0, other.abs().max().item())
        if answer.shape != other.shape or not (answer - other).abs().max() <= slack:
            raise ValueError(
                f"from the same numbers the page would compute something else: {place} "
                f"gives {_begin(answer)} and there it would be {_begin(other)}; {_RUNS}"
            )


def _seen(model: VisionPermutator, picture: Tensor) -> dict[str, Tensor]:
    """What each block and the whole network make of a picture."""
    seen = {}

    def note(name: str, module: nn.Module, given: Any, made: Tensor) -> None:
        seen[name] = made

    for number, block in enumerate(model.blocks, start=1):
        block.register_forward_hook(partial(note, f"block {number}"))
    with torch.no_grad():
        answer = model(picture)
    return {**seen, "the network": answer}


def _begin(answer: Tensor) -> str:
    numbers = ", ".join(f"{number:.4g}" for number in answer.flatten()[:3].tolist())
    return f"({numbers}, ...)"


def _layers(model: VisionPermutator) -> Iterator[nn.Module]:
    """All layers, in the order of network.js."""
    yield model.patch_embed.proj
    for block in model.blocks:
        for path in _OF_A_BLOCK:
            yield block.get_submodule(path)
    yield model.norm
    yield model.head


def parts_of(model: VisionPermutator) -> list[Tensor]:
    """All weights and biases, in the order of network.js."""
    parts = [part for layer in _layers(model) for part in (layer.weight, layer.bias)]
    return [part for part in parts if part is not None]


def packed_weights(model: VisionPermutator) -> dict[str, str]:
    """All weights in the order in which network.js reads them.

    In float16 if that loses nothing, as with the weights that come with the package.
    """
    flat = [part.detach().cpu().float().flatten() for part in parts_of(model)]
    numbers = torch.cat(flat)
    dtype = "float32"
    if torch.equal(numbers.half().float(), numbers):
        numbers, dtype = numbers.half(), "float16"
    raw = numbers.numpy().astype(f"<f{numbers.element_size()}").tobytes()
    return {"dtype": dtype, "base64": base64.b64encode(raw).decode("ascii")}
