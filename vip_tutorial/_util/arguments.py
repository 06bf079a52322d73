"""Refuse arguments that nothing can be built of, in words that say how to mend it."""

import math
import operator
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

LARGEST_SEED = 10**13  # `training.loop` multiplies it, and torch's seeds have 64 bits


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
