"""The pages at the book's end say what the chapters and the package say."""

import ast
import importlib
import json
import re
from pathlib import Path

import pytest
import torch

from vip_tutorial import WeightedPermuteMLP, permute_mlp, trace

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"


def page(name: str) -> str:
    return (BOOK / f"{name}.md").read_text(encoding="utf-8")


def slug(heading: str) -> str:
    """The name of a heading in links, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def sections(text: str) -> dict[str, str]:
    """The text of each section of a page, its sub-sections included, by its slug."""
    found = list(re.finditer(r"^(#+) (.*)$", text, re.MULTILINE))
    texts = {}
    for heading in found:
        level = len(heading[1])
        ends = (
            later.start()
            for later in found
            if later.start() > heading.start() and len(later[1]) <= level
        )
        texts[slug(heading[2])] = text[heading.end() : next(ends, len(text))]
    return texts


def cells_under(notebook: str, anchor: str) -> list[dict]:
    """The code cells of a notebook's section; KeyError if there is no such section."""
    cells = json.loads((BOOK / notebook).read_text(encoding="utf-8"))["cells"]
    mark = "\0{}\0"
    text = "\n".join(
        "".join(cell["source"])
        if cell["cell_type"] == "markdown"
        else mark.format(number)
        for number, cell in enumerate(cells)
    )
    under = sections(text)[anchor]
    return [cells[int(number)] for number in re.findall("\0([0-9]+)\0", under)]


# --- The article's claims -------------------------------------------------------------

CLAIMS = [f"A{n}" for n in range(1, 11)] + [f"F{n}" for n in range(1, 4)]
VERDICTS = ("True", "Half true", "False", "Cannot be checked here", "Not yet", "Tried")
TO_A_CELL = re.compile(r"\]\(([\w-]+\.ipynb)#([\w-]+)\)")


def answers() -> dict[str, str]:
    """The text under the heading of each claim."""
    headings = re.findall(r"^### (\w+): (.*)$", page("article-claims"), re.MULTILINE)
    texts = sections(page("article-claims"))
    return {claim: texts[slug(f"{claim}: {rest}")] for claim, rest in headings}


def verdict(answer: str) -> str:
    """What an answer begins with, after the quotation."""
    found = re.match(r"\s*(?:> .*\n)+\n\*\*([^*]+)\.\*\* ", answer)
    assert found, f"no quotation and verdict at the head of: {answer[:100]}"
    return found[1]


def test_every_claim_has_a_verdict():
    assert list(answers()) == CLAIMS
    for claim, answer in answers().items():
        assert verdict(answer) in VERDICTS, claim


def test_the_table_has_the_verdicts_of_the_answers():
    rows = re.findall(
        r"^\| \[(\w+)\]\(#([\w-]+)\) \| .* \| ([a-z ]+) \|$",
        page("article-claims"),
        re.MULTILINE,
    )
    assert [claim for claim, _, _ in rows] == CLAIMS
    texts = sections(page("article-claims"))
    for claim, anchor, short in rows:
        assert anchor.startswith(f"{claim.lower()}-") and anchor in texts
        assert short == verdict(answers()[claim]).lower(), claim


def test_every_claim_but_the_proposals_leads_to_a_cell():
    for claim, answer in answers().items():
        if verdict(answer) not in ("Cannot be checked here", "Not yet", "Tried"):
            assert TO_A_CELL.search(answer), claim


LINKS = sorted(set(TO_A_CELL.findall(page("article-claims"))))


@pytest.mark.parametrize("notebook, anchor", LINKS, ids="#".join)
def test_the_cells_that_a_claim_leads_to_assert_something(notebook, anchor):
    code = ["".join(cell["source"]) for cell in cells_under(notebook, anchor)]
    asserting = [
        cell
        for cell in code
        if any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(cell)))
    ]
    assert asserting, f"nothing is asserted under {notebook}#{anchor}"


# --- Notation -------------------------------------------------------------------------


