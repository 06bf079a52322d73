"""The shape puzzles: their truth is PyTorch's, and each answer gets a sentence."""

import itertools
import json
import math
import random
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from notebooks import read
from vip_tutorial import PermuteMLP
from vip_tutorial.figures import ShapePuzzles
from vip_tutorial.figures.shape_puzzles.shape_puzzles import KINDS
from vip_tutorial.mixers import Convolution

ROOT = Path(__file__).parents[2]
TYPED = [kind for kind in KINDS if kind not in ("copy", "line", "seen")]
SEEDS = range(40)
NUMBERS = range(1, 9)  # two of each level
EXPORT = """((kind, seeds, numbers) => {
  const { makePuzzle } = $puzzle_kinds;
  const ofSeed = (seed) => numbers.map((number) => makePuzzle(kind, seed, number));
  return JSON.stringify(seeds.flatMap(ofSeed));
})"""
JUDGE = """((kind, seed, number, answers) => {
  const { judgeAnswer, makePuzzle } = $puzzle_kinds;
  const puzzle = makePuzzle(kind, seed, number);
  return JSON.stringify(answers.map((answer) => judgeAnswer(puzzle, answer)));
})"""
READ = """((text, names) => {
  const { readNumbers, tidyAnswer } = $puzzle_reading;
  return JSON.stringify(readNumbers(tidyAnswer(text, "").text, names));
})"""


@pytest.fixture(scope="module")
def core(engine_of):
    return engine_of("shape_puzzles.js")


def call(core, function: str, *arguments):
    return json.loads(core.eval(f"{function}(...{json.dumps(arguments)})"))


def judged(core, puzzle: dict, *answers: str) -> list[dict]:
    seed, number = puzzle["seed"], puzzle["number"]
    return call(core, JUDGE, puzzle["kind"], seed, number, answers)


def is_right(core, puzzle: dict, *answers: str) -> list[bool]:
    return [verdict["right"] for verdict in judged(core, puzzle, *answers)]


@pytest.fixture(scope="module")
def puzzles(core):
    """`puzzles("shape")`: hundreds of them, each with its seed."""

    def puzzles(kind: str) -> list[dict]:
        made = call(core, EXPORT, kind, list(SEEDS), list(NUMBERS))
        seeds = itertools.chain.from_iterable([s] * len(NUMBERS) for s in SEEDS)
        return [{**puzzle, "seed": seed} for puzzle, seed in zip(made, seeds)]

    return puzzles


# --- what PyTorch makes of a puzzle -------------------------------------------------


def fresh(shape: list[int]) -> Tensor:
    return torch.arange(math.prod(shape)).reshape(shape)


def sized(argument: int | str, names: dict[str, int]) -> int:
    if isinstance(argument, int):
        return argument
    return math.prod(names[factor] for factor in argument.split("*"))


def apply(x: Tensor, calls: list[dict], names: dict[str, int]) -> Tensor:
    for step in calls:
        arguments = [sized(a, names) for a in step["args"]]
        x = getattr(x, step["op"])(*arguments)
    return x


def rearrange(x: Tensor, pattern: str, names: dict[str, int]) -> Tensor:
    """einops, as far as the puzzles need it."""
    groups = [
        [token.strip("()").split() for token in re.findall(r"\([^)]*\)|\w+", side)]
        for side in pattern.split("->")
    ]
    left, right = [[name for group in side for name in group] for side in groups]
    x = x.reshape([names[name.upper()] for name in left])
    x = x.permute([left.index(name) for name in right])
    return x.reshape(
        [math.prod(names[name.upper()] for name in group) for group in groups[1]]
    )


def test_every_printed_answer_is_right(core, puzzles):
    for kind in KINDS:
        for puzzle in puzzles(kind):
            assert is_right(core, puzzle, puzzle["answer"]) == [True], puzzle


def test_the_same_seed_makes_the_same_puzzle_and_another_seed_another(core):
    for kind in KINDS:
        one, again, other = (
            call(core, EXPORT, kind, [seed], list(NUMBERS)) for seed in (7, 7, 8)
        )
        assert one == again != other


def test_levels_rise_with_the_number(core):
    for kind in KINDS:
        levels = [p["level"] for p in call(core, EXPORT, kind, [1], list(range(1, 13)))]
        assert levels == [1, 1, 2, 2, 3, 3] + [4] * 6


HEIGHT = ("b h w (n s) -> b n w (h s)", "b n w (h s) -> b h w (n s)")
WIDTH = (
    "b h w (n s) -> b h n (w s)",  # the authors'
    "b h w (n s) -> b n h (w s)",  # the article's
    "b h n (w s) -> b h w (n s)",
)
# What the text of a chapter says of its puzzles.
TOLD = [
    ("02-reshape-permute-memory", "copy", 6, {1: "copy"}),
    ("04-height-branch", "einops", 1, {5: HEIGHT[0], 7: HEIGHT[1]}),
    ("05-width-branch", "einops", 21, dict(zip((5, 6, 7), WIDTH))),
]


@pytest.mark.parametrize(("chapter", "kind", "seed", "answers"), TOLD)
def test_the_chapters_have_the_puzzles_that_they_tell_of(
    core, chapter, kind, seed, answers
):
    cells = read(ROOT / "book" / f"{chapter}.ipynb")["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    [_] = [
        text
        for text in sources
        if "ShapePuzzles(\n" in text
        and f'"{kind}"' in text
        and re.search(rf"seed={seed}\b", text)
    ]
    made = call(core, EXPORT, kind, [seed], list(answers))
    assert [puzzle["answer"] for puzzle in made] == list(answers.values())
    if kind == "copy":  # the line that the text asks about
        assert made[0]["code"] in "".join(sources)
        assert tuple(made[0]["shape"]) == (4, 2, 3)


