"""The fan-in: each line that it draws, against the derivative; how it is driven."""

import pytest
import torch
from test_figures import fan_in

from tables import in_turn
from vip_tutorial import WeightedPermuteMLP
from vip_tutorial.figures import FanIn
from vip_tutorial.study.faults.mutants import HeightTransposed
from vip_tutorial.study.reach import reach

TIMES = ["not at all", "once", "twice", "3 times"]


def letters(figure) -> list[str]:
    """What stands in each input token, row by row."""
    return figure.figure.locator(".vip-fan").evaluate(
        """(svg) => {
          const found = Array(16).fill("");
          for (const text of svg.querySelectorAll("g rect + .vip-fan-letter")) {
            const [x, y] = [+text.getAttribute("x"), +text.getAttribute("y")];
            const cell = ([place, edge]) => Math.floor((place - edge) / 36);
            found[4 * cell([y, 38]) + cell([x, 18])] += text.textContent;
          }
          return found;
        }"""
    )


def test_there_is_a_letter_where_a_derivative_is_not_0(open_figure):
    torch.manual_seed(0)
    right, wrong = WeightedPermuteMLP(8, 4), HeightTransposed(8, 4)
    x = torch.randn(1, 4, 4, 8)
    branches = {"h": wrong.height, "w": right.width, "c": right.channel}
    strengths = {letter: reach(f, x) for letter, f in branches.items()}
    figure = open_figure(FanIn(branches, x, at=(0, 0)))
    times = set()
    for i, j in ((0, 0), (2, 1), (3, 3)):
        figure.figure.locator(f'[data-do="at"][data-value="{4 * i + j}"]').click()
        wanted = [
            "".join(
                letter
                for letter, s in strengths.items()
                if s[i, j].flatten()[token] > 0
            )
            for token in range(16)
        ]
        assert letters(figure) == wanted
        own = len(wanted[4 * i + j])  # the faulty branch leads past the diagonal
        assert figure.said.endswith(f"itself comes in {TIMES[own]}."), (i, j)
        times.add(own)
        lines = figure.figure.locator(".vip-fan-lines path")
        drawn = lines.evaluate_all(
            "(all) => all.map((l) => +l.getAttribute('stroke-width'))"
        )
        for letter, s in strengths.items():
            comes_in = [x for x in s[i, j].flatten().tolist() if x > 0]
            wide = [1 + 2 * x / s.max().item() for x in comes_in]
            here, drawn = drawn[: len(wide)], drawn[len(wide) + 1 :]  # and one goes on
            assert here == pytest.approx(wide, abs=0.06), letter
        assert drawn == []
    assert times == {2, 3}
    assert "h" in letters(figure)[3]  # the fault is seen: row 3's token has come in


def test_one_branch_alone_and_the_arrows(open_figure):
    figure = open_figure(fan_in())
    assert "Together 7 tokens: a cross, row 0 and column 0" in figure.said
    figure.figure.locator(".vip-fan").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown"):
        figure.page.keyboard.press(key)
    assert figure.state == "v1;at=9"
    assert "through h 4 of 16, column 1; through w 4 of 16, row 2" in figure.said
    figure.button("only").nth(2).click()
    assert figure.state == "v1;at=9;only=w"
    assert letters(figure) == [""] * 8 + ["w"] * 4 + [""] * 4


@in_turn(
    "change, error, told",
    [
        ({"branches": [abs]}, TypeError, "branches must be a dict"),
        ({"branches": {}}, ValueError, "it must have 1 to 4"),
        ({"branches": {"height": abs}}, ValueError, "one small letter each"),
        ({"x": torch.zeros(1, 9, 9, 8)}, ValueError, "9 x 9 tokens"),
        ({"x": torch.zeros(4, 4, 8)}, ValueError, "must be one image of tokens"),
        ({"at": (4, 0)}, ValueError, r"at is \(4, 0\)"),
        ({"at": (1, 0), "start": "v1"}, ValueError, "give one of them"),
    ],
)
def test_arguments_that_it_cannot_take(change, error, told):
    right = {"branches": {"c": lambda x: 2 * x}, "x": torch.zeros(1, 4, 4, 8)}
    with pytest.raises(error, match=told):
        FanIn(**{**right, **change})