def listing_of_the_article():
    """The class that chapter 8 makes of the article's listing."""
    notebook = json.loads((BOOK / "08-listing-as-found.ipynb").read_text("utf-8"))
    (code,) = (
        "".join(cell["source"])
        for cell in notebook["cells"]
        if "class Listing(nn.Module)" in "".join(cell["source"])
    )
    names = {"torch": torch, "nn": torch.nn}
    exec(code, names)
    return names["Listing"]


def permutes(function) -> list[tuple[int, ...]]:
    """The orders of all permutes of five axes of a run."""
    run = trace(function, torch.randn(1, 4, 4, 8))
    orders = [step.order for step in run.steps if step.op == "permute"]
    return [tuple(order) for order in orders if len(order) == 5]


def without_the_batch(order: tuple[int, ...]) -> tuple[int, ...]:
    assert order[0] == 0
    return tuple(axis - 1 for axis in order[1:])


def test_the_permutes_of_the_notation_are_those_that_run():
    rows = re.findall(
        r"^\| (height|width), (in and back|in|back) \| (.*) \| `(.*)` \|$",
        page("notation"),
        re.MULTILINE,
    )
    table = {}
    for branch, ways, whose, order in rows:
        for owner in whose.split(", "):
            for way in ways.split(" and "):
                key = owner.removeprefix("the "), branch, way
                assert key not in table or owner == "one picture"
                table[key] = ast.literal_eval(order)
    module = WeightedPermuteMLP(8, 4)
    ours = permutes(module.height) + permutes(module.width)
    article = permutes(listing_of_the_article()(8, 4))
    places = [(b, way) for b in ("height", "width") for way in ("in", "back")]
    assert [table["this book", *place] for place in places] == ours
    assert [table["authors' code", *place] for place in places] == ours
    assert [table["article", *place] for place in places] == article
    assert [table["Algorithm 1", *place] for place in places] == [
        without_the_batch(order) for order in ours
    ]
    assert len(table) == 5 * 4  # "one picture" goes with Algorithm 1


def test_the_orders_of_the_branches_are_those_that_the_package_takes():
    names = {"h": "height", "w": "width", "c": "channel"}
    text = page("notation")
    rows = re.findall(r"^\| ([012]) \| (\w+) \| (\w+) \|$", text, re.MULTILINE)
    assert [number for number, _, _ in rows] == ["0", "1", "2"]
    orders = re.findall(r'branch_order="(\w+)"', text)
    assert WeightedPermuteMLP(8, 4).branch_order == orders[0]
    for column, order in enumerate(orders, 1):
        WeightedPermuteMLP(8, 4, branch_order=order)  # takes it
        assert [row[column] for row in rows] == [names[letter] for letter in order]
        assert f"({', '.join(order)})" in text


def test_the_letters_are_those_of_the_module():
    rows = re.findall(r"^\| ([A-Z]) \| (.*?) \| ", page("notation"), re.MULTILINE)
    told = re.findall(r"\b([A-Z])  ([a-z][a-z ,]*)", permute_mlp.__doc__)
    assert sorted(letter for letter, _ in rows) == sorted(letter for letter, _ in told)
    assert len(rows) == 6


# --- The traced tables ----------------------------------------------------------------


@pytest.fixture
def shapes():
    pytest.importorskip("sphinx")
    return importlib.import_module("vip_site.shapes")


def test_a_traced_table_has_the_lines_of_the_method_and_their_shapes(shapes):
    assert shapes.rows("WeightedPermuteMLP.height") == [
        ("x = x.reshape(B, H, W, N, S)", "(B, H, W, N, S)", "view"),
        ("x = x.permute(0, 3, 2, 1, 4)", "(B, N, W, H, S)", "view"),
        ("x = x.reshape(B, N, W, H * S)", "(B, N, W, H*S)", "copy"),
        ("x = self.mlp_h(x)", "(B, N, W, H*S)", "new"),
        ("x = x.reshape(B, N, W, H, S)", "(B, N, W, H, S)", "view"),
        ("x = x.permute(0, 3, 2, 1, 4)", "(B, H, W, N, S)", "view"),
        ("return x.reshape(B, H, W, C)", "(B, H, W, C)", "copy"),
    ]


