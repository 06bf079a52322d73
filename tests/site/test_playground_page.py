"""The playground in a browser: typed into, told of, sent as a link."""

import base64
import gzip
import json
import re
import zlib

import pytest
import torch
from test_figures import SHIFTS, TOO_WIDE
from torch import nn

from vip_tutorial import trace
from vip_tutorial.figures import Playground

FORGOTTEN = """B, H, W, C = x.shape
x = x.reshape(B, H // 2, 2, W // 2, 2, C).permute(0, 1, 3, 2, 4, 5)
x = x.view(-1, 4, C)
"""


def part(opened, name: str):
    return opened.figure.locator(f'[data-part="play-{name}"]')


def settled(opened) -> None:
    opened.page.clock.run_for(1000)


def test_a_program_is_drawn_told_of_and_sent(open_figure, open_page):
    opened = open_figure(Playground())
    code, fault = part(opened, "code"), part(opened, "fault")
    assert not fault.is_visible() and opened.state is None
    code.fill(FORGOTTEN)
    settled(opened)
    assert fault.inner_text().startswith("Line 3 · RuntimeError: view size is not")
    assert ".contiguous()" in part(opened, "heard").inner_text()
    lit = opened.figure.locator(".vip-play-lines .vip-bad")
    assert lit.inner_text() == "3" and code.get_attribute("aria-invalid") is not None
    assert opened.figure.get_by_role("button", name="permute").first.is_visible()

    code.fill(FORGOTTEN.replace("view", "reshape"))
    settled(opened)
    assert not fault.is_visible()
    assert part(opened, "heard").inner_text() == "It runs: 3 steps."
    opened.figure.get_by_role("button", name="permute").first.click()
    opened.settle()
    assert opened.figure.locator(".vip-play-lines .vip-now").inner_text() == "2"
    part(opened, "copy").click()
    part(opened, "link").wait_for()
    link = part(opened, "link").locator("input").input_value()
    assert "=v2;z=" in link and len(link) < 300
    again = open_page(link)
    again.locator("#playground > .vip[data-ready]").wait_for()
    again.get_by_role("button", name="Back to the map").wait_for()
    assert again.locator("textarea").input_value() == code.input_value()

    part(opened, "reset").click()
    assert part(opened, "example").input_value() == "windows"
    part(opened, "example").select_option("heads-wrong")
    assert part(opened, "shape").input_value() == "1, 4, 6"
    part(opened, "axes").fill("AB")
    settled(opened)
    assert "2 names, A B, and 3 sizes" in fault.inner_text()
    assert part(opened, "map").evaluate("(map) => map.matches('.vip-stale')")


def test_a_program_too_long_for_a_link_is_told(open_figure):
    opened = open_figure(Playground())
    part(opened, "code").fill(
        "".join(f"x = x + {n**9}  # é{n**7}\n" for n in range(520))
    )
    settled(opened)
    part(opened, "copy").click()
    part(opened, "fault").get_by_text("too long").wait_for()
    assert "too long for a link" in part(opened, "fault").inner_text()
    assert not part(opened, "link").is_visible()


def test_keys_leave_the_code_and_keep_its_indent(open_figure):
    opened = open_figure(Playground("y = x.T", (2, 3)))
    code = part(opened, "code")
    code.fill("for i in range(2):")
    code.press("End")
    code.press("Enter")
    opened.page.keyboard.type("x = x.mT")
    assert code.input_value() == "for i in range(2):\n    x = x.mT"
    code.press("Tab")
    assert not code.evaluate("(el) => el === document.activeElement")
    part(opened, "indents").check()
    code.focus()
    code.press("Tab")
    assert code.input_value().endswith("x.mT    ")
    code.press("Escape")
    code.press("Tab")
    assert not code.evaluate("(el) => el === document.activeElement")


@pytest.mark.parametrize("width", [1280, 360])
def test_it_comes_without_a_jump_and_axe_finds_nothing(open_figure, width):
    axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")
    for theme in ("light", "dark"):
        opened = open_figure(
            Playground(), script=SHIFTS, width=width, color_scheme=theme
        )
        assert opened.page.evaluate("shifts") == []
        assert opened.figure.evaluate(TOO_WIDE) == []
        found = axe_module.Axe().run(opened.page, context="#playground")
        assert found.violations_count == 0, found.generate_report()


LINKS = ["v9", "nonsense", "v1;p=zzz", "v1;p=" + "A" * 50_000, "v1;example=none"]
LINKS += ["v2", "v2;z=", "v2;z=AAAA", "v2;z=*", "v2;z=" + "7" * 30_000]


def test_a_broken_link_gets_a_sentence(open_figure):
    for text in [*LINKS, "v1;p=eyJjb2RlIjoxfQ"]:
        opened = open_figure(Playground(), f"playground={text}")
        part(opened, "fault").get_by_text("This link").wait_for()
        assert part(opened, "example").input_value() == "windows"


