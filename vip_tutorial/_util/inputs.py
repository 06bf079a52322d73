"""Refuse what the module cannot take, in words that say how to mend it.

Without these checks the module would fail inside a Linear, with a message that names
neither H nor N, or in some cases not fail at all.
"""

import torch
from torch import Tensor


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
