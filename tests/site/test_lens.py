"""The permute lens, driven with the mouse: steps, play, scrub, follow, options."""

import re
from itertools import groupby

import pytest
import torch

TOY = (1, 4, 4, 8)
N, S = 4, 2
MINUS = "\N{MINUS SIGN}"


def tuple_text(parts) -> str:
    return f"({', '.join(map(str, parts))})"


def birth_names(homes: torch.Tensor) -> list[str]:
    places = torch.stack(torch.unravel_index(homes.flatten(), TOY)).T.tolist()
    return [f"h{h} w{w} c{c}" for _, h, w, c in places]


def homes_after(step: int) -> torch.Tensor:
    """Which element of the input stands where, by PyTorch."""
    x = torch.arange(128).reshape(TOY)
    stages = [x, x := x.reshape(1, 4, 4, N, S), x := x.permute(0, 3, 2, 1, 4)]
    stages += [x := x.reshape(1, 4, 4, 8)] * 2  # the Linear leaves every cell in place
    stages += [x := x.reshape(1, N, 4, 4, S), x := x.permute(0, 3, 2, 1, 4)]
    return [*stages, x.reshape(TOY)][step]


def mixed(colour: str, white: float) -> list[int]:
    """A colour, so much of the way to white."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return [round(v + (255 - v) * white) for v in parts]


HUES = ["#E9C034", "#8FA0F5", "#74CF70", "#F192BE"]


def birth_colour(name: str) -> list[int]:
    """Hue by the birth row, lightness by the birth column."""
    row, column = int(name[1]), int(name[4])
    return mixed(HUES[row], 0.62 * (1 - column / 3))


def test_first_picture_is_the_one_asked_for(toy, open_lens):
    lens = open_lens(toy)
    assert lens.position == 3
    assert lens.said.startswith("Step 3 of 7, reshape(1, 4, 4, 8): a copy")
    assert lens.current == ["3 reshape"]
    assert lens.state is None  # nothing is written into the address unasked


@pytest.mark.parametrize("step", range(1, 8))
def test_each_step_shows_the_recorded_facts(toy, open_lens, step):
    lens = open_lens(toy)
    lens.go_to(step)
    run = toy.trace
    recorded = run.steps[step - 1]
    assert lens.position == step
    assert lens.state == f"v1;step={step}"
    assert lens.current == [f"{step} {recorded.op}"]
    assert lens.said.startswith(f"Step {step} of 7, {recorded.op}")
    for head, id_ in zip(lens.head, (recorded.inputs[0], recorded.output)):
        tensor = run.tensors[id_]
        assert f"shape {tuple_text(tensor.shape)}" in head
        assert tuple_text(tensor.axes) in head
        assert tuple_text(tensor.strides) in lens.part("strides").inner_text()
    copies = sum(s.copy for s in run.steps[:step] if s.kind == "move")
    memory = lens.part("memory").inner_text()
    assert f"Copies so far: {copies} of {run.copies}." in memory
    source = recorded.source
    assert lens.part("code").locator("code").inner_text() == source.text
    marked = lens.part("code").locator("mark").inner_text()
    assert marked == source.text[source.start : source.end]
    assert f"line {source.line}, in height" in lens.part("call").inner_text()
    written = (
        lens.part("call")
        .locator("code")
        .evaluate(
            "(code) => { const copy = code.cloneNode(true);"
            "copy.querySelectorAll('sub').forEach((sub) => sub.remove());"
            "return copy.textContent; }"
        )
    )
    assert written == recorded.call


@pytest.mark.parametrize("step", range(8))
def test_every_cell_stands_where_pytorch_puts_it(toy, open_lens, step):
    lens = open_lens(toy, f"toy=v1;step={step}")
    run = toy.trace
    index = max(0, step - 1)
    sides = {"left": index, "right": step} if step else {"left": 0}
    found = lens.cells()
    assert set(found["right"]) == (set() if step == 0 else set(found["left"]))
    for side, stage in sides.items():
        cells, homes = found[side], homes_after(stage)
        names = birth_names(homes)
        assert sorted(cells) == sorted(names)
        # Read like a page of print, block after block, the cells are the elements in
        # their logical order: the last two axes are the cells of a block.
        inner = homes.shape[-1]
        rows = [names[i : i + inner] for i in range(0, len(names), inner)]
        for row in rows:
            boxes = [cells[name][1] for name in row]
            assert len({top for _, top, _, _ in boxes}) == 1
            assert boxes == sorted(boxes)
        # Address by address, this is the memory that the recorded strides read.
        id_ = run.steps[stage - 1].output if stage else run.inputs[0]
        strides = run.tensors[id_].strides
        for place, name in zip(
            torch.cartesian_prod(*map(torch.arange, homes.shape)), names
        ):
            assert cells[name][0] == sum(c * s for c, s in zip(place.tolist(), strides))
        # Hue is the birth row, lightness the birth column; after the Linear the upper
        # part of a cell shows its home, under the mark.
        points = []
        for left, top, right, bottom in (cells[name][1] for name in names):
            points.append(((left + right) / 2, top + (bottom - top) * 0.45))
        for name, colour in zip(names, lens.colours(points)):
            assert colour == pytest.approx(birth_colour(name), abs=2)


def test_what_a_blend_has_seen_is_below_its_home(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=4")
    left, top, right, bottom = lens.cells()["right"]["h2 w1 c5"][1]
    middle, below = (left + right) / 2, top + (bottom - top) * 0.9
    reach = (right - left) * 0.55  # the box was felt for, so its edge is not exact
    line = [(middle + reach * (i / 20 - 1), below) for i in range(41)]
    hues = [[round(part) for part in mixed(hue, 0)] for hue in HUES[:4]]
    met = [colour for colour in lens.colours(line) if colour in hues]
    assert [hue for hue, _ in groupby(met)][:4] == hues


def test_a_blend_shows_what_it_has_seen_all_the_way_home(toy, open_lens):
    """Whatever other cells have been drawn before or after it."""
    for step in (5, 6, 7):
        lens = open_lens(toy, f"toy=v1;step={step}")
        for name in ("h1 w2 c3", "h3 w0 c6"):
            left, top, right, bottom = lens.cells()["right"][name][1]
            below = top + (bottom - top) * 0.9
            line = [(left + (right - left) * i / 20, below) for i in range(21)]
            hues = [[round(part) for part in mixed(hue, 0)] for hue in HUES[:4]]
            met = [colour for colour in lens.colours(line) if colour in hues]
            assert [hue for hue, _ in groupby(met)] == hues, f"{step} {name}"


def test_next_and_back(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=0")
    assert lens.said.startswith("The input, (B, H, W, C) = (1, 4, 4, 8): 128 numbers.")
    for step in range(1, 8):
        lens.press("next")
        assert lens.position == step
    assert lens.button("next").get_attribute("aria-disabled") == "true"
    for step in reversed(range(7)):
        lens.press("back")
        assert lens.position == step
    assert lens.button("back").get_attribute("aria-disabled") == "true"
    assert lens.current == []


def test_cells_travel_between_steps(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=1")
    before = lens.picture()
    lens.page.clock.pause_at(lens.page.evaluate("Date.now()") + 1000)
    lens.button("next").click()
    words = lens.said
    assert words.startswith("Step 2 of 7")  # can be read while the cells move
    lens.page.clock.run_for(1200)
    assert 1.2 < lens.position < 1.8
    halfway = lens.picture()
    lens.page.clock.run_for(1400)
    assert lens.position == 2
    assert lens.said == words
    assert len({before, halfway, lens.picture()}) == 3
    arrived = lens.picture()
    lens.go_to(1)
    lens.go_to(2)
    assert lens.picture() == arrived


def test_words_belong_to_what_is_on_screen(toy, open_lens):
    """On the way back, too, and on a jump, which shows the step that it leads to."""
    lens = open_lens(toy)
    merge = lens.head
    lens.page.clock.pause_at(lens.page.evaluate("Date.now()") + 1000)
    lens.button("back").click()
    lens.page.clock.run_for(600)
    assert 2 < lens.position < 3
    assert (
        lens.said
        == "Back over step 3 of 7, reshape(1, 4, 4, 8): what it did is undone."
    )
    memory = lens.part("memory").inner_text()
    assert "taken back" in memory and "Copies so far: 0 of 2" in memory
    assert lens.head == merge
    lens.page.clock.run_for(2400)
    assert lens.position == 2
    assert lens.said.startswith("Step 2 of 7, permute(0, 3, 2, 1, 4): a view.")
    assert lens.head != merge
    lens.part("steps").locator("button").nth(6).click()
    lens.page.clock.run_for(600)
    assert 6 < lens.position < 7
    assert lens.said.startswith("Step 7 of 7, reshape(1, 4, 4, 8): a copy")


def test_a_speed_is_kept_in_the_link(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=1;speed=2")
    lens.page.clock.pause_at(lens.page.evaluate("Date.now()") + 1000)
    lens.button("next").click()
    lens.page.clock.run_for(1400)
    assert lens.position == 2
    lens.setting("speed").select_option("0.5")
    assert lens.state == "v1;step=2;speed=0.5"
    lens.button("next").click()
    lens.page.clock.run_for(4000)
    assert 2.7 < lens.position < 3


def test_a_linear_says_whose_numbers_meet_which_weights(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=4")
    lens.click_cell("h2 w1 c5")
    run, linear = toy.trace, toy.trace.steps[3]
    weight = torch.tensor(run.operands[linear.operands[0]].values).reshape(8, 8)
    k = homes_after(4).flatten().tolist().index(2 * 32 + 8 + 5)
    row, line = divmod(k, 8)
    x = torch.tensor(run.values(linear.inputs[0])).reshape(-1, 8)[row]
    words = lens.said.partition(f"its row times mlp_h.weight[{line}]: ")[2]
    terms = re.findall(r"(\S+) \((h\d w\d c\d)\) . (\S+) \+", words)
    names = birth_names(homes_after(3).reshape(-1, 8)[row])
    assert [name for _, name, _ in terms] == names[:3]
    for (number, _, times), a, b in zip(terms, x, weight[line]):
        found = [float(n.replace(MINUS, "-")) for n in (number, times)]
        assert found == pytest.approx([a.item(), b.item()], rel=6e-3)
    total = float(words.rpartition("8 terms = ")[2].strip(".").replace(MINUS, "-"))
    assert total == pytest.approx((x @ weight[line]).item(), rel=6e-3)
    assert lens.part("between").inner_text().startswith("times mlp_h\n")


def test_play_to_the_end_and_again(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=5")
    lens.page.clock.pause_at(lens.page.evaluate("Date.now()") + 1000)
    play = lens.button("play")
    play.click()
    assert play.get_attribute("aria-pressed") == "true"
    assert "Pause" in play.inner_text()
    lens.page.clock.run_for(8000)
    assert lens.position == 7
    assert play.get_attribute("aria-pressed") == "false"
    assert "Play" in play.inner_text()
    play.click()  # from the end it starts over
    lens.page.clock.run_for(1000)
    assert lens.said.startswith("Step 1 of 7")


def test_pause_shows_the_step_that_was_on_its_way(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=0")
    lens.page.clock.pause_at(lens.page.evaluate("Date.now()") + 1000)
    lens.button("play").click()
    lens.page.clock.run_for(4000)  # one step, a rest, and into the second
    assert 1 < lens.position < 2
    lens.button("play").click()
    assert lens.position == 2
    assert lens.said.startswith("Step 2 of 7")
    lens.page.clock.run_for(5000)
    assert lens.position == 2


@pytest.mark.parametrize("stopper", ["next", "back", "reset", "step 6"])
def test_any_other_button_stops_play(toy, open_lens, stopper):
    lens = open_lens(toy, "toy=v1;step=0")
    lens.button("play").click()
    lens.page.clock.run_for(300)
    if stopper == "step 6":
        lens.go_to(6)
    else:
        lens.press(stopper)
    stopped_at = lens.position
    wanted = {"reset": [3], "step 6": [6]}.get(stopper, range(1, 8))
    assert stopped_at in wanted  # a slow machine may be a step further on
    lens.page.clock.run_for(5000)
    assert lens.position == stopped_at
    assert lens.button("play").get_attribute("aria-pressed") == "false"


def scrub(lens, value: float, event: str = "input") -> None:
    lens.part("scrub").evaluate(
        "(range, [value, event]) => { range.value = value;"
        "range.dispatchEvent(new Event(event, { bubbles: true })); }",
        [value, event],
    )


def test_scrub(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=0")
    pictures = []
    for value in (0.5, 1, 2.25, 2.75, 7):
        scrub(lens, value)
        assert lens.position == value
        words = f"Step {-(-value // 1):.0f} of 7"
        assert lens.said.startswith(words)
        assert lens.part("scrub").get_attribute("aria-valuetext").startswith(words)
        pictures.append(lens.picture())
    assert len(set(pictures)) == len(pictures)
    scrub(lens, 4.4)
    scrub(lens, 4.4, "change")  # let go: it goes on to the nearest step
    lens.settle()
    assert lens.position == 4
    assert lens.state == "v1;step=4"


def test_scrub_with_the_mouse(toy, open_lens):
    lens = open_lens(toy)
    box = lens.part("scrub").bounding_box()
    lens.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    lens.page.mouse.down()
    lens.page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
    assert 5 < lens.position < 6.5
    lens.page.mouse.up()
    lens.settle()
    assert lens.position in (5, 6)


def test_click_a_cell_to_follow_it_and_again_to_let_go(toy, open_lens):
    lens = open_lens(toy)
    plain = lens.pictures()
    lens.click_cell("h2 w1 c5")
    recorded = toy.trace.steps[2]
    before, after = (
        toy.trace.tensors[recorded.inputs[0]],
        toy.trace.tensors[recorded.output],
    )
    n, s = divmod(5, S)
    here = sum(c * k for c, k in zip((0, n, 1, 2, s), before.strides))
    there = sum(c * k for c, k in zip((0, n, 1, 2 * S + s), after.strides))
    assert (
        f"You follow h2 w1 c5, address {here} before the step, address {there} in new "
        "memory after it, value "
    ) in lens.said
    values = torch.tensor(toy.trace.values(toy.trace.inputs[0])).reshape(TOY)
    value = float(re.search(r"value (-?[\d.]+)\.", lens.said)[1])
    assert value == pytest.approx(values[0, 2, 1, 5].item(), rel=1e-3)
    home = torch.arange(128).reshape(TOY)[0, 2, 1, 5].item()
    assert lens.state == f"v1;step=3;cell={home}"
    assert all(a != b for a, b in zip(plain, lens.pictures()))
    lens.press("next")  # it is followed through every step
    assert "You follow h2 w1 c5" in lens.said
    assert "it has seen 8 numbers: h 0 to 3, w 1, c 4 to 5" in lens.said
    lens.press("back")
    lens.click_cell("h2 w1 c5", side="left")
    assert "You follow" not in lens.said
    assert lens.state == "v1;step=3"
    assert lens.pictures() == plain


def test_a_click_beside_the_cells_does_nothing(toy, open_lens):
    lens = open_lens(toy)
    words = lens.said
    lens.part("panes").locator("canvas").click(position={"x": 1, "y": 1})
    assert lens.said == words
    assert lens.state is None


@pytest.mark.parametrize("axis", range(5))
def test_each_number_of_the_call_lights_its_axis(toy, open_lens, axis):
    lens = open_lens(toy, "toy=v1;step=2")
    plain = lens.picture()
    order = toy.trace.steps[1].order
    before, after = (toy.trace.tensors[i] for i in (1, 2))
    button = lens.part("call").locator(f'[data-value="{axis}"]')
    assert button.inner_text().startswith(str(order[axis]))
    assert f"axis {after.axes[axis]}" in button.get_attribute("aria-label")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    name, source = after.axes[axis], before.axes[order[axis]]
    assert (
        f"Axis {axis} of the output is {name}, {after.shape[axis]} long; it was axis "
        f"{order[axis]} of the input, {source}; one step along it jumps "
        f"{after.strides[axis]} place"
    ) in lens.said
    lit = [
        lens.part(side).locator(".vip-lit").inner_text() for side in ("left", "right")
    ]
    assert lit == [source, name]
    assert lens.state == f"v1;step=2;axis={axis}"
    lens.page.mouse.move(0, 0)
    assert lens.picture() != plain
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert lens.state == "v1;step=2"


def test_hovering_a_number_shows_its_axis_for_the_time_being(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=2")
    plain = lens.picture()
    lens.part("call").locator('[data-value="1"]').hover()
    assert lens.part("right").locator(".vip-lit").inner_text() == "N"
    assert lens.picture() != plain
    lens.page.mouse.move(0, 0)
    assert lens.part("right").locator(".vip-lit").count() == 0
    assert lens.picture() == plain


def test_another_step_forgets_the_axis(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=2;axis=1")
    assert "Axis 1 of the output is N" in lens.said
    lens.press("next")
    assert "Axis" not in lens.said
    assert lens.state == "v1;step=3"


def test_colour_by_value(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=0")
    lens.part("fill").select_option("value")
    assert lens.state == "v1;step=0;fill=value"
    values = toy.trace.values(toy.trace.inputs[0])
    cells = lens.cells()["left"]
    boxes = [cells[name][1] for name in birth_names(homes_after(0))]
    colours = lens.colours([((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes])
    for sign in (-1, 1):  # blue, orange; the further from zero, the stronger
        found = [(v, c) for v, c in zip(values, colours) if v * sign > 0]
        found.sort(key=lambda pair: abs(pair[0]))
        warmth = [sign * (red - blue) for _, (red, _, blue) in found]
        assert warmth == pytest.approx(sorted(warmth), abs=2)
        assert warmth[-1] > 100


def test_what_is_written_into_the_cells(toy, open_lens):
    lens = open_lens(toy)
    pictures = {lens.picture()}
    for choice in ("birth", "value", "order"):
        lens.part("numbers").select_option(choice)
        assert lens.state == f"v1;step=3;numbers={choice}"
        pictures.add(lens.picture())
    assert len(pictures) == 4
    lens.part("numbers").select_option("none")
    assert lens.picture() in pictures


def test_the_gradient_goes_the_way_back(toy, open_lens):
    lens = open_lens(toy)
    forward = lens.picture()
    lens.part("backward").check()
    assert lens.position == 7
    assert lens.said.startswith("The gradient arrives at the output.")
    assert lens.state == "v1;step=7;dir=back"
    arriving = lens.picture("strip")
    lens.press("next")  # Next goes on with the gradient, back through the steps
    assert "below of what the step wrote" in lens.part("memory").inner_text()
    assert lens.picture("strip") != arriving  # the strip above is filled by the step
    assert lens.position == 6
    assert lens.said.startswith("Step 7 of 7, reshape(1, 4, 4, 8), backward:")
    assert lens.picture() != forward
    lens.click_cell("h2 w1 c5")
    gradient = torch.tensor(toy.trace.gradient(toy.trace.steps[-1].inputs[0]))
    gradient = gradient.reshape(1, 4, 4, N, S)[0, 2, 1, 5 // S, 5 % S].item()
    said = float(re.search(r"gradient (-?[\d.]+)\.", lens.said)[1])
    assert said == pytest.approx(gradient, rel=1e-3)
    for _ in range(6):
        lens.press("next")
    assert lens.position == 0
    gradient = torch.tensor(toy.trace.gradient(0)).reshape(TOY)[0, 2, 1, 5].item()
    said = float(re.search(r"gradient (-?[\d.]+)\.", lens.said)[1])
    assert said == pytest.approx(gradient, rel=1e-3)
    assert lens.button("next").get_attribute("aria-disabled") == "true"
    lens.press("back")
    assert lens.position == 1
    lens.go_to(6)  # the moment when step 6 has been undone
    assert lens.position == 5
    assert lens.said.startswith("Step 6 of 7")
    assert lens.current == ["6 permute"]
    lens.part("backward").uncheck()
    assert lens.position == 0
    assert "dir=back" not in lens.state


def test_start_again(toy, open_lens):
    lens = open_lens(toy)
    first = lens.pictures()
    lens.go_to(6)
    lens.click_cell("h0 w0 c0")
    lens.part("fill").select_option("value")
    lens.part("numbers").select_option("birth")
    lens.press("copy")
    lens.press("reset")
    assert lens.position == 3
    assert lens.pictures() == first
    assert lens.part("fill").input_value() == "birth"
    assert lens.part("numbers").input_value() == "none"
    assert lens.part("link").is_hidden()
    assert lens.state == "v1;step=3"
