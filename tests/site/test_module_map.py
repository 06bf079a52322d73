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


def test_the_slider_lands_on_the_nearest_act(module_map, open_figure):
    opened = open_figure(module_map, f"{module_map.name}=v1;step=15")
    slide = """(slider, [value, isHeld]) => {
      slider.value = value;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      if (!isHeld) slider.dispatchEvent(new Event("change", { bubbles: true }));
    }"""
    slider = opened.part("scrub")
    # The acts end at 3, 7, 10, 14, 15, 18, 27, 35 and 37.
    for value, step in (
        (0, 0),
        (0.3, 0),
        (1.6, 3),
        (4.5, 3),
        (22, 18),
        (23, 27),
        (36.4, 37),
    ):
        slider.evaluate(slide, [value, False])
        assert opened.state == f"v1;step={step}", value
    assert opened.said.startswith(
        "Act 9 of 9: proj mixes each row of 8 numbers along C"
    )
    assert opened.said.endswith("That was the whole run.")
    slider.evaluate(slide, [36, True])
    assert opened.said.startswith("Act 9 of 9: proj mixes each row")


def test_a_number_is_followed_by_keys_and_told_of(module_map, open_figure):
    opened = open_figure(module_map, f"{module_map.name}=v1;step=3")
    picture = opened.part("map")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowRight"):
        picture.press(key)
    # (B, N, W, H*S): one step along H*S, one along W, one along N.
    assert opened.said.endswith(
        "You follow h0 w1 c3, framed at [0, 1, 1, 1] of (B, N, W, H*S)."
    )
    picture.press("n")
    opened.settle()
    assert opened.said.endswith(
        "which has gone into 8 of the 128 numbers of (B, H, W, C); "
        "the frame is round the one that has its place."
    )
    for key in "nn":
        picture.press(key)
        opened.settle()
    assert opened.said.startswith("Act 4 of 9: mlp_w")
    picture.press("p")
    assert "You follow h0 w1 c3, framed at [0, 0, 1, 3]" in opened.said
    picture.press("End")
    picture.press("p")
    picture.press("p")
    assert "has gone into all 24 numbers of (3, B, 1, 1, C)." in opened.said
    picture.press("Escape")
    assert "follow" not in opened.said


@pytest.mark.parametrize("width, height", [(1280, 900), (360, 740)])
def test_what_plays_is_seen_with_the_player_and_the_sentence(
    module_map, open_figure, width, height
):
    """One under the other, through all acts, and nothing is moved by it."""
    link = f"{module_map.name}=v1;step=0"
    opened = open_figure(module_map, link, width=width, height=height)
    place = opened.figure.locator("[data-in-sight]:visible")
    order = """(place) => {
      const figure = place.closest("figure, .vip");
      const [player, said] = [".vip-player", ".vip-say"].map((one) =>
        figure.querySelector(one).getBoundingClientRect());
      const { top, bottom } = place.getBoundingClientRect();
      const edges = [0, top, bottom, player.top, player.bottom, said.top, said.bottom];
      return [...edges, innerHeight].map(Math.round);
    }"""
    is_seen = f"(place) => ({order})(place).every((y, i, all) => !i || y >= all[i - 1])"
    tall = opened.box.evaluate("(one) => one.offsetHeight")
    # Stopped, so that an act lasts as long as the test takes to look at it.
    opened.page.clock.pause_at(opened.page.evaluate("Date.now() / 1000 + 1"))
    opened.button("play").click()
    for act in range(1, 10):
        opened.page.clock.run_for(300)
        opened.page.wait_for_function(is_seen, arg=place.element_handle())
        assert opened.said.startswith(f"Act {act} of 9")
        opened.page.clock.fast_forward(3300)  # it arrives, and rests
        opened.page.clock.fast_forward(700)
    assert opened.said.startswith("The whole run")
    assert opened.box.evaluate("(one) => one.offsetHeight") == tall


def test_what_is_not_shown_harms_nothing(module_map, open_figure):
    opened = open_figure(module_map, f"{module_map.name}=v1;step=4;view=lens")
    opened.button("next").click()
    opened.page.clock.run_for(300)
    opened.figure.evaluate("(one) => { one.style.display = 'none'; }")
    opened.page.clock.run_for(300)  # `open_figure` fails if the page reports an error
    opened.figure.evaluate("(one) => { one.style.display = ''; }")
    opened.page.clock.run_for(300)
    canvas = opened.part("panes").locator("canvas")
    assert canvas.evaluate("(one) => one.width > 100")


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
