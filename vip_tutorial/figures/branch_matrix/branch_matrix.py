"""The branch matrix: a branch as one matrix, which the permute sorts into blocks."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import traitlets
from torch import Tensor, nn

from ...lens.figure.host import BookWidget

MOST_NUMBERS = 256


class BranchMatrix(BookWidget):
    """Show a branch as the matrix that it is, and sort it as its permutes do.

    All of it is measured.  A column of the matrix is what the branch makes of an image
    with a single one in it.  The order of the columns is that in which the numbers of
    the input arrive at `layer`, and the order of the rows that in which the numbers of
    the output leave it: both are read off runs with numbered elements.

    Args:
        branch: A linear function of images of tokens, e.g. `module.height`.
        layer: The layer inside that mixes, e.g. `module.mlp_h`.
        shape: Rows, columns and channels of the image.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;step=4".

    Raises:
        TypeError: If `layer` is no module.
        ValueError: If the image is too large, the branch doesn't run `layer` once,
            or is not linear.
    """

    kind = "branch_matrix"
    shown = ("shape", "entries", "orders", "block")

    name = traitlets.Unicode("branch-matrix").tag(sync=True)
    shape = traitlets.List(help="Rows, columns and channels.").tag(sync=True)
    entries = traitlets.List(help="Row, column, value of those not 0.").tag(sync=True)
    orders = traitlets.List(help="Rows and columns, as sorted.").tag(sync=True)
    block = traitlets.Int(help="Numbers that the layer mixes with each other.").tag(
        sync=True
    )

    def __init__(
        self,
        branch: Callable[[Tensor], Tensor],
        layer: nn.Module,
        shape: Sequence[int],
        **kwargs: Any,
    ):
        if not isinstance(layer, nn.Module):
            raise TypeError(
                f"layer is a {type(layer).__name__}; it must be the module that mixes, "
                "e.g. module.mlp_h"
            )
        shape = [int(size) for size in shape]
        total = int(torch.tensor(shape).prod())
        if len(shape) != 3 or not 1 <= total <= MOST_NUMBERS:
            raise ValueError(
                f"shape is {tuple(shape)}; it must be rows, columns and channels of an "
                f"image of at most {MOST_NUMBERS} numbers, e.g. (4, 4, 8)"
            )
        matrix = _measured(branch, shape)
        rows, columns, block = _orders(branch, layer, shape)
        places = matrix.nonzero().tolist()
        super().__init__(
            shape=shape,
            entries=[[r, c, float(f"{matrix[r, c].item():.3g}")] for r, c in places],
            orders=[rows, columns],
            block=block,
            **kwargs,
        )


@torch.no_grad()
def _measured(branch: Callable[[Tensor], Tensor], shape: list[int]) -> Tensor:
    """The matrix `(outputs, inputs)`: each column what a single one becomes."""
    total = int(torch.tensor(shape).prod())
    ones = torch.eye(total).reshape(-1, *shape)  # (inputs, H, W, C)
    columns = [branch(one[None]).flatten() for one in ones]
    matrix = torch.stack(columns, dim=1)  # (outputs, inputs)
    x = torch.linspace(-1, 1, total).reshape(1, *shape)
    if not torch.allclose(matrix @ x.flatten(), branch(x).flatten(), atol=1e-5):
        raise ValueError(
            "the branch is not linear, so it is no matrix: twice the input must give "
            "twice the output, and nothing must give nothing"
        )
    return matrix


@torch.no_grad()
def _orders(
    branch: Callable[[Tensor], Tensor], layer: nn.Module, shape: list[int]
) -> tuple[list[int], list[int], int]:
    """Which outputs leave the layer, and which inputs arrive at it, one after another.

    Returns:
        Both orders, and how many numbers the layer mixes at once.
    """
    arrived = []

    def numbered(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        arrived.append(inputs[0])
        return torch.arange(output.numel(), dtype=output.dtype).reshape(output.shape)

    total = int(torch.tensor(shape).prod())
    hook = layer.register_forward_hook(numbered)
    try:
        left = branch(torch.arange(total, dtype=torch.float32).reshape(1, *shape))
    finally:
        hook.remove()
    if len(arrived) != 1 or {*left.flatten().tolist()} != {*range(total)}:
        raise ValueError(
            "the branch must run layer once, and put each number that it makes in a "
            f"place of its own; the layer ran {len(arrived)} times"
        )
    rows = left.flatten().long().argsort().tolist()
    columns = arrived[0].flatten().long().tolist()
    return rows, columns, arrived[0].shape[-1]
