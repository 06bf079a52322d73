"""The cost calculator's numbers, against PyTorch's own count."""

import re

import pytest
import torch
from torch import nn

from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.figures import CostCalculator
from vip_tutorial.mixers.rivals import SelfAttention, TokenMixing
from vip_tutorial.study.cost import count_multiply_adds, count_parameters

SIZES = [(8, 8, 512), (4, 4, 8), (7, 7, 49), (16, 16, 384)]


@pytest.fixture(scope="module")
def core(engine_of):
    return engine_of("cost_calculator.js")


def counted(module: nn.Module, x: torch.Tensor) -> tuple[int, int]:
    """Parameters, and multiply-adds of one run."""
    return count_parameters(module), count_multiply_adds(module, x)


@pytest.mark.parametrize("H, W, C", SIZES)
def test_weights_and_multiply_adds(core, H, W, C):
    rows = core.eval(f"$cost_calculator.costsOf({{ H: {H}, W: {W}, C: {C} }})")
    told = {row["key"]: (row["parameters"], row["macs"]) for row in rows}
    x = torch.randn(1, H, W, C)
    assert told["weighted"] == counted(WeightedPermuteMLP(C, H), x)
    assert told["plain"] == counted(PermuteMLP(C, H), x)
    assert told["attention"] == counted(SelfAttention(C), x)
    assert told["mixer"] == counted(TokenMixing(H, W, max(1, C // 2)), x)
    assert told["dense"] == ((H * W * C) ** 2,) * 2


@pytest.mark.parametrize(
    "sizes", [(8, 8, 8, 512), (7, 8, 8, 64), (8, 7, 8, 64), (8, 8, 8, 60), (3, 3, 3, 3)]
)
def test_what_fits_is_what_the_module_takes(core, sizes):
    H, W, N, C = sizes
    found = core.eval(f"$cost_calculator.misfits({{ H: {H}, W: {W}, N: {N}, C: {C} }})")
    try:
        WeightedPermuteMLP(C, N)(torch.randn(1, H, W, C))
    except ValueError:
        assert list(found)
    else:
        assert not list(found)


def test_bars_are_as_long_as_their_numbers_are_large(open_figure):
    costs = open_figure(CostCalculator(), "costs=v1;H=16;W=16;N=16;C=384")
    cells = costs.part("body").locator("td.vip-number")
    bars = []
    for cell in cells.all():
        value = float(cell.locator("span").inner_text().replace(",", ""))
        long = float(cell.locator("rect").get_attribute("width"))
        bars.append((value, long, cell.locator(".vip-break").count()))
    assert len(bars) == 10
    for column in (bars[0:8:2], bars[1:8:2]):  # all but the dense layer's
        most = max(value for value, _, _ in column)
        for value, long, broken in column:
            assert abs(long - 100 * value / most) < 1e-6 and not broken
    for value, long, broken in bars[8:]:
        assert value == (16 * 16 * 384) ** 2 and long == 100 and broken
    costs.setting("H").fill("1")
    costs.setting("W").fill("1")  # one token: the dense layer is the smallest
    assert costs.part("body").locator(".vip-break").count() == 0


def test_sizes_are_typed_and_mended(open_figure):
    costs = open_figure(CostCalculator())
    assert "✓ It fits" in costs.part("body").inner_text()
    costs.setting("H").fill("14")
    assert costs.state == "v1;H=14"
    assert "✗ It does not fit" in costs.part("body").inner_text()
    assert costs.said.startswith("H is 14 and N is 8")
    assert "does not run" in costs.part("body").inner_text()
    assert costs.setting("H").evaluate("(el) => el === document.activeElement")
    costs.press("fit")
    assert "✓ It fits" in costs.part("body").inner_text()
    found = re.fullmatch(r"v1;H=14;W=14;N=14;C=(\d+)", costs.state)
    WeightedPermuteMLP(int(found[1]), 14)(torch.randn(1, 14, 14, int(found[1])))


@pytest.mark.parametrize("typed", ["", "0", "-3", "999", "1.5"])
def test_what_is_no_size_gets_a_sentence(open_figure, typed):
    costs = open_figure(CostCalculator())
    costs.setting("W").fill(typed)
    assert costs.said == "W must be a whole number from 1 to 256."
    costs.setting("W").fill("8")
    assert "weights" in costs.said
