"""The brush of the pages and its twin, and what was measured with it."""

import json

import pytest
import torch

from vip_tutorial.experiments import brush, results
from vip_tutorial.experiments.brush import PENS, Pen, covered, crossed, distances


@pytest.fixture(scope="module")
def measured():
    return results.read("brush")


def pieces(path):
    """A path as the experiment has lines; a dot is a piece without a length."""
    points = torch.tensor(path, dtype=torch.float64)
    return torch.stack([torch.cat([points[:1], points[:-1]]), points], dim=1)


def paths():
    """Strokes of all kinds: a dot, long and short steps, corners, partly outside."""
    rng = torch.Generator().manual_seed(0)
    for H, W, count in [(8, 8, 1), (8, 8, 2), (8, 8, 40), (5, 9, 12), (3, 2, 6)]:
        for step in (0.1, 1.0, 6.0):
            start = torch.rand(1, 2, generator=rng).double() * min(H, W)
            steps = torch.randn(count - 1, 2, generator=rng).double() * step
            yield H, W, torch.cat([start, steps]).cumsum(dim=0).tolist()


def test_the_page_has_the_same_brushes(engine_of):
    page = engine_of("brush.js")
    seen = set()
    for H, W, path in paths():
        given = json.dumps({"H": H, "W": W}), json.dumps(path)
        call = "JSON.stringify($brush.{}({}, {}{}))".format
        there = json.loads(page.eval(call("crossed", *given, "")))
        assert there == crossed(pieces(path), H, W).flatten().tolist()
        far = distances(pieces(path), H, W)
        for pen in (Pen(1.25), Pen(0.7, 0.5), Pen(2.5, 1.5), Pen(0.3, 0.4)):
            pen_given = ", " + json.dumps(pen._asdict())
            there = json.loads(page.eval(call("covered", *given, pen_given)))
            assert there == covered(far, pen).flatten().tolist(), (H, W, path, pen)
            seen |= set(there)
    assert seen == set(range(17))


def test_a_stroke_takes_the_brush_that_is_ticked(engine_of):
    """All of it at once or bit by bit, over the grey that there was before."""
    page = engine_of("drawing.js")
    page.eval("var scene = $drawing.readPictures([8, 8], [['a', '4'.repeat(64)]])")
    path = [[1.3, 1.2], [4.0, 2.5], [6.6, 6.1], [2.2, 5.9]]
    pen, rubber = (covered(distances(pieces(path), 8, 8), Pen(w)) for w in (1.25, 2.5))
    way = crossed(pieces(path), 8, 8)
    for hard, rub, ink in (
        (False, False, pen.clamp(min=4)),
        (True, False, way.clamp(min=4)),
        (False, True, (16 - rubber).clamp(max=4)),
        (True, True, (16 - way).clamp(max=4)),
    ):
        wanted = "".join("0123456789abcdefg"[int(level)] for level in ink.flatten())
        for cuts in ([4], [1, 1, 2]):
            state, at = {"picture": "", "hard": hard, "rub": rub}, 0
            for count in cuts:
                bit = [[(v + 0.1) / 8.2 for v in one] for one in path[at : at + count]]
                action = {"name": "draw", "path": bit, "begins": at == 0}
                given = f"{json.dumps(state)}, {json.dumps(action)}"
                state |= json.loads(
                    page.eval(f"JSON.stringify($drawing.act(scene, {given}))")
                )
                at += count
            assert state["picture"] == wanted, (hard, rub, cuts)


def test_a_pen_covers_its_share():
    """Of a line through the middles of pixels, and of one between them."""
    line = torch.tensor([[[-5.0, 4.5], [20.0, 4.5]]], dtype=torch.float64)
    for shift, levels in ((0, [0, 2, 16, 2, 0]), (0.5, [0, 0, 10, 10, 0])):
        far = distances(line + torch.tensor([0, shift]), 8, 8)
        assert covered(far, Pen(1.25))[2:7, 3].tolist() == levels
        ink = covered(far, Pen(1.25, 0.5)).double().sum().item() / 16
        assert ink == pytest.approx(8 * 1.25, abs=0.5)  # a rim adds what it takes


def test_the_lines_of_a_ring_and_of_a_stroke():
    levels = torch.zeros(2, 8, 8, dtype=torch.int64)
    levels[0, 1:7, 2] = 16
    levels[1, 1:7, 1:7] = 16
    levels[1, 3:5, 3:5] = 0
    squares = brush.bitmaps(levels).unflatten(2, (8, 4)).unflatten(1, (8, 4))
    assert torch.equal(squares.sum(dim=(2, 4)), levels)
    stroke, ring = brush.lines(levels)
    x, y = stroke.flatten(0, 1).T
    assert ((x - 2.5).abs() <= 0.25).all() and y.min() < 2.2 and y.max() > 5.8
    ends = ring.flatten(0, 1)
    _, met = ends.unique(dim=0, return_counts=True)
    assert (met == 2).all()  # it is closed
    lengths = (ring[:, 1] - ring[:, 0]).norm(dim=1).sum().item()
    assert 12 < lengths < 18
    noise = torch.randint(17, (3, 8, 8))
    squares = brush.bitmaps(noise).unflatten(2, (8, 4)).unflatten(1, (8, 4))
    assert torch.equal(squares.sum(dim=(2, 4)), noise)


def test_the_pen_of_the_page_is_the_one_that_was_chosen(engine_of, measured):
    assert [(p["width"], p["rim"]) for p in measured["grid"]] == PENS
    best = min(measured["grid"], key=lambda pen: pen["difference"])
    pen = {key: best[key] for key in ("width", "rim")}
    page = json.loads(engine_of("brush.js").eval("JSON.stringify($brush.PEN)"))
    assert measured["pen"] == pen == page


def test_what_is_filed_measured_again(measured):
    """Some digits of the second half, and none of them was there to choose the pen."""
    some = brush.Reader(slice(250, 290))
    filed = measured["second"]
    pictures = brush.compared(some, Pen(**measured["pen"]))
    assert list(pictures) == list(filed) and brush.SECOND == slice(250, 500)
    for name, levels in pictures.items():
        again, there = some.told(levels)["said"], filed[name]["said"][:40]
        assert sum(a != b for a, b in zip(again, there)) <= 1, name  # on a near tie
    _, test = brush.digits()
    for one in filed.values():
        right = sum(
            int(a) == b for a, b in zip(one["said"], test.labels[250:].tolist())
        )
        assert (one["right"], sum(one["levels"])) == (right, 250 * 64)


def test_the_interval_is_wilsons():
    for right, of in ((223, 250), (250, 250), (0, 10), (5, 10)):
        for share in brush.interval(right, of):
            # The share whose own spread just reaches what was counted.
            reach = 1.96**2 * share * (1 - share) / of
            assert (right / of - share) ** 2 == pytest.approx(reach, abs=1e-9)
