"""The figures without a browser: widgets, HTML for a page, the JavaScript core."""

import html.parser
import json
import random
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import ipywidgets
import pytest
import torch
import traitlets

from tables import in_turn
from vip_tutorial import PermuteMLP, WeightedPermuteMLP, trace
from vip_tutorial.figures import BranchExplorer, PermuteLens
from vip_tutorial.lens.figure.bundle import bundle

ROOT = Path(__file__).parents[2]
SCRIPTS = [*ROOT.glob("vip_tutorial/**/*.js"), *ROOT.glob("book/_ext/**/*.js")]


@pytest.fixture(scope="module")
def run():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 2, 4, generator=generator)
    return trace(WeightedPermuteMLP(4, 2).height, x, gradient=torch.ones_like(x))


@pytest.fixture(scope="module")
def core(engine_of):
    """The JavaScript core, with no page around it."""
    return engine_of("permute_lens.js", "page.js")


def first_frame(lens_or_state) -> str:
    site = pytest.importorskip("vip_site.figures", exc_type=ImportError)
    state = lens_or_state
    if isinstance(state, PermuteLens):
        state = state.page_state()
    return site.first_frame("permute_lens", state)


# --- An ordinary ipywidget -----------------------------------------------------------


def test_traits_can_be_observed(run):
    lens, seen = PermuteLens(run), []
    lens.observe(seen.append, names="state")
    lens.state = "v1;step=2"
    assert [change["new"] for change in seen] == ["v1;step=2"]


def test_traits_can_be_linked(run):
    one, two = PermuteLens(run, name="one"), PermuteLens(run, name="two")
    traitlets.link((one, "state"), (two, "state"))
    one.state = "v1;step=3"
    assert two.state == "v1;step=3"
    ipywidgets.jslink((one, "state"), (two, "state"))


def test_it_can_be_put_in_a_box(run):
    lens = PermuteLens(run)
    box = ipywidgets.VBox([ipywidgets.IntSlider(), lens])
    assert box.children[1] is lens


def test_what_is_sent_to_the_page_is_plain_json(run):
    lens = PermuteLens(run, picture=torch.rand(2, 2))
    sent = lens.get_state()
    assert set(lens.shown) <= set(sent)
    text = json.dumps({name: sent[name] for name in lens.shown}, allow_nan=False)
    assert "Infinity" not in text


def test_numbers_that_json_lacks(run):
    x = torch.tensor([1.0, float("nan"), float("inf"), float("-inf")])
    lens = PermuteLens(trace(lambda x: x.flip(0), x))
    data = json.loads(payload(lens), parse_constant=lambda name: pytest.fail(name))
    assert data["recording"]["tensors"][0]["values"] == [1, "nan", "inf", "-inf"]
    assert "vip-stage" in first_frame(lens)


def test_another_run_in_the_same_figure(run):
    lens, seen = PermuteLens(run), []
    lens.observe(seen.append, names="recording")
    lens.show(trace(PermuteMLP(4, 2).width, torch.zeros(1, 2, 2, 4)))
    assert len(seen) == 1
    assert lens.recording["name"] == "PermuteMLP.width"


def test_the_explorer_traces_anew_when_a_slider_moves():
    explorer = BranchExplorer(segments=2, per_segment=1, name="mine")
    assert explorer.lens.name == "mine"
    shapes = [explorer.lens.recording["tensors"][0]["shape"]]
    explorer.segments.value = 3
    shapes.append(explorer.lens.recording["tensors"][0]["shape"])
    explorer.per_segment.value = 2
    shapes.append(explorer.lens.recording["tensors"][0]["shape"])
    assert shapes == [[1, 2, 2, 2], [1, 3, 3, 3], [1, 3, 3, 6]]
    explorer.branch.value = "width"
    assert explorer.lens.recording["name"] == "PermuteMLP.width"
    before = explorer.lens.recording
    explorer.seed.value = 5
    assert explorer.lens.recording != before
    explorer.seed.value = 0
    assert explorer.lens.recording == before


def test_the_explorer_leaves_the_readers_random_numbers_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    explorer = BranchExplorer(segments=2)
    explorer.seed.value = 3
    assert torch.equal(torch.rand(3), expected)


# --- HTML for a page alone -----------------------------------------------------------