def test_a_link_that_is_unpacked_to_more_than_any_program_is_refused(open_figure):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    text = b'{"code": "x = x.flip(0)"}' + b" " * 5_000_000
    packed = packer.compress(text) + packer.flush()
    letters = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    opened = open_figure(Playground(), f"playground=v2;z={letters}")
    part(opened, "fault").get_by_text("This link holds no program").wait_for()
    assert part(opened, "example").input_value() == "windows"


def test_links_hold_any_program(engine_of):
    engine = engine_of("links.js")
    first = dict(
        code="", shape="", axes="", values="numbered", map="", same="", kept=""
    )
    for code in ("x", "é ¤ 𝄞\n\t%", "", "a" * 2500, "\ud800"):
        program = {**first, "code": code, "shape": "2, 3", "map": "v1;step=1"}
        program |= {"same": code[:400], "kept": code}
        asked = f"$links.writeLink({json.dumps(program)}, {json.dumps(first)}).text"
        text = engine.eval(asked)
        read = f"$links.readLink({json.dumps(text)}, {json.dumps(first)})"
        found = json.loads(engine.eval(f"JSON.stringify({read})"))
        assert found["problem"] == ""
        assert found["program"] == program


DROP = """(figure, [name, bytes]) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([new Uint8Array(bytes)], name));
  for (const type of ["dragover", "drop"])
    figure.dispatchEvent(
      new DragEvent(type, { dataTransfer: dropped, bubbles: true, cancelable: true })
    );
}"""


def test_a_recording_is_opened_or_dropped_and_the_code_is_kept(open_figure, tmp_path):
    run = trace(nn.Sequential(nn.Flatten(2), nn.Linear(16, 3)), torch.randn(1, 2, 4, 4))
    files = [run.save(tmp_path / name) for name in ("run.json", "run.json.gz")]
    opened = open_figure(Playground())
    code, file = part(opened, "code"), part(opened, "file")
    code.fill("x = x.flip(1)")
    settled(opened)
    state = opened.state
    acts = opened.figure.get_by_role("button", name="linear")
    for path, drop in ((files[0], True), (files[1], False)):
        assert acts.count() == 0
        if drop:
            opened.figure.locator("textarea").evaluate(
                DROP, [path.name, [*path.read_bytes()]]
            )
        else:
            file.set_input_files(path)
        acts.first.wait_for()
        assert not code.is_visible() and part(opened, "close").is_visible()
        assert opened.figure.get_by_text("Lines that make steps").is_visible()
        assert f"{path.name}: 2 steps. It was" in part(opened, "opened").inner_text()
        assert opened.figure.get_by_text("Sequential").first.is_visible()
        acts.first.click()
        opened.settle()
        assert opened.state == state
        part(opened, "close").click()
        assert code.input_value() == "x = x.flip(1)" and code.is_visible()
        assert not part(opened, "close").is_visible()


def test_what_is_no_recording_gets_a_sentence_and_harms_nothing(open_figure, tmp_path):
    run = trace(lambda x: x.t(), torch.randn(2, 3)).to_json()
    packed = gzip.compress(json.dumps(run).encode())
    bomb = gzip.compress(b" " * (65 * 2**20))
    rows = {
        "cut.json.gz": (packed[:-9], "is packed with gzip and damaged"),
        "bomb.gz": (bomb, "is larger than 64 MB"),
        "noise.json": (b"\xff\x00{", "is no recording: it is not JSON"),
        "list.json": (b"[]", "cannot be shown: this is not a recorded run"),
        "null.json": (b"null", "cannot be shown: this is not a recorded run"),
        "new.json": (json.dumps(run | {"version": 9}).encode(), "has version 9"),
        "<img src=x onerror=alert(1)>.json": (b"", "is no recording"),
        "forged.json": (
            json.dumps(run | {"tensors": [], "inputs": [10**9]}).encode(),
            "cannot be shown: ",
        ),
    }
    opened = open_figure(Playground())
    for name, (content, said) in rows.items():
        part(opened, "file").set_input_files(
            {"name": name, "mimeType": "application/json", "buffer": content}
        )
        fault = part(opened, "fault")
        fault.get_by_text(name).wait_for()
        assert said in fault.inner_text()
        assert part(opened, "code").is_visible()
    part(opened, "code").fill("x = x.flip(0)")
    settled(opened)
    assert not part(opened, "fault").is_visible()


