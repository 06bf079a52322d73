"""The branch mixer: every channel's three branch weights, as a cloud in a triangle."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
import traitlets
from torch import Tensor, nn

from ..._util.arguments import real_number
from ...lens.figure.host import BookWidget
from ...permute_mlp import Mlp, WeightedPermuteMLP
from ...study.branch_weights import pooled_path, pooled_sum
from ...training.data import digit, patterns
from ..shared.pictures import LEVELS, shown_picture, written

TEMPERATURES = 0.01, 100.0  # from one branch alone to a third of each, nearly
_DIGITS = 6  # of each number on the page: enough for weights to better than 1e-6
_OTHER_WAY = (
    "this module makes its branch weights in another way than the figure does: the "
    "mean over tokens of the branches' sum, two Linear layers with an exact GELU "
    "between them, a softmax over three"
)


class BranchMixer(BookWidget):
    """Choose or draw a picture; see which branches each channel takes.

    A channel's weights for the height, the width and the channel branch sum to 1, so
    they are a point in a triangle.  They are computed on the page, without a kernel:
    up to the pooled vector everything is linear, so a matrix and the two layers of
    `reweight` are all that they need.  The first layer is linear, too, and is put into
    the matrix.

    Args:
        module: A `WeightedPermuteMLP`.
        embed: From a picture `(height, width)` to the module's input, `(1, H, W, C)`;
            linear, up to a constant.
        norm: A norm between `embed` and the module, which takes each token by itself,
            as the first block of a network has it, e.g. its LayerNorm.  Then a token
            must be one pixel.
        temperature: Where a slider stands at first that divides what the softmax gets;
            from 0.01 to below 100, and 1 is the module as it is.  No slider if None.
        pictures: Grey levels `(height, width)`, 0 to 1, by name, rounded to sixteenths;
            the first is shown first.  If None a handwritten seven, stripes and their
            like, 8 x 8.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;picture=noise;channel=3"; the
            temperature is not said here.
        state: State of the figure now, in the same words; empty at the start.

    Raises:
        TypeError: If `module` has no branch weights, or an argument has the wrong type.
        ValueError: If `embed` is not linear, if the module makes its weights in a way
            that this figure does not know, if `norm` is no LayerNorm or the like, if
            the pictures do not fit, or there can be no such temperature.
    """

    kind = "branch_mixer"
    styles = ("../shared/drawing.css", "branch_mixer.css")
    shown = ("size", "pictures", "blocks", "cooled")

    name = traitlets.Unicode("mixer").tag(sync=True)
    size = traitlets.List(help="Height and width of a picture.").tag(sync=True)
    pictures = traitlets.List(help="Names and grey levels.").tag(sync=True)
    blocks = traitlets.List(help="One dict a module.").tag(sync=True)
    cooled = traitlets.Bool(False, help="Whether there is a slider.").tag(sync=True)

    def __init__(
        self,
        module: WeightedPermuteMLP,
        embed: Callable[[Tensor], Tensor],
        pictures: Mapping[str, Tensor] | None = None,
        norm: Callable[[Tensor], Tensor] | None = None,
        temperature: float | None = None,
        start: str = "",
        **kwargs: Any,
    ):
        if pictures is None:
            pictures = {"seven": digit(7)[0], **patterns()}
        size, levels = written(pictures)
        block = _block(module, embed, norm, size)
        super().__init__(
            size=list(size),
            pictures=levels,
            blocks=[block],
            cooled=temperature is not None,
            start=_at_temperature(start, temperature),
            **kwargs,
        )

    @property
    def picture(self) -> Tensor:
        """The picture that is shown now, `(height, width)`, drawn or chosen."""
        return shown_picture(self.state or self.start, self.pictures, self.size)


def _at_temperature(start: str, temperature: float | None) -> str:
    """The state of the first picture, with the temperature in it."""
    if "temperature=" in start:
        raise ValueError(
            f"start is {start!r}; say the temperature as an argument, e.g. "
            "temperature=0.25, which makes its slider, too"
        )
    if temperature is None:
        return start
    value = real_number("temperature", temperature, *TEMPERATURES)
    value = min(float(f"{value:.3g}"), 99.9)  # rounded, it stays below the highest
    return start if value == 1 else f"{start or 'v1'};temperature={value:g}"


def _block(
    module: WeightedPermuteMLP,
    embed: Callable[[Tensor], Tensor],
    norm: Callable[[Tensor], Tensor] | None,
    size: tuple[int, int],
) -> dict[str, Any]:
    """What the page needs of a module."""
    if norm is None:
        (matrix, offset), curves = pooled_path(module, embed, size), []
    else:
        matrix, offset, curves = _normed_path(module, embed, norm, size)
    exact = copy.deepcopy(module).cpu().double().eval()
    reweight = getattr(exact, "reweight", None)
    if not isinstance(reweight, Mlp):
        raise ValueError(_OTHER_WAY)
    fc1, fc2 = reweight.fc1, reweight.fc2

    def block_of(numbers: Callable[[Tensor], Any]) -> dict[str, Any]:
        with torch.no_grad():
            weight, bias = fc1.weight @ matrix, fc1(offset)
        return {
            "order": module.branch_order,
            "curves": curves,
            "fc1": {"weight": numbers(weight), "bias": numbers(bias)},
            "fc2": {"weight": numbers(fc2.weight), "bias": numbers(fc2.bias)},
        }

    # A subclass, or another activation, may make its weights in another way.
    generator = torch.Generator().manual_seed(1)
    picture = torch.randint(17, size, generator=generator) / 16
    with torch.no_grad():
        tokens = embed(picture.to(module.mlp_c.weight))
        tokens = (tokens if norm is None else norm(tokens)).cpu().double()
        real = exact.branch_weights(*exact.branches(tokens))
    shown = _on_page(block_of(Tensor.tolist), picture)[:, None]  # (3, 1, C)
    if real.shape != shown.shape or not torch.allclose(real, shown, atol=1e-5):
        raise ValueError(_OTHER_WAY)
    return block_of(_numbers)


@torch.no_grad()
def _normed_path(
    module: WeightedPermuteMLP,
    embed: Callable[[Tensor], Tensor],
    norm: Callable[[Tensor], Tensor],
    size: tuple[int, int],
) -> tuple[Tensor, Tensor, list[list[float]]]:
    """The way to the pooled vector where a norm stands in it.

    Of a token that is one pixel, the norm makes a curve in the space of channels: where
    on it, the pixel's grey level says.  That of a LayerNorm lies in a plane; another
    one is refused.  So two numbers for each level say where, and the rest of the way is
    linear again.

    Returns:
        Matrix `(C, 2*P)` for P pixels, offset `(C,)`, and the two numbers that each of
        the levels counts as.
    """
    like = module.mlp_c.weight
    steps = torch.arange(len(LEVELS)).to(like) / (len(LEVELS) - 1)
    tokens = torch.cat([_normed(norm, embed(step.expand(size))) for step in steps])
    if tokens.shape[1:3] != size or not torch.equal(
        tokens, tokens[:, :1, :1].expand_as(tokens)
    ):
        raise ValueError(
            "with a norm, each pixel must be a token, and equal pixels must be equal "
            f"tokens: of pictures {size} of one grey level embed and norm made "
            f"{tuple(tokens.shape[1:])}, or tokens that differ"
        )
    curve = tokens[:, 0, 0] - tokens[0, 0, 0]  # (17, C)
    plane = curve[[-1, len(curve) // 2]]  # (2, C)
    exact_plane, exact_curve = (x.T.double().cpu() for x in (plane, curve))
    curves = torch.linalg.lstsq(exact_plane, exact_curve).solution  # (2, 17)
    off = (exact_plane @ curves - exact_curve).abs().max().item()
    # Rounding is of the size of the tokens, and so may be larger than a short curve.
    if not off <= 1e2 * torch.finfo(like.dtype).eps * tokens.abs().max().item():
        raise ValueError(
            "norm is none that the figure can show: the tokens of the grey levels must "
            "lie in a plane, as a LayerNorm's do, and this norm's are off by "
            f"{off:.1e}: take a LayerNorm, e.g. a block's norm1"
        )
    _check_by_itself(norm, embed, tokens[:, 0, 0], size)

    def along(direction: Tensor) -> Tensor:
        return pooled_path(module, lambda p: p[None, ..., None] * direction, size)[0]

    exact = copy.deepcopy(module).cpu().double()
    offset = pooled_sum(exact, tokens[:1].cpu().double())[0]  # (C,)
    matrix = torch.cat([along(direction) for direction in plane], dim=1)  # (C, 2*P)
    return matrix, offset, _numbers(curves)


def _normed(norm: Callable[[Tensor], Tensor], tokens: Tensor) -> Tensor:
    """What the norm makes of tokens `(1, H, W, C)`, if it can take them."""
    shape, hint = tuple(tokens.shape), "e.g. the norm1 of the module's block"
    if not callable(norm):
        raise TypeError(
            f"norm is {norm!r}; it must be a function that takes tokens and returns as "
            f"many, {hint}, or None"
        )
    try:
        result = norm(tokens)
    except RuntimeError as fault:
        raise ValueError(
            f"norm cannot take the tokens {shape} of {tokens.dtype} that embed makes "
            f"({fault}): give one for {shape[-1]} channels of this dtype, {hint}"
        ) from fault
    if not isinstance(result, Tensor) or result.shape[-1] != shape[-1]:
        got = tuple(result.shape) if isinstance(result, Tensor) else result
        raise TypeError(
            f"norm returned {got!r} for the tokens {shape}; it must return as many, "
            f"{hint}"
        )
    return result


def _check_by_itself(
    norm: Callable[[Tensor], Tensor],
    embed: Callable[[Tensor], Tensor],
    by_level: Tensor,
    size: tuple[int, int],
) -> None:
    """Refuse a norm by which other pixels change a token, such as a BatchNorm.

    Args:
        norm: The norm.
        embed: From a picture to tokens.
        by_level: The token of a pixel of each grey level, `(17, C)`.
        size: Height and width of a picture.
    """
    levels = torch.randint(17, size, generator=torch.Generator().manual_seed(0))
    picture = levels.to(by_level) / (len(LEVELS) - 1)  # (height, width)
    expected = by_level[levels.to(by_level.device)]  # (height, width, C)
    slack = 1e2 * torch.finfo(by_level.dtype).eps * by_level.abs().max().item()
    if (norm(embed(picture))[0] - expected).abs().max().item() > slack:
        raise ValueError(
            "with a norm, each token must depend on its pixel alone, and behind this "
            "norm the pixels around it change it: take a LayerNorm, e.g. a block's "
            "norm1, and an embed with one pixel a token"
        )


def _on_page(block: Mapping[str, Any], picture: Tensor) -> Tensor:
    """What branch_mixer.js computes from the same numbers: `(3, C)` of h, w and c."""
    layers = [
        torch.tensor(numbers, dtype=torch.float64)
        for layer in (block["fc1"], block["fc2"])
        for numbers in (layer["weight"], layer["bias"])
    ]
    ink = picture.double().flatten()  # (P,)
    if block["curves"]:
        curves = torch.tensor(block["curves"], dtype=torch.float64)  # (2, 17)
        ink = curves[:, (ink * 16).round().long()].flatten()  # (2*P,)
    hidden = nn.functional.gelu(nn.functional.linear(ink, *layers[:2]))  # (C//4,)
    scores = nn.functional.linear(hidden, *layers[2:])  # (C*3,)
    shares = scores.reshape(-1, 3).softmax(dim=1)  # (C, 3)
    return shares.T[[block["order"].index(letter) for letter in "hwc"]]  # (3, C)


def _numbers(x: Tensor) -> list[Any]:
    """Nested lists of rounded numbers."""
    if x.ndim > 1:
        return [_numbers(row) for row in x]
    return [float(f"{number:.{_DIGITS}g}") for number in x.tolist()]
