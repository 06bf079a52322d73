"""The reach probe by mouse and by key; each number that it tells, against PyTorch."""

import json
import re

import pytest
import torch
from test_anywidget import open_live  # noqa: F401

from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.figures import ReachProbe
from vip_tutorial.mixers.rivals import Convolution
from vip_tutorial.study.reach import reach

H, W, C = 4, 4, 8
SPACE = "\u00a0"


@pytest.fixture(scope="module")
def maps():
    torch.manual_seed(0)
    module = WeightedPermuteMLP(C, H)
    return {
        "height": module.height,
        "width": module.width,
        "channel": module.channel,
        "sum <of> three": PermuteMLP(C, H),
        "conv": Convolution(C),
        "whole": module,
    }


@pytest.fixture(scope="module")
def x():
    return torch.randn(1, H, W, C, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def strengths(maps, x):
    """Of each map, by output token: three digits, as the figure keeps them."""
    return {
        label: [
            [float(f"{s:.2e}") for s in row] for row in reach(f, x).reshape(H * W, -1)
        ]
        for label, f in maps.items()
    }


@pytest.fixture
def probe(open_figure, maps, x):
    return open_figure(ReachProbe(maps, x, name="probe", at=(0, 0)))


SQUARES = """(svg) => [...svg.querySelectorAll("[data-at]")].map((token) => {
  const shade = token.querySelector(".vip-reach-shade");
  const ring = token.querySelector("circle");
  return [Boolean(ring), +(shade?.getAttribute("fill-opacity") ?? 0)];
})"""


def token(probe, number: int):
    return probe.figure.locator(f'.vip-reach-tokens [data-at="{number}"]')


def told(figure) -> dict[str, float]:
    """The numbers of the sentence."""
    text = figure.said.replace(SPACE, " ")
    found = re.search(
        r"depends on (\d+) of (\d+) input tokens, (\d+) %.*"
        r"Strongest (\S+), (.*); weakest (\S+), (.*)\.$",
        text,
    )
    names = "count tokens percent strong strong_at weak weak_at".split()
    return {
        name: value if name.endswith("_at") else float(value)
        for name, value in zip(names, found.groups(), strict=True)
    }


def place(number: int, own: int) -> str:
    return (
        "its own place" if number == own else f"row {number // W}, column {number % W}"
    )


def test_every_number_of_every_map_is_pytorchs(probe, maps, strengths):
    tokens = probe.figure.locator(".vip-reach-tokens")
    for number, label in enumerate(maps):
        tokens.press(str(number + 1))
        for own in (0, 6, 15):
            token(probe, own).click()
            seen = strengths[label][own]
            some = [s for s in seen if s]
            assert told(probe) == {
                "count": len(some),
                "tokens": H * W,
                "percent": round(100 * len(some) / (H * W) + 1e-9),
                "strong": max(some),
                "strong_at": place(seen.index(max(some)), own),
                "weak": min(some),
                "weak_at": place(seen.index(min(some)), own),
            }
            assert probe.said.startswith(
                f"“{label}”: the output token in row {own // W}"
            )
            for other, button in zip(maps, probe.button("map").all(), strict=True):
                count = sum(s > 0 for s in strengths[other][own])
                assert button.inner_text().split("\n")[-1].endswith(f"{count} of 16")
        everything = [s for row in strengths[label] for s in row if s]
        key = probe.figure.locator(".vip-reach-key").inner_text()
        low, high = (float(n) for n in re.findall(r"\d[\d.e-]*", key)[1:3])
        assert (low, high) == (min(everything), max(everything))


def test_each_token_can_be_read(probe, strengths):
    tokens = probe.figure.locator(".vip-reach-tokens")
    tokens.press("6")
    probe.press("read")
    for number, strength in enumerate(strengths["whole"][0]):
        token(probe, number).click()
        assert probe.state == f"v1;map=5;read={number}"
        text = probe.said.replace(SPACE, " ")
        at, value, rest = re.match(r"Input token in (.*): (\S+), (.*)", text).groups()
        assert (at, float(value)) == (place(number, -1), strength)
        strongest = max(strengths["whole"][0])
        if strength < strongest:
            share = float(re.match(r"(\S+) % of the strongest", rest)[1])
            assert share == pytest.approx(100 * strength / strongest, rel=0.006)
        else:
            assert rest.startswith("the strongest of all")
    tokens.press("1")
    token(probe, 1).click()
    assert "exactly 0. A nudge there does not move the output token" in probe.said
    probe.press("read")
    assert probe.said.startswith("“height”")


def test_what_is_seen_is_marked_without_colour(probe, strengths):
    """A ring for each 0, a frame for each other; the more opaque, the stronger."""
    tokens = probe.figure.locator(".vip-reach-tokens")
    for shade in ("linear", "log"):
        probe.setting("shade").select_option(shade)
        for number, label in ((4, "sum <of> three"), (6, "whole")):
            tokens.press(str(number))
            drawn = tokens.evaluate(SQUARES)
            seen = strengths[label][0]
            assert [ring for ring, _ in drawn] == [s == 0 for s in seen]
            order = sorted(range(H * W), key=lambda i: seen[i])
            opacities = [drawn[i][1] for i in order]
            assert opacities == sorted(opacities)
            assert all((opacity >= 0.1) == (not ring) for ring, opacity in drawn)


def test_maps_on_one_scale_can_be_compared(open_figure, x):
    maps = {"all": lambda x: 10 * x, "none": lambda x: 0 * x, "little": lambda x: x}
    probe = open_figure(ReachProbe(maps, x, name="probe", at=(0, 0), one_scale=True))
    tokens = probe.figure.locator(".vip-reach-tokens")
    opacity = [tokens.evaluate(SQUARES)[0][1]]
    for key in "23":
        tokens.press(key)
        opacity.append(tokens.evaluate(SQUARES)[0][1])
    assert opacity == pytest.approx([1, 0, 0.1 + 0.9 / 10], abs=1e-3)
    key = probe.figure.locator(".vip-reach-key").inner_text()
    root = C**0.5
    assert f"{root:.3g}" in key and f"{10 * root:.3g}" in key


def test_nothing_at_all_on_one_scale(open_figure, x):
    maps = {"none": lambda x: 0 * x}
    probe = open_figure(ReachProbe(maps, x, name="probe", one_scale=True))
    assert probe.said.endswith("depends on no input token.")
    assert "NaN" not in probe.html() and "Infinity" not in probe.html()


def test_the_output_token_is_dragged(probe):
    middle = [token(probe, n).bounding_box() for n in (5, 6, 10)]
    points = [(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2) for b in middle]
    mouse = probe.page.mouse
    mouse.move(*points[0])
    mouse.down()
    assert probe.state == "v1;at=5"
    mouse.move(*points[1])
    assert probe.state == "v1;at=6"
    mouse.move(*points[2], steps=3)
    assert probe.state == "v1;at=10"
    mouse.up()
    mouse.move(*points[0])
    assert probe.state == "v1;at=10"


def test_a_finger_can_choose_a_token(open_figure, maps, x):
    probe = open_figure(
        ReachProbe(maps, x, name="probe", at=(0, 0)), width=360, has_touch=True
    )
    token(probe, 9).tap()
    assert probe.state == "v1;at=9"


def test_keys_walk_and_stop_at_the_edge(probe):
    tokens = probe.figure.locator(".vip-reach-tokens")
    for key, state in [
        ("ArrowUp", "v1"),
        ("ArrowLeft", "v1"),
        ("ArrowRight", "v1;at=1"),
        ("ArrowDown", "v1;at=5"),
        ("3", "v1;map=2;at=5"),
        ("7", "v1;map=2;at=5"),
        ("Shift+ArrowRight", "v1;map=2;at=5;read=6"),
        ("Shift+ArrowDown", "v1;map=2;at=5;read=10"),
        ("ArrowLeft", "v1;map=2;at=4;read=10"),
        ("Escape", "v1;map=2;at=4"),
        ("Escape", "v1;map=2;at=4"),
        ("Tab", "v1;map=2;at=4"),
    ]:
        tokens.press(key)
        assert (probe.state or "v1") == state, key
    scrolled = probe.page.evaluate("scrollY")
    for _ in range(5):
        tokens.press("ArrowDown")
    assert probe.state == "v1;map=2;at=12"
    assert probe.page.evaluate("scrollY") == scrolled
    for _ in range(5):
        tokens.press("ArrowRight")
    assert probe.state == "v1;map=2;at=15"


@pytest.mark.parametrize(
    ("number", "own", "words"),
    [
        (1, 6, ": column 2."),
        (2, 6, ": row 1."),
        (3, 6, ": itself."),
        (4, 6, ": a cross, row 1 and column 2."),
        (5, 0, ": rows 0 to 1, columns 0 to 1."),
        (5, 6, ": rows 0 to 2, columns 1 to 3."),
    ],
)
def test_the_shape_is_told(probe, number, own, words):
    probe.figure.locator(".vip-reach-tokens").press(str(number))
    token(probe, own).click()
    assert f" %{words}" in probe.said.replace(SPACE, " ")


def test_a_single_token_elsewhere_is_told(open_figure, x):
    maps = {"shifted": lambda x: x.roll(1, dims=2)}
    probe = open_figure(ReachProbe(maps, x, name="probe", at=(1, 2)))
    assert ": row 1, column 1. Strongest 2.83, row 1, column 1" in probe.said


def test_the_frame_does_not_stand_in_the_way(probe):
    token(probe, 5).click()
    framed = token(probe, 5).bounding_box()
    probe.press("read")
    token(probe, 6).click()
    probe.page.mouse.click(framed["x"] + 3, framed["y"] + 3)
    assert probe.state == "v1;at=5;read=5"


def test_how_much_the_cross_carries_is_told(probe, maps, x):
    probe.figure.locator(".vip-reach-tokens").press("6")
    token(probe, 6).click()
    strength = reach(maps["whole"], x)[1, 2]
    cross = strength[1].sum() + strength[:, 2].sum() - strength[1, 2]
    share = int(re.search(r"have (\d+)\s% of all the strength", probe.said)[1])
    assert share == pytest.approx(float(100 * cross / strength.sum()), abs=0.6)


def test_a_map_is_chosen_by_its_picture(probe):
    probe.button("map").nth(3).click()
    assert probe.state == "v1;map=3"
    pressed = [b.get_attribute("aria-pressed") for b in probe.button("map").all()]
    assert pressed == ["false"] * 3 + ["true"] + ["false"] * 2


def test_links_that_ask_for_what_is_not_there(open_figure, maps, x):
    probe = open_figure(
        ReachProbe(maps, x, name="probe"), "probe=v1;map=6;at=16;read=2;shade=dark"
    )
    assert "“map=6”, “at=16”, “shade=dark”" in probe.said
    assert "Input token in row 0, column 2" in probe.said


def test_python_shows_another_function_in_the_same_figure(open_live, maps, x):  # noqa: F811
    probe = ReachProbe({"height": maps["height"]}, x, name="probe")
    live = open_live(probe)
    live.figure.locator(".vip-reach-tokens").press("ArrowDown")
    assert live.page.evaluate("saved.at(-1)") == "v1;at=14"
    probe.show({"conv": maps["conv"], "whole": maps["whole"]}, x)
    live.page.evaluate("(maps) => fromPython('maps', maps)", probe.maps)
    assert live.said.startswith("“conv”: the output token in row 3, column 2")
    live.page.evaluate("fromPython('state', 'v1;map=1;at=3')")
    assert live.said.startswith("“whole”: the output token in row 0, column 3")


def damage(**changes):
    def change(text: str) -> str:
        data = json.loads(text)
        for key, value in changes.items():
            if key in data:
                data[key] = value
            else:
                data["maps"][1][key] = value
        return json.dumps(data)

    return change


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"grid": [4]}, "no grid of tokens"),
        ({"grid": [4, -4]}, "no grid of tokens"),
        ({"grid": [4, 5]}, "a strength for each pair"),
        ({"maps": []}, "it has no map"),
        ({"maps": [None]}, "cannot be read"),
        ({"powers": None}, "cannot be read"),
        ({"top": "x"}, "cannot be read"),
        ({"powers": "?" * 256}, "not written as they must be"),
        ({"digits": "12"}, "a strength for each pair"),
        ({"picture": [[1, 2], [3, 4]]}, "picture does not fit"),
        ({"picture": [["a"] * 4] * 4}, "picture does not fit"),
    ],
)
def test_damage_is_a_sentence(open_figure, maps, x, changes, says):
    page = open_figure(ReachProbe(maps, x, name="probe"), damage=damage(**changes))
    figure = page.locator("#probe")
    figure.locator(".vip-problem").wait_for()
    assert says in figure.inner_text()
