"""Print what the book and its code cost, beside the budgets of the design.

Usage:
    python tools/bench.py                   everything
    python tools/bench.py module            WeightedPermuteMLP on one thread, and trace
    python tools/bench.py build             the build, and each chapter
    python tools/bench.py pages             the built pages in a browser
    python tools/bench.py tests             the tests, without and with the slow ones

Nothing is asserted, and the numbers depend on the machine and on what else it does:
`make bench` on an idle one.
"""

import argparse
import gzip
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).parents[1]
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
# Of vip_s14 and vip_s7: as a batch, and as one image.
SHAPES = [(64, 8, 8, 512), (32, 16, 16, 384), (8, 32, 32, 192)]
SHAPES += [(1, *shape[1:]) for shape in SHAPES]


def report(what: str, budget: str, measured: str, fine: bool | None = None) -> None:
    verdict = {True: "ok", False: "OVER", None: ""}[fine]
    print(f"{what:58} {budget:>12} {measured:>14}  {verdict}".rstrip(), flush=True)


# --- The module ----------------------------------------------------------------------


def authors_forward(x: Tensor, p: dict[str, Tensor], segments: int) -> Tensor:
    """The authors' order of operations, written from the table of shapes.

    Args:
        x: `(B, H, W, C)`.
        p: The parameters, by their official names.
        segments: N.
    """
    linear = torch.nn.functional.linear
    B, H, W, C = x.shape
    S = C // segments
    h = x.reshape(B, H, W, segments, S).permute(0, 3, 2, 1, 4)
    h = linear(h.reshape(B, segments, W, H * S), p["mlp_h.weight"])
    h = h.reshape(B, segments, W, H, S).permute(0, 3, 2, 1, 4).reshape(B, H, W, C)
    w = x.reshape(B, H, W, segments, S).permute(0, 1, 3, 2, 4)
    w = linear(w.reshape(B, H, segments, W * S), p["mlp_w.weight"])
    w = w.reshape(B, H, segments, W, S).permute(0, 1, 3, 2, 4).reshape(B, H, W, C)
    c = linear(x, p["mlp_c.weight"])
    a = (h + w + c).permute(0, 3, 1, 2).flatten(2).mean(2)
    a = linear(a, p["reweight.fc1.weight"], p["reweight.fc1.bias"])
    a = linear(
        torch.nn.functional.gelu(a), p["reweight.fc2.weight"], p["reweight.fc2.bias"]
    )
    a = a.reshape(B, C, 3).permute(2, 0, 1).softmax(0)[:, :, None, None, :]
    x = h * a[0] + w * a[1] + c * a[2]
    return linear(x, p["proj.weight"], p["proj.bias"])


def products(p: dict[str, Tensor], x: Tensor) -> None:
    """The four large matrix products alone, on numbers that lie ready for them."""
    linear = torch.nn.functional.linear
    for name in ("mlp_h", "mlp_w", "mlp_c", "proj"):
        linear(x, p[f"{name}.weight"], p.get(f"{name}.bias"))


def same(what: str, ours: Tensor, theirs: Tensor) -> None:
    difference = (ours - theirs).abs().max().item()
    if not difference < 1e-4:
        sys.exit(f"{what} computes something else: {difference}")


def bench_module() -> None:
    from vip_tutorial import WeightedPermuteMLP
    from vip_tutorial.mixers import made_fast
    from vip_tutorial.study import interleaved

    for shape in SHAPES:
        torch.manual_seed(0)
        x = torch.randn(shape)
        module = WeightedPermuteMLP(shape[3], shape[1])
        quick = made_fast(module)
        p = dict(module.named_parameters())
        theirs = partial(authors_forward, p=p, segments=shape[1])
        with torch.no_grad():
            same("the authors' order", theirs(x), module(x))
            same("the fast way", quick(x), module(x))
        times = interleaved(
            {
                "theirs": partial(theirs, x),
                "module": partial(module, x),
                "quick": partial(quick, x),
                "products": partial(products, p, x),
            },
            4,
        )
        plain, fast = (times[way] / times["theirs"] for way in ("module", "quick"))
        # Equal, as far as a clock can tell, is not slower.
        report(f"module {shape} / authors'", "1.03", f"{plain:.2f}", plain <= 1.03)
        report(f"fast {shape} / authors'", "0.90", f"{fast:.2f}", fast <= 0.9)
        over, most = times["quick"] / times["products"], 1.15 if shape[0] == 1 else 1.1
        report(f"fast {shape} / products", f"{most:.2f}", f"{over:.2f}", over <= most)
        ways = {"own": partial(with_backward, module, x)}
        ways["theirs"] = partial(with_backward, theirs, x)
        own, authors = interleaved(ways, 4).values()
        what = f"module {shape} with backward / authors'"
        report(what, "1.03", f"{own / authors:.2f}", own <= 1.03 * authors)


