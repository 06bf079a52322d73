"""The figure that asks which difference is noise: its numbers, and how it is driven."""

import json
import random

import pytest

from vip_tutorial.figures import SeedComparison
from vip_tutorial.study.permutation_test import chance, deals

RIGHT = {
    "none": [470, 471, 472, 473, 474],
    "better": [480, 481, 482, 483, 484],
    "wide": [465, 490, 472, 474, 471],
    "between": [471, 473, 474, 475, 480],
}


def models(**changes):
    made = [
        {"name": name, "label": f"The {name}", "group": "4 x 4 tokens", "right": right}
        for name, right in RIGHT.items()
    ]
    made[0].update(changes)
    return made


@pytest.fixture(scope="module")
def core(engine_of):
    return engine_of("seed_comparison.js")


def test_the_deals_are_pythons(core):
    generator = random.Random(0)
    for runs in (1, 2, 3, 4, 5, 5):
        one, other = ([generator.randint(0, 20) for _ in range(runs)] for _ in "ab")
        assert list(core.eval(f"$seed_comparison.dealsOf({one}, {other})")) == deals(
            one, other
        )
        told = core.eval(f"$seed_comparison.chanceOf({one}, {other})")
        assert told["share"] == chance(one, other)
        assert told["as"] == round(chance(one, other) * told["of"])


def test_bars_hold_every_deal_and_are_far_or_not(core):
    """Also where many differences share a bar, and none of them lies in two."""
    generator = random.Random(1)
    for runs, of in [(5, 30), (6, 1000), (8, 400), (8, 5000)]:
        one, other = ([generator.randint(0, of) for _ in range(runs)] for _ in "ab")
        found = deals(one, other)
        dealt = f"$seed_comparison.dealsOf({one}, {other})"
        text = core.eval(f"JSON.stringify($seed_comparison.barsOf({dealt}))")
        bars = json.loads(text)
        real = abs(found[0])
        assert len(bars) <= 290
        far = 0
        for bar in bars:
            inside = [d for d in found if bar["from"] <= d <= bar["to"]]
            assert len(inside) == bar["count"]
            sizes = {abs(d) >= real for d in inside}
            assert len(sizes) == 1
            far += len(inside) * sizes.pop()
        assert sum(bar["count"] for bar in bars) == len(found)
        assert far == sum(abs(d) >= real for d in found)


def frame(core, start="", **changes):
    state = SeedComparison(models(), of=500, start=start).page_state() | changes
    return core.eval(f"$seed_comparison.firstFrame({json.dumps(state)})")


@pytest.mark.parametrize(
    ("start", "verdict"),
    [
        (
            "",
            "2.0 points apart; p = 2 / 252 = 0.008. Chance alone does this "
            "about 8 times in 1,000. That is seldom.",
        ),
        ("v1;seeds=3", "nothing could convince you"),
        ("v1;seeds=2", "p = 2 / 6 = 0.333"),
        ("v1;other=wide", "times in 1,000. Call it noise until you know more."),
        ("v1;other=between", "too seldom to be sure that it is chance."),
        ("v1;one=wide;other=wide", "the same networks"),
    ],
)
def test_the_verdict(core, start, verdict):
    assert verdict in frame(core, start)


@pytest.mark.parametrize("other", ["wide", "between", "better"])
def test_how_often_chance_does_it_is_the_p_value(core, other):
    share = chance(RIGHT["none"], RIGHT[other])
    times = f"Chance alone does this about {round(1000 * share)} times in 1,000."
    assert times in frame(core, f"v1;other={other}")
    # "Seldom" and "noise" are words for what is.
    assert ("That is seldom" in frame(core, f"v1;other={other}")) == (share <= 0.05)
    assert ("Call it noise" in frame(core, f"v1;other={other}")) == (share > 0.2)


def test_what_is_rare_is_not_given_in_thousandths(core):
    """All of some seeds are better than all others: 2 deals of how many?"""
    for seeds, told in (
        (7, "p = 2 / 3,432 = 0.001. Chance alone does this about 1 times in 1,000."),
        (8, "p = 2 / 12,870 &lt; 0.001. Chance alone does this less than once in 1,0"),
    ):
        some = models()[:2]
        for model, least in zip(some, (400, 450)):
            model["right"] = list(range(least, least + 8))
        assert told in frame(core, f"v1;seeds={seeds}", models=some, most=8)


def test_what_chance_always_does(core):
    same = models(right=RIGHT["better"])
    assert "Chance alone does this every time. Call it noise" in frame(
        core, models=same
    )


def test_no_label_is_read_as_html(core):
    told = frame(core, models=models(label="<b>&", group='"<i>'))
    assert "<b>&" not in told and "<i>" not in told


@pytest.mark.parametrize(
    "damage",
    [
        {"models": None},
        {"models": models()[:1]},
        {"models": models(right=[1, 2])},
        {"models": models(right=[1, 2, 3, 4, 501])},
        {"models": models(right="12345")},
        {"models": models(label=None)},
        {"of": 0},
    ],
)
def test_damaged_data_is_told(core, damage):
    assert "This figure cannot be drawn" in frame(core, **damage)