def payload(lens) -> str:
    """The JSON as a browser reads it out of the HTML."""

    class Reader(html.parser.HTMLParser):
        found, inside, closed = "", False, 0

        def handle_starttag(self, tag, attributes):
            self.inside = tag == "script"

        def handle_data(self, data):
            self.found += data if self.inside else ""

        def handle_endtag(self, tag):
            self.inside = False

    reader = Reader()
    reader.feed(lens.static_html())
    return reader.found


def test_notebooks_get_a_view_and_the_site_gets_html(run, monkeypatch):
    monkeypatch.setenv("VIP_FOR_SITE", "1")  # as the site's build does
    widgets = [PermuteLens(run)]
    if hasattr(ipywidgets.VBox, "_repr_mimebundle_"):  # ipywidgets 7 has another way
        widgets.append(BranchExplorer(segments=2))
    for widget in widgets:
        bundled = widget._repr_mimebundle_()
        data = bundled[0] if isinstance(bundled, tuple) else bundled
        assert "application/vnd.jupyter.widget-view+json" in data
        assert data["text/html"] == widget.alone().static_html()


def test_the_html_holds_what_the_core_reads(run):
    lens = PermuteLens(run, name="a-1", title="T", start="v1;step=2")
    assert 'id="a-1"' in lens.static_html()
    data = json.loads(payload(lens))
    assert data == lens.page_state()
    assert data["recording"] == run.to_json()


def test_where_no_script_runs_there_is_a_picture():
    recording = trace(lambda x: x.mT.reshape(-1)[:3].exp_(), torch.ones(2, 3))
    picture = PermuteLens(recording).static_html()
    svg = picture[picture.index("<svg") : picture.index("</svg>") + 6]
    tree = ElementTree.fromstring(svg)
    texts = [t.text for t in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text in ("view", "copy", "write", "new")] == [
        *("view", "copy", "view", "write")
    ]
    assert "reshape(-1)" in texts and "(d0, d1) = (2, 3)" in texts
    long = trace(lambda x: [x := x + 1 for _ in range(80)][-1], torch.ones(1))
    assert "and 16 more steps" in PermuteLens(long).static_html()


@in_turn(
    "text",
    [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "<!-- </script> -->",
        "]]>",
        "<b>&amp;\"'`",
        "a\u2028b\u2029c",
        "\x00\x1b",
        "ü→🙂",
    ],
)
def test_no_text_in_the_data_ends_or_hides_its_element(run, text):
    lens = PermuteLens(run, title=text)
    found = lens.static_html()
    inside = found[found.index("json") + 6 : found.rindex("</script>")]
    assert "<" not in inside
    assert json.loads(payload(lens))["title"] == text
    frame = first_frame(lens)
    assert "<script" not in frame
    assert "<b>&amp;" not in frame  # it is text there, not HTML


# --- Arguments -----------------------------------------------------------------------


@in_turn("wrong", [None, torch.zeros(2), {"format": "vip-trace"}, "height", PermuteMLP])
def test_what_is_no_recording(wrong):
    with pytest.raises(TypeError, match=r"recorded run, got .*PermuteLens\(trace"):
        PermuteLens(wrong)


@in_turn("name", ["", "-", "a b", "a&b", "a=b", "a/b", "ä", "a;b"])
def test_names_that_cannot_stand_in_a_link(run, name):
    with pytest.raises(ValueError, match="stands in links"):
        PermuteLens(run, name=name)
    lens = PermuteLens(run, name="good")
    with pytest.raises(ValueError, match="stands in links"):
        lens.name = name
    assert lens.name == "good"


def test_misspelt_arguments(run):
    with pytest.raises(TypeError, match="no argument first_stp, titel"):
        PermuteLens(run, titel="T", first_stp=3)


@in_turn(
    "picture",
    [torch.zeros(3), torch.zeros(1, 2, 2), torch.tensor(0.5), [[float("nan")]]],
    ids=str,
)
def test_what_is_no_picture(run, picture):
    with pytest.raises(ValueError, match=r"picture has shape .* must be \(H, W\)"):
        PermuteLens(run, picture=picture)


