"""A real browser that cannot leave its own origin, and the pages that it reads.

Without a browser these tests skip, with the reason; VIP_REQUIRE_BROWSER=1 makes that a
failure, so that a machine that should have one cannot stay silent.
"""

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lens_driver import Lens
from lens_pages import figure, height_lens, page, write_assets

from vip_tutorial.widgets.site import first_frame

ROOT = Path(__file__).parents[2]
# No sandbox: it needs rights that containers lack, and the pages are our own.  No name
# resolves: what the fence below would miss stays on this machine.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def missing(reason: str) -> None:
    if os.environ.get("VIP_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason}, and VIP_REQUIRE_BROWSER=1 asks for it", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser():
    """Chromium.  One a module: while Playwright is on, asyncio is not for others."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("no browser: Playwright is not installed")
    # The engine that draws first frames takes up an event loop that runs when it is
    # made.  Playwright's is not for it.
    first_frame("lens", {})
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        names = ("chromium", "chromium-browser", "google-chrome")
        found = next(filter(None, map(shutil.which, names)), None)
        if not found and not Path(own).exists():
            missing(f"no browser: none of {', '.join(names)} on the PATH, no {own}")
        browser = playwright.chromium.launch(executable_path=found or own, args=FLAGS)
        yield browser
        browser.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


@dataclass
class Places:
    """Where the pages are: one folder, by its path and over http."""

    folder: Path
    server: str

    def __call__(self, protocol: str, path: str) -> str:
        base = self.server if protocol == "http" else self.folder.as_uri()
        return f"{base}/{path}"


@pytest.fixture(scope="session")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    (folder / "lens").mkdir()
    write_assets(folder / "lens")
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Places(folder, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def site(places) -> Path:
    """The book, built from the working tree with warnings as errors."""
    try:
        import jupyter_book  # noqa: F401
    except ModuleNotFoundError:
        missing("no site: jupyter-book is not installed")
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    options = ["--path-output", places.folder, "-W", "-n", "--keep-going", "-q"]
    done = subprocess.run(
        [*command, "build", ROOT, *options], capture_output=True, text=True, cwd=ROOT
    )
    if done.returncode:
        pytest.fail(f"the book does not build:\n{done.stdout}\n{done.stderr}")
    return places.folder / "_build" / "html"


@dataclass
class Fence:
    """Keeps pages on their own origin, and notes all that goes wrong on them."""

    allowed: tuple[str, ...]
    outside: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def guard(self, context) -> None:
        context.route("**/*", self._judge)
        context.on("page", self._listen)

    def _judge(self, route) -> None:
        if route.request.url.startswith(self.allowed):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def _listen(self, page) -> None:
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)

    def _note(self, message) -> None:
        if message.type in ("error", "assert"):
            self.console.append(f"{message.text} ({message.location['url']})")

    def check(self) -> None:
        assert self.outside == [], "requests to another origin"
        assert self.errors == [], "page errors"
        assert self.console == [], "console errors"


@pytest.fixture
def fence(places) -> Fence:
    return Fence((f"{places.server}/", f"{places.folder.as_uri()}/", "data:", "blob:"))


@pytest.fixture
def open_page(browser, fence):
    """`open_page(address, width=360, color_scheme="dark", ...)`: a page of its own.

    Its clock is Playwright's: `page.clock.fast_forward(ms)` ends what moves.  At the
    end no page may have asked for anything elsewhere, or reported an error.
    """
    with contextlib.ExitStack() as contexts:

        def open_page(address, width=1280, height=1000, script=None, **options):
            context = browser.new_context(
                viewport={"width": width, "height": height}, **options
            )
            contexts.callback(context.close)
            fence.guard(context)
            if script:
                context.add_init_script(script)
            page = context.new_page()
            page.set_default_timeout(10_000)
            if options.get("java_script_enabled", True):
                page.clock.install()
            page.goto(address)
            return page

        yield open_page
    fence.check()


@pytest.fixture
def open_lens(open_page, places):
    """`open_lens(lens, fragment="toy=v1;step=2", **options)`: a page with one lens."""

    def open_lens(lens, fragment="", protocol="http", **options) -> Lens:
        path = f"lens/{lens.name}.html"
        (places.folder / path).write_text(page(figure(lens)), encoding="utf-8")
        address = places(protocol, path) + (fragment and f"#{fragment}")
        return Lens(open_page(address, **options), lens.name)

    return open_lens


@pytest.fixture(scope="session")
def toy():
    """The height branch on 4 x 4 tokens of 8 channels; three steps done at first."""
    return height_lens(start="v1;step=3")