def test_ten_seeds_that_never_meet(core):
    ten = [
        {"name": n, "label": n, "group": "", "right": list(range(low, low + 10))}
        for n, low in (("low", 100), ("high", 300))
    ]
    state = SeedComparison(ten, of=500, start="v1;seeds=10").page_state()
    drawn = core.eval(f"$seed_comparison.firstFrame({json.dumps(state)})")
    assert "40.0 points apart; p = 2 / 184,756 &lt; 0.001." in drawn
    assert "less than once in 1,000" in drawn
    assert drawn.count("<rect") < 290


def figure(**options):
    return SeedComparison(models(), of=500, **options)


def test_driven_by_mouse_and_keys(open_figure):
    opened = open_figure(figure())
    assert "2 of 252 deals" in opened.said
    opened.setting("other").select_option("wide")
    assert opened.state == "v1;other=wide"
    wide = chance(RIGHT["none"], RIGHT["wide"])
    assert f"{round(wide * 252)} of 252 deals" in opened.said
    seeds = opened.setting("seeds")
    seeds.focus()
    opened.page.keyboard.press("ArrowLeft")
    assert opened.state == "v1;other=wide;seeds=4"
    assert "of 70 deals of the 8 results" in opened.said
    assert opened.figure.locator(".vip-unused").count() == 2
    opened.page.keyboard.press("Home")
    assert opened.state == "v1;other=wide;seeds=2"
    assert "nothing could convince you" in opened.part("body").inner_text()
    assert opened.figure.locator(".vip-unused").count() == 6


def test_the_bars_that_are_far_are_those_that_count(open_figure):
    opened = open_figure(figure(start="v1;other=wide"))
    values = deals(RIGHT["none"], RIGHT["wide"])
    assert opened.figure.locator(".vip-pile rect").count() == len(set(values))
    far = {d for d in values if abs(d) >= abs(values[0])}
    assert opened.figure.locator(".vip-far").count() == len(far)


@pytest.mark.parametrize("width", [1280, 360])
def test_the_names_of_the_models_are_seen_in_full(open_figure, width):
    long = models(label="width replaced by channel")
    opened = open_figure(SeedComparison(long, of=500), width=width)
    select = opened.setting("one")
    room = select.evaluate(
        """(el) => {
          const style = getComputedStyle(el);
          const pen = document.createElement("canvas").getContext("2d");
          pen.font = style.font;
          const text = pen.measureText(el.selectedOptions[0].text).width;
          const arrow = 24;
          return el.clientWidth - arrow - parseFloat(style.paddingLeft)
            - parseFloat(style.paddingRight) - text;
        }"""
    )
    assert room >= 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "a b"}, "letters, digits and hyphens"),
        ({"name": "better"}, "two models have one name"),
        ({"right": [1, 2]}, "5 to 10"),
        ({"right": [1, 2, 3, 4, 501]}, "whole numbers from 0 to 500"),
        ({"right": [1, 2, 3, 4, 4.5]}, "whole numbers from 0 to 500"),
        ({"right": [1, 2, 3, 4, float("nan")]}, "whole numbers from 0 to 500"),
        ({"right": [1, 2, 3, 4, True]}, "whole numbers from 0 to 500"),
        ({"right": [1, 2, 3, 4, -1]}, "whole numbers from 0 to 500"),
        ({"right": [1, 2, 3, 4, None]}, "whole numbers from 0 to 500"),
        ({"right": []}, "none has 0 results and the first model 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, told):
    with pytest.raises(ValueError, match=told):
        SeedComparison(models(**change), of=500)
    with pytest.raises(ValueError, match="give at least two"):
        SeedComparison(models()[:1], of=500)
    with pytest.raises(ValueError, match="lacks right"):
        SeedComparison([{"name": "a", "label": "", "group": ""}] * 2, of=500)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"right": "12345"}, "results '12345'; they must be a list"),
        ({"right": 5}, "results 5; they must be a list"),
        ({"name": 7}, "a model's name is 7"),
        ({"label": None}, "a model's label is None"),
        ({"group": 4}, "a model's group is 4"),
    ],
)
def test_what_is_no_model_is_refused(change, told):
    with pytest.raises(TypeError, match=told):
        SeedComparison(models(**change), of=500)


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (("models", 500), TypeError, "models is a str"),
        ((3, 500), TypeError, "models is a int"),
        ((models()[0], 500), TypeError, "models is a dict; it must be a list"),
        ((["a", "b"], 500), TypeError, "a model is a str; it must be a dictionary"),
        ((models(), 0), ValueError, "of is 0; it must be at least 1"),
        ((models(), 500.0), TypeError, "of is 500.0; it must be a whole number"),
        ((models(), None), TypeError, "of is None"),
        (([], 500), ValueError, "0 models: give at least two"),
    ],
)
def test_other_arguments_are_refused(arguments, error, told):
    with pytest.raises(error, match=told):
        SeedComparison(*arguments)


def test_any_whole_numbers_will_do():
    torch = pytest.importorskip("torch")
    counts = torch.tensor(RIGHT["none"])
    widget = SeedComparison(iter(models(right=counts)), of=torch.tensor(500))
    assert widget.models[0]["right"] == RIGHT["none"] and widget.of == 500
    json.dumps(widget.page_state())
