"""Each chapter says an honest time, and the front page says the same."""

import ast
import re

from notebooks import paths, read
from vip_tutorial import figures, lens

WORDS, LINES = 220, 20  # of text and of code that are read in a minute
FIGURE = 1  # minutes
GLANCE = 0.25  # at a small map that says where the reader is
FOLDED = "hide-cell"  # with its figure
UNSEEN = {"hide-input", "remove-input", "remove-cell", "setup", FOLDED}
FIGURES = {name for room in (figures, lens) for name in room.__all__}


def draws(code: str) -> bool:
    """Whether a cell ends in a figure, or draws a plot."""
    last = ast.parse(code).body[-1]
    call = getattr(last, "value", None)
    made = getattr(getattr(call, "func", None), "id", "")
    return (made[:1].isupper() and made in FIGURES) or "plt." in code


def minutes(notebook: dict) -> float:
    """What a reader needs who reads all that is not folded away."""
    total = 0.0
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            open_text = re.sub("<details>.*?</details>", "", text, flags=re.DOTALL)
            total += len(open_text.split()) / WORDS
            continue
        tags = set(cell["metadata"].get("tags", []))
        if not UNSEEN & tags:
            total += sum(bool(line.strip()) for line in text.splitlines()) / LINES
        if draws(text) and FOLDED not in tags:
            total += GLANCE if "here=" in text else FIGURE
    return total


HEAD = re.compile(r"^\*(\d+) minutes? to read; ", re.MULTILINE)
ROW = re.compile(r"^\| (\d+)\. \[.*\]\((.*)\.ipynb\) .* (\d+)\smin \|$", re.MULTILINE)


def test_chapters_and_front_page_say_how_long_a_chapter_takes():
    told, takes, rows = {}, {}, []
    for path in paths():
        notebook = read(path)
        text = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
        if path.stem == "index":
            rows = ROW.findall(text)
        elif path.stem != "playground":  # which is no chapter
            head = HEAD.search(text)
            assert head, f"{path.name} says nowhere “*N minutes to read; ...”"
            told[path.stem] = int(head[1])
            takes[path.stem] = minutes(notebook)
    assert [int(number) for number, _, _ in rows] == [*range(1, len(told) + 1)]
    assert {name: int(time) for _, name, time in rows} == told
    off = {
        name: f"says {told[name]}, takes {real:.0f}"
        for name, real in takes.items()
        if abs(told[name] - real) > max(2, 0.15 * real)
    }
    assert off == {}
