"""The branch matrix: what it measures, against the module, and how it sorts itself."""

import pytest
import torch
from test_figures import branch_matrix
from torch import nn

from tables import in_turn
from vip_tutorial import WeightedPermuteMLP
from vip_tutorial.figures import BranchMatrix
from vip_tutorial.study import height_matrix
from vip_tutorial.study.faults.mutants import HeightInterleaved, HeightNotPutBack


def matrix_of(figure: BranchMatrix) -> torch.Tensor:
    size = torch.tensor(figure.shape).prod()
    matrix = torch.zeros(size, size)
    for row, column, value in figure.entries:
        matrix[row, column] = value
    return matrix


def blocks_of(figure: BranchMatrix) -> torch.Tensor:
    rows, columns = figure.orders
    return matrix_of(figure)[rows][:, columns]


@in_turn(
    "kind, branch, layer",
    [
        (WeightedPermuteMLP, "height", "mlp_h"),
        (WeightedPermuteMLP, "width", "mlp_w"),
        (WeightedPermuteMLP, "channel", "mlp_c"),
        (HeightInterleaved, "height", "mlp_h"),
        (HeightNotPutBack, "height", "mlp_h"),
    ],
)
def test_sorted_it_is_the_weight_again_and_again(kind, branch, layer):
    module = kind(6, 3)
    linear = getattr(module, layer)
    figure = BranchMatrix(getattr(module, branch), linear, (3, 3, 6))
    assert figure.block == 6
    wanted = torch.kron(torch.eye(9), linear.weight.detach())
    assert torch.allclose(blocks_of(figure), wanted, rtol=1e-2)
    x = torch.randn(1, 3, 3, 6)
    y = getattr(module, branch)(x).flatten()
    assert torch.allclose(matrix_of(figure) @ x.flatten(), y, atol=1e-2)


def test_in_memorys_order_it_is_the_oracles():
    torch.manual_seed(0)
    module = WeightedPermuteMLP(8, 4)
    right = height_matrix(module.mlp_h.weight, 4, 4, 8, 4)
    assert torch.allclose(matrix_of(branch_matrix()), right, rtol=1e-2)


def pixels(figure) -> bytes:
    return figure.figure.locator("canvas").screenshot()


def test_it_sorts_itself_step_by_step(open_figure):
    figure = open_figure(branch_matrix())
    assert "1 in 16" in figure.said
    figure.button("sort").click()
    figure.page.clock.run_for(12_000)
    assert figure.state == "v1;step=4"
    assert "16 blocks on the diagonal, and all blocks are the same" in figure.said
    sorted_ = pixels(figure)
    figure.button("go").nth(0).click()
    figure.page.clock.run_for(700)  # on its way
    between = pixels(figure)
    figure.page.clock.run_for(2_000)
    assert figure.state == "v1;step=3"
    assert len({sorted_, between, pixels(figure)}) == 3
    assert "There it is, in the corner." in figure.said


def test_an_entry_is_named_by_pointer_and_by_key(open_figure):
    figure = open_figure(branch_matrix(), "branch-matrix=v1;step=4")
    stage = figure.figure.locator(".vip-stage")
    box = stage.bounding_box()
    stage.click(position={"x": box["width"] * 0.5 / 128 + 3, "y": 4})
    assert figure.said.startswith("From h0 w0 c0 to h0 w0 c0: times ")
    for key, name in (
        ("ArrowRight", "From h0 w0 c1 to h0 w0 c0"),
        ("ArrowRight", "From h1 w0 c0 to h0 w0 c0"),
        ("ArrowDown", "From h1 w0 c0 to h0 w0 c1"),
        ("ArrowDown", "From h1 w0 c0 to h1 w0 c0"),
    ):
        stage.press(key)
        assert figure.said.startswith(name)
    stage.press("Escape")
    assert "on the diagonal" in figure.said
    stage.hover(position={"x": box["width"] / 2 + 2, "y": 4})
    title = figure.figure.locator("canvas").get_attribute("title")
    assert title == "From h0 w0 c4 to h0 w0 c0: 0, nothing comes through."


@in_turn(
    "change, error, told",
    [
        ({"layer": "mlp_h"}, TypeError, "layer is a str"),
        ({"shape": (9, 9, 8)}, ValueError, "at most 256"),
        ({"shape": (4, 8)}, ValueError, "rows, columns and channels"),
        ({"layer": nn.Linear(2, 2)}, ValueError, "the layer ran 0 times"),
        ({"branch": lambda x: x.square()}, ValueError, "the branch is not linear"),
        ({"branch": lambda x: x + 1}, ValueError, "the branch is not linear"),
    ],
)
def test_arguments_that_it_cannot_take(change, error, told):
    module = WeightedPermuteMLP(8, 4)
    right = {"branch": module.height, "layer": module.mlp_h, "shape": (4, 4, 8)}
    with pytest.raises(error, match=told):
        BranchMatrix(**{**right, **change})
