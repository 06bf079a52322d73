"""The mutant spotter: what Python tells it, what it computes, and how it is played."""

import gzip
import json

import pytest
import torch

from vip_tutorial import WeightedPermuteMLP
from vip_tutorial.figures import MutantSpotter
from vip_tutorial.lens.figure.bundle import bundle
from vip_tutorial.study.faults.checks import failures
from vip_tutorial.study.faults.mutants import MUTANTS, Mutant
from vip_tutorial.study.faults.views import VIEWS, evidence


def named(name: str) -> Mutant:
    return next(mutant for mutant in MUTANTS if mutant.name == name)


SOME = [named(n) for n in ("height transposed", "sum pooled", "tanh gelu")]


@pytest.fixture(scope="module")
def spotter():
    return MutantSpotter()


@pytest.fixture(scope="module")
def some():
    return MutantSpotter(SOME, seed=1, name="some")


@pytest.fixture(scope="module")
def core(engine_of):
    """The JavaScript module, with no page around it."""
    return engine_of("mutant_spotter.js")


# --- What Python tells it ----------------------------------------------------------


def test_there_is_one_round_for_each_mutant(spotter):
    names = [each["name"] for each in spotter.game["rounds"]]
    assert sorted(names) == sorted(mutant.name for mutant in MUTANTS)
    places = [each["wrong"] for each in spotter.game["rounds"]]
    assert 0.25 < sum(places) / len(places) < 0.75


@pytest.mark.slow
def test_the_seed_decides_order_and_place():
    games = [MutantSpotter(SOME, seed=seed).game["rounds"] for seed in range(8)]
    assert MutantSpotter(SOME, seed=3).game["rounds"] == games[3]
    assert len({tuple(each["name"] for each in game) for game in games}) > 2
    for mutant in SOME:
        places = {
            r["wrong"] for game in games for r in game if r["name"] == mutant.name
        }
        assert places == {0, 1}


def test_all_that_it_tells_has_been_run(some):
    for told in some.game["rounds"]:
        mutant = named(told["name"])
        found = evidence(WeightedPermuteMLP, mutant.module)
        assert told["view"] == found.view and told["visible"] == found.visible
        wrong, right = (torch.tensor(p) for p in told["pictures"])
        if told["wrong"]:
            wrong, right = right, wrong
        levels = {"image": 99, "shares": 999}[VIEWS[found.view].form]
        for shown, got in ((found.right, right), (found.wrong, wrong)):
            scaled = got / levels * told["top"]
            assert (scaled - shown.flatten()).abs().max() <= told["top"] / levels
        saw = failures(mutant.module)
        assert told["caught"] == list(saw)
        name, sentence = told["told"]
        assert saw[name] == sentence
        right, wrong = mutant.lines()
        pairs = told["code"]
        assert [a for m, a, b in pairs if m == "~" and a] == [
            line for line in right if line not in wrong
        ]
        assert [b for m, a, b in pairs if m == "~" and b] == [
            line for line in wrong if line not in right
        ]
        assert all(a == b and a in right for m, a, b in pairs if m == "=")
        marks = "".join("." if m == "..." else m for m, _, _ in pairs)
        assert "=~" in marks or "~=" in marks  # a changed line has its neighbours,
        assert "~." not in marks and ".~" not in marks and "===" not in marks


def test_your_own_mutant_is_asked_about():
    class Doubled(WeightedPermuteMLP):
        """The channel branch counts twice."""

        def channel(self, x):
            self._check(x)
            return 2 * self.mlp_c(x)

    told = MutantSpotter([Doubled]).game["rounds"]
    assert [each["fault"] for each in told] == ["The channel branch counts twice."]
    assert told[0]["code"][-1] == [
        "~",
        "return self.mlp_c(x)  # (B, H, W, C)",
        "return 2 * self.mlp_c(x)",
    ]
    assert told[0]["caught"] == ["formula", "gradient"]


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"mutants": []}, ValueError, "no mutant to ask about"),
        ({"mutants": [3]}, TypeError, "3 is no mutant"),
        ({"mutants": [torch.nn.Linear]}, TypeError, "is no mutant"),
        ({"seed": 1.5}, TypeError, "seed is 1.5"),
        ({"seed": True}, TypeError, "seed is True"),
        ({"rounds": 3}, TypeError, "no argument rounds"),
    ],
)
def test_arguments_that_it_cannot_take(arguments, error, told):
    with pytest.raises(error, match=told):
        MutantSpotter(**{"mutants": SOME[:1], **arguments})


def test_it_does_not_weigh_much(spotter):
    state = json.dumps(spotter.page_state())
    assert len(gzip.compress(state.encode())) < 15_000
    source = bundle(MutantSpotter.module).split("// mutant_spotter.js")[1]
    assert len(gzip.compress(source.encode())) < 5_000


# --- What it computes --------------------------------------------------------------


