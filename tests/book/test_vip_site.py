"""The Sphinx extension: no stale page, no spoilt formula, figures in place."""

import shutil
from types import SimpleNamespace

import pytest
import torch

import vip_site
from tables import in_turn
from vip_site.your_turn import NeedsPython
from vip_tutorial import trace
from vip_tutorial.figures import CostCalculator, PermuteLens
from vip_tutorial.lens.figure.files import whole_file
from vip_tutorial.permute_mlp import PermuteMLP
from vip_tutorial.training.data import as_tokens, digit


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, for the extension to look at."""
    copy = tmp_path / "vip_tutorial"
    shutil.copytree(vip_site._PACKAGE, copy)
    monkeypatch.setattr(vip_site, "_PACKAGE", copy)
    return copy


@in_turn(
    "file, changed",
    [
        ("permute_mlp.py", "vip_package_digest"),
        ("lens/tracing/axes.py", "vip_package_digest"),
        ("networks/weights/row.json", "vip_package_digest"),
        ("networks/weights/row.safetensors", "vip_package_digest"),
        ("lens/permute_lens/recording.js", "vip_figures_digest"),
        ("lens/figure/figure.css", "vip_figures_digest"),
    ],
)
def test_a_change_of_the_package_makes_its_pages_anew(package, file, changed):
    def configured():
        config = SimpleNamespace(html_theme_options={})
        vip_site._configure(None, config)
        return vars(config)

    before = configured()
    assert configured() == before
    (package / file).write_bytes((package / file).read_bytes() + b"\n")
    after = configured()
    # What runs, runs again, and Sphinx reads its page; for a script it writes the page.
    assert {name for name in after if after[name] != before[name]} == {changed}


def test_the_digests_are_settings_that_make_sphinx_read_or_write_all_pages():
    settings = {}
    app = SimpleNamespace(
        add_config_value=lambda name, default, rebuild: settings.update(
            {name: rebuild}
        ),
        add_html_math_renderer=lambda *a, **k: None,
        connect=lambda *a, **k: None,
        setup_extension=lambda name: None,
    )
    vip_site.setup(app)
    assert settings["vip_package_digest"] == "env"
    assert settings["vip_figures_digest"] == "html"


def test_a_formula_becomes_mathml_that_says_its_source():
    html = vip_site._mathml(r"H \times S = C", "block")
    assert html.startswith(r'<math alttext="H \times S = C"') and "<mi>H</mi>" in html


@in_turn("formula", [r"\begin{aligned} a \end{aligned}", "x'"])
def test_a_formula_that_would_come_out_wrong_stops_the_build(formula):
    with pytest.raises(ValueError, match="which MathML output lacks"):
        vip_site._mathml(formula, "inline")


class FakeApp:
    """Keeps what a page is given."""

    def __init__(self, outdir):
        self.outdir = outdir
        self.added = []

    def add_css_file(self, file):
        self.added.append(file)

    def add_js_file(self, file, **options):
        self.added.append(file)


def test_a_figure_gets_its_first_frame_and_the_page_its_script(tmp_path):
    picture, _ = digit(3)
    run = trace(PermuteMLP(8, 8).height, as_tokens(picture, dim=8))
    lens = PermuteLens(run, name="three", picture=picture)
    app = FakeApp(tmp_path)
    context = {"body": f"<p>a</p>{lens.static_html()}<p>b</p>", "script_files": []}
    vip_site._finish_page(app, "page", "page.html", context, None)
    assert app.added == ["vip-permute_lens.css", "vip-permute_lens.js"]
    assert context["body"].count("<svg") == 4  # panes and memory, wide and narrow
    assert context["body"].startswith("<p>a</p>") and context["body"].endswith(
        "<p>b</p>"
    )


def test_a_figure_has_a_page_of_its_own_beside_the_one_it_stands_on(tmp_path):
    run = trace(PermuteMLP(8, 8).height, torch.zeros(1, 8, 8, 8))
    lens = PermuteLens(run, name="three", title="Three", start="v1;step=2")
    context = {"body": lens.static_html(), "script_files": []}
    vip_site._finish_page(FakeApp(tmp_path), "a/page", "page.html", context, None)
    assert '"alone": "page.three.html"' in context["body"]
    assert "Copy code for your page" in context["body"]
    alone = (tmp_path / "a/page.three.html").read_text(encoding="utf-8")
    assert alone == whole_file(lens)
    assert "Copy code for your page" not in alone.partition("<script")[0]


def test_a_page_gets_what_its_figures_need_and_no_more(tmp_path):
    lens = PermuteLens(trace(PermuteMLP(8, 8).height, torch.zeros(1, 8, 8, 8)))
    figures = CostCalculator().static_html() + lens.static_html()
    app = FakeApp(tmp_path)
    context = {"body": figures, "script_files": []}
    vip_site._finish_page(app, "page", "page.html", context, None)
    name = "vip-cost_calculator-permute_lens"
    assert app.added == [f"{name}.css", f"{name}.js"]
    style, script = ((tmp_path / "_static" / file).read_text() for file in app.added)
    for there in ("cost_calculator", "permute_lens"):
        assert f"const ${there} = " in script
    assert "reach_probe" not in script and "puzzle" not in script
    assert ".vip-permute_lens" in style and ".vip-cost_calculator" in style
    assert ".vip-reach_probe" not in style


def test_two_figures_of_one_name_stop_the_build():
    lens = PermuteLens(trace(PermuteMLP(8, 8).height, torch.zeros(1, 8, 8, 8)))
    context = {"body": 2 * lens.static_html(), "script_files": []}
    with pytest.raises(ValueError, match="page has several figures called lens"):
        vip_site._finish_page(None, "page", "page.html", context, None)


def test_each_id_stands_once_and_links_find_what_they_found(tmp_path):
    figures = {name: CostCalculator(name=name) for name in ("sizes", "fits", "alone")}
    html = {name: figure.static_html() for name, figure in figures.items()}
    body = (
        f'<section id="sizes"><h2>Sizes</h2>{html["sizes"]}</section>'
        f'<p><span class="target" id="fits"></span>{html["fits"]}</p>{html["alone"]}'
    )
    context = {"body": body, "script_files": []}
    vip_site._finish_page(FakeApp(tmp_path), "page", "page.html", context, None)
    assert vip_site._ID.findall(context["body"]) == [
        *("sizes", "figure-sizes", "fits", "figure-fits", "alone")
    ]
    assert context["body"].startswith('<section id="sizes">')
    for name in figures:  # by which a link to a state goes
        assert f'"name": "{name}"' in context["body"]


def test_two_elements_of_one_id_stop_the_build():
    body = (
        '<h2 id="a">A</h2><p title="x" id="a">a</p><code>id=&quot;b&quot; id="b"</code>'
    )
    context = {"body": body, "script_files": []}
    with pytest.raises(ValueError, match="page has several elements with the id a,"):
        vip_site._finish_page(None, "page", "page.html", context, None)


def test_a_page_without_a_figure_gets_no_script():
    context = {"body": "<p>a</p>", "script_files": ["a.js", "sphinx-thebe.js"]}
    vip_site._finish_page(None, "page", "page.html", context, None)
    assert context == {"body": "<p>a</p>", "script_files": ["a.js"]}


def test_the_engine_of_the_first_frames_is_closed_at_the_end(monkeypatch):
    pytest.importorskip("py_mini_racer")
    from vip_tutorial.lens.figure import engine as engines

    engines._engine.cache_clear()
    closers = []
    monkeypatch.setattr("atexit.register", closers.append)
    engine = engines._engine()
    assert closers == [engine.close]
    engine.close()
    engines._engine.cache_clear()


@in_turn(
    "changed, address",
    [
        ({}, "https://colab/github/me/mine/blob/main/book/04.ipynb"),
        (
            {"repository_branch": "fork", "path_to_docs": "docs/"},
            "https://colab/github/me/mine/blob/fork/docs/book/04.ipynb",
        ),
        ({"launch_buttons": {}}, ""),
        ({"repository_url": "https://elsewhere.org/me/mine"}, ""),
    ],
)
def test_an_exercise_leads_to_its_notebook_in_this_repository(changed, address):
    theme = {
        "launch_buttons": {"colab_url": "https://colab/"},
        "repository_url": "https://github.com/me/mine/",
    }
    page = SimpleNamespace(
        config=SimpleNamespace(html_theme_options=theme | changed),
        env=SimpleNamespace(docname="04", doc2path=lambda *a, **k: "book/04.ipynb"),
    )
    assert NeedsPython._address(page) == address
