"""A `WeightedPermuteMLP` that answers sooner, and answers the same.

The module spends most of its time in four matrix products, which nobody can save, and
the rest in moving numbers.  `FastPermuteMLP` moves fewer of them, and not as far:

* The weights come first.  They depend on row and column means only (see
  `pooled_from_means`), so no sum of the three branches is ever made.
* Nothing is copied on the way back.  The channel branch is scaled where it lies, and
  the other two are added to it out of permuted views.
* A few images at a time.  All three buffers are used again for the next images: they
  stay in the processor's cache, and the system need not be asked for fresh memory.

It is for inference.  Where gradients are recorded, and where the input is too small to
win anything, it runs the forward of `WeightedPermuteMLP`; it has the same parameters.

    >>> model = made_fast(vip_s7().eval())
    >>> with torch.inference_mode():
    ...     model(images)

Letters as in `permute_mlp`.
"""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from ..permute_mlp import Branches, WeightedPermuteMLP
from .early_weights import pooled_from_means, weights_of_pooled

Network = TypeVar("Network", bound=nn.Module)

# A piece of the batch has at least so many tokens and numbers for each thread.  Smaller
# pieces make slow products, larger ones don't stay in the cache: measured, on one
# processor, for C from 32 to 512.
PIECE_TOKENS = 1024
PIECE_NUMBERS = 3 * 2**16
# Below, the strided sums cost more than they save.
LEAST_CHANNELS = 128
# Elsewhere than on a CPU the batch is one piece, and a smaller one is not worth the
# extra calls.  This is an estimate; it has not been measured.
LEAST_NUMBERS_ON_A_GPU = 2**22
# Methods that the fast way doesn't call: it does their work itself.
PASSED_OVER = ("height", "width", "channel", "branches", "branch_weights")


class FastPermuteMLP(WeightedPermuteMLP):
    """`WeightedPermuteMLP` with the same parameters and a faster inference.

    The result is the same up to rounding.  The forward of `WeightedPermuteMLP` runs
    instead where gradients are recorded, under `torch.compile` and the exporters, under
    `torch.func`'s transforms, where a branch was replaced, where one of the four
    `Linear` has hooks or another forward, and for inputs that are too small.

    Takes and raises what `WeightedPermuteMLP` does; `made_fast` makes one of a module
    that exists.
    """

    computes_like = WeightedPermuteMLP  # so that each loads the other's files

    def forward(self, x: Tensor) -> Tensor:
        self._check(x)
        images = self.piece(x)
        if images is None:
            return super().forward(x)
        return self.proj_drop(self.in_pieces(x, images))

    def piece(self, x: Tensor) -> int | None:
        """How many images are taken at a time; None if `x` goes the plain way."""
        if not self._may_skip_the_plain_way(x):
            return None
        B, H, W, C = x.shape
        if C < LEAST_CHANNELS:
            return None
        if x.device.type != "cpu":
            return B if x.numel() >= LEAST_NUMBERS_ON_A_GPU else None
        least = max(PIECE_TOKENS / (H * W), PIECE_NUMBERS / (H * W * C))
        images = max(1, round(least * torch.get_num_threads()))
        return images if B >= 2 * images else None

    def in_pieces(self, x: Tensor, images: int) -> Tensor:
        """The fast way, whatever the size of `x`, up to the projection.

        Args:
            x: Tokens, `(B, H, W, C)`, on which no gradient is recorded.
            images: How many images to take at a time.

        Returns:
            What `forward` gives without dropout, `(B, H, W, C)`.
        """
        dtype = x.dtype
        kind = x.device.type
        autocast = torch.amp.is_autocast_available(kind)
        if autocast and torch.is_autocast_enabled(kind) and dtype != torch.float64:
            dtype = torch.get_autocast_dtype(kind)  # it leaves float64 alone
        pooled = pooled_from_means(self, x.mean(dim=2), x.mean(dim=1))  # (B, C)
        weights = weights_of_pooled(self, pooled).to(dtype)  # (3, B, C)
        result = x.new_empty(x.shape, dtype=dtype)  # (B, H, W, C)
        buffers = x.new_empty(3, *x[:images].shape, dtype=dtype)  # (3, images, H, W, C)
        pieces = (x.split(images), weights.split(images, 1), result.split(images))
        for piece, shares, out in zip(*pieces):
            room = buffers[:, : len(piece)]  # (3, B, H, W, C)
            self._one_piece(piece.to(dtype), shares, out, *room)
        return result

    def _one_piece(
        self,
        x: Tensor,
        weights: Tensor,
        out: Tensor,
        moved: Tensor,
        mixed: Tensor,
        blend: Tensor,
    ) -> None:
        """Write the result for `x` into `out`; the last three are room to work in."""
        B, H, W, C = x.shape
        N, S = self.segment_dim, C // self.segment_dim
        weights = weights.reshape(3, B, 1, 1, N, S)  # (3, B, 1, 1, N, S)
        a_h, a_w, a_c = weights.unbind()  # (B, 1, 1, N, S) each
        _product(self.mlp_c, x, blend)
        blend.view(B, H, W, N, S).mul_(a_c)
        add_branch(blend, self.mlp_h, (0, 3, 2, 1, 4), x, a_h, moved, mixed)
        add_branch(blend, self.mlp_w, (0, 1, 3, 2, 4), x, a_w, moved, mixed)
        _product(self.proj, blend, out)

    def _may_skip_the_plain_way(self, x: Tensor) -> bool:
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return False  # a compiler does its own fusing
        if torch.is_grad_enabled() and (
            x.requires_grad or any(p.requires_grad for p in self.parameters())
        ):
            return False
        if forward_ad._current_level >= 0 or torch._C._functorch.maybe_current_level():
            return False  # a transform can't follow what is written into a buffer
        return self._is_as_written()

    def _is_as_written(self) -> bool:
        """Whether no method and no layer that the fast way passes over was changed."""
        if nn.modules.module._has_any_global_hook():
            return False
        for name in PASSED_OVER:
            written = getattr(WeightedPermuteMLP, name)
            if getattr(getattr(self, name), "__func__", None) is not written:
                return False
        return all(
            type(layer) is nn.Linear
            and "forward" not in layer.__dict__
            and not layer._forward_hooks
            and not layer._forward_pre_hooks
            for layer in (self.mlp_h, self.mlp_w, self.mlp_c, self.proj)
        )


