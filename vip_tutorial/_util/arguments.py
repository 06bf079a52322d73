"""Refuse what the module cannot take, in words that say how to mend it.

Without these checks the module would fail inside a Linear, with a message that names
neither H nor N, or in some cases not fail at all.
"""

import math
import operator
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

LARGEST_SEED = 10**13  # `training.fit` multiplies it, and torch's seeds have 64 bits


def whole_number(
    name: str, value: object, least: float = 1, most: float = math.inf
) -> int:
    """`value` as an int, if it is a whole number with `least <= value <= most`."""
    try:
        number = operator.index(value)  # any kind of integer, NumPy's too
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}; it must be a whole number")
    if number < least:
        raise ValueError(f"{name} is {value}; it must be at least {least}")
    if number > most:
        raise ValueError(f"{name} is {value}; it must be at most {most}")
    return number


def checked_seed(seed: object) -> int:
    """`seed` as an int, if random numbers can start from it."""
    return whole_number("seed", seed, least=0, most=LARGEST_SEED)


def real_number(name: str, value: object, low: float, high: float) -> float:
    """`value` as a float, if it is a finite number with `low <= value < high`."""
    try:
        number = float(value)
    except OverflowError:  # a whole number that no float reaches
        number = math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        number = None
    if number is None or isinstance(value, bool | str):
        raise TypeError(f"{name} is {value!r}; it must be a number")
    if not (math.isfinite(number) and low <= number < high):
        needed = [] if math.isfinite(number) else ["finite"]
        needed += [] if low == -math.inf else [f"at least {low:g}"]
        needed += [] if high == math.inf else [f"below {high:g}"]
        shown = value if math.isfinite(number) else number  # not 400 digits
        raise ValueError(f"{name} is {shown}; it must be {' and '.join(needed)}")
    return number


def checked_path(name: str, value: object, other: str = "") -> Path:
    """`value` as a path, if it can be that of a file; `other` says what else may be."""
    if not isinstance(value, str | os.PathLike):
        kind = type(value).__name__
        raise TypeError(f"{name} is a {kind}; it must be the name of a file{other}")
    path = Path(value)
    if path.is_dir():
        raise IsADirectoryError(
            f"{name} is the folder {str(value)!r}: give a file in it"
        )
    return path


def check_contents(model: nn.Module) -> None:
    """Refuse a model whose parameters or buffers have no contents."""
    if any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
        raise ValueError(
            "the model is on 'meta', where tensors have no contents: build it outside "
            "torch.device('meta')"
        )


def check_dense(name: str, value: object, needed: str) -> None:
    """Refuse what is no dense tensor with contents; `needed` says what it must be."""
    if not isinstance(value, Tensor):
        kind = type(value)
        mend = "from_numpy" if kind.__module__ == "numpy" else "as_tensor"
        raise TypeError(
            f"{name} is a {kind.__name__}; it must be {needed}: convert it with "
            f"torch.{mend}(...)"
        )
    if value.is_meta:
        raise ValueError(
            f"{name} is on 'meta', where tensors have no contents: make it elsewhere"
        )
    if value.is_nested or value.layout != torch.strided:
        raise TypeError(
            f"{name} is no dense tensor; it must be {needed}: for x = {name}, "
            f"{conversion(value, value.dtype)}"
        )


