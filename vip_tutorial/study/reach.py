"""Who sees whom: how strongly each output token depends on each input token.

Both are images of tokens, channels last.  What is measured is the exact derivative, by
autograd: no number is estimated from a nudge, and where there is no path from an input
token to an output token the strength is exactly 0.

    >>> from vip_tutorial import PermuteMLP
    >>> strength = reach(PermuteMLP(dim=8, segment_dim=4), torch.randn(1, 4, 4, 8))
    >>> (strength[2, 1] > 0).int()  # what the output in row 2, column 1 depends on
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .._util.inputs import conversion

MOST_NUMBERS = 8192  # of an image; its derivative has the square of that
_MOST_AT_ONCE = 2**22  # numbers of the derivative


def reach(f: Callable[[Tensor], Tensor], x: Tensor, name: str = "f") -> Tensor:
    """How strongly each output token of `f` depends on each input token, at `x`.

    An output token has C numbers and an input token has C numbers, so the derivative
    of the one by the other is a C x C matrix.  Its strength is its Frobenius norm: the
    root of the sum of its squares.

    Args:
        f: Any function of one image of tokens that autograd can follow, e.g. a module.
            It is run once.
        x: One image of tokens, `(1, H, W, C)`.
        name: What errors call `f`.

    Returns:
        Strengths `(H, W, H, W)`, float64, on the CPU: `[i, j, k, l]` says how strongly
        output token (i, j) depends on input token (k, l).

    Raises:
        TypeError: If `x` is no tensor of floating-point numbers, or `f` gives none.
        ValueError: If `x` is not one such image, is too large or not finite; if `f`
            gives another shape, or something that does not depend on `x` as far as
            autograd can see, or has a derivative that is not finite.
    """
    _check_input(x)
    _, H, W, C = x.shape
    with torch.inference_mode(False), torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        y = f(leaf.clone())  # a copy, so that `f` may write to what it is given
        _check_output(y, x, leaf, name)
        at_once = max(1, _MOST_AT_ONCE // (C * x.numel()))
        tokens = y.reshape(H * W, C).split(at_once)  # (some, C) each
        strength = torch.cat([_norms(_jacobian(some, leaf)) for some in tokens])
    bad = ~strength.isfinite().all(dim=1)  # (H*W,)
    if bad.any():
        row, column = divmod(int(bad.nonzero()[0]), W)
        raise ValueError(
            f"the derivative of {name} is not finite at output token ({row}, "
            f"{column}): look for a division by zero, a root or a logarithm of zero"
        )
    return strength.reshape(H, W, H, W)  # (H, W, H, W)


def in_line(H: int, W: int) -> tuple[Tensor, Tensor]:
    """Which pairs of tokens stand in one row, and which in one column.

    Returns:
        Two tensors of bools `(H, W, H, W)`, in the order of what `reach` returns; the
        cross of each token is `same_row | same_column`.
    """
    rows = torch.eye(H, dtype=torch.bool)[:, None, :, None]  # (H, 1, H, 1)
    columns = torch.eye(W, dtype=torch.bool)[None, :, None, :]  # (1, W, 1, W)
    return rows.expand(H, W, H, W), columns.expand(H, W, H, W)  # (H, W, H, W) each


def _jacobian(tokens: Tensor, leaf: Tensor) -> Tensor:
    """Derivative of each number of some output tokens by the whole input."""
    numbers = tokens.flatten()  # (some*C,)
    one_each = torch.eye(len(numbers), dtype=tokens.dtype, device=tokens.device)
    try:
        # All of them in one run, many times as fast as one by one ...
        (rows,) = torch.autograd.grad(
            numbers, leaf, one_each, is_grads_batched=True, retain_graph=True
        )
    except RuntimeError:  # ... but not every operation can be batched
        rows = [
            torch.autograd.grad(numbers, leaf, one, retain_graph=True)[0]
            for one in one_each
        ]
        rows = torch.stack(rows)
    C = leaf.shape[3]
    return rows.reshape(-1, C, leaf.numel() // C, C)  # (some, C, H*W, C)


def _norms(jacobian: Tensor) -> Tensor:
    """Frobenius norm of the block of each output token and input token."""
    blocks = jacobian.detach().cpu().double().abs()  # (some, C, H*W, C)
    # The square of a small number can be 0; that of a number beside the largest is not.
    largest = blocks.amax(dim=(1, 3), keepdim=True)  # (some, 1, H*W, 1)
    scale = torch.where(largest > 0, largest, 1)
    blocks = scale * (blocks / scale).square().sum((1, 3), keepdim=True).sqrt()
    return blocks[:, 0, :, 0]  # (some, H*W)


def _leads_to(y: Tensor, leaf: Tensor) -> bool:
    """Whether there is any path from `leaf` to `y`."""
    y = y.flatten()[:1]  # one number will do: the paths are those of the whole tensor
    gradient = torch.autograd.grad(y, leaf, retain_graph=True, allow_unused=True)[0]
    return gradient is not None


def _check_input(x: Tensor) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"x is a {type(x).__name__}; it must be a torch.Tensor")
    if not x.is_floating_point():
        raise TypeError(
            f"x holds {x.dtype}, which has no derivative: convert it, e.g. x.float()"
        )
    if hint := conversion(x, x.dtype):
        kind = "nested" if x.is_nested else x.layout
        raise TypeError(f"x is a {kind} tensor; it must be a dense one: {hint}")
    if x.is_meta:
        raise ValueError(
            "x is on meta, where nothing has contents: make it on a device"
        )
    shape = tuple(x.shape)
    if x.ndim != 4 or len(x) != 1 or 0 in shape:
        hint = "take one image, e.g. x[:1]" if x.ndim == 4 else "e.g. x[None]"
        raise ValueError(
            f"x has shape {shape}; it must be one image of tokens, (1, H, W, C): {hint}"
        )
    if x.numel() > MOST_NUMBERS:
        raise ValueError(
            f"x has shape {shape}, {x.numel()} numbers, and the derivative has the "
            f"square of that; take at most {MOST_NUMBERS}: fewer tokens or channels"
        )
    if not x.isfinite().all():
        raise ValueError("x holds numbers that are not finite")


def _check_output(y: Tensor, x: Tensor, leaf: Tensor, name: str) -> None:
    if not isinstance(y, Tensor):
        raise TypeError(f"{name} gave a {type(y).__name__}; it must give a tensor")
    if y.shape != x.shape:
        raise ValueError(
            f"{name} made {tuple(y.shape)} from {tuple(x.shape)}; reach compares "
            "tokens with tokens, so it must keep the shape (1, H, W, C)"
        )
    # It may well have a gradient: that of the weights.
    if not y.requires_grad or not _leads_to(y, leaf):
        raise ValueError(
            f"what {name} gave does not depend on x as far as autograd can see: look "
            "for detach(), .data, no_grad() or a detour through NumPy"
        )