def test_the_lines_that_a_method_calls_are_among_its_rows(shapes):
    rows = shapes.rows("WeightedPermuteMLP.branch_weights")
    assert [axes for _, axes, _ in rows] == (
        ["(B, C)", "(B, C//4)", "(B, C*3)", "(B, C, 3)", "(3, B, C)", "(3, B, C)"]
    )
    assert rows[1][0] == "x = self.drop(self.act(self.fc1(x)))"
    assert rows[0][2] == "new" and rows[3][2] == "view"


def test_the_tables_of_the_notation_show_every_line_of_the_module(shapes):
    methods = re.findall(
        r"^```\{traced-shapes\} (\S+)$", page("notation"), re.MULTILINE
    )
    shown = [line for method in methods for line, _, _ in shapes.rows(method)]
    ran = [
        step.source.text.partition("#")[0].strip()
        for step in shapes.run_of_the_module().steps
    ]
    assert set(shown) == set(ran)


@pytest.mark.parametrize(
    "name, says",
    [
        ("WeightedPermuteMLP.depth", "has no method WeightedPermuteMLP.depth"),
        ("Mixer.forward", "has no method Mixer.forward"),
        ("height", "has no method height"),
        ("PermuteMLP.forward", "no line of PermuteMLP.forward calls a tensor"),
    ],
)
def test_a_traced_table_of_nothing_stops_the_build(shapes, name, says):
    with pytest.raises(ValueError, match=says):
        shapes.rows(name)


# --- The glossary ---------------------------------------------------------------------


def glossary() -> dict[str, str]:
    """The text of each entry, without the comments."""
    found = re.findall(
        r"^(\S.*)\n((?:  % .*\n)*)\n?((?:  (?!%).*\n)+)",
        page("glossary").partition("{glossary}\n")[2],
        re.MULTILINE,
    )
    return {term: text.strip() for term, _, text in found}


def test_every_entry_is_short_and_leads_to_a_page():
    assert len(glossary()) > 50
    for term, text in glossary().items():
        says, see, where = text.rpartition(" See ")
        assert see and re.search(r"\[.+\]\(.+\)", where), term
        says = re.sub(r": see \[.*?\]\(.*?\)", "", says)
        assert 1 <= len(re.findall(r"[.!?](?: |$)", says)) <= 3, term


def test_the_glossary_is_in_order_and_has_no_word_twice():
    words = list(glossary())
    text = page("glossary")
    listed = re.findall(r"^  % (?:forms|not): (.*)$", text, re.MULTILINE)
    words += [word for line in listed for word in line.split(", ")]
    assert len(set(words)) == len(words)
    order = [term.lower().replace("-", "") for term in glossary()]
    assert order == sorted(order)


def test_the_sections_that_the_pages_lead_to_exist():
    for name in ("article-claims", "bibliography", "glossary", "notation", "api"):
        for target, anchor in re.findall(
            r"\]\(([\w-]+\.(?:ipynb|md))?(?:#([\w-]+))?\)", page(name)
        ):
            file = target or f"{name}.md"
            assert (BOOK / file).exists(), file
            if anchor and file.endswith(".md"):
                assert anchor in sections(page(Path(file).stem)), f"{name}: {anchor}"
            elif anchor:
                cells_under(file, anchor)


# --- The API --------------------------------------------------------------------------


def test_the_api_page_names_modules_that_say_what_they_offer():
    modules = re.findall(r"^\.\. automodule:: (\S+)$", page("api"), re.MULTILINE)
    assert len(modules) > 4
    offered = set()
    for name in modules:
        module = importlib.import_module(name)
        offered |= set(getattr(module, "__all__", vars(module)))
    import vip_tutorial

    assert set(vip_tutorial.__all__) <= offered