def checked_sizes(dim: int, segment_dim: int) -> tuple[int, int]:
    """`dim` and `segment_dim` as ints, if the one can be cut by the other."""
    dim = whole_number("dim", dim)
    segment_dim = whole_number("segment_dim", segment_dim)
    if dim % segment_dim:
        larger = (max(dim, 3) // segment_dim + 1) * segment_dim
        raise ValueError(
            f"dim {dim} cannot be cut into segment_dim = {segment_dim} equal segments: "
            f"{dim} / {segment_dim} leaves {dim % segment_dim}; take dim = {larger} "
            f"or a segment_dim that divides {dim}"
        )
    return dim, segment_dim


def check_squeeze(dim: int) -> None:
    """Refuse a width of which a quarter, the waist of the re-weighting, is nothing."""
    if dim < 4:
        raise ValueError(
            f"dim is {dim}; the re-weighting squeezes the channels to dim // 4, "
            "so dim must be at least 4 (PermuteMLP takes any dim)"
        )


def grid_sides(
    img_size: int, patch_size: int, transitions: Sequence[bool]
) -> list[int]:
    """Side of the grid of tokens in each stage; a transition halves it."""
    img_size = whole_number("img_size", img_size)
    patch_size = whole_number("patch_size", patch_size)
    if img_size % patch_size:
        unit = patch_size * 2 ** sum(map(bool, transitions))
        fits = max(1, round(img_size / unit)) * unit
        raise ValueError(
            f"img_size {img_size} is not a multiple of patch_size {patch_size}: the "
            f"border would be cut off; take img_size={fits} or another patch_size"
        )
    sides = [img_size // patch_size]
    for halved in transitions:
        if halved and sides[-1] % 2:
            raise ValueError(
                f"img_size {img_size} gives a grid of {sides[-1]} x {sides[-1]} tokens "
                "at a transition, which cannot be halved: take an img_size that is a "
                f"multiple of {2 ** sum(transitions) * patch_size}"
            )
        sides.append(sides[-1] // 2 if halved else sides[-1])
    return sides


def checked_stages(
    layers: Sequence[int], embed_dims: Sequence[int], transitions: Sequence[bool]
) -> tuple[list[int], list[int], list[bool]]:
    """Blocks of each stage, its channels, and whether the grid is halved after it.

    Args:
        layers: Blocks of each stage.
        embed_dims: Channels of a token in each stage.
        transitions: As many, or fewer: what is left out is False.
    """
    for name, value in {"layers": layers, "embed_dims": embed_dims}.items():
        if not isinstance(value, Sequence) or not value:
            raise ValueError(
                f"{name} is {value!r}; it must be a list with a number for each stage, "
                f"e.g. {name}=[{32 if name == 'embed_dims' else 2}] for a single one"
            )
    layers = [whole_number("a number in layers", n, least=0) for n in layers]
    embed_dims = [whole_number("a number in embed_dims", n) for n in embed_dims]
    if not isinstance(transitions, Sequence) or isinstance(transitions, str):
        raise TypeError(
            f"transitions is {transitions!r}; it must be a list with True or False for "
            "each stage but the last, e.g. transitions=[True], or () for none"
        )
    if len(embed_dims) != len(layers):
        raise ValueError(
            f"layers has {len(layers)} stages and embed_dims {len(embed_dims)}: "
            "give each stage its number of blocks and its width"
        )
    last = len(layers) - 1
    if any(transitions[last:]) or len(transitions) > len(layers):
        raise ValueError(
            f"transitions is {list(transitions)} with {len(layers)} stages: a "
            "transition leads from a stage to the next, so there can't be one after "
            "the last"
        )
    halved = [bool(is_halved) for is_halved in transitions[:last]]
    return layers, embed_dims, halved + [False] * (len(layers) - len(halved))


def check_divisor(skip_lam: float) -> None:
    """Refuse what residual branches cannot be divided by."""
    if not real_number("skip_lam", skip_lam, -math.inf, math.inf) > 0:
        raise ValueError(
            f"skip_lam is {skip_lam!r}; residual branches are divided by it, so it "
            "must be more than 0"
        )


def mlp_width(dim: int, mlp_ratio: float) -> int:
    """Width of the channel MLP, if there is any."""
    width = int(dim * real_number("mlp_ratio", mlp_ratio, 0, math.inf))
    if width < 1:
        raise ValueError(
            f"mlp_ratio {mlp_ratio} makes the channel MLP of {dim} channels {width} "
            f"wide; it must be at least 1 / {dim}, e.g. the authors' 3"
        )
    return width


def built_mixer(token_mixer: Callable[..., nn.Module], dim: int, **sizes) -> nn.Module:
    """What `token_mixer` makes of these sizes, if it is a class of modules or alike."""
    hint = (
        "it must be a class, or a function like one, that makes a module from (dim, "
        "segment_dim=..., qkv_bias=...), e.g. WeightedPermuteMLP: each block builds "
        "its own"
    )
    if isinstance(token_mixer, nn.Module):
        kind = type(token_mixer).__name__
        raise TypeError(f"token_mixer is one {kind}, built already; {hint}")
    if not callable(token_mixer):
        raise TypeError(f"token_mixer is {token_mixer!r}; {hint}")
    mixer = token_mixer(dim, **sizes)
    if not isinstance(mixer, nn.Module):
        raise TypeError(f"token_mixer made a {type(mixer).__name__}; {hint}")
    return mixer


def check_image(image: Tensor, weight: Tensor, img_size: int) -> None:
    """Refuse an image that a network with this patch embedding cannot take.

    Args:
        image: What was given; `(B, in_chans, img_size, img_size)` is needed.
        weight: Weight of the patch embedding, `(C, in_chans, p, p)`.
        img_size: Side of the images that the network is built for.
    """
    if not isinstance(image, Tensor):
        raise TypeError(
            f"input is a {type(image).__name__}; it must be a torch.Tensor of shape "
            "(B, in_chans, height, width), e.g. torch.from_numpy(image) of an array"
        )
    in_chans, shape = weight.shape[1], tuple(image.shape)
    wanted = f"(B, {in_chans}, {img_size}, {img_size})"
    if len(shape) != 4:
        hint = "add a batch with image[None]" if len(shape) == 3 else "reshape it"
        raise ValueError(f"input has shape {shape}; it must be {wanted}: {hint}")
    if shape[1] != in_chans:
        last = shape[3] == in_chans
        raise ValueError(
            f"input has shape {shape}; it must be {wanted}, channels first: "
            + (
                "call image.permute(0, 3, 1, 2) first"
                if last
                else f"build the network with in_chans={shape[1]}"
            )
        )
    if shape[2:] != (img_size, img_size):
        raise ValueError(
            f"input has shape {shape}; it must be {wanted}: resize the images, or "
            "build the network with another img_size (its weights are then for that "
            "size alone)"
        )
    if not image.dtype.is_floating_point:
        raise TypeError(
            f"input has dtype {image.dtype}; the network takes real numbers: for "
            "pixels from 0 to 255 use image.float() / 255, then normalise"
        )
    if image.device != weight.device:
        raise ValueError(
            f"input is on {image.device} but the weights are on {weight.device}: move "
            f"one of them, e.g. image.to('{weight.device}')"
        )
    if image.dtype != weight.dtype and not _autocast_unites(image, weight):
        raise TypeError(
            f"input has dtype {image.dtype} but the weights have {weight.dtype}: "
            f"convert one of them, e.g. image.to({weight.dtype})"
        )


def check_input(x: Tensor, weight: Tensor, dim: int, segment_dim: int) -> None:
    """Refuse an input that the module with these weights and sizes cannot take."""
    if not isinstance(x, Tensor):
        raise TypeError(
            f"input is a {type(x).__name__}; it must be a torch.Tensor of shape "
            "(B, H, W, C), e.g. torch.as_tensor(x)"
        )
    # A quantised module has no weight tensor; its layers look at their own input.
    dtype = weight.dtype if isinstance(weight, Tensor) else torch.float32
    if hint := conversion(x, dtype):
        kind = "nested" if x.is_nested else x.layout
        raise TypeError(
            f"input is a {kind} tensor of dtype {x.dtype}; the module computes with "
            f"dense tensors of real numbers of its weights' dtype: {hint}"
        )
    _check_shape(tuple(x.shape), dim, segment_dim)
    if not isinstance(weight, Tensor):
        return
    if x.device != weight.device:
        move = f"move one of them, e.g. x.to('{weight.device}')"
        if x.is_meta:
            move = f"what is on meta has no contents; make it on {weight.device}"
        elif weight.is_meta:
            move = (
                "what is on meta has no contents; give the module some with "
                f"module.to_empty(device='{x.device}') and load its weights"
            )
        raise ValueError(
            f"input is on {x.device} but the weights are on {weight.device}: {move}"
        )
    if x.dtype != weight.dtype and not _autocast_unites(x, weight):
        raise TypeError(
            f"input has dtype {x.dtype} but the weights have {weight.dtype}: convert "
            f"one of them, e.g. x.to({weight.dtype})"
        )


def conversion(x: Tensor, dtype: torch.dtype) -> str:
    """How to make of `x` a dense tensor of real numbers; "" if it is one."""
    if x.is_nested:
        return "pad it to one shape, e.g. with torch.nested.to_padded_tensor(x, 0.0)"
    if x.layout != torch.strided:
        return "convert with x.to_dense()"
    if x.is_quantized:
        return "convert with x.dequantize()"
    return "" if x.dtype.is_floating_point else f"convert with x.to({dtype})"


def _check_shape(shape: tuple[int, ...], dim: int, segment_dim: int) -> None:
    if len(shape) != 4:
        raise ValueError(
            f"input has shape {shape}, {len(shape)} axes; it must be (B, H, W, C), "
            f"channels last: {_axes_hint(shape, dim)}"
        )
    _, H, W, C = shape
    if C != dim:
        hint = _channels_hint(shape, dim, segment_dim)
        raise ValueError(
            f"input has shape {shape}: its last axis is {C}, but C must be dim = "
            f"{dim}, in the layout (B, H, W, C); {hint}"
        )
    if H != segment_dim or W != segment_dim:
        mend = f"resize the grid of tokens to {segment_dim} x {segment_dim}"
        if H == W and H > 0 and dim % H == 0:
            mend += f" or build the module with segment_dim={H}"
        raise ValueError(
            f"input has shape {shape}: H = {H} and W = {W}, but the module needs "
            f"H = W = segment_dim = {segment_dim}, because mlp_h and mlp_w are "
            f"Linear(C, C) and take H*S and W*S numbers, S = C // segment_dim; {mend}"
        )


def _axes_hint(shape: tuple[int, ...], dim: int) -> str:
    if len(shape) == 3:
        return (
            "add a batch with x[None] if this is one image (H, W, C), or "
            "x.reshape(B, H, W, C) if it is a row of tokens (B, H*W, C)"
        )
    if len(shape) == 5 and shape[3] * shape[4] == dim:
        return "undo the split into segments with x.flatten(3)"
    return "reshape it with x.reshape(B, H, W, C)"


def _channels_hint(shape: tuple[int, ...], dim: int, segment_dim: int) -> str:
    if shape[1] == dim:
        return "this looks like (B, C, H, W): call x.permute(0, 2, 3, 1) first"
    if shape[2] == dim:
        return "this looks like (B, H, C, W): call x.permute(0, 1, 3, 2) first"
    if shape[1] < 4 and shape[1] != segment_dim and shape[2] == shape[3]:
        return (
            "this looks like pictures, (B, C, H, W): make each pixel or patch a token "
            f"of {dim} channels first, channels last"
        )
    if shape[3] >= 4 and shape[3] % segment_dim == 0:
        return f"give the module dim={shape[3]}"
    return f"give the tokens {dim} channels, e.g. by nn.Linear({shape[3]}, {dim})"


def _autocast_unites(x: Tensor, weight: Tensor) -> bool:
    """Whether autocast will bring both to one dtype; it leaves float64 alone."""
    kind = x.device.type
    if not torch.amp.is_autocast_available(kind):
        return False
    return torch.is_autocast_enabled(kind) and torch.float64 not in (
        x.dtype,
        weight.dtype,
    )