def test_what_rows_and_columns_hold(core, spotter):
    images = [
        picture
        for told in spotter.game["rounds"]
        if spotter.game["views"][told["view"]]["form"] == "image"
        for picture in told["pictures"]
    ]
    assert len(images) > 20
    for image in images:
        sums = f"$mutant_spotter.sumsOf({image}, $mutant_spotter.FORMS.image)"
        told = core.eval(f"JSON.stringify({sums})")
        grid = torch.tensor(image).reshape(8, 8)
        assert json.loads(told) == {
            "rows": grid.sum(1).tolist(),
            "columns": grid.sum(0).tolist(),
            "empty": (grid == 0).sum().item(),
        }


def test_what_is_said_of_images_is_in_digits(core):
    right = [0] * 56 + [90] * 8  # a bar at the bottom
    wrong = ([0] * 7 + [90]) * 8  # and one at the right
    given = json.dumps([45] + [0] * 63)
    said = core.eval(f"$mutant_spotter.imagesSaid([{right}, {wrong}], {given})")
    bar, ones = "0 0 0 0 0 0 0 9", "1 1 1 1 1 1 1 1"
    assert f"in A {bar} and {ones}, with 56 cells empty" in said
    assert f"in B {ones} and {bar}, with 56 cells empty" in said
    blank = core.eval(f"$mutant_spotter.imagesSaid([{right}, {[0] * 64}], {[0] * 64})")
    assert "in B nothing. In what goes in: nothing." in blank


def test_weights_are_what_they_were(core, some):
    told = next(r for r in some.game["rounds"] if r["name"] == "sum pooled")
    found = evidence(WeightedPermuteMLP, named("sum pooled").module)
    right = told["pictures"][1 - told["wrong"]]
    weights = core.eval(
        "(({ weightsOf, FORMS }) => JSON.stringify("
        f"weightsOf({right}, FORMS.shares, {told['top']})))($mutant_spotter)"
    )
    assert (torch.tensor(json.loads(weights)) - found.right.T).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("one", "other", "marked"),
    [
        ("x.mean(dim=1)", "x.sum(dim=1)", ["mean", "sum"]),
        ("softmax(dim=0)", "softmax(dim=-1)", ["0", "-1"]),
        ("x.mean()", "x.detach().mean()", ["", "detach()."]),
        ("a < b", "", ["", ""]),
        ("h + w + c", "self.mlp_c(x)", ["", ""]),
    ],
)
def test_what_differs_in_two_lines_is_marked(core, one, other, marked):
    marks = f"$mutant_spotter.markedHtml({json.dumps(one)}, {json.dumps(other)})"
    html = json.loads(core.eval(f"JSON.stringify({marks})"))
    inside = [h.split("<mark>")[-1].split("</mark>")[0] for h in html if "<mark>" in h]
    assert inside == [text for text in marked if text]
    assert "<" not in html[0].replace("<mark>", "").replace("</mark>", "")


# --- How it is played --------------------------------------------------------------


def answer(widget, number: int) -> str:
    told = widget.game["rounds"][number - 1]
    return "AB"[told["wrong"]] if told["visible"] else "same"


def test_a_right_and_a_wrong_guess_both_teach(open_figure, spotter):
    right = answer(spotter, 1)
    wrong = "B" if right == "A" else "A"
    told = spotter.game["rounds"][0]
    for guess, mark, says in ((right, "✓", "Right"), (wrong, "✗", "No")):
        game = open_figure(spotter)
        assert told["fault"] not in game.part("body").inner_text()
        game.button("guess").nth("AB".index(guess)).click()
        body = game.part("body").inner_text()
        assert f"{mark} {told['fault']}" in body
        assert game.said.startswith(says)
        assert f"{right} is wrong" in game.said
        assert "Shape check: passed. Caught by" in game.said
        assert all(name in game.said for name in told["caught"])
        for mark, one, other in told["code"]:
            if mark != "...":
                assert one in body and other in body
        captions = game.part("body").locator(".vip-pictures span").all_inner_texts()
        assert captions[-2:] == [
            f"{name} ✗ faulty" if name == right else f"{name} ✓ right" for name in "AB"
        ]
        assert game.state == f"v1;guess={guess}"


def test_pictures_can_be_pressed_and_what_is_said_of_them_is_not_seen(open_figure):
    widget = MutantSpotter([named("height transposed"), named("height interleaved")])
    for number, told in enumerate(widget.game["rounds"], 1):
        game = open_figure(widget, f"spotter=v1;round={number}")
        unseen = game.part("body").locator(".vip-unseen")
        assert unseen.bounding_box()["width"] <= 1
        words = unseen.inner_text()
        assert words not in game.said
        if told["name"] == "height interleaved":  # of both pictures the same is said
            assert words.endswith("each marks 2 channels in each row.")
        else:
            assert "in A " in words and "in B " in words
        for place, name in enumerate("AB"):
            game.button("pick").nth(place).click()
            assert game.state.endswith(f"guess={name}")
            assert game.said.startswith("Right" if place == told["wrong"] else "No")