# --- which shape? -------------------------------------------------------------------


def test_shapes_are_pytorchs(core, puzzles):
    for puzzle in puzzles("shape"):
        names = puzzle["sizes"]
        right = tuple(apply(fresh(puzzle["shape"]), puzzle["calls"], names).shape)
        others = set(itertools.permutations(right)) - {right}
        answers = [str(right), *map(str, others)]
        assert is_right(core, puzzle, *answers) == [True] + [False] * len(others)


def test_pictures_of_shapes_hold_what_pytorch_makes(core, puzzles):
    for puzzle in puzzles("shape"):
        x = fresh(puzzle["shape"])
        right = apply(x, puzzle["calls"], puzzle["sizes"])
        verdict = judged(core, puzzle, puzzle["answer"])[0]
        assert verdict["wanted"]["shape"] == list(right.shape)
        assert verdict["wanted"]["births"] == right.flatten().tolist()
        order = next(c["args"] for c in puzzle["calls"] if c["op"] == "permute")
        inverse = torch.tensor(order).argsort().tolist()
        misread = [
            {**c, "args": inverse} if c["op"] == "permute" else c
            for c in puzzle["calls"]
        ]
        mine = apply(x, misread, puzzle["sizes"])
        if mine.shape != right.shape:
            verdict = judged(core, puzzle, str(tuple(mine.shape)))[0]
            assert "works the other way" in verdict["words"]
            assert verdict["mine"]["births"] == mine.flatten().tolist()


@pytest.mark.parametrize(
    "answer",
    [
        "(2, 3, 4)",
        "2,3,4",
        "[2 3 4]",
        "2 x 3 x 4",
        "2\u00d73\u00d74",
        "2X3X4",
        "torch.Size([2, 3, 4])",
        "  ( 2 ;3; 4 ) ",
        "\uff082\uff0c3\uff0c4\uff09",
        "2 3 2*2",
        "(2, 3, 2 * 2,)",
        "x.reshape(2, 3, 4)",
    ],
)
def test_a_shape_in_any_notation(core, answer):
    assert call(core, READ, answer) == {"numbers": [2, 3, 4]}


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("(B, S, H \u00d7 N \u00d7 W)", [2, 3, 60]),
        ("(B, S, H x N x W).", [2, 3, 60]),
        ("2 \u00d7 3 \u00d7 60", [2, 3, 60]),
        ("(B, S, H⋅N⋅W)", [2, 3, 60]),
        ("(B, (6/2), 120 // 2)", [2, 3, 60]),
        ("12 / 2", [6]),
    ],
)
def test_products_and_quotients(core, typed, read):
    names = {"B": 2, "S": 3, "H": 4, "N": 5, "W": 3}
    assert call(core, READ, typed, names) == {"numbers": read}


@pytest.mark.parametrize("typed", ["19/2", "19/0", "19//0", "19/x", "0/0"])
def test_what_is_no_whole_number_is_none(core, typed):
    assert "whole number" in call(core, READ, typed)["problem"]


def test_a_shape_with_too_many_or_too_few_places(core):
    puzzle = {"kind": "shape", "seed": 1, "number": 1}
    many, few = judged(core, puzzle, "(5, 5)", "(2, 3)")
    assert "has room for 25 numbers, and x holds 24" in many["words"]
    assert many["mine"]["births"][-1] == -1 and len(many["mine"]["births"]) == 25
    assert "has room for 6 numbers" in few["words"]
    assert few["mine"]["births"] == many["mine"]["births"][:6]


def test_a_shape_in_names(core, puzzles):
    named = [p for p in puzzles("shape") if p["axes"]]
    puzzle = next(p for p in named if "*" in p["answer"])
    spaced = puzzle["answer"].replace("*", " * ")
    product = puzzle["answer"].replace("S", "C//N")
    lower = puzzle["answer"].lower().strip("()").replace(",", "")
    assert is_right(core, puzzle, spaced, product, lower) == [True] * 3


# --- which order? -------------------------------------------------------------------


def test_orders_are_those_that_pytorch_wants(core, puzzles):
    for puzzle in puzzles("order")[::5]:
        names, calls = puzzle["sizes"], puzzle["calls"]
        # With another size for B than 1, so that its place matters.
        shape = [3 if axis == "B" else names[axis] for axis in puzzle["axes"]]
        names = {**names, "B": 3}
        x = fresh(shape)
        orders = list(itertools.permutations(range(len(shape))))
        truth = []
        for order in orders:
            if calls[0]["op"] == "permute":
                there = apply(x, calls, names).permute(order)
                truth.append(there.shape == x.shape and torch.equal(there, x))
            else:
                axes = [puzzle["axes"][axis] for axis in order]
                merged = [*axes[:-2], "*".join(axes[-2:])]
                truth.append(merged == calls[0]["args"])
        assert sum(truth) == 1
        assert is_right(core, puzzle, *map(str, orders)) == truth
        letters = [puzzle["choose"][axis] for axis in orders[truth.index(True)]]
        assert is_right(core, puzzle, " ".join(letters)) == [True]


def test_a_wrong_order_says_what_a_row_holds(core, puzzles):
    for puzzle in puzzles("order"):
        if puzzle["axes"] == list("BHWNS") and puzzle["calls"][0]["op"] == "reshape":
            wanted = puzzle["calls"][0]["args"][-1]
            if wanted == "H*S":
                verdict = judged(core, puzzle, "0 1 2 3 4")[0]
                assert verdict["words"].endswith("asked is one segment of one column.")
                x = fresh(puzzle["shape"])
                mine = apply(x, puzzle["calls"], puzzle["sizes"])
                assert verdict["mine"]["births"] == mine.flatten().tolist()
                return
    raise AssertionError("no such puzzle")


