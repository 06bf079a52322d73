"""Plots are part of the page, and follow its theme."""

import io
import re

import matplotlib
import nbformat
import pytest
from matplotlib.figure import Figure

plots = pytest.importorskip("vip_site.plots")


def drawn() -> str:
    """A plot as a kernel of the build draws it."""
    rules = plots.ENVIRONMENT["MATPLOTLIBRC"]
    with matplotlib.rc_context(fname=rules):
        figure = Figure(figsize=(3, 2), facecolor="white")
        axes = figure.subplots(2)
        axes[0].scatter([0, 1], [1, 0], color="#D55E00", edgecolor="white")
        axes[0].axhline(0.5, color="black")
        axes[1].imshow([[0, 1], [1, 0]], cmap="gray_r")
        axes[1].set_xlabel("a < b & c")
        file = io.StringIO()
        figure.savefig(file, format="svg")
    return file.getvalue()


def test_ink_and_paper_are_those_of_the_page():
    html = plots.as_html(drawn(), "plot1", 'dots, "two"')
    assert not re.search("#(?:000000|1b1f24|ffffff)", html)
    assert "currentColor" in html and "var(--pst-color-background)" in html
    assert "#d55e00" in html.lower()  # what carries a meaning keeps its colour
    assert 'aria-label="dots, &quot;two&quot;"' in html
    assert ">a &lt; b &amp; c<" in html  # text that a reader can select
    assert "DOCTYPE" not in html and "<metadata>" not in html and "dc:date" not in html


def test_two_plots_of_a_page_share_no_id():
    cell = nbformat.v4.new_code_cell(metadata={"mystnb": {"image": {"alt": "dots"}}})
    for _ in range(2):
        output = nbformat.v4.new_output("display_data", {"image/svg+xml": drawn()})
        cell.outputs.append(output)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    plots.put_into_page(notebook)
    page = "".join(output.data["text/html"] for output in cell.outputs)
    ids = re.findall(r'\sid="([^"]*)"', page)
    used = re.findall(r'url\(#([^)]*)|href="#([^"]*)', page)
    assert len(ids) == len(set(ids)) > 0
    assert {one or other for one, other in used} == set(ids)
    assert page.count('role="img" aria-label="dots"') == 2
