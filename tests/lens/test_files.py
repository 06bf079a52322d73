"""What leaves a notebook: recordings and figures as files; and the terminal."""

import gzip
import json
import re
import runpy
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from tables import in_turn
from vip_tutorial import Trace, WeightedPermuteMLP, trace

pytest.importorskip("anywidget")
from vip_tutorial.figures import BranchExplorer, CostCalculator
from vip_tutorial.lens import ModuleMap, PermuteLens
from vip_tutorial.lens.__main__ import main
from vip_tutorial.lens.figure import engine, files

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title></style></script><script>alert(1)</script><img src=x onerror=a>&lt;"


@pytest.fixture(scope="module")
def run():
    torch.manual_seed(0)
    module = WeightedPermuteMLP(8, 4)
    return trace(module.height, torch.randn(1, 4, 4, 8))


@pytest.fixture
def no_engine(monkeypatch):
    """A machine with neither mini-racer nor Node.js."""
    monkeypatch.setattr(engine, "_engine", lambda: None)
    monkeypatch.setattr(engine.shutil, "which", lambda name: None)


@pytest.fixture
def drawn():
    """For what only a JavaScript engine can draw."""
    try:
        engine.call(PermuteLens.module, "firstFrame", {})
    except engine.NoEngine as reason:
        pytest.skip(str(reason))


# --- Recordings ----------------------------------------------------------------------


@in_turn("name", ["run.json", "run.json.gz", "RUN.JSON.GZ"])
def test_a_recording_comes_back_as_it_was(run, tmp_path, name):
    strange = trace(lambda x: (x.mT / 0).flip(0), torch.tensor([[0.0, 1], [-1, 2]]))
    for recording in (run, strange):
        path = recording.save(tmp_path / name)
        assert path == tmp_path / name
        assert (path.read_bytes()[:1] == b"{") is (not name.lower().endswith("gz"))
        again = Trace.load(str(path))
        assert again.to_json() == recording.to_json() and again.result is None


def test_a_packed_recording_is_the_same_each_time_and_much_smaller(run, tmp_path):
    plain, packed, again = (
        run.save(tmp_path / name).read_bytes()
        for name in ("a.json", "a.json.gz", "b.json.gz")
    )
    assert packed == again and 3 * len(packed) < len(plain)


@in_turn(
    "damage, told",
    [
        (lambda a, z: b"", "no recording, or a damaged one .*no JSON"),
        (lambda a, z: a[:99], "damaged one .*no JSON"),
        (lambda a, z: z[:-9], "damaged one .*packed in it is broken"),
        (lambda a, z: z[:50] + bytes(9) + z[59:], "damaged one .*is broken"),
        (lambda a, z: b"\xff\xfe", "damaged one .*no JSON"),
        (lambda a, z: b"[" * 100_000, "damaged one .*no JSON"),
        (lambda a, z: b"1" * 5000, "damaged one .*no JSON"),
        (lambda a, z: a.replace(b"[1,", b"[NaN,", 1), "NaN stands where a number"),
        (lambda a, z: b"null", "not a recording: its 'format'"),
        (lambda a, z: a.replace(b'version":1', b'version":2'), "has version 2;"),
        (lambda a, z: a.replace(b'"move"', b'"evil"', 1), "recording is damaged"),
        (lambda a, z: gzip.compress(bytes(70_000_000)), "too large, 67,200,000 bytes"),
    ],
)
def test_a_damaged_file_is_a_sentence(run, tmp_path, damage, told):
    whole = [run.save(tmp_path / name).read_bytes() for name in ("a.json", "b.json.gz")]
    bad = tmp_path / "bad.json"
    bad.write_bytes(damage(*whole))
    with pytest.raises(ValueError, match=told):
        Trace.load(bad)