def test_rows_that_go_from_column_to_column_have_a_hue_for_each_column(core, puzzles):
    seen = set()
    for puzzle in [*puzzles("order"), *puzzles("einops")]:
        born = puzzle["born"]
        moves = puzzle["kind"] == "order" and puzzle["calls"][0]["op"] == "permute"
        if moves or (puzzle["kind"] == "einops" and puzzle["level"] < 3):
            assert "walks" not in born  # no rows are asked for
            continue
        if puzzle["axes"][-1] in ("H*S", "W*S"):  # the rows are what comes in
            row = torch.arange(puzzle["shape"][-1])
        else:
            wanted = judged(core, puzzle, puzzle["answer"])[0]["wanted"]
            row = torch.tensor(wanted["births"][: wanted["shape"][-1]])
        at = dict(zip(born["axes"], torch.unravel_index(row, born["shape"])))
        is_row = len(at["W"].unique()) > 1 == len(at["H"].unique())
        assert (born.get("walks") == "W") == is_row
        seen.add((puzzle["kind"], puzzle["level"], is_row))
    assert {("einops", 3), ("einops", 4), ("order", 4)} <= {
        (kind, level) for kind, level, is_row in seen if is_row
    }


# --- view or copy? ------------------------------------------------------------------


def test_views_and_copies_are_pytorchs(core, puzzles):
    seen = {"view": 0, "copy": 0}
    for puzzle in puzzles("copy"):
        x = fresh(puzzle["shape"])
        same = apply(x, puzzle["calls"], {}).data_ptr() == x.data_ptr()
        right, wrong = ("view", "copy") if same else ("copy", "view")
        assert is_right(core, puzzle, right, wrong) == [True, False]
        assert puzzle["answer"] == right
        seen[right] += 1
    assert min(seen.values()) > 0.4 * sum(seen.values())  # a guess is no help


def test_the_addresses_told_are_those_that_the_copy_reads(core, puzzles):
    for puzzle in puzzles("copy"):
        verdict = judged(core, puzzle, "view")[0]
        if verdict["right"]:
            continue
        x = tensor = fresh(puzzle["shape"])
        for step in puzzle["calls"]:
            before, tensor = tensor, apply(tensor, [step], {})
            if tensor.data_ptr() != x.data_ptr():
                break
        # Before the copy an element's value is its address: x counts them.
        assert before.data_ptr() == x.data_ptr()
        lines = [
            tensor.movedim(axis, 0).flatten(1)[:, 0].tolist()
            for axis in range(tensor.ndim)
        ]
        uneven = [
            line
            for line in lines
            if len({b - a for a, b in itertools.pairwise(line)}) > 1
        ]
        told = "walk over the addresses" in verdict["words"]
        assert told == bool(uneven)
        assert not told or verdict["wanted"]["labels"] in uneven


def test_strides_of_views_are_pytorchs(core):
    generator = random.Random(0)
    views = 0
    for _ in range(600):
        shape = [generator.choice([1, 2, 3, 4]) for _ in range(generator.randint(1, 4))]
        order = generator.sample(range(len(shape)), len(shape))
        x = fresh(shape).permute(order)
        left, wanted = x.numel(), []
        while left > 1 or generator.random() < 0.3:
            wanted.append(
                generator.choice([d for d in range(1, left + 1) if left % d == 0])
            )
            left //= wanted[-1]
        wanted = wanted or [1]
        try:
            strides = list(x.view(wanted).stride())
        except RuntimeError:
            strides = None
        given = {"shape": list(x.shape), "strides": list(x.stride())}
        found = call(
            core,
            "((t, w) => JSON.stringify($strided.viewStrides(t, w)))",
            given,
            wanted,
        )
        assert found == strides, (given, wanted)
        views += strides is not None
    assert 100 < views < 500


# --- which address? -----------------------------------------------------------------


def test_addresses_are_pytorchs(core, puzzles):
    for puzzle in puzzles("address"):
        shape, strides = puzzle["shape"], puzzle["strides"]
        memory = torch.arange(math.prod(shape))
        x = memory.as_strided(shape, strides)
        assert sorted(x.flatten().tolist()) == memory.tolist()  # a permute of x
        at = tuple(int(c) for c in re.findall(r"\d+", puzzle["code"]))
        right = x[at].item()
        terms = " + ".join(f"{c}*{s}" for c, s in zip(at, strides))
        every = [str(a) for a in range(len(memory) + 2)]
        truth = [a == right for a in range(len(memory) + 2)]
        assert is_right(core, puzzle, *every, terms) == [*truth, True]
        wrong = (right + 1) % len(memory)
        there = tuple((x == wrong).nonzero()[0].tolist())
        said = [v["words"] for v in judged(core, puzzle, str(wrong), every[-2], "1 2")]
        assert said[0].startswith(f"At {wrong} lies x{list(there)}.")
        if (counted := memory.reshape(shape)[at].item()) != right:
            hint = judged(core, puzzle, str(counted))[0]["words"]
            assert hint.endswith(
                "You counted as if x had just been made; its strides are others."
            )
        assert said[1].endswith(f"{len(memory)} lies outside.")
        assert said[2] == "An address is one number; you gave 2."


# --- einops -------------------------------------------------------------------------