def test_where_nothing_can_be_seen_it_says_so(open_figure, some):
    names = [each["name"] for each in some.game["rounds"]]
    number = names.index("tanh gelu") + 1
    game = open_figure(some, f"some=v1;round={number}")
    game.button("guess").nth(2).click()
    assert game.said.startswith("Right: nothing can be seen.")
    game.button("guess").nth(0).click()
    assert game.said.startswith("Nobody can see it.")


def test_the_keyboard_alone(open_figure, some):
    game = open_figure(some)
    game.button("guess").nth(0).focus()
    for key, state in (
        ("b", "v1;guess=B"),
        ("A", "v1;guess=A"),
        ("s", "v1;guess=same"),
        ("n", "v1;round=2"),
        ("ArrowRight", "v1;round=3"),
        ("ArrowRight", "v1"),
        ("p", "v1;round=3"),
        ("ArrowLeft", "v1;round=2"),
        ("x", "v1;round=2"),
    ):
        game.page.keyboard.press(key)
        assert game.state == state
    game.button("guess").nth(1).focus()
    game.page.keyboard.press("Enter")
    assert game.state == "v1;round=2;guess=B"
    assert game.button("guess").nth(1).evaluate("(b) => b === document.activeElement")


def test_from_round_to_round_the_focus_stays(open_figure, spotter):
    """Whatever stands between the pictures and the buttons."""
    game = open_figure(spotter)
    following = game.button("turn").nth(1)
    following.focus()
    for _ in spotter.game["rounds"]:
        game.page.keyboard.press("Enter")
        assert game.page.evaluate("document.activeElement.dataset.do") == "turn"
    assert "Round 1 of" in game.part("body").inner_text()


def test_only_first_guesses_count_and_a_link_does_not_tell(open_figure, some):
    game = open_figure(some)
    place = {"A": 0, "B": 1, "same": 2}
    assert "First guesses" not in game.part("body").inner_text()
    game.button("guess").nth(place[answer(some, 1)]).click()
    assert "First guesses: 1 of 1 right." in game.part("body").inner_text()
    game.button("turn").nth(1).click()
    wrong = next(g for g in place if g != answer(some, 2))
    game.button("guess").nth(place[wrong]).click()
    game.button("guess").nth(place[answer(some, 2)]).click()
    assert "First guesses: 1 of 2 right." in game.part("body").inner_text()
    assert game.state == f"v1;round=2;guess={answer(some, 2)}"
    game.press("reset")
    assert game.state == "v1"
    assert "First guesses" not in game.part("body").inner_text()


@pytest.mark.parametrize("state", ["round=4", "round=0", "round=x", "guess=C"])
def test_a_round_that_it_does_not_have(open_figure, some, state):
    game = open_figure(some, f"some=v1;{state}")
    assert game.said.startswith("This link asks for")
    assert "Round 1 of 3" in game.part("body").inner_text()


DAMAGE = {
    "it has no rounds": lambda game: game.update(rounds=[]),
    "nothing says how to draw round 1": lambda game: game["rounds"][0].update(view=7),
    "round 2 has no two pictures": lambda game: game["rounds"][1]["pictures"][0].pop(),
    "round 3 has no two pictures": lambda game: game["rounds"][2]["pictures"][1].insert(
        0, "<img>"
    ),
    "round 1 does not say which picture is wrong": lambda game: game["rounds"][
        0
    ].update(wrong=2),
    "round 1 has no code": lambda game: game["rounds"][0].update(code=[["=", "x"]]),
    "round 1 does not say what it has measured": lambda game: game["rounds"][0].pop(
        "top"
    ),
    "round 2 does not say what went in": lambda game: game["views"][
        game["rounds"][1]["view"]
    ].update(given=[1]),
}


@pytest.mark.parametrize("sentence", DAMAGE)
def test_damaged_data_gets_a_sentence(core, some, sentence):
    state = json.loads(json.dumps(some.page_state()))
    DAMAGE[sentence](state["game"])
    html = core.eval(f"$mutant_spotter.firstFrame({json.dumps(state)})")
    assert "cannot be drawn" in html and sentence in html


def test_what_stands_in_the_data_is_text(core, some):
    state = json.loads(json.dumps(some.page_state()))
    evil = "<img src=x onerror=alert(1)>"
    for each in state["game"]["rounds"]:
        each.update(fault=evil, seen=evil, known=evil, method=evil, told=[evil, evil])
        each["code"] = [["~", evil, evil + "!"], ["=", evil, evil]]
    for view in state["game"]["views"].values():
        view.update(title=evil, expect=evil)
    state["start"] = "v1;guess=A"
    html = core.eval(f"$mutant_spotter.firstFrame({json.dumps(state)})")
    assert "cannot be drawn" not in html and "onerror" in html
    assert "<img" not in html
