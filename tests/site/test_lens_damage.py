"""Damaged data: a sentence in the figure's place, and the rest of the page works."""

import pytest
from lens_driver import Lens
from lens_pages import change_recording, figure, height_lens, page


def put(value, *path):
    """Damage: `value` at a place of the recording."""

    def change(recording):
        for key in path[:-1]:
            recording = recording[key]
        recording[path[-1]] = value

    return change_recording(change)


DAMAGE = {
    "nothing": lambda text: "",
    "truncated": lambda text: text[: len(text) // 2],
    "truncated-by-one": lambda text: text[:-1],
    "two": lambda text: text + text,
    "not-JSON": lambda text: "<p>404</p>",
    "null": lambda text: "null",
    "a-list": lambda text: "[]",
    "a-number": lambda text: "7",
    "no-recording": lambda text: '{"name": "no-recording"}',
    "another-format": put("onnx", "format"),
    "wrong-version": put(2, "version"),
    "no-version": put(None, "version"),
    "no-tensors": put([], "tensors"),
    "no-steps": put([], "steps"),
    "steps-null": put(None, "steps"),
    "steps-text": put("reshape", "steps"),
    "no-inputs": put(None, "inputs"),
    "strange-input": put([99], "inputs"),
    "missing-tensor": put(99, "steps", 2, "output"),
    "missing-input": put([99], "steps", 2, "inputs"),
    "circle": put([3], "steps", 2, "inputs"),
    "no-call": put(None, "steps", 4, "call"),
    "no-op": put(None, "steps", 6, "op"),
    "no-kind": put(None, "steps", 6, "kind"),
    "map-out-of-range": put(128, "steps", 2, "map", 5),
    "map-negative": put(-1, "steps", 2, "map", 5),
    "map-fraction": put(1.5, "steps", 2, "map", 5),
    "map-short": put([0, 1], "steps", 2, "map"),
    "map-text": put("0 1 2", "steps", 2, "map"),
    "order-out-of-range": put([0, 3, 2, 1, 9], "steps", 1, "order"),
    "mixed-out-of-range": put([7], "steps", 3, "mixed"),
    "source-broken": put({"line": 3}, "steps", 5, "source"),
    "shape-negative": put([1, 4, 4, -8], "tensors", 0, "shape"),
    "shape-huge": put([1, 4, 4, 10**9], "tensors", 0, "shape"),
    "strides-short": put([1], "tensors", 3, "strides"),
    "offset-missing": put(None, "tensors", 3, "offset"),
    "axes-missing": put(None, "tensors", 3, "axes"),
    "values-short": put([1, 2], "tensors", 0, "values"),
    "values-text": put(["a"] * 128, "tensors", 0, "values"),
    "gradient-short": put([1], "tensors", 7, "gradient"),
    "storage-list": put([0], "tensors", 1, "storage"),
}


@pytest.mark.parametrize(
    "protocol", [pytest.param("http", marks=pytest.mark.slow), "file"]
)
def test_damaged_figures(open_page, places, toy, protocol):
    figures = [figure(height_lens(name), damage) for name, damage in DAMAGE.items()]
    html = page(*figures[:5], figure(toy), *figures[5:])
    path = f"lens/damaged-{protocol}.html"
    (places.folder / path).write_text(html, encoding="utf-8")
    opened = open_page(places(protocol, path))
    lens = Lens(opened)
    for name in DAMAGE:
        place = opened.locator(f"#{name}")
        text = place.inner_text()
        assert "damaged" in text or "cannot be drawn" in text, name
        assert "the rest of the page works without it" in text.lower(), name
        assert len(text) < 250, name
        assert place.locator("button, canvas, svg").count() == 0, name
    lens.go_to(5)
    assert lens.said.startswith("Step 5 of 7")
    assert not lens.is_blank()