def test_patterns_are_pytorchs(core, puzzles):
    for puzzle in puzzles("einops")[::5]:
        names = puzzle["sizes"]
        x = fresh(puzzle["shape"])
        right = apply(x, puzzle["calls"], names)
        assert torch.equal(rearrange(x, puzzle["answer"], names), right)
        left, end = puzzle["answer"].split(" -> ")
        answers = []
        for order in itertools.permutations(re.findall(r"\w", end)):
            new = dict(zip(re.findall(r"\w", end), order))
            answers.append(f"{left} -> {''.join(new.get(c, c) for c in end)}")
        made = [rearrange(x, answer, names) for answer in answers]
        truth = [y.shape == right.shape and torch.equal(y, right) for y in made]
        assert sum(truth) == 1
        verdicts = judged(core, puzzle, *answers)
        assert [verdict["right"] for verdict in verdicts] == truth
        for y, verdict in zip(made, verdicts):
            if not verdict["right"]:
                assert verdict["mine"]["shape"] == list(y.shape)
                assert verdict["mine"]["births"] == y.flatten().tolist()


@pytest.fixture(scope="module")
def way_in(puzzles):
    """The height branch's way in."""
    return next(
        p for p in puzzles("einops") if p["answer"] == "b h w (n s) -> b n w (h s)"
    )


@pytest.mark.parametrize(
    "answer",
    [
        "b h w (n s) -> b n w (h s)",
        "b h w(n s)->b n w(h s)",
        "  B H W (N S) → B N W (H S) ",
        "a1 bb c (d e) -> a1 d c (bb e)",
        "batch row col (seg ch) => batch seg col (row ch)",
        "b h w (n s 1) -> b n w (h 1 s)",
        "(b 1) h w (n s) -> b n w (h s)",
        "b h (w) (n s) -> b (n) w (h s)",
        "... h w (n s) -> ... n w (h s)",
        'rearrange(x, "b h w (n s) -> b n w (h s)", n=4)',
        "'b h w (n s) -> b n w (h s)'",
        "b h w (n s t) -> b n w (h s t)",
        "b n w (h s)",  # the left side is not what is asked
        "B N W (H S)",
    ],
)
def test_a_pattern_in_any_notation(core, way_in, answer):
    assert is_right(core, way_in, answer) == [True]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("b h w (n s) -> b n w (s h)", "right numbers in the wrong order"),
        ("b h w (n s) -> b w n (h s)", "makes the shape"),
        ("b h w (s n) -> b n w (h s)", "one channel of every segment"),
        ("b h w c -> b h w c", "makes the shape"),
        ("b h w n s -> b n w (h s)", "left side has 5 axes"),
        ("1 h w (n s) -> 1 n w (h s)", "has size 2"),
        ("b h w (n s) -> b n -> w", "one arrow"),
        ("b h w (n s)", "makes the shape"),
        ("b h w n", "The axis s stands on the left only"),
        ("b h w (n s) -> b n w h", "stands on the left only"),
        ("b h w (n s) -> b n w (h s k)", "stands on the right only"),
        ("b h h (n s) -> b n h (h s)", "stands twice on the left"),
        ("b h w (n s -> b n w (h s)", "without its )"),
        ("b h w n s) -> b n w (h s)", "no ( before it"),
        ("b h w ((n s)) -> b n w (h s)", "Brackets in brackets"),
        ("b, h, w, (n s) -> b n w (h s)", "has no “,”"),
        ("b h w (n 2) -> b n w (h 2)", "only number that a pattern takes is 1"),
        ("... h w (n s) -> b n w (h s)", "dots"),
        ("é h w (n s) -> é n w (h s)", "is no name"),
        ("(a b c d e f g i) h w n -> (a b c d e f g i) n w h", "names 11 axes"),
        ("->", "left side has 0 axes"),
    ],
)
def test_a_wrong_pattern_gets_a_sentence(core, way_in, answer, told):
    verdict = judged(core, way_in, answer)[0]
    assert not verdict["right"] and told in verdict["words"]


def test_the_typical_mistake_is_named(core, way_in):
    # The permute forgotten, and only the shape made right.
    forgotten = "b h w (n s) -> b h w (n s)"
    assert "makes the shape" in judged(core, way_in, forgotten)[0]["words"]
    rows = judged(core, way_in, "b h w (n s) -> b n w (s h)")[0]
    births = rows["mine"]["births"]
    assert births != rows["wanted"]["births"]
    assert sorted(births) == sorted(rows["wanted"]["births"])


# --- where does it go, which line, who sees whom? -----------------------------------


def test_places_are_pytorchs(core, puzzles):
    for puzzle in puzzles("place"):
        made = apply(fresh(puzzle["shape"]), puzzle["calls"], puzzle["sizes"])
        assert list(made.shape) == puzzle["empty"]["shape"]
        [at] = (made == puzzle["mark"]).nonzero().tolist()
        assert puzzle["answer"] == str(tuple(at))
        there = itertools.product(*map(range, made.shape))
        every = [str(place) for place in there]
        truth = [answer == puzzle["answer"] for answer in every]
        far = [str((*at[:a], size, *at[a + 1 :])) for a, size in enumerate(made.shape)]
        *verdicts, first, _, _ = judged(core, puzzle, *every, *far[:3])
        assert [verdict["right"] for verdict in verdicts] == truth
        assert first["words"].startswith(f"Axis 0 of the result has {len(made)} place")
        assert first["words"].endswith(f"counted from 0; there is no {len(made)}.")
        element = torch.unravel_index(torch.tensor(0), made.shape)
        stands = torch.unravel_index(made[element], tuple(puzzle["shape"]))
        if not truth[0]:
            told = f"stands x[{', '.join(str(int(c)) for c in stands)}]"
            assert told in verdicts[0]["words"]
            assert verdicts[0]["mine"]["mark"] == 0