@torch.inference_mode(False)  # the clock has it on
def with_backward(module, x: Tensor) -> None:
    leaf = x.detach().requires_grad_()
    module(leaf).sum().backward()


def bench_trace() -> None:
    from vip_tutorial import WeightedPermuteMLP, trace

    module, x = WeightedPermuteMLP(8, 4), torch.randn(1, 4, 4, 8)
    trace(module, x)
    for what, run, most in [
        ("height branch", module.height, 0.2),
        ("whole", module, 0.5),
    ]:
        start = time.perf_counter()
        steps = len(trace(run, x).steps)
        seconds = time.perf_counter() - start
        what = f"trace, {what}, {steps} steps"
        report(what, f"{most} s", f"{seconds:.3f} s", seconds <= most)


# --- The build -----------------------------------------------------------------------


def build(folder: Path) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", ROOT]
    options = ["--path-output", folder, "-W", "-n", "--keep-going", "-q"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the book does not build:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - start


def bench_build(folder: Path) -> None:
    cold = build(folder)
    report("book, cold build", "100 s", f"{cold:.0f} s", cold <= 100)
    again = build(folder)
    report("book, unchanged rebuild", "5 s", f"{again:.0f} s", again <= 5)
    for chapter in chapters():
        seconds = execution_time(ROOT / f"{chapter}.ipynb")
        report(f"run {chapter}, CPU", "10 s", f"{seconds:.0f} s", seconds <= 10)


def chapters() -> list[str]:
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    entries = re.findall(r"^\s*-? *(?:file|root): (\S+)", toc, re.MULTILINE)
    return [name for name in entries if (ROOT / f"{name}.ipynb").exists()]


def execution_time(notebook: Path) -> float:
    """Seconds of the processor for all cells, the kernel's start included."""
    import nbformat
    from nbclient import NotebookClient

    cells = nbformat.read(notebook, as_version=4)
    before = os.times()
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(cells, resources={"metadata": {"path": folder}}).execute()
    after = os.times()  # the kernel has ended by now
    return sum(after[2:4]) - sum(before[2:4])


# --- The pages -----------------------------------------------------------------------

OBSERVE = """
  window.seen = { lcp: 0, shift: 0, figureShift: 0 };
  const watch = (type, call) => new PerformanceObserver((list) =>
    list.getEntries().forEach(call)).observe({ type, buffered: true });
  watch("largest-contentful-paint", ({ startTime }) => (seen.lcp = startTime));
  watch("layout-shift", ({ value, sources }) => {
    seen.shift += value;
    const inFigure = ({ node }) =>
      (node?.nodeType === 1 ? node : node?.parentElement)?.closest("[data-vip-widget]");
    if (sources.some(inFigure)) seen.figureShift += value;
  });
"""
# From the key's own time stamp until the frame that shows its effect has been painted.
WATCH_KEYS = """() => {
  window.delays = [];
  const painted = (then) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = then;
    channel.port2.postMessage(null);
  });
  addEventListener("keydown", ({ timeStamp }) =>
    painted(() => delays.push(performance.now() - timeStamp)), true);
}"""
# How long the page works on each move of a pointer that draws, all painting included.
WATCH_STROKE = """() => {
  window.works = [];
  let start = 0;
  addEventListener("pointermove", () => (start = performance.now()), true);
  addEventListener("pointermove", () => works.push(performance.now() - start));
}"""
SCRUB = """async (figure) => {
  const range = figure.querySelector("[data-part=scrub]");
  let frames = 0;
  let work = 0;
  const start = performance.now();
  while (performance.now() - start < 3000) {
    const now = await new Promise(requestAnimationFrame);
    const turn = ((performance.now() - start) / 3000) * 2;
    range.value = range.max * (turn < 1 ? turn : 2 - turn);
    const before = performance.now();
    range.dispatchEvent(new Event("input", { bubbles: true }));
    work += performance.now() - before;
    frames++;
  }
  return [frames / 3, work / frames];
}"""


RUN_NETWORK = """([sizes, weights, pictures]) => {
  const network = $network.read(sizes, $network.readWeights(weights));
  const changes = network.blocks.map(() => ({ off: "" }));
  return pictures.map((picture) => {
    const start = performance.now();
    $network.run(network, picture, changes);
    return performance.now() - start;
  });
}"""


# The page and the name of a figure that is walked over with the arrow keys, and the
# state in which it is.
SMALL_FIGURES = [
    ("book/01-why-mix", "one-layer", ""),
    ("book/06-re-weighting", "cloud", ""),
    ("book/11-train-one", "live", "#live=v1;open=1;branch=h;fill=value"),
]


def bench_pages(folder: Path) -> None:
    try:
        from playwright.sync_api import sync_playwright

        from browser import NoBrowser, launch
    except ModuleNotFoundError as error:
        print(f"pages: not measured, {error}")
        return
    site = folder / "_build" / "html"
    if not site.exists():
        build(folder)
    write_lens_pages(folder)
    address = folder.as_uri()
    try:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            for page in sorted(site.glob("book/*.html")):
                bench_page(browser, address, site, page)
            for page, figure, state in SMALL_FIGURES:
                url = f"{address}/_build/html/{page}.html{state}"
                bench_figure(browser, url, figure)
            bench_network(browser)
            for words, state in [("", "v1"), (", a lens open", "v1;open=1;branch=h")]:
                url = f"{address}/_build/html/book/11-train-one.html#live={state}"
                bench_stroke(browser, url, words)
            for name, file in [("toy size", "toy"), ("2,048 elements", "large")]:
                bench_lens(browser, f"{address}/{file}.html", name)
            browser.close()
    except NoBrowser as reason:
        print(f"pages: not measured, {reason}")


def bench_page(browser, address: str, site: Path, page: Path) -> None:
    outside = []

    def judge(request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            outside.append(request.url)

    name = page.relative_to(site).with_suffix("").as_posix()
    own = own_bytes(site, page)
    report(f"{name}: own script, style, data", "100 KB", f"{own:.0f} KB", own <= 100)
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.add_init_script(OBSERVE)
    opened = context.new_page()
    opened.on("request", judge)
    opened.goto(f"{address}/_build/html/{name}.html")
    opened.wait_for_timeout(1000)  # for what comes late
    seen = opened.evaluate("seen")
    context.close()
    report(f"{name}: requests elsewhere", "0", str(len(outside)), not outside)
    lcp = seen["lcp"] / 1000
    report(f"{name}: largest paint", "1 s", f"{lcp:.2f} s", lcp <= 1)
    shift = seen["figureShift"]
    report(f"{name}: layout shift of figures", "0", f"{shift:.3f}", shift == 0)


def own_bytes(site: Path, page: Path) -> float:
    """Kilobytes, gzipped, of what is ours on a page, the text and the theme aside."""
    html = page.read_text(encoding="utf-8")
    figures = re.findall(r"<div data-vip-widget.*?</script></div>", html, re.DOTALL)
    texts = ["".join(figures)]
    # Scripts and style sheets of the page's figures, and data that they load.
    assets = set(re.findall(r"_static/(vip-[\w/-]+\.(?:js|css))", html))
    texts += [(site / "_static" / name).read_text("utf-8") for name in sorted(assets)]
    return sum(len(gzip.compress(text.encode())) for text in texts if text) / 1000


def write_lens_pages(folder: Path) -> None:
    """One lens at toy size, and one as large as is drawn."""
    from vip_tutorial import WeightedPermuteMLP, trace
    from vip_tutorial.figures import PermuteLens

    for name, N, S in [("toy", 4, 2), ("large", 8, 4)]:
        torch.manual_seed(0)
        module = WeightedPermuteMLP(N * S, N)
        lens = PermuteLens(trace(module.height, torch.randn(1, N, N, N * S)), name=name)
        page = lens.save(folder / f"{name}.html").read_bytes()
        if name == "toy":
            size = len(gzip.compress(page)) / 1000
            report("lens in one file, 4 x 4 x 8", "60 KB", f"{size:.0f} KB", size <= 60)


def key_to_frame(page, keys: list[str]) -> float:
    """Milliseconds until the frame that shows a key's effect, for 95 of 100 keys."""
    page.evaluate(WATCH_KEYS)
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(30)
    return statistics.quantiles(sorted(page.evaluate("delays")), n=20)[-1]


def bench_figure(browser, address: str, name: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(address)
    page.locator(f"#{name} [data-ready]").wait_for()
    page.locator(f"#{name} [data-keys]").first.focus()
    keys = ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowDown", " "] * 16
    p95 = key_to_frame(page, keys)
    report(f"{name}: key to frame, p95", "50 ms", f"{p95:.0f} ms", p95 <= 50)
    page.close()


def bench_network(browser) -> None:
    """The digit network, run as the page runs it."""
    from vip_tutorial.figures import LiveViP
    from vip_tutorial.lens.figure.bundle import bundle
    from vip_tutorial.networks import pretrained

    script = ROOT / "vip_tutorial/figures/live_vip/network.js"
    _, test = pretrained.pictures("digits")
    live = LiveViP(pretrained.load("digits"), pretrained.scale("digits"))
    page = browser.new_page()
    page.add_script_tag(content=bundle(script))
    given = [live.network, live.weights, test.images[:300].flatten(1).tolist()]
    times = page.evaluate(RUN_NETWORK, given)
    median = statistics.median(times[100:])  # the first ones warm up the compiler
    report("network in the page: forward", "8 ms", f"{median:.1f} ms", median <= 8)
    page.close()


def bench_stroke(browser, address: str, words: str) -> None:
    """A circle on the paper of the live network, and the flow beside it."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(address)
    page.locator("#live [data-ready]").wait_for()
    page.locator("#live [data-do=clear]").click()
    page.evaluate(WATCH_STROKE)
    paper = page.locator("#live [data-stroke=draw]").bounding_box()
    x, y = (paper[k] + paper[size] / 2 for k, size in (("x", "width"), ("y", "height")))
    for k in range(60):
        turn = 2 * math.pi * k / 60
        page.mouse.move(x + 70 * math.sin(turn), y - 90 * math.cos(turn))
        if not k:
            page.mouse.down()
        page.wait_for_timeout(30)
    median = statistics.median(page.evaluate("works"))
    what = f"live: a stroke to the redrawn flow{words}"
    report(what, "33 ms", f"{median:.0f} ms", median <= 33)
    page.close()


def bench_lens(browser, address: str, size: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(address)
    figure = page.locator("[data-vip-widget]")
    figure.locator("[data-ready]").wait_for()
    page.locator("[data-part=panes]").focus()
    keys = ["n", "ArrowRight", "ArrowDown", "n", "p", "Home", "End"] * 12
    p95 = key_to_frame(page, keys)
    report(f"lens, {size}: key to frame, p95", "50 ms", f"{p95:.0f} ms", p95 <= 50)
    fps, work = figure.evaluate(SCRUB)
    report(f"lens, {size}: scrubbing", "60 fps", f"{fps:.0f} fps", fps >= 58)
    report(f"lens, {size}: script for one frame", "16 ms", f"{work:.1f} ms", work <= 16)
    page.close()


# --- The tests -----------------------------------------------------------------------


def bench_tests() -> None:
    for minutes, options in [(5, ()), (20, ("--all",))]:
        seconds = time_of_tests(options)
        what = " ".join(["tests", *options])
        report(
            what, f"{minutes} min", f"{seconds / 60:.1f} min", seconds <= 60 * minutes
        )


def time_of_tests(options: Sequence[str]) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-n", "logical", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the tests do not pass:\n{done.stdout[-4000:]}\n{done.stderr}")
    return time.perf_counter() - start


# -------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("module", "build", "pages", "tests")
    parser.add_argument("part", nargs="*", help=f"any of {', '.join(parts)}")
    chosen = parser.parse_args().part or parts
    if unknown := set(chosen) - set(parts):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(parts)}")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores{load}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads"
    )
    report("what", "budget", "measured")
    with tempfile.TemporaryDirectory() as folder:
        if "module" in chosen:
            bench_module()
            bench_trace()
        if "build" in chosen:
            bench_build(Path(folder))
        if "pages" in chosen:
            bench_pages(Path(folder))
    if "tests" in chosen:
        bench_tests()


if __name__ == "__main__":
    main()