def add_branch(
    blend: Tensor,
    linear: nn.Linear,
    order: tuple[int, ...],
    x: Tensor,
    share: Tensor,
    moved: Tensor,
    mixed: Tensor,
) -> None:
    """Add `share` times the height or the width branch to `blend`, in place.

    The numbers are copied on the way to the Linear, which wants them side by side.  On
    the way back they are not: the sum reads them where they lie, through a permuted
    view.

    Args:
        blend: What is added to, `(B, H, W, C)`.
        linear: The branch's Linear.
        order: The branch's permute of `(B, H, W, N, S)`, which is also its way back.
        x: The tokens, `(B, H, W, C)`.
        share: How much of the branch, `(B, 1, 1, N, S)`.
        moved: Room for the permuted tokens, contiguous, as many numbers as `x`.
        mixed: Room for what the Linear makes of them, likewise.
    """
    B, H, W, C = x.shape
    N, S = share.shape[3:]
    x = x.unflatten(3, (N, S)).permute(order)  # (B, N, W, H, S)
    moved = moved.view(x.shape)  # (B, N, W, H, S)
    moved.copy_(x)
    _product(linear, moved, mixed)
    home = mixed.view(x.shape).permute(order)  # (B, H, W, N, S)
    blend.view(B, H, W, N, S).addcmul_(share, home)


def _product(linear: nn.Linear, x: Tensor, out: Tensor) -> None:
    """`linear(x)`, written into `out`; both have C numbers a row."""
    C = len(linear.weight)
    x, out = x.reshape(-1, C), out.view(-1, C)  # (rows, C) each
    weight = linear.weight.to(out.dtype).mT  # (C, C)
    if linear.bias is None:
        torch.mm(x, weight, out=out)
    else:
        torch.addmm(linear.bias.to(out.dtype), x, weight, out=out)


def made_fast(model: Network) -> Network:
    """A copy of a network, or of one module, that takes the fast way in inference.

    Args:
        model: A `WeightedPermuteMLP`, or any module that holds some.  It is left as it
            is; the copy has its parameters, in copies and under the same names.

    Raises:
        ValueError: If there is no `WeightedPermuteMLP` in it.  One of a class derived
            from it has a forward of its own, and stays as it is.
        TypeError: If it is no module.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"got {model!r}; it must be a module that is built already, a network or "
            "one WeightedPermuteMLP, e.g. made_fast(vip_s7().eval())"
        )
    model = copy.deepcopy(model)
    found = [m for m in model.modules() if type(m) is WeightedPermuteMLP]
    if not found and not any(isinstance(m, FastPermuteMLP) for m in model.modules()):
        raise ValueError(
            f"there is no WeightedPermuteMLP in this {type(model).__name__}, so there "
            f"is nothing to make faster: {_others(model)} a forward of their own, and "
            "stay as they are"
        )
    for module in found:
        # The same parameters, hooks and settings with another forward: all that the
        # derived class adds is methods.
        module.__class__ = FastPermuteMLP
    return model


def _others(model: nn.Module) -> str:
    """Who has a forward of their own: by name those derived from the module."""
    derived = {type(m).__name__ for m in model.modules() if isinstance(m, Branches)}
    return f"modules of {' and '.join(sorted(derived)) or 'other classes'} have"