def test_a_picture_has_a_grey_level_for_each_token():
    def turned(*shape):
        return trace(lambda x: x.transpose(1, 2), torch.zeros(shape), axes="BHWC")

    run = turned(1, 2, 3, 5)
    lens = PermuteLens(run, picture=torch.zeros(2, 3))
    PermuteLens(run, picture=torch.zeros(3, 2), hue="W", light="H")
    PermuteLens(run, picture=torch.zeros(2, 3), hue="no", light="axis")
    for size, axes in (((3, 2), {}), ((2, 4), {}), ((2, 3), {"hue": "C"})):
        told = rf"has shape \({size[0]}, {size[1]}\), and the tokens .* one grey level"
        with pytest.raises(ValueError, match=told):
            PermuteLens(run, picture=torch.zeros(size), **axes)
    with pytest.raises(
        ValueError, match=r"shape \(2, 3\), .* are \(4, 4\) along H and"
    ):
        lens.show(turned(1, 4, 4, 5))
    assert lens.recording["tensors"][0]["shape"] == [1, 2, 3, 5]


@in_turn("argument", ["title", "start", "hue", "light", "state"])
def test_arguments_of_another_type(run, argument):
    with pytest.raises(traitlets.TraitError, match=argument):
        PermuteLens(run, **{argument: 3})


# --- The JavaScript core -------------------------------------------------------------


def test_the_modules_import_what_they_use_and_no_more():
    sources = {file: file.read_text(encoding="utf-8") for file in SCRIPTS}
    of_others = r"^export (?:const|function) (\w+)"
    exported = {
        n for text in sources.values() for n in re.findall(of_others, text, re.M)
    }
    for file, source in sources.items():
        an_import, a_comment = r"^import \{([^}]*)\} from .*;\n", r"^\s*(//|/?\*).*\n"
        imports = re.findall(an_import, source, re.M)
        code = re.sub(f"{an_import}|{a_comment}", "", source, flags=re.M)
        taken = {
            n.split()[-1] for names in imports for n in names.split(",") if n.strip()
        }
        unused = {name for name in taken if not re.search(rf"\b{name}\b", code)}
        assert not unused, f"{file} has no use for {unused}"
        for name in (exported - taken) & set(re.findall(r"\w+", code)):
            called = rf"(?<![\w$]) (?<!\.)(?:\.\.\.)?{name}\(|[([{{!]{name}\("
            own = rf"(function|const|let) {name}\b|[({{,] ?{name} ?[,}})]|^  {name}\("
            assert re.search(own, code, re.M) or not re.search(called, code), (
                f"{file} calls {name}, and does not import it"
            )


def test_a_bundle_is_one_script_without_imports():
    site = pytest.importorskip("vip_site.figures", exc_type=ImportError)
    widgets = site.WIDGETS.values()
    pictures = [w.drawn_by for w in widgets if w.drawn_by]
    source = bundle(*(w.module for w in widgets), *pictures, site.SITE)
    assert not re.search(r"^\s*(import|export)\b", source, re.M)
    names = re.findall(r"^// (\w+\.js)$", source, re.M)
    assert sorted(names) == sorted(file.name for file in SCRIPTS)
    assert PermuteLens._esm.endswith(
        "export default { render: $permute_lens.render };\n"
    )


@pytest.fixture
def modules(tmp_path):
    """`modules(a="...", b="...")`: these as files, each in a folder of its own."""

    def write(**sources: str) -> Path:
        for name, source in sources.items():
            file = tmp_path / name / f"{name}.js"
            file.parent.mkdir(exist_ok=True)
            file.write_text(source, encoding="utf-8")
        return tmp_path / "a" / "a.js"

    return write


