"""The check grid: its marks are what the checks said, and each can be read."""

import pytest

from tables import in_turn
from vip_tutorial.figures import CheckGrid
from vip_tutorial.study.faults import CHECKS, MUTANTS, failures

NAMES = "height interleaved", "layers tied", "tanh gelu"
SOME = [mutant for mutant in MUTANTS if mutant.name in NAMES]


@pytest.fixture(scope="module")
def caught():
    return {mutant.name: failures(mutant.module) for mutant in SOME}


@pytest.mark.slow
def test_a_mark_stands_where_a_check_catches_and_tells_its_words(open_figure, caught):
    grid = open_figure(CheckGrid(SOME, caught))
    assert f"{sum(map(len, caught.values()))} catches" in grid.said
    heads = grid.figure.locator("thead th").all_inner_texts()
    assert heads == list(CHECKS)
    counts = grid.figure.locator("tfoot td").all_inner_texts()
    for c, (check, asks) in enumerate(CHECKS.items()):
        assert int(counts[c]) == sum(check in said for said in caught.values())
        for r, mutant in enumerate(SOME):
            mark = grid.button("mark").nth(r * len(CHECKS) + c)
            assert mark.inner_text() == ("x" if check in caught[mutant.name] else "·")
            mark.click()
            assert f"“{mutant.name}”" in grid.said and mutant.fault in grid.said
            words = caught[mutant.name].get(check, asks.__doc__.splitlines()[0])
            assert words in grid.said


def test_the_arrows_go_from_mark_to_mark(open_figure, caught):
    grid = open_figure(CheckGrid(SOME, caught), width=360)
    scroll = grid.figure.locator("[data-keys=marks]")
    scroll.focus()
    for key, row, check in (
        ("ArrowRight", 0, "shape"),
        ("ArrowRight", 0, "formula"),
        ("ArrowUp", 0, "formula"),
        ("ArrowDown", 1, "formula"),
    ):
        grid.page.keyboard.press(key)
        name = SOME[row].name.replace(" ", "-")
        assert grid.state == f"v1;mutant={name};check={check}"
    for _ in CHECKS:
        grid.page.keyboard.press("ArrowRight")
    assert grid.state.endswith("check=parameters")
    # The grid is wider than the screen, and has scrolled.
    mark = grid.figure.locator(".vip-check-at").bounding_box()
    box = scroll.bounding_box()
    assert mark["x"] + mark["width"] <= box["x"] + box["width"] + 1


@in_turn(
    "change, told",
    [
        ({"mutants": []}, "no mutant to show"),
        ({"mutants": ["tanh gelu"]}, "'tanh gelu' is no mutant"),
        ({"caught": {}}, "caught says nothing of"),
        ({"caught": {m.name: {"smell": "bad"} for m in SOME}}, "caught names smell"),
    ],
)
def test_arguments_that_it_cannot_take(change, told):
    with pytest.raises((ValueError, TypeError), match=told):
        CheckGrid(**{"mutants": SOME, "caught": {}, **change})