def test_one_line_alone_makes_the_picture(core, puzzles):
    for puzzle in puzzles("line"):
        shape = puzzle["shape"]
        strip = puzzle.get("strip") or list(range(math.prod(shape)))
        x = torch.tensor(strip).reshape(shape)
        names = {**puzzle["sizes"], "x": x}
        made = {
            line["letter"]: eval(line["code"], names).flatten().tolist()
            for line in puzzle["lines"]
        }
        wanted = puzzle["target"]["births"]
        assert len(made) == 4 and len({str(births) for births in made.values()}) == 4
        assert [letter for letter in made if made[letter] == wanted] == [
            puzzle["answer"]
        ]
        verdicts = judged(core, puzzle, *made, *(x["code"] for x in puzzle["lines"]))
        truth = [letter == puzzle["answer"] for letter in made]
        assert [verdict["right"] for verdict in verdicts] == truth * 2
        for births, verdict in zip(made.values(), verdicts):
            assert verdict.get("mine", verdict["wanted"])["births"] == births


DRAWN = """((kind, seed, number) => {
  const { judgeAnswer, makePuzzle } = $puzzle_kinds;
  const { painted, startPicture } = $puzzle_picture;
  const puzzle = makePuzzle(kind, seed, number);
  // Its caption has the shape, and the axes.
  const drawn = (picture) =>
    `${picture.shape} ${painted({ ...picture, caption: "" }, puzzle).svg}`;
  const orders = (list) => list.length < 2 ? [list] : list.flatMap((one) =>
    orders(list.filter((other) => other !== one)).map((rest) => [one, ...rest]));
  const answers = puzzle.lines?.map(({ letter }) => letter) ??
    orders([...(puzzle.choose ?? []).keys()]).map(String);
  const wrong = answers.map((one) => judgeAnswer(puzzle, one))
    .filter(({ right, mine }) => !right && mine);
  return JSON.stringify({
    puzzle,
    births: startPicture(puzzle).births,
    start: drawn(startPicture(puzzle)),
    target: puzzle.target && drawn(puzzle.target),
    wrong: wrong.map((v) => [drawn(v.wanted), drawn(v.mine), v.words]),
  });
})"""


def test_no_two_choices_draw_the_same_picture(core):
    for kind, seeds in (("line", 12), ("order", 1)):
        for seed, number in itertools.product(range(seeds), range(1, 13)):
            found = call(core, DRAWN, kind, seed, number)
            for wanted, mine, words in found["wrong"]:
                assert mine != wanted or "Here, with B = 1" in words, found["puzzle"]
            if kind == "line":
                pictures = {found["target"], *(mine for _, mine, _ in found["wrong"])}
                assert len(pictures) == 4, found["puzzle"]


def test_the_picture_that_a_puzzle_begins_with_is_x(core):
    for kind, seed, number in itertools.product(KINDS, range(6), NUMBERS):
        found = call(core, DRAWN, kind, seed, number)
        puzzle = found["puzzle"]
        births = puzzle.get("strip") or range(math.prod(puzzle["shape"]))
        x = torch.tensor(births).as_strided(puzzle["shape"], puzzle["strides"])
        assert found["births"] == x.flatten().tolist()
    # The height branch's rows: the first one walks down the first column of tokens.
    rows = call(core, DRAWN, "line", 1, 8)
    drawn = re.findall(r">(\d{3})</text>", rows["start"])
    assert drawn[:6] == ["000", "001", "100", "101", "200", "201"]
    assert "012 is row 0, column 1, channel 2" in call(
        core,
        "((...w) => JSON.stringify($puzzle_picture.coloursSaid(...w)))",
        rows["puzzle"],
    )


def test_who_sees_whom_is_what_the_derivative_says(core, puzzles):
    torch.manual_seed(0)
    module = PermuteMLP(10, segment_dim=5)
    layers = {
        name: getattr(module, name) for name in ("height", "width", "channel")
    } | {"convolution": Convolution(10)}
    x = torch.randn(1, 5, 5, 10, requires_grad=True)
    for puzzle in puzzles("seen"):
        y = eval(puzzle["code"].removeprefix("y = "), {**layers, "x": x})
        row, column = divmod(puzzle["mark"], 5)
        (blame,) = torch.autograd.grad(y[0, row, column].sum(), x)
        seen = blame[0].abs().sum(-1).nonzero().tolist()
        right = [f"{i}{j}" for i, j in seen]
        assert puzzle["answer"].split() == right
        others = [f"{k // 5}{k % 5}" for k in range(25)]
        stranger = next((token for token in others if token not in right), None)
        less = " ".join(right[1:]) or "00 44"
        assert is_right(core, puzzle, " ".join(reversed(right)), less) == [True, False]
        if stranger:
            (verdict,) = judged(core, puzzle, f"{puzzle['answer']} {stranger}")
            told = f"from row {stranger[0]}, column {stranger[1]} to it"
            assert told in verdict["words"] and not verdict["right"]


# --- silly answers ------------------------------------------------------------------

