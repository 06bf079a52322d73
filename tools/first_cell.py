"""Put the same first code cell into every notebook.

    python tools/first_cell.py           write it
    python tools/first_cell.py --check   only name the notebooks that lack it

The cell's code is book/setup_cell.py, word for word.  In Colab it installs the
package; everywhere it says which versions run.  On the site it is folded away, and in
Colab its code is hidden behind its title.
"""

import re
import sys

from notebooks import ROOT, paths, read, write

CODE = ROOT / "book" / "setup_cell.py"


def version() -> str:
    """The version of the package that the cell installs."""
    (found,) = re.findall(r'^VERSION = "(.*)"', CODE.read_text("utf-8"), re.MULTILINE)
    return found


def first_cell() -> dict:
    """The cell, as a notebook stores it."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": "setup",
        "metadata": {"cellView": "form", "tags": ["remove-cell", "setup"]},
        "outputs": [],
        "source": CODE.read_text(encoding="utf-8").rstrip().splitlines(keepends=True),
    }


def has_it(notebook: dict) -> bool:
    """Whether the first code cell is the set-up cell, and the only one."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return code[:1] == [first_cell()] and all(c["id"] != "setup" for c in code[1:])


def put(notebook: dict) -> None:
    """Make the set-up cell the first code cell; one that is there keeps its place."""
    code = [i for i, c in enumerate(notebook["cells"]) if c["cell_type"] == "code"]
    place = code[0] if code else len(notebook["cells"])
    before, after = notebook["cells"][:place], notebook["cells"][place:]
    others = [cell for cell in after if cell.get("id") != "setup"]
    notebook["cells"] = [*before, first_cell(), *others]
    # Cells have ids since this version of the format.
    notebook["nbformat_minor"] = max(5, notebook["nbformat_minor"])


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        lacking = [path for path in paths() if not has_it(read(path))]
        for path in lacking:
            print(f"{path.relative_to(ROOT).as_posix()} lacks the right first cell")
        sys.exit(bool(lacking))
    for path in paths():
        notebook = read(path)
        put(notebook)
        if write(path, notebook):
            print(f"wrote the first cell of {path.relative_to(ROOT).as_posix()}")
