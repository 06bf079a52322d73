"""Text that comes from data stays text: no element and no attribute comes of it."""

import copy
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
import torch
from lens_driver import Lens
from lens_pages import figure, height_lens, page
from test_figures import EXAMPLES

from vip_tutorial.figures import LiveViP, MutantSpotter, Playground
from vip_tutorial.lens.figure.bundle import constant
from vip_tutorial.lens.figure.host import BookWidget
from vip_tutorial.study.faults.mutants import MUTANTS
from vip_tutorial.training.data import Scale
from vip_tutorial.vision_permutator import VisionPermutator

# Whatever it stands in, an element or an attribute in either kind of quotes: where it
# is not escaped there is an element or an attribute "evil", or what "&" begins is read.
HOSTILE = """<evil a="'" evil='' evil=""><img src=x onerror=alert(1)></script>&lt;"""
LABELS = ["one", "other"]
FIGURES = {kind: make for kind, (make, _) in EXAMPLES.items()} | {
    "permute_lens": lambda: height_lens(picture=torch.rand(4, 4)),
    # Few pictures, blocks and mutants: each of them is treated alike.
    "live_vip": lambda: LiveViP(
        VisionPermutator([1], [8], patch_size=1, img_size=4, in_chans=1, num_classes=2),
        Scale(0, 1),
        {"a": torch.rand(4, 4), "b": torch.rand(4, 4)},
        LABELS,
    ),
    "mutant_spotter": lambda: MutantSpotter(MUTANTS[:2]),
    "playground": lambda: Playground("y = x.T", (2, 3), "AB"),
}
STATES = {kind: ["", another] for kind, (_, another) in EXAMPLES.items()} | {
    "permute_lens": [
        "",
        "v1;step=1;numbers=birth;cell=9",
        "v1;step=2;axis=1",
        "v1;step=4",
    ],
    "live_vip": [
        "v1;other=b;off=1h;open=1;branch=h;step=1",
        "v1;open=1;branch=w;step=2",
    ],
    "mutant_spotter": ["", "v1;guess=A", "v1;round=2;guess=same"],
    "playground": ["", "v1;example=heads"],
}
# What is certainly seen of the data; so much may not be refused, or go unlooked at.
SEEN = {
    "seed_comparison": {"models.*.label", "models.*.group"},
    "permute_lens": {"recording.omitted.*", "recording.tensors.*.axes.*"}
    | {f"recording.steps.*.{key}" for key in ("call", "op")}
    | {f"recording.steps.*.source.{key}" for key in ("file", "function", "text")},
    "live_vip": {"labels.*", "pictures.*.*", "recordings.h.steps.*.call"},
    "branch_mixer": {"pictures.*.*"},
    "shape_puzzles": {"name"},
    "playground": {"code", "axes.*", "shape.*"},
    "reach_probe": {"maps.*.label"},
    "memory_strip": {"tensors.*.label", "numbers.*"},
    "check_grid": {
        "checks.*.name",
        "mutants.*.name",
        "mutants.*.fault",
    }
    | {"mutants.*.said.formula"},
    "mutant_spotter": {"game.views.*.title", "game.views.*.expect"}
    | {f"game.rounds.*.{key}" for key in ("fault", "seen", "method", "code.*.*")}
    | {f"game.rounds.*.{key}" for key in ("caught.*", "told.*")},
}


class Page(HTMLParser):
    """What HTML holds that must not come of text."""

    def __init__(self, html: str):
        super().__init__()
        self.bad: list[str] = []
        self.quoted = False  # whether the text stands in it as text
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        names = {name for name, _ in attributes}
        if tag in ("evil", "script", "img") or "evil" in names:
            self.bad.append(self.get_starttag_text())
        for name, value in attributes:
            if name.startswith("on") or (name == "style" and "evil" in value):
                self.bad.append(self.get_starttag_text())
            self.quoted |= HOSTILE in (value or "")

    def handle_data(self, data):
        self.quoted |= HOSTILE in data