def test_modules_keep_their_names_to_themselves(modules, engine_of):
    entry = modules(
        a='import {\n  same as other,\n  twice,\n} from "../b/b.js";\n'
        'import { same as third } from "../c/c.js";\n'
        "// A comment.\n/** A comment\n * of two lines. */\nlet four;\n"
        "/** @type {number} */ (four) = 4;\n/** A comment. */\n"
        "export const same = [1, ...other, ...third, twice(four)];\n",
        b='import { same as one } from "../c/c.js";\nconst hidden = 2;\n'
        "export const same = [...one, hidden];\n"
        "export function twice(x) {\n  const hidden = 2;\n  return hidden * x;\n}\n",
        c="const hidden = 3;\nexport const same = [hidden];\n",
    )
    engine = engine_of(entry)
    assert list(engine.eval("$a.same")) == [1, 3, 2, 3, 8]
    assert engine.eval("typeof hidden + typeof same + typeof $b.hidden") == (
        "undefined" * 3
    )
    assert bundle(entry).count("const $c =") == 1
    assert "comment" not in bundle(entry)


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (
            {
                "b": 'import { a } from "../c/c.js";\n',
                "c": 'import {} from "../b/b.js";\n',
            },
            r"in a circle: b\.js -> c\.js -> b\.js",
        ),
        ({"b": "const hidden = 1;\n"}, r"a\.js imports b from b\.js, .* nothing"),
        ({"b": "export const c = 1;\n"}, r"a\.js imports b from b\.js, .* exports c$"),
        ({"b": "export default 1;\n"}, r"b\.js has 'export default 1;'; imports must"),
        ({"b": 'import "../c/c.js";\n'}, r"b\.js has 'import \"\.\./c/c\.js\";'"),
        ({}, r"no module a\.js -> b\.js"),
    ],
)
def test_a_bundle_refuses_what_would_not_run(modules, sources, told):
    entry = modules(a='import { b } from "../b/b.js";\n', **sources)
    with pytest.raises(ValueError, match=told):
        bundle(entry)


def test_every_figure_is_registered_and_comes_through_the_door():
    site = pytest.importorskip("vip_site.figures", exc_type=ImportError)
    import vip_tutorial.figures as door

    for kind, widget in site.WIDGETS.items():
        assert widget.kind == kind
        assert getattr(door, widget.__name__) is widget
        assert widget.__name__ in door.__all__
    files = {Path(sys.modules[w.__module__].__file__) for w in site.WIDGETS.values()}
    sources = {
        file
        for file in (ROOT / "vip_tutorial").rglob("*.py")
        if re.search(
            r"^class \w+\((BookWidget|PermuteLens)\)", file.read_text("utf-8"), re.M
        )
    }
    assert files == sources


def test_no_figure_restyles_what_another_one_draws():
    """On the site all style sheets are one: a class of one kind is of that alone."""
    owners: dict[str, set[str]] = {}
    for file in (ROOT / "vip_tutorial").rglob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.S)
        for selectors in re.findall(r"([^{}]+)\{", text):
            for selector in selectors.split(","):
                first = re.match(r"\s*\.(vip-[\w-]+)", selector)
                if first:
                    owners.setdefault(first[1], set()).add(file.name)
    assert {c: files for c, files in owners.items() if len(files) > 1} == {}


@pytest.mark.slow
def test_the_wheel_holds_the_javascript_and_the_styles(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "vip_tutorial", source / "vip_tutorial", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-CONTENT"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", tmp_path]
    command = [sys.executable, "-m", "pip", "wheel", *options, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "vip_tutorial").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert files <= packed
    assert {"vip_tutorial/lens/figure/figure.css"} < files


STATES = """
const { readFields, writeFields } = $figure;
const { figure: lens } = $permute_lens;
function roundTrip(data, state) {
  const scene = lens.prepare((key) => data[key]);
  const first = { ...state, step: 3, fill: "picture", cell: 1, axis: 2 };
  const text = writeFields(lens.fields, state);
  const { state: read, problem } = readFields(lens, text, first, scene);
  return JSON.stringify([read, problem]);
}
"""


def test_states_come_back_as_they_were_written(run, core):
    core.eval(STATES)
    rng = random.Random(0)
    data = json.dumps(PermuteLens(run, picture=torch.rand(2, 2)).page_state())
    for _ in range(200):
        state = {
            "step": rng.randint(0, 7),
            "cell": rng.choice([-1, rng.randrange(16)]),
            "fill": rng.choice(["birth", "picture", "value", "gradient"]),
            "numbers": rng.choice(["none", "birth", "value", "order"]),
            "axis": rng.choice([-1, rng.randrange(4)]),
            "dir": rng.choice(["", "back"]),
            "speed": rng.choice(["0.5", "1", "2"]),
            "window": "",
        }
        answer = core.eval(f"roundTrip({data}, {json.dumps(state)})")
        assert json.loads(answer) == [state, ""]


