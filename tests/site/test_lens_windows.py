"""Tensors too large to be drawn whole: each element can be brought into the window."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from test_lens_moments import asking
from torch import nn

from vip_tutorial import trace
from vip_tutorial.lens import PermuteLens
from vip_tutorial.lens.tracing.omissions import MOST_FOLLOWED

WINDOWS = """
const { countsOf, cutAxes, isCut, turnedWindow, windowOf } = $window;
const stateOf = (more) => ({ ...BARE, window: "", ...more });
const large = (run) => run.tensors
  .filter(({ id, shape }) => isCut(shape) && run.isComplete(id)).map(({ id }) => id);
/** All windows that the buttons of tensor `id` lead to, one axis after the other. */
function allWindows(run, id) {
  let found = [""];
  for (const axis of cutAxes(run.tensors[id].shape)) {
    const next = [];
    const turn = (window, by) => turnedWindow(run, stateOf({ window }), id, axis, by);
    for (let window of found) {
      for (let back = window; back !== undefined; back = turn(back, -1)) window = back;
      for (; window !== undefined; window = turn(window, 1)) next.push(window);
    }
    found = next;
  }
  return found;
}
"""
torch.manual_seed(0)
LINEAR = nn.Linear(50, 60)


def tokens(x):
    B, H, W, C = x.shape
    y = x.permute(0, 2, 1, 3).reshape(B, W, H * C).reshape(B, W, H, C) * 2
    return y.permute(0, 2, 1, 3) + x.mean(-1, keepdim=True)


# What runs on what, and of each tensor of it that is large how much is seen at once.
RUNS = {
    "rows": (lambda x: x.t().contiguous() + 1, (50, 50), {(40, 50)}),
    "a line": (lambda x: x.flip(0).reshape(50, 100), (5000,), {(2048,), (20, 100)}),
    "long rows": (lambda x: x * x[:1], (3, 4096), {(1, 2048)}),
    "blocks": (
        tokens,
        (2, 14, 14, 16),
        {(1, 9, 14, 16), (1, 9, 224)},
    ),
    "blends": (
        lambda x: LINEAR(x.t()).softmax(-1) @ x.new_ones(60, 60),
        (50, 50),
        {(40, 50), (34, 60)},
    ),
    "a part": (
        lambda x: torch.cat([x[10:], x[:10]]).roll(3, 1)[:, 1:].mean(0),
        (60, 60),
        {(34, 60), (34, 59)},
    ),
    "a sum": (lambda x: x.t() * x + x[:1], (48, 48), {(42, 48)}),
    "many places": (
        lambda x: F.pad(x, (1, 1, 1, 1)).relu(),
        (48, 48),
        {(42, 48), (40, 50)},
    ),
}


@pytest.fixture(scope="module")
def ask(engine_of):
    return asking(engine_of, WINDOWS)


@pytest.fixture(scope="module")
def recordings():
    torch.manual_seed(0)
    found = {}
    for name, (function, shape, _) in RUNS.items():
        x = torch.randn(shape)
        gradient = torch.ones_like(function(x))
        found[name] = trace(function, x, max_elements=MOST_FOLLOWED, gradient=gradient)
    return found


def test_the_windows_hold_whole_rows_and_lead_to_each_element(ask, recordings):
    code = """large(run).map((id) => {
      const seen = allWindows(run, id).map((window) =>
        windowOf(run, stateOf({ window }), id).elements);
      return [run.tensors[id].shape, countsOf(run.tensors[id].shape), seen];
    })"""
    for name, recording in recordings.items():
        found = ask(recording, code)
        assert {tuple(counts) for _, counts, _ in found} == RUNS[name][2], name
        for shape, counts, windows in found:
            assert set().union(*windows) == set(range(math.prod(shape))), name
            numbers = torch.arange(math.prod(shape)).reshape(shape)
            pages = math.prod(-(-n // c) for n, c in zip(shape, counts, strict=True))
            assert len(windows) == pages
            for elements in windows:  # a block of the tensor, in order
                first = [int(i) for i in (numbers == elements[0]).nonzero()[0]]
                block = numbers
                for axis, (start, count) in enumerate(zip(first, counts, strict=True)):
                    block = block.narrow(axis, start, count)
                assert elements == block.flatten().tolist()


def test_what_is_followed_is_in_the_windows_on_both_sides(ask, recordings):
    code = """[0, 7, 1234, 2303].flatMap((cell) => [false, true].flatMap((backward) =>
      run.steps.flatMap((_, i) => {
        const state = stateOf({ cell, backward });
        const now = moment(run, state, i + (backward ? 0 : 1));
        const { left, right } = $scene.exhibitOf(plan, now, state);
        return [left, right].filter(({ layout }) => layout).map(({ id, layout }) => {
          const here = run.whereIs(cell, id);
          return here < 0 || layout.shows(here);
        });
      })))"""
    for name, recording in recordings.items():
        seen = ask(recording, code)
        assert len(seen) > 8 and all(seen), name


def test_numbers_fly_between_cells_that_are_shown(ask, recordings):
    """All that have both ends in a window, and the others arrive unseen."""
    code = """run.steps.flatMap((step, i) => {
      if (step.kind !== "move") return [];
      const state = stateOf({ window: "0.2100" });
      const now = moment(run, state, i + 0.5);
      const { left, right } = $scene.exhibitOf(plan, now, state);
      const { pairs, order, count } = $flight.flightOf(plan, state, now);
      return [{ map: step.map, pairs, count, order, from: left.layout.elements,
        to: right.layout.elements }];
    })"""
    for name, recording in recordings.items():
        for flight in ask(recording, code):
            shown = set(flight["from"])
            pairs = [[flight["map"][k], k] for k in flight["to"]]
            assert flight["pairs"] == [p for p in pairs if p[0] in shown], name
            rows = [flight["order"][k] for k in flight["to"]]
            assert set(rows) == set(range(flight["count"])), name


@pytest.mark.slow
def test_each_moment_can_be_drawn_and_told(ask, recordings):
    """And no more cells than of a tensor that is drawn whole."""
    code = """(() => {
      const ids = large(run);
      const last = allWindows(run, ids.at(-1)).at(-1);
      const bad = [];
      for (const more of [{ window: last }, { cell: 1999 }, { cell: 3, window: last }])
        for (const backward of [false, true])
          run.steps.forEach((_, i) => {
            for (const part of [0.05, 0.6, 1]) {
              const numbers = part === 0.6 ? "birth" : "order";
              const step = backward ? i : i + 1;
              const state = stateOf({ step, backward, numbers, ...more });
              const position = backward ? i + 1 - part : i + part;
              const html = $lens_html.headsHtml(run, state) +
                $lens_html.memoryHtml(run, state) + $legend.legendHtml(plan, state);
              const said = $lens_html.sayText(run, state, plan) + html;
              const outside = drawnOutside(plan, state, position);
              const now = moment(run, state, position);
              const { left, right } = $scene.exhibitOf(plan, now, state);
              const isMuch = ({ layout }) => layout?.elements.length > 2048;
              const isBad = outside.length || isMuch(left) || isMuch(right);
              if (isBad || /undefined|NaN/.test(said))
                bad.push([i, backward, numbers, part, more, outside, said]);
            }
          });
      return bad.slice(0, 2);
    })()"""
    for number, (name, recording) in enumerate(recordings.items()):
        assert ask(recording, code, ("wide", "narrow")[number % 2]) == [], name


def test_a_click_meets_the_cell_that_is_drawn_there(ask, recordings):
    """The colour that stands at a place is that of the element found there."""
    code = """(() => {
      const state = stateOf({ window: "0.2300", fill: "value" });
      const { left } = $scene.exhibitOf(plan, moment(run, state, 1), state);
      const { width, height, parts } = $panes.paneParts(plan, state, 1);
      const drawing = $paint.drawWhole({ width, height, parts });
      const fills = new Map();
      for (const { fill, layer, cells: c } of drawing.boxes)
        for (let i = 0; i < c.length && layer === 0; i += 4)
          fills.set(`${c[i]} ${c[i + 1]}`, fill);
      const looks = looksOf(plan, left.id, "value");
      return left.layout.elements.map((k) => {
        const [x, y] = $cells.corner(left, k);
        const { k: found } = $panes.hit(plan, state, 1, x + 0.2, y + 0.2);
        return [found === k, fills.get(`${x} ${y}`) === looks[k].fill];
      });
    })()"""
    for name in ("rows", "blocks"):
        found = ask(recordings[name], code)
        assert len(found) > 1900 and all(map(all, found)), name


def test_memory_shows_where_the_numbers_of_the_window_lie(ask, recordings):
    code = """(() => {
      const state = stateOf({ window: "0.40", step: 2 });
      const { parts } = $memory.memoryParts(plan, state, 2);
      return [parts.map((part) => {
        const { boxes, marks } = $paint.drawWhole({ parts: [part] });
        const count = (isFaint) => boxes
          .filter(({ fill }) => (fill === "faint") === isFaint)
          .reduce((sum, { cells }) => sum + cells.length / 4, 0);
        const first = marks.find(({ kind }) => kind === "text").text;
        return [count(false), count(true), first];
      }), $lens_html.memoryHtml(run, state)];
    })()"""
    strips, words = ask(recordings["rows"], code)
    # Rows 10 to 49 of x.t() are columns of x: 40 of each 50 places of memory, with a
    # dot for each jump of the reading head.  Their copy is one piece, from 10 * 50 on.
    assert strips == [[2000 + 50, 490, "10"], [2000, 0, "500"]]
    assert "Shown is where the numbers of the windows lie." in words


def test_what_is_too_large_says_what_helps(ask):
    code = """(() => {
      const draw = (plan, state) => $paint.drawWhole($panes.paneParts(plan, state, 1));
      const texts = draw(plan, stateOf({})).marks.map(({ text }) => text).join(" ");
      return [texts, $lens_html.memoryHtml(run, stateOf({}))];
    })()"""
    recording = trace(lambda x: x.t(), torch.randn(130, 130))
    assert ask(recording, "$recording.MOST_FOLLOWED") == MOST_FOLLOWED
    assert "max_elements" not in " ".join(recording.omitted)  # that would not help
    texts, memory = ask(recording, code)
    assert (
        "16,900 elements: 16,384 at most are followed; trace a smaller input" in texts
    )
    assert "too many numbers to draw" in memory
    recording = trace(lambda x: x.t(), torch.randn(50, 50))
    assert "max_elements=2500" in " ".join(recording.omitted)
    texts, _ = ask(recording, code)
    assert "2,500 elements: not recorded, as said under the figure" in texts


@pytest.mark.slow
def test_a_window_is_moved_by_hand_by_key_and_by_what_is_followed(open_lens):
    function, shape, _ = RUNS["rows"]
    recording = trace(function, torch.randn(shape), max_elements=MOST_FOLLOWED)
    lens = open_lens(PermuteLens(recording, name="toy", start="v1;step=1"))

    def shown():
        heads = [re.search(r"(d\d \d+).(\d+) of 50", head) for head in lens.head]
        return [" to ".join(head.groups()) for head in heads]

    def later(side):
        lens.part(side).get_by_role("button", name="later").click()
        lens.settle()

    assert shown() == ["d0 0 to 39", "d1 0 to 39"]
    first = lens.pictures()
    later("right")
    assert shown() == ["d0 0 to 39", "d1 10 to 49"]
    assert lens.state == "v1;step=1;window=0.40"
    later("left")
    assert shown() == ["d0 10 to 49", "d1 10 to 49"]
    moved = lens.pictures()
    lens.key("PageUp")
    assert shown() == ["d0 10 to 49", "d1 0 to 39"]
    lens.key("PageDown")
    assert lens.pictures() == moved
    linked = open_lens(PermuteLens(recording, name="toy"), f"toy={lens.state}")
    assert linked.pictures() == moved
    # The first cell of the windows is taken up, and one row above it is not in them.
    lens.key("ArrowRight")
    assert "You follow d0=40 d1=40" in lens.said
    lens.key("ArrowUp")
    assert "d0=40 d1=39" in lens.said
    assert shown() == ["d0 10 to 49", "d1 0 to 39"]
    lens.key("Escape")  # lets go of the cell, not of the place
    assert shown() == ["d0 10 to 49", "d1 0 to 39"]
    assert lens.state == "v1;step=1;window=0.2039"
    lens.page.get_by_role("button", name="Start again").click()
    assert lens.pictures() == first