def test_where_no_recording_can_be(run, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.json or \.json\.gz"):
        run.save(tmp_path / "run.pt")
    with pytest.raises(FileNotFoundError, match="cannot be written"):
        run.save(tmp_path / "none" / "run.json")
    with pytest.raises(FileNotFoundError, match="cannot be read"):
        Trace.load(tmp_path / "none.json")


# --- One file ------------------------------------------------------------------------


class Page(HTMLParser):
    """What of a page a browser would run, ask for, or read as the figure's state."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.scripts, self.asked, self.links = [], [], [], []
        self.policy = self.title = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        asked = self.links if tag == "a" else self.asked  # a link waits for a press
        asked += [v for k, v in given.items() if k in ("src", "href")]
        if tag == "script":
            self.scripts.append([given.get("type"), ""])
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]

    def handle_data(self, data):
        if self.tags[-1:] == ["script"]:
            self.scripts[-1][1] += data
        if self.tags[-1:] == ["title"]:
            self.title += data

    def handle_endtag(self, tag):
        if self.tags[-1:] == [tag]:
            self.tags.append(f"/{tag}")


def test_a_file_holds_all_and_asks_for_nothing(run, tmp_path, drawn):
    lens = PermuteLens(run, start="v1;step=2", state="v1;step=3;numbers=order")
    path = lens.save(tmp_path / "x.HTML")
    html = path.read_text("utf-8")
    page = Page(html)
    assert page.asked == ["data:,"]
    (playground,) = page.links
    assert re.fullmatch(r"https://\S+/book/playground\.html#\S+", playground)
    assert "url(" not in html and "@import" not in html
    assert page.policy == (
        "default-src 'none'; script-src 'unsafe-inline'; "
        "style-src 'unsafe-inline'; img-src data:"
    )
    (kind, state), (script, code) = page.scripts
    assert (kind, script) == ("application/json", None)
    assert json.loads(state) == lens.page_state()
    assert "$permute_lens.render" in code and "$module_map" not in code
    assert page.title == "WeightedPermuteMLP.height"
    # The first frame is of what is shown, not of the start, and comes before the state.
    assert "Step 3 of 7" in html[: html.index("application/json")]


def test_a_lens_of_4_x_4_x_8_is_within_60_kilobytes(run, tmp_path, drawn):
    path = PermuteLens(run).save(tmp_path / "x.html")
    assert len(gzip.compress(path.read_bytes())) <= 60_000


def test_text_from_data_stays_text_in_every_file(run, tmp_path, drawn):
    hostile = trace(lambda x: x.mT, torch.ones(2, 2), axes=["H", HOSTILE])
    lens = PermuteLens(hostile, title=HOSTILE)
    page = Page(lens.save(tmp_path / "x.html").read_text("utf-8"))
    assert page.title == HOSTILE
    assert page.tags.count("script") == 2 and "img" not in page.tags
    framed = re.fullmatch(
        r"<iframe [^>]*srcdoc='([^']*)'></iframe>", files.framed(lens)
    )
    assert framed and "alert" in framed[1]
    assert (
        "img"
        not in Page(files._page(PermuteLens, HOSTILE, "", "'</script><img>'")).tags
    )
    tree = ElementTree.parse(lens.save(tmp_path / "x.svg"))
    assert {e.tag for e in tree.iter()} <= {
        SVG + tag for tag in ("svg", "title", "desc", "path", "text", "rect")
    }
    assert tree.find(f"{SVG}title").text == HOSTILE


def test_values_that_the_site_loads_apart_are_in_the_file(tmp_path, drawn):
    from vip_tutorial.figures import LiveViP
    from vip_tutorial.networks import pretrained

    live = LiveViP(pretrained.load("digits"), pretrained.scale("digits"))
    assert live.apart
    page = Page(live.save(tmp_path / "x.html").read_text("utf-8"))
    assert set(live.apart) <= json.loads(page.scripts[0][1]).keys()


def test_without_an_engine_the_file_lives_all_the_same(run, tmp_path, no_engine):
    lens = PermuteLens(run)
    html = lens.save(tmp_path / "x.html").read_text("utf-8")
    assert lens.still() in html and "$permute_lens.render" in html
    with pytest.raises(RuntimeError, match=r"pip install mini-racer; \.html needs"):
        lens.save(tmp_path / "x.svg")


def test_node_draws_what_mini_racer_draws(run, monkeypatch, drawn):
    if engine.shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    state = PermuteLens(run, title="\ud800 ü\u2028🙂").page_state()
    drawn = engine.call(PermuteLens.module, "firstFrame", state)
    monkeypatch.setattr(engine, "_engine", lambda: None)
    assert engine.call(PermuteLens.module, "firstFrame", state) == drawn


@in_turn(
    "path, fault, told",
    [
        ("x.gif", ValueError, r"ends in '\.gif'; .* as \.html.*\.svg or \.png"),
        ("x", ValueError, "has no ending"),
        (5, TypeError, r"path is a int; .*'lens\.html'"),
        ("none/x.html", FileNotFoundError, "make the folder"),
        ("folder.html", IsADirectoryError, "is a folder; name a file in it"),
    ],
)
def test_what_cannot_be_written_is_a_sentence(run, tmp_path, path, fault, told):
    (tmp_path / "folder.html").mkdir(exist_ok=True)
    lens = PermuteLens(run)
    with pytest.raises(fault, match=told):
        lens.save(tmp_path / path if isinstance(path, str) else path)


def test_a_notebook_carries_the_same_figure_in_a_frame(run, drawn, monkeypatch):
    monkeypatch.delenv("VIP_FOR_SITE", raising=False)
    lens = PermuteLens(run)
    data = lens._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    html = data["text/html"]
    assert 'sandbox="allow-scripts"' in html and "data:" in html
    assert len(html) < 160_000  # ten of them are less than two megabytes
    explorer = BranchExplorer(segments=2)
    assert files.framed(explorer.alone()).startswith("<iframe")


# --- Pictures ------------------------------------------------------------------------


def test_an_svg_shows_the_state_with_its_words_as_text(run, tmp_path, drawn):
    lens = PermuteLens(run, start="v1;step=2")
    lens.state = "v1;step=4;cell=77;numbers=order"
    tree = ElementTree.parse(lens.save(tmp_path / "x.svg"))
    texts = [e.text.replace("\xa0", " ") for e in tree.iter(f"{SVG}text")]
    assert texts[0] == "WeightedPermuteMLP.height"
    assert "self.mlp_h(x)" in texts and [*"12345678"] == sorted(
        {text for text in texts if re.fullmatch("[1-9]", text)}
    )
    assert any("Step 4 of 7, linear" in text for text in texts)
    desc = tree.find(f"{SVG}desc").text
    assert desc.startswith("Step 4 of 7, linear") and "You follow h2 w1 c5" in desc
    text = (tmp_path / "x.svg").read_text("utf-8")
    assert "var(" not in text  # which only a page would know
    fills = {e.get("style") for e in tree.iter(f"{SVG}path")}
    assert "fill:#E9C034" in fills or "fill:#e9c034" in fills  # a birth row's own hue


def test_a_png_has_the_marks_of_the_svg(run, tmp_path, drawn):
    image = pytest.importorskip("matplotlib.image")
    lens = PermuteLens(run, title="$x$ 字", start="v1;step=3")
    pixels = image.imread(lens.save(tmp_path / "x.png"))
    tree = ElementTree.parse(lens.save(tmp_path / "x.svg")).getroot()
    width, height = (int(tree.get(side)) for side in ("width", "height"))
    assert pixels.shape[:2] == (2 * height, 2 * width)
    red, green, blue = torch.tensor(pixels).mul(255).round().int().unbind(-1)[:3]
    seen = {*(red << 16 | green << 8 | blue).unique().tolist()}
    filled = {
        int(e.get("style")[6:12], 16)
        for e in tree.iter(f"{SVG}path")
        if (e.get("style") or "").startswith("fill:#") and not e.get("opacity")
    }
    assert len(filled) > 15 and filled <= seen


def test_a_figure_without_a_picture_offers_the_file(run, tmp_path):
    for figure in (ModuleMap(run), CostCalculator()):
        with pytest.raises(ValueError, match=r"save it as \.html"):
            figure.save(tmp_path / "x.svg")


def test_without_matplotlib_there_is_still_the_svg(run, tmp_path, monkeypatch):
    for name in [*sys.modules]:
        if name.partition(".")[0] == "matplotlib":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"pip install matplotlib, or .*\.svg"
    ):
        PermuteLens(run).save(tmp_path / "x.png")


# --- From a terminal -----------------------------------------------------------------

MODULE = """
import torch

def turned(x):
    return x.permute(0, 3, 1, 2).view(-1, 4)

def windows(x):
    B, H, W, C = x.shape
    x = x.reshape(B, H // 2, 2, W // 2, 2, C).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, 4, C)

class Toy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(8, 8)
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.linear(x))

class Sized(torch.nn.Module):
    def __init__(self, size):
        super().__init__()

def idle(x):
    return x

five = 5
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with somebody's code, as the current one."""
    (tmp_path / "somebodys.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("import nowhere_to_be_found")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("somebodys", "broken"):
        sys.modules.pop(name, None)


def lens(capsys, target, *more, shape="1,4,4,8", out="x.html"):
    code = main([target, "--shape", shape, "--out", out, *more])
    out, err = capsys.readouterr()
    return code, out, err


@in_turn(
    "target, out, begins",
    [
        ("windows", "x.html", b"<!doctype html>"),
        ("Toy", "x.json", b'{"format":"vip-trace"'),
        ("Toy.forward", "x.json.gz", b"\x1f\x8b"),
        ("windows", "x.svg", b"<?xml"),
    ],
)
def test_the_terminal_writes_a_file(folder, capsys, drawn, target, out, begins):
    more = ["--axes", "BHWC"]
    code, said, _ = lens(capsys, f"somebodys:{target}", *more, out=out)
    assert code == 0 and str(folder / out) in said and "step" in said
    assert (folder / out).read_bytes().startswith(begins)


def test_the_same_seed_gives_the_same_recording(folder, capsys):
    for name in ("a.json", "b.json"):
        lens(capsys, "somebodys:Toy", out=name)
    lens(capsys, "somebodys:Toy", "--seed", "1", out="c.json")
    a, b, c = (Path(f"{name}.json").read_bytes() for name in "abc")
    assert a == b != c
    assert "training=False" in Trace.load("a.json").table()


@in_turn(
    "target, options, told",
    [
        (
            "somebodys:turned",
            {},
            "raised RuntimeError: view size.*trace recorded 1 step",
        ),
        ("somebodys:window", {}, "somebodys has no 'window'; there is windows"),
        (
            "somebodys:Sized",
            {},
            r"Sized\(\) raised TypeError.*example = Sized\(\.\.\.\)",
        ),
        ("somebodys:five", {}, r"cannot be called \(int\)"),
        ("somebodys:idle", {}, "made no call of PyTorch.*nothing to draw"),
        ("nobodys:f", {}, "there is no module 'nobodys' in"),
        ("broken:f", {}, "import broken raised ModuleNotFoundError: .*nowhere_to_be"),
        ("somebodys.py:f", {}, "names a file; name its module: somebodys:f"),
        ("somebodys", {}, "with a colon between them"),
        ("somebodys:windows", {"shape": "1,-4"}, "must be whole numbers from 1"),
        ("somebodys:windows", {"shape": "four"}, "must be whole numbers from 1"),
        ("somebodys:windows", {"shape": "99999,99999"}, "67,108,864 are run at most"),
        ("somebodys:windows", {"out": "x.gif"}, r"must end in one of \.html"),
        ("somebodys:windows", {"out": "none/x.html"}, "make the folder 'none'"),
    ],
)
def test_the_terminal_answers_with_a_sentence(folder, capsys, target, options, told):
    code, said, err = lens(capsys, target, **options)
    assert code == 1 and said == ""
    assert re.search(told, err, re.DOTALL), err
    assert "Traceback" not in err


def test_it_is_a_command(folder, capsys, monkeypatch):
    line = "lens somebodys:windows --shape 1,4,4,2 --out x.json"
    monkeypatch.setattr(sys, "argv", line.split())
    monkeypatch.delitem(sys.modules, "vip_tutorial.lens.__main__")
    with pytest.raises(SystemExit, match="0"):
        runpy.run_module("vip_tutorial.lens", run_name="__main__")
    assert "windows, 3 steps" in capsys.readouterr().out
    assert [
        s.op for s in Trace.load("x.json").steps
    ] == "reshape permute reshape".split()