def test_what_is_written_today_is_a_promise(core):
    # Links like these are out in the world: the words for a state never change.
    state = {"step": 4, "cell": 21, "fill": "value", "numbers": "order"}
    state |= {"dir": "back", "axis": 2, "speed": "1", "window": ""}
    fields = "$permute_lens.figure.fields"
    written = core.eval(f"$figure.writeFields({fields}, {json.dumps(state)})")
    assert written == "v1;step=4;cell=21;fill=value;numbers=order;axis=2;dir=back"
    usual = f"Object.entries({fields}).map(([key, {{ usual }}]) => [key, usual])"
    plain = json.loads(core.eval(f"JSON.stringify(Object.fromEntries({usual}))"))
    assert plain == {
        "cell": -1,
        "fill": "birth",
        "numbers": "none",
        "axis": -1,
        "dir": "",
        "speed": "1",
        "window": "",
    }


# --- First frames --------------------------------------------------------------------


BROADCAST = [((3, 1), (2, 3, 4)), ((4,), (2, 3, 4)), ((2, 1, 4), (2, 3, 1)), ((), (5,))]


def test_an_element_is_made_from_those_that_are_broadcast_to_it(core):
    for one, other in BROADCAST:
        x, y = torch.randn(one), torch.randn(other)
        run = trace(lambda x, y: y * x, x, y)
        seen = core.eval(
            f"(([run], last) => Array.from({{ length: {run.result.numel()} }}, "
            "(_, k) => [...run.seen(last, k)].join()))"
            f"([$recording.readRun({json.dumps(run.to_json())})], {run.outputs[0]})"
        )
        homes = torch.arange(x.numel()).reshape(one).expand_as(run.result)
        assert list(seen) == [str(home.item()) for home in homes.flatten()]


def test_ink_is_what_can_be_read_best(core):
    """By the contrast of the web's guidelines."""

    def luminance(colour):
        shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        light = [
            s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares
        ]
        return sum(part * share for part, share in zip((0.2126, 0.7152, 0.0722), light))

    def contrast(*colours):
        low, high = sorted(map(luminance, colours))
        return (high + 0.05) / (low + 0.05)

    greys = ["#" + 3 * f"{level:02X}" for level in range(256)]
    reds = [f"#{level:02X}5E00" for level in range(256)]
    inks = core.eval(f"{json.dumps(greys + reds)}.map($colours.inkOn)")
    for fill, ink in zip(greys + reds, inks, strict=True):
        (other,) = {"#111111", "#FFFFFF"} - {ink}
        assert contrast(fill, ink) >= contrast(fill, other), fill


# As much of a page as `patch` needs.
PAGE = """
class Tag {
  constructor(nodeName, attributes) {
    const held = new Map(Object.entries(attributes));
    Object.assign(this, { nodeName, held, childNodes: [] });
  }
  get attributes() { return this.getAttributeNames(); }
  getAttributeNames() { return [...this.held.keys()]; }
  getAttribute(name) { return this.held.get(name) ?? null; }
  hasAttribute(name) { return this.held.has(name); }
  setAttribute(name, value) { this.held.set(name, value); }
  removeAttribute(name) { this.held.delete(name); }
}
globalThis.Node = { ELEMENT_NODE: 1 };
globalThis.document = {
  createElement: () => ({
    set innerHTML(text) {
      this.content = { firstElementChild: new Tag(...JSON.parse(text)) };
    },
  }),
};
function patched(before, after) {
  const tag = new Tag("DETAILS", before);
  $patch.patch({ children: [tag] }, [JSON.stringify(["DETAILS", after]), ""], ["", ""]);
  return JSON.stringify(Object.fromEntries(tag.held));
}
"""


def test_what_the_reader_has_opened_stays_open(engine_of):
    page = engine_of("patch.js")
    page.eval(PAGE)
    for before, after, wanted in (
        ({"open": "", "class": "a"}, {"class": "b"}, {"open": "", "class": "b"}),
        ({"open": "", "title": "a"}, {"class": "b"}, {"open": "", "class": "b"}),
        ({}, {"open": ""}, {"open": ""}),
        ({"class": "a"}, {"open": "", "data-yours": ""}, {"data-yours": ""}),
    ):
        got = page.eval(f"patched({json.dumps(before)}, {json.dumps(after)})")
        assert json.loads(got) == wanted


