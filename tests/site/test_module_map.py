"""A reader goes from the map to the lens and back, by mouse, and lets the run play."""

import pytest
import torch

from vip_tutorial import WeightedPermuteMLP, trace
from vip_tutorial.figures import ModuleMap


@pytest.fixture(scope="module")
def module_map() -> ModuleMap:
    torch.manual_seed(0)
    run = trace(WeightedPermuteMLP(8, 4), torch.randn(1, 4, 4, 8))
    return ModuleMap(run, name="map")


def test_a_line_and_its_act_are_seen_together_and_open_the_lens(
    module_map, open_figure
):
    opened = open_figure(module_map)
    act = opened.figure.locator(".vip-map-acts.vip-wide button", has_text="mlp_h")
    line = opened.figure.locator(".vip-map-code button", has_text="self.mlp_h(x)")
    assert "vip-lit" not in act.get_attribute("class")
    line.hover()
    assert "vip-lit" in act.get_attribute("class")
    act.hover()
    lit = opened.figure.locator(".vip-map-code .vip-lit").all_inner_texts()
    assert lit[0] == "x = self.mlp_h(x)" and len(lit) == 4  # and the three lines home
    line.click()
    assert opened.said.startswith("Step 4 of 37")
    assert opened.state == "v1;step=4;view=lens"
    opened.press("map")
    assert opened.state == "v1;step=4"
    assert opened.said.startswith("Act 2 of 9: mlp_h")


def test_act_after_act_to_the_end_and_back(module_map, open_figure):
    opened = open_figure(module_map, f"{module_map.name}=v1;step=0")
    assert opened.button("back").is_disabled()
    opened.button("next").click()
    opened.page.clock.run_for(500)  # on its way: the lines are those of the act
    lit = opened.figure.locator(".vip-map-code .vip-lit").all_inner_texts()
    assert lit[0] == "x = x.reshape(B, H, W, N, S)" and len(lit) == 3
    opened.press("back")
    opened.page.clock.fast_forward(5000)
    ends = []
    while opened.button("next").is_enabled():
        opened.press("next")
        opened.page.clock.fast_forward(5000)
        ends.append(int(opened.state.partition("step=")[2]))
    assert ends == [3, 7, 10, 14, 15, 18, 27, 35, 37]
    assert opened.said.startswith("Act 9 of 9: proj")
    opened.part("map").press("End")
    assert opened.said.startswith("The whole run: 37 steps in 9 acts.")
    opened.press("back")
    assert opened.state == "v1;step=35"
    # A cell that is followed is found in every tensor that has it.
    opened.part("map").click(position={"x": 300, "y": 30})
    assert "cell=" in opened.state
    opened.part("map").press("Escape")
    assert "cell=" not in opened.state


def test_without_motion_an_act_is_there_at_once(module_map, open_figure):
    link = f"{module_map.name}=v1;step=0"
    opened = open_figure(module_map, link, reduced_motion="reduce")
    picture, slider = opened.part("map"), opened.part("scrub")
    picture.press("n")
    assert opened.said.startswith("Act 1 of 9") and slider.input_value() == "3"
    picture.press("Alt+n")  # what is the browser's stays the browser's
    assert opened.said.startswith("Act 1 of 9")
    moving = open_figure(module_map, link)
    moving.part("map").press("n")
    assert float(moving.part("scrub").input_value()) < 3