def leaves(data: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """Every text and number of JSON, with the keys that lead there."""
    if isinstance(data, dict | list):
        for key in data if isinstance(data, dict) else range(len(data)):
            yield from leaves(data[key], (*path, key))
    elif data is not None:
        yield path, data


def changed(state: dict, paths: list[tuple]) -> dict:
    state = copy.deepcopy(state)
    for path in paths:
        place = state
        for key in path[:-1]:
            place = place[key]
        old = place[path[-1]]
        mine = HOSTILE + old + HOSTILE if isinstance(old, str) else HOSTILE
        place[path[-1]] = mine
    return state


def pattern(path: tuple) -> str:
    """ "recording.steps.*.call": the place, whichever step it is of."""
    by_name = "views" in path and path.index("views") + 1
    return ".".join(
        "*" if isinstance(key, int) or (by_name and i == by_name) else key
        for i, key in enumerate(path)
    )


LARGE = ("live_vip", "module_map")  # seconds each


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.slow] if kind in LARGE else [])
        for kind in FIGURES
    ],
)
def test_no_figure_takes_text_for_html(kind, engine_of):
    assert set(FIGURES) == set(BookWidget.kinds)
    module = BookWidget.kinds[kind].module
    engine = engine_of(module)

    def frames(data: dict) -> list[str]:
        """As the page is built, and as a script draws it then."""
        call = f"{constant(module)}.firstFrame({json.dumps(data)}"
        return [engine.eval(f"{call}, {is_awake})") for is_awake in ("false", "true")]

    state = json.loads(json.dumps(FIGURES[kind]().page_state()))
    if kind == "permute_lens":
        state["recording"]["omitted"] = ["something was left out"]
    groups: dict[str, list[tuple]] = {}
    for path, value in leaves(state):
        group = groups.setdefault(pattern(path), [])
        if isinstance(value, str) or not group:  # of many numbers one
            group.append(path)
    seen = set()
    for place, group in groups.items():
        # All at once; where that is refused, each for itself, where it is not seen one.
        ways = [group, group[:1]]
        while ways and place not in seen:
            paths = ways.pop(0)
            data = changed(state, paths)
            for start in STATES[kind] if place != "start" else [data["start"]]:
                drawn = frames({**data, "start": start})
                found = [Page(frame) for frame in drawn]
                assert [page.bad for page in found] == [[], []], (place, start)
                if any("cannot be drawn" in frame for frame in drawn):
                    ways = ways if len(paths) == 1 else [[path] for path in group]
                    break
                if any(page.quoted for page in found):
                    seen.add(place)
    assert {"title"} | SEEN.get(kind, set()) <= seen


def test_a_living_lens_takes_no_text_for_html(open_page, places):
    lens = height_lens(start="v1;step=3")
    state = lens.page_state()
    texts = [
        path
        for path, value in leaves(state["recording"]["steps"], ("recording", "steps"))
        if isinstance(value, str) and path[-1] not in ("kind", "op", "known")
    ]
    texts += [path for path, _ in leaves(state) if "axes" in path]
    data = changed(state, [*texts, ("title",)])
    html = page(figure(lens, lambda _: json.dumps(data).replace("<", "\\u003c")))
    (places.folder / "lens/hostile.html").write_text(html, encoding="utf-8")
    opened = open_page(places("http", "lens/hostile.html"))
    living = Lens(opened)
    for step in range(1, 8):
        living.go_to(step)
        assert HOSTILE in living.part("call").inner_text()
        assert opened.locator("evil, [evil]").count() == 0


def test_what_a_reader_types_is_no_html(open_figure):
    opened = open_figure(FIGURES["shape_puzzles"]())
    opened.box.locator("[name=answer]").fill(HOSTILE)
    opened.box.locator("form button").first.click()
    assert "<evil" in opened.said
    assert opened.page.locator("evil, [evil]").count() == 0