def test_a_first_frame_is_a_picture_with_words(run):
    frame = first_frame(PermuteLens(run, start="v1;step=3"))
    assert frame.count("<svg") == 4  # the tensors and the memory, wide and narrow
    assert "Step 3 of 7, reshape(1, 2, 2, 4): a copy" in frame
    assert 'class="vip-omitted"' not in frame


def test_a_first_frame_shows_the_start_and_not_a_passing_state(run):
    frame = first_frame(PermuteLens(run, start="v1;step=2", state="v1;step=5"))
    assert "Step 2 of 7" in frame


@in_turn("start", ["v9", "v1;step=99", "nonsense", "v1;cell=3"])
def test_a_start_that_makes_no_sense_is_the_usual_one(run, start):
    assert "Step 1 of 7" in first_frame(PermuteLens(run, start=start))


@in_turn(
    "state",
    [{}, {"recording": None}, {"recording": {"format": "vip-trace", "version": 2}}],
    ids=str,
)
def test_a_first_frame_of_damaged_data_is_a_sentence(state):
    frame = first_frame(state)
    assert frame.startswith('<p class="vip-problem">This figure cannot be drawn: ')
    assert "The rest of the page works without it." in frame


def test_a_small_part_of_much_memory_has_a_small_strip():
    images = torch.rand(1797, 8, 8)
    last = first_frame(PermuteLens(trace(lambda x: x.transpose(1, 2), images[-1:])))
    first = first_frame(PermuteLens(trace(lambda x: x.transpose(1, 2), images[:1])))
    assert len(last) == pytest.approx(len(first), rel=0.05)


def test_numbers_far_apart_in_memory_are_not_drawn_there():
    column = torch.rand(40_000, 8)[::1000, 0]
    frame = first_frame(PermuteLens(trace(lambda x: x.reshape(4, 10).T, column)))
    assert "the numbers lie too far apart to draw" in frame
    assert len(frame) < 60_000


def test_an_empty_tensor_with_a_long_axis_costs_nothing():
    run = trace(lambda x: x * 2, torch.zeros(0, 10**12))
    assert " (0, 1000000000000)</span>" in first_frame(PermuteLens(run))


@pytest.mark.slow
def test_many_values_on_request_are_told_of_and_not_drawn():
    run = trace(
        lambda x: x.expand(300, 1000) * 1.0, torch.randn(1, 1000), max_elements=10**6
    )
    html = first_frame(PermuteLens(run, start="v1;step=2;fill=value"))
    assert "300,000 elements" in html and "vip-problem" not in html


def test_a_run_without_steps_says_why():
    run = trace(lambda x: x, torch.ones(2))
    run.omitted = ["It ran elsewhere."]
    assert "holds no steps. It ran elsewhere" in first_frame(PermuteLens(run))


@pytest.mark.slow
def test_a_view_far_larger_than_its_memory_is_told_of_and_not_drawn():
    def blown_up(x):
        return x.expand(4, 20_000_000)[:, :2] * 1.0

    lens = PermuteLens(trace(blown_up, torch.randn(4, 1)), start="v1;step=2")
    began = time.process_time()
    assert "too many numbers to draw" in first_frame(lens)
    assert time.process_time() - began < 20  # it would take minutes, cell by cell


@in_turn("key", ["line", "file", "function"])
def test_a_damaged_source_puts_no_element_into_the_page(run, key):
    lens = PermuteLens(run)
    state = json.loads(json.dumps(lens.page_state()))
    state["recording"]["steps"][0]["source"][key] = ["<img src=x onerror=alert()>"]
    frame = first_frame(state)
    assert "cannot be drawn" in frame and "<img" not in frame


def test_every_cell_of_a_tensor_without_axes():
    frame = first_frame(PermuteLens(trace(lambda x: x * 2, torch.tensor(3.0))))
    assert "vip-stage" in frame


@pytest.mark.slow
def test_a_program_that_drew_a_first_frame_ends():
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})\n"
        "from vip_tutorial.figures import CostCalculator\n"
        "from vip_site.figures import first_frame\n"
        "print(first_frame('cost_calculator', CostCalculator().page_state())[:9])\n"
    )
    # Where the engine is left open, about every second one hangs at its end.
    tries = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    try:
        for one in tries:
            assert one.communicate(timeout=600)[0].strip()
            assert one.returncode == 0
    finally:
        for one in tries:
            one.kill()