SILLY = {
    "empty": "",
    "spaces": "   ",
    "words": "not a number",
    "html": "<img src=x onerror=alert(1)>",
    "emoji": "🙂 👩‍👩‍👧‍👦 🙂",
    "long": "9" * 10_000,
    "long list": "1, " * 3_333,
    "brackets": "(" * 180,
    "huge": "99999999999999999999999, 3",
    "below zero": "-1, 4",
    "half": "2.5, 4",
    "infinite": "Infinity NaN",
    "zero": "0, 0, 0",
    "division": "4//0, 3",
    "many ones": " ".join(["1"] * 60),
    "arrow": "-> -> ->",
    "names": "__proto__ constructor toString",
    "null": "\x00\u202e\ufeff",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("silly", SILLY.values(), ids=SILLY)
def test_a_silly_answer_gets_a_sentence(core, kind, silly):
    for number in NUMBERS:
        verdict = judged(core, {"kind": kind, "seed": 3, "number": number}, silly)[0]
        assert verdict["right"] is False
        assert 15 < len(verdict["words"]) < 300
        assert re.fullmatch(r".*[.?!)]", verdict["words"], re.DOTALL)


def test_what_is_no_number_is_quoted_shortly(core):
    puzzle = {"kind": "shape", "seed": 1, "number": 1}
    (long,) = judged(core, puzzle, SILLY["long"])
    assert long["words"].startswith("That is 10,000 characters long")
    words = [v["words"] for v in judged(core, puzzle, "2, three, 4", "2, " + "q" * 150)]
    assert "“three” is no whole number" in words[0]
    assert "“qqqqqqqqqqqqqqq…”" in words[1]


# --- as a reader drives it ----------------------------------------------------------


def opened_puzzle(open_figure, kind: str, number: int = 1, **options):
    fragment = f"puzzles=v1;kind={kind};number={number}"
    return open_figure(ShapePuzzles(), fragment, **options)


def say(figure, answer: str) -> str:
    figure.figure.locator("input[name=answer]").fill(answer)
    figure.figure.locator("input[name=answer]").press("Enter")
    return figure.said


def answer_of(core, kind: str, number: int) -> str:
    return call(core, EXPORT, kind, [1], [number])[0]["answer"]


@pytest.mark.parametrize("kind", TYPED)
def test_right_and_wrong_are_told_and_drawn(core, open_figure, kind):
    figure = opened_puzzle(open_figure, kind, 5)
    grids = figure.figure.locator(".vip-pair svg")
    wrong = {
        "shape": "(1, 3, 2, 4, 2)",
        "order": "(0, 1, 2, 3, 4)",
        "address": "0",
        "einops": "b h w (n s) -> b n w (s h)",
        "place": "(0, 0, 0, 0)",
    }
    assert say(figure, wrong[kind]).startswith("Not yet.")
    assert "✗ Not yet" in figure.part("body").inner_text()
    assert grids.count() == 2
    assert "solved" not in figure.part("body").inner_text()
    assert say(figure, answer_of(core, kind, 5)).startswith("Right.")
    assert "✓ Right" in figure.part("body").inner_text()
    assert grids.count() == 1
    assert "solved: 1" in figure.part("body").inner_text()
    assert "answer" not in (figure.state or "")


def test_view_or_copy_by_buttons(core, open_figure):
    right = answer_of(core, "copy", 1)
    wrong = {"view": "copy", "copy": "view"}[right]
    figure = opened_puzzle(open_figure, "copy")
    figure.figure.locator(f'.vip-answer [data-value="{wrong}"]').click()
    assert figure.said.startswith("Not yet.")
    assert figure.figure.locator(".vip-pair svg").count() == 2
    figure.figure.locator(f'.vip-answer [data-value="{right}"]').press("Enter")
    assert figure.said.startswith("Right.")


def test_an_address_is_answered_on_the_strip(core, open_figure):
    for number in (1, 3, 5, 7):
        right = int(answer_of(core, "address", number))
        figure = opened_puzzle(open_figure, "address", number)
        cells = figure.figure.locator(".vip-strip [data-do=answer]")
        jumps = figure.figure.locator(".vip-strip .vip-jump text")
        wrong = (right + 1) % cells.count()
        cells.nth(wrong).click()
        assert figure.said.startswith(f"Not yet. At {wrong} lies ")
        assert cells.nth(wrong).text_content() == "✗"
        assert jumps.count() == 0  # they would give it away
        cells.nth(right).click()
        assert figure.said.startswith("Right.")
        assert sum(map(int, jumps.all_text_contents())) == right


def test_an_address_is_answered_with_the_arrow_keys(core, open_figure):
    for number in (1, 7):
        right = int(answer_of(core, "address", number))
        figure = opened_puzzle(open_figure, "address", number)
        strip = figure.figure.get_by_role("application")
        down, across = divmod(right, 10)
        for key in ["ArrowRight", *["ArrowDown"] * down, *["ArrowRight"] * across]:
            strip.press(key)  # the first one brings the mark to 0
        assert figure.said.startswith(f"The mark is at address {right}.")
        lit = figure.figure.locator(".vip-strip [data-do=answer] .vip-strip-lit")
        assert lit.locator("..").get_attribute("data-value") == str(right)
        strip.press("Enter")
        assert figure.said.startswith("Right.")


def test_three_hints_and_then_the_answer(core, open_figure):
    figure = opened_puzzle(open_figure, "shape", 4)
    hints = call(core, EXPORT, "shape", [1], [4])[0]["hints"]
    for number, hint in enumerate(hints, 1):
        figure.press("hint")
        assert figure.said == f"Hint {number} of 3: {hint}"
    figure.press("hint")
    answer = answer_of(core, "shape", 4)
    assert figure.said.startswith(f"The answer is {answer}.")
    assert figure.button("hint").is_disabled()
    assert say(figure, answer).startswith("Right.")
    assert "solved" not in figure.part("body").inner_text()  # it was looked up
    assert figure.figure.locator(".vip-hints li").all_inner_texts() == hints


@pytest.mark.parametrize("kind", KINDS)
def test_silly_answers_harm_nothing(open_figure, kind):
    figure = opened_puzzle(open_figure, kind, 7)
    for silly in SILLY.values() if kind in TYPED else ():
        said = say(figure, silly)
        assert said.startswith("Not yet.") and len(said) < 300
        assert figure.box.locator("img").count() == 0
    # `open_figure` fails if the page has reported an error.
    figure.figure.locator('[data-value="1"][data-do=walk]').click()
    assert "Puzzle 8" in figure.part("body").inner_text()


def test_the_puzzles_are_walked_through(open_figure):
    figure = open_figure(ShapePuzzles())
    walk = figure.figure.locator('[data-do="walk"]')
    assert walk.nth(0).is_disabled()
    asked = {figure.figure.locator(".vip-line").inner_text()}
    walk.nth(1).click()
    asked.add(figure.figure.locator(".vip-line").inner_text())
    assert figure.state == "v1;number=2"
    walk.nth(1).press("ArrowRight")
    assert figure.state == "v1;number=3"
    walk.nth(1).press("ArrowLeft")
    assert figure.state == "v1;number=2" and len(asked) == 2
    figure.figure.locator('[data-value="einops"]').click()
    assert figure.state == "v1;kind=einops"
    assert (
        figure.figure.locator('[data-value="einops"]').get_attribute("aria-pressed")
        == "true"
    )


def test_a_reader_counts_from_the_chapters_first_puzzle(open_figure):
    figure = open_figure(
        ShapePuzzles(kinds=("seen", "line"), start="v1;kind=seen;number=3")
    )
    heading = figure.figure.locator(".vip-puzzle-row strong")
    assert heading.inner_text() == "Puzzle 1"
    figure.figure.locator('[data-do="walk"]').nth(1).click()
    assert (heading.inner_text(), figure.state) == ("Puzzle 2", "v1;kind=seen;number=4")
    for _ in range(2):
        figure.figure.locator('[data-do="walk"]').nth(0).click()
    assert heading.inner_text() == "Warm-up 2"
    figure.figure.locator('[data-value="line"]').click()
    assert (heading.inner_text(), figure.state) == ("Puzzle 1", "v1;kind=line")


def test_another_puzzle_begins_with_an_empty_field(open_figure):
    figure = opened_puzzle(open_figure, "shape")
    say(figure, "9 9 9")
    figure.figure.locator('[data-do="walk"]').nth(1).click()
    assert figure.figure.locator("input[name=answer]").input_value() == ""
    assert "Not yet" not in figure.part("body").inner_text()
    figure.figure.locator('[data-do="walk"]').nth(0).click()
    assert figure.figure.locator("input[name=answer]").input_value() == ""


def chips(figure) -> str:
    return "".join(figure.figure.locator(".vip-chip b").all_inner_texts())


def test_axes_are_moved_by_mouse(open_figure):
    figure = opened_puzzle(open_figure, "order", 5)
    assert chips(figure) == "BHWNS"
    figure.figure.locator(".vip-chip").nth(3).click()
    moves = figure.button("move")
    assert moves.all_inner_texts() == ["◂ move N", "move N ▸"]
    moves.nth(0).click()
    moves.nth(0).click()
    field = figure.figure.locator("input[name=answer]")
    assert chips(figure) == "BNHWS"
    assert field.input_value() == "(0, 3, 1, 2, 4)"
    field.fill("0 3 2 1 4")  # and typing moves them, too
    assert chips(figure) == "BNWHS"
    field.fill("0 3 2")  # nothing that could be drawn
    assert chips(figure) == "BNWHS"
    figure.figure.locator(".vip-chip").nth(0).click()
    assert moves.nth(0).is_disabled()


def test_axes_are_moved_by_keys(core, open_figure):
    figure = opened_puzzle(open_figure, "order", 1)
    row = figure.figure.locator("[role=listbox]")
    row.focus()
    before = chips(figure)
    row.press("ArrowRight")
    row.press("Shift+ArrowRight")
    after = chips(figure)
    assert after == before[0] + before[2] + before[1]
    active = row.get_attribute("aria-activedescendant")
    assert figure.page.locator(f"#{active}").inner_text()[0] == before[1]
    row.press("Shift+ArrowRight")  # it is at the end
    assert chips(figure) == after
    assert row.evaluate("(el) => el === document.activeElement")
    assert answer_of(core, "order", 1) == "(0, 2, 1)"  # what was just made
    figure.figure.locator("button[type=submit]").press("Enter")
    assert figure.said.startswith("Right.")


def test_axes_are_dragged_and_the_grid_goes_along(core, open_figure):
    for touch in (False, True):
        figure = opened_puzzle(open_figure, "order", 5, has_touch=touch)
        page, chip = figure.page, figure.figure.locator(".vip-chip")
        shown = figure.figure.locator(".vip-along .vip-caption")
        assert shown.inner_text().startswith("with the axes so: (B, H, W, N, S) = ")
        before = figure.figure.locator(".vip-along svg").inner_html()

        def middle(k, chip=chip):
            box = chip.nth(k).bounding_box()
            return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        # N, the fourth, to the second place; S is dragged nowhere.
        way = [middle(3), middle(2), middle(1)]
        if touch:
            press_and_drag_by_touch(page, way)
        else:
            page.mouse.move(*way[0])
            page.mouse.down()
            for place in way[1:]:
                page.mouse.move(*place, steps=3)
            page.mouse.up()
        assert chips(figure) == "BNHWS"
        assert shown.inner_text().startswith("with the axes so: (B, N, H, W, S) = ")
        assert figure.figure.locator(".vip-along svg").inner_html() != before
        assert figure.said == "The axes now stand as (B, N, H, W, S)."
        field = figure.figure.locator("input[name=answer]")
        assert field.input_value() == "(0, 3, 1, 2, 4)"
        # Another one takes its own way: the first is not carried on.
        chip.nth(4).click()
        assert chips(figure) == "BNHWS"
        assert page.evaluate("getSelection().toString()") == ""


def press_and_drag_by_touch(page, way) -> None:
    client = page.context.new_cdp_session(page)
    for kind, (x, y) in zip(("touchStart", *["touchMove"] * 9), way):
        touch = {"type": kind, "touchPoints": [{"x": x, "y": y}]}
        client.send("Input.dispatchTouchEvent", touch)
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_an_element_is_placed_by_click_and_by_keys(core, open_figure):
    figure = opened_puzzle(open_figure, "place", 3)
    board = figure.figure.locator(".vip-board")
    page = figure.page
    answer = answer_of(core, "place", 3)
    # The result is (3, 1, 4), so three rows of four.
    row, _, column = (int(c) for c in re.findall(r"\d+", answer))

    def spot(row, column):
        box = board.bounding_box()
        x, y = (column + 0.5) * box["width"] / 4, (row + 0.5) * box["height"] / 3
        return {"x": x, "y": y}

    board.click(position=spot((row + 1) % 3, column))
    assert figure.said.startswith("Not yet. At [")
    assert figure.figure.locator("input[name=answer]").input_value() == str(
        ((row + 1) % 3, 0, column)
    )
    board.click(position=spot(row, column))
    assert figure.said.startswith("Right. .reshape(B, C, K) brings it to [0, ")

    figure = opened_puzzle(open_figure, "place", 3)
    board = figure.figure.locator(".vip-board")
    board.focus()
    board.press("ArrowRight")  # the mark appears in the first place
    assert figure.said.startswith("The mark is at [0, 0, 0].")
    for _ in range(column):
        board.press("ArrowRight")
    for _ in range(row):
        board.press("ArrowDown")
    assert f"at [{row}, 0, {column}]" in figure.said
    assert "Not yet" not in figure.part("body").inner_text()
    board.press("Enter")
    assert figure.said.startswith("Right.")
    assert page and "solved: 1" in figure.part("body").inner_text()


def test_a_line_is_picked_and_tokens_are_chosen(core, open_figure):
    figure = opened_puzzle(open_figure, "line", 7)
    right = answer_of(core, "line", 7)
    lines = figure.figure.locator(".vip-code-line")
    wrong = next(letter for letter in "ABCD" if letter != right)
    lines.nth("ABCD".index(wrong)).click()
    assert figure.said.startswith("Not yet. ")
    assert figure.figure.locator(".vip-pair svg").count() == 2
    lines.nth("ABCD".index(right)).press("Enter")
    assert figure.said.startswith("Right. ")

    figure = opened_puzzle(open_figure, "seen", 1)
    box = figure.figure.locator(".vip-tokens")
    token = figure.figure.locator(".vip-token")
    answer = [divmod(int(k), 10) for k in answer_of(core, "seen", 1).split()]
    figure.press("check")
    assert figure.said.startswith("Not yet. Choose tokens")
    for row, column in answer[1:]:
        token.nth(5 * row + column).click()
    figure.press("check")
    assert "is missing" in figure.said
    # The last one by keys, from wherever the keys stand.
    (row, column), (from_row, from_column) = answer[0], answer[-1]
    box.focus()
    for key, by in (("Down", row - from_row), ("Right", column - from_column)):
        back = {"Down": "Up", "Right": "Left"}[key]
        for _ in range(abs(by)):
            box.press(f"Arrow{key if by > 0 else back}")
    active = box.get_attribute("aria-activedescendant")
    name = figure.page.locator(f"#{active}").get_attribute("aria-label")
    assert name.startswith(f"row {row}, column {column}")
    box.press(" ")
    assert figure.said == f"{len(answer)} tokens chosen."
    figure.press("check")
    assert figure.said.startswith("Right. ")


CHAPTERS = ["01", "02", "03", "04", "05", "06", "07", "08", "09"]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_chapter_of_the_module_has_a_puzzle_that_needs_no_python(chapter):
    (path,) = (ROOT / "book").glob(f"{chapter}-*.ipynb")
    cells = ["".join(cell["source"]) for cell in read(path)["cells"]]
    assert any("ShapePuzzles(\n" in cell for cell in cells)


def test_start_again_forgets_what_was_done(open_figure):
    figure = open_figure(ShapePuzzles())
    first = figure.html()
    say(figure, "1 2 3")
    figure.press("hint")
    figure.press("reset")
    assert figure.html() == first


def test_a_solved_puzzle_counts_once(core, open_figure):
    figure = opened_puzzle(open_figure, "address", 1)
    for _ in range(2):
        say(figure, answer_of(core, "address", 1))
    assert "solved: 1" in figure.part("body").inner_text()


def test_without_a_script_hints_and_answer_can_be_opened(core, open_figure):
    still = open_figure(ShapePuzzles(), java_script_enabled=False)
    body = still.locator("[data-part=body]")
    assert not body.locator("button").first.is_visible()
    body.get_by_text("The answer").click()
    assert body.get_by_text(answer_of(core, "shape", 1)).is_visible()
    living = open_figure(ShapePuzzles())
    assert not living.figure.get_by_text("Hints").is_visible()


def test_a_kind_that_the_figure_lacks(open_figure):
    widget = ShapePuzzles(kinds=("copy",), seed=4)
    figure = open_figure(widget, "puzzles=v1;kind=shape;number=2;seed=4")
    assert "which this figure does not have" in figure.said
    assert figure.figure.locator(".vip-choice").count() == 0
    assert "view of x's memory" in figure.part("body").inner_text()


# --- in Python ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"kinds": "shape"}, TypeError, "must be a list"),
        ({"kinds": ()}, ValueError, "at least one of"),
        ({"kinds": ("shape", "colour")}, ValueError, "at least one of"),
        ({"seed": -1}, ValueError, "from 0 to 999999"),
        ({"seed": 1.5}, TypeError, "whole number"),
        ({"seed": True}, TypeError, "whole number"),
        ({"level": 3}, TypeError, "has no argument level"),
    ],
)
def test_wrong_arguments_are_told(arguments, error, told):
    with pytest.raises(error, match=told):
        ShapePuzzles(**arguments)


def test_kinds_and_seed_make_the_first_picture():
    widget = ShapePuzzles(kinds=("order", "copy"), seed=9)
    assert widget.start == "v1;kind=order;seed=9"
    assert ShapePuzzles(start="v1;number=3").start == "v1;number=3"
    with pytest.raises(ValueError, match="at least one of"):
        widget.kinds = []
