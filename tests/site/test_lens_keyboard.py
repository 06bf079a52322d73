"""The permute lens without a mouse: every key, and where the focus goes."""

import pytest

FOCUSED = """() => {
  const { activeElement: at } = document;
  const { part, do: name, value } = at.dataset;
  if (part) return part;
  if (name) return value ? `${name} ${value}` : name;
  return at.tagName.toLowerCase();
}"""


def focused(lens) -> str:
    return lens.page.evaluate(FOCUSED)


def follows(lens) -> str | None:
    """The cell that the sentence says is followed."""
    _, marker, rest = lens.said.partition("You follow ")
    return rest.split(",")[0] if marker else None


def test_step_keys(toy, open_lens):
    lens = open_lens(toy)
    for key, position in [("n", 4), ("N", 5), ("p", 4), ("P", 3), ("End", 7), ("n", 7)]:
        lens.key(key)
        assert lens.position == position
    for key, position in [("Home", 0), ("p", 0), ("n", 1)]:
        lens.key(key)
        assert lens.position == position
    assert focused(lens) == "panes"


def test_space_plays_and_pauses(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=0")
    lens.page.clock.pause_at(lens.page.evaluate("Date.now()") + 1000)
    lens.part("panes").focus()
    lens.page.keyboard.press("Space")
    assert lens.button("play").get_attribute("aria-pressed") == "true"
    lens.page.clock.run_for(4000)
    assert 1 < lens.position < 2
    lens.page.keyboard.press("Space")
    assert lens.button("play").get_attribute("aria-pressed") == "false"
    assert lens.position == 2  # as the button does: no cell is left on its way
    lens.page.clock.run_for(5000)
    assert lens.position == 2


def test_the_page_does_not_scroll_under_the_keys(toy, open_lens):
    lens = open_lens(toy, height=300)
    lens.part("panes").focus()
    before = lens.page.evaluate("scrollY")
    for key in ("ArrowDown", "Space", "End", "Home"):
        lens.page.keyboard.press(key)
    assert lens.page.evaluate("scrollY") == before


@pytest.mark.parametrize("key, position", [("End", 7), ("Home", 0)])
@pytest.mark.parametrize("moving", ["n", "Space"])
def test_a_jump_ends_what_moves(toy, open_lens, moving, key, position):
    lens = open_lens(toy, "toy=v1;step=2")
    lens.part("panes").focus()
    lens.page.keyboard.press(moving)
    lens.page.clock.run_for(300)
    lens.page.keyboard.press(key)
    lens.page.clock.run_for(5000)
    assert lens.position == position
    assert lens.state == f"v1;step={position}"
    jumped = lens.picture()
    lens.go_to(4)
    lens.key(key)
    assert lens.picture() == jumped


# Step 3 shows (B, N, W, H*S) = (1, 4, 4, 8): channel = 2 n + s.
ARROWS = [
    (["ArrowRight"], "h0 w0 c0"),  # the first key takes up the first cell
    (["ArrowRight"], "h0 w0 c1"),
    (["ArrowRight"], "h1 w0 c0"),
    (["ArrowDown"], "h1 w1 c0"),
    (["ArrowLeft"], "h0 w1 c1"),
    (["ArrowUp"], "h0 w0 c1"),
    (["ArrowUp"], "h0 w0 c1"),  # the edge
    (["Shift+ArrowRight"], "h0 w0 c3"),
    (["Shift+ArrowLeft"], "h0 w0 c1"),
    (["Shift+ArrowLeft"], "h0 w0 c1"),
    (["Shift+ArrowDown"], "h0 w0 c1"),  # there is no fourth axis longer than 1
    (["ArrowRight"] * 9, "h3 w0 c1"),
    (["Escape"], None),
]


def test_arrow_keys_follow_the_neighbour(toy, open_lens):
    lens = open_lens(toy)
    for keys, cell in ARROWS:
        lens.key(*keys)
        assert follows(lens) == cell


def test_arrow_keys_name_what_the_mouse_would(toy, open_lens):
    lens = open_lens(toy)
    lens.key("ArrowRight", "ArrowDown", "Shift+ArrowRight")
    by_keys = lens.state, lens.said, lens.picture()
    cell = follows(lens)
    lens.key("Escape")
    lens.click_cell(cell)
    assert (lens.state, lens.said, lens.picture()) == by_keys


def test_escape_forgets_the_axis_too(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=3;axis=2")
    assert "Axis 2" in lens.said
    lens.key("Escape")
    assert "Axis" not in lens.said
    assert lens.state == "v1;step=3"


def test_the_browsers_own_shortcuts_pass(toy, open_lens):
    lens = open_lens(toy)
    for held in ("altKey", "ctrlKey", "metaKey"):
        passed = lens.part("panes").evaluate(
            "(stage, held) => stage.dispatchEvent(new KeyboardEvent("
            "'keydown', { key: 'n', cancelable: true, [held]: true }))",
            held,
        )
        assert passed
    assert lens.position == 3


def test_keys_of_the_slider_take_whole_steps(toy, open_lens):
    lens = open_lens(toy)
    lens.part("scrub").focus()
    moves = [("ArrowRight", 4), ("ArrowUp", 5), ("PageUp", 6), ("ArrowLeft", 5)]
    moves += [
        ("ArrowDown", 4),
        ("PageDown", 3),
        ("End", 7),
        ("ArrowRight", 7),
        ("Home", 0),
    ]
    for key, position in moves:
        lens.page.keyboard.press(key)
        lens.settle()
        assert lens.position == position
        assert lens.state == f"v1;step={position}"
        assert focused(lens) == "scrub"


def test_every_control_is_reached_by_tab_in_the_order_of_the_page(toy, open_lens):
    lens = open_lens(toy)
    order = []
    for _ in range(40):
        lens.page.keyboard.press("Tab")
        if focused(lens) == "body":
            break
        order.append(focused(lens))
    expected = [f"step {k}" for k in range(1, 8)] + [f"axis {k}" for k in range(4)]
    expected += ["panes", "back", "play", "next", "scrub", "select", "memory"]
    expected += ["fill", "numbers", "backward", "copy", "reset", "summary", "a"]
    assert order == expected


def test_focus_can_be_seen_everywhere(toy, open_lens):
    lens = open_lens(toy)
    for _ in range(22):
        lens.page.keyboard.press("Tab")
        outline = lens.page.evaluate(
            "() => { const style = getComputedStyle(document.activeElement);"
            "return [style.outlineStyle, parseFloat(style.outlineWidth)]; }"
        )
        assert outline[0] == "solid", focused(lens)
        assert outline[1] >= 2, focused(lens)


@pytest.mark.parametrize("control", ["next", "back", "play", "reset"])
def test_focus_stays_on_a_pressed_button(toy, open_lens, control):
    lens = open_lens(toy)
    lens.button(control).focus()
    for key in ("Enter", "Space"):
        lens.page.keyboard.press(key)
        lens.page.clock.run_for(2500)
        assert focused(lens) == control


def test_the_copied_link_is_selected(toy, open_lens):
    lens = open_lens(toy)
    lens.button("copy").focus()
    lens.page.keyboard.press("Enter")
    selected = lens.page.evaluate("getSelection().toString()")
    assert selected.endswith("#toy=v1;step=3")


def test_focus_stays_on_a_pressed_step(toy, open_lens):
    lens = open_lens(toy)
    lens.part("steps").locator("button").nth(5).focus()
    lens.page.keyboard.press("Enter")
    lens.settle()
    assert lens.position == 6
    assert focused(lens) == "step 6"


def test_focus_stays_on_the_numbers_of_the_call(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=2")
    lens.part("call").locator('[data-value="2"]').focus()
    lens.page.keyboard.press("Enter")
    assert focused(lens) == "axis 2"
    assert "Axis 2 of the output is W" in lens.said
    lens.page.keyboard.press("Space")
    assert focused(lens) == "axis 2"
    assert "Axis" not in lens.said


def test_focus_is_not_lost_when_play_replaces_the_call(toy, open_lens):
    lens = open_lens(toy, "toy=v1;step=1")
    lens.page.clock.pause_at(lens.page.evaluate("Date.now()") + 1000)
    lens.button("play").click()
    lens.part("call").locator('[data-value="3"]').focus()
    lens.page.clock.run_for(3300)  # now step 3, whose call has a number at this place
    assert lens.said.startswith("Step 3 of 7")
    assert focused(lens) == "axis 3"
    lens.page.clock.run_for(3100)  # step 4, a Linear, has none
    assert lens.said.startswith("Step 4 of 7")
    assert focused(lens) == "panes"