def test_an_answer_is_kept_and_what_lies_elsewhere_is_told_and_framed(
    open_figure, open_page
):
    opened = open_figure(Playground())
    code, compared = part(opened, "code"), part(opened, "compared")
    part(opened, "keep").click()
    assert compared.inner_text().startswith(
        "= The same as the kept answer: shape (1, 4,"
    )
    code.fill(code.input_value().replace("x = x.permute(0, 1, 3, 2, 4, 5)  #", "#"))
    settled(opened)
    count = int(re.search(r"≠ (\d+) of 32 elements are", compared.inner_text())[1])
    pictures = compared.locator("svg")
    assert pictures.count() == 2
    outlines = pictures.first.locator('rect[fill="none"]')
    assert count > 0 and outlines.count() == count
    assert f"{count} of 32" in part(opened, "heard").inner_text()
    told = compared.inner_text()
    part(opened, "copy").click()
    part(opened, "link").wait_for()
    again = open_page(part(opened, "link").locator("input").input_value())
    again.locator("#playground > .vip[data-ready]").wait_for()
    again.get_by_text(re.compile(r"≠ \d+ of 32 elements")).wait_for()
    assert again.locator("[data-part=play-compared]").inner_text() == told
    part(opened, "keep").click()
    assert compared.inner_text() == ""

    code.fill("x = x.flatten(1, 2)")
    same = part(opened, "same")
    for expression, said in (
        ("rearrange(x, 'b h w c -> b (h w) c')", "= The same as “rearrange(x,"),
        ("x.transpose(1, 2).flatten(1, 2)", "≠ 24 of 32 elements are others"),
        ("x", "≠ Another shape: yours has (1, 16, 2)"),
        ("x.flatten()", "≠ Another shape: yours has (1, 16, 2)"),
        ("x.flatten(7)", "gives no answer. IndexError"),
        ("<img src=x onerror=alert(1)>", "gives no answer. SyntaxError"),
    ):
        same.fill(expression)
        settled(opened)
        assert said in compared.inner_text(), expression


WINDOWS = """B, H, W, C = x.shape
x = x.reshape(B, H // 2, 2, W // 2, 2, C)
x = x.permute(0, 1, 3, 2, 4, 5)
x = x.reshape(-1, 4, C)
"""
# Links that may be out in the world; add to them, and never change one.
SENT = {
    "v1;example=channel": {"axes": "BHWC", "shape": "1, 4, 4, 8"},
    "v1;example=heads;p=eyJtYXAiOiJ2MTtzdGVwPTIifQ": {"axes": "BNC"},
    "v1;p=eyJjb2RlIjoieCA9IHgubVRcbiIsInNoYXBlIjoiMiwgMyIsImF4ZXMiOiJIVyIsInZhbHVlcyI6"
    "Im51bWJlcmVkIiwibWFwIjoiIn0": {"code": "x = x.mT\n", "shape": "2, 3"},
    "v2;z=XY7BCsIwEER_ZZlTC6u1tV4CXsylf5CLl2AXPJg2pFYC4r9LVkQQ9rBvZnbYJy7zKDA4MQ1MjsnSkfJ2u"
    "foo5ykrJFGsSoaahjou436rrb_RKCmsd6l2TC3TXt2e6VD_d21aNcolGKrB4CP2TB0YPstSPhucBePhb6ty8tM4"
    "BzCCjzDA6w0": {"code": WINDOWS, "values": "random"},
    "v2;z=NYyxCoMwFAB_Jdz8cGi3gLsfEHDJ8qoPBE0MtZZA6b-LguMd3P0Y1tHwVNe62qQQM8I2aTnlQ9w"
    "TQatteLoe4avLflHe08veNiIkLXjOTtP1agLCbOVzj2PmfwA": {"same": "x.T", "axes": "HW"},
}


def test_old_links_hold_what_they_held(open_figure):
    for link, fields in SENT.items():
        opened = open_figure(Playground(), f"playground={link}")
        for key, value in fields.items():
            # A compressed link takes a moment, which no clock of the page counts.
            for _ in range(200):
                if part(opened, key).input_value() == value:
                    break
            assert part(opened, key).input_value() == value, link
        assert not part(opened, "fault").is_visible()


STATE = re.compile(
    r'data-vip-widget="permute_lens".*?<script type="application/json">(.*?)</script>',
    re.DOTALL,
)
LINKED = """(() => {{
  const {{ program, problem }} = $links.readLink({link}, {{}});
  return JSON.stringify([problem, $playground.outcomeOf(program)]);
}})()"""


def test_what_a_lens_links_to_does_what_the_lens_shows(site, engine_of):
    engine = engine_of("links.js", "playground.js")
    pages = [page.read_text(encoding="utf-8") for page in site.glob("book/*.html")]
    states = [json.loads(state) for page in pages for state in STATE.findall(page)]
    linked = [state for state in states if state.get("program")]
    assert len(linked) > len(states) / 3

    def done(run):
        shapes = [tensor["shape"] for tensor in run["tensors"]]
        steps = run["steps"]
        return [(s["op"], s.get("map"), shapes[s["output"]]) for s in steps]

    for state in linked:
        page, link = state["program"].split("#playground=")
        assert (site / "book" / page).exists()
        problem, outcome = json.loads(engine.eval(LINKED.format(link=json.dumps(link))))
        assert problem == "" and outcome["fault"] is None, (state["name"], outcome)
        assert done(outcome["recording"]) == done(state["recording"]), state["name"]
