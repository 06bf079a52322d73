"""A real browser that cannot leave its own origin, and the pages that it reads.

Without a browser these tests skip, with the reason; VIP_REQUIRE_BROWSER=1 makes that a
failure, so that a machine that should have one cannot stay silent.
"""

import contextlib
import functools
import http.server
import importlib
import os
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest
from figure_driver import Figure
from lens_driver import Lens
from lens_pages import figure, height_lens, page

from browser import NoBrowser, launch

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"


def missing(reason: str) -> NoReturn:
    if os.environ.get("VIP_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason}, and VIP_REQUIRE_BROWSER=1 asks for it", pytrace=False)
    pytest.skip(reason)


def needed(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing(f"no browser tests: {error}")


@pytest.fixture(scope="session")
def browser():
    """Chromium.  The tests that take it come last: see the conftest above."""
    # The engine that draws first frames takes up an event loop that runs when it is
    # made.  Playwright's is not for it.
    needed("vip_site.figures").first_frame("permute_lens", {})
    manager = needed("playwright.sync_api").sync_playwright()
    try:
        playwright = manager.start()
    except Exception as reason:  # its driver lacks a library of the system
        missing(f"no browser tests: Playwright does not start ({reason})")
    try:
        try:
            browser = launch(playwright)
        except NoBrowser as reason:
            missing(str(reason))
        yield browser
        browser.close()
    finally:
        playwright.stop()


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
    site = needed("vip_site.figures")
    for ending, source in (("js", site.site_script), ("css", site.site_style)):
        file = folder / f"lens/vip_widgets.{ending}"
        file.write_text(source(*site.WIDGETS), encoding="utf-8")
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Places(folder, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def site(places, book) -> Path:
    """The book as `make book` builds it, from the working tree, warnings as errors."""
    needed("jupyter_book")
    from vip_site.whole import lock_of

    if said := book():
        pytest.fail(f"the book does not build:\n{said}")
    own = places.folder / "_build" / "html"
    with lock_of(SITE):
        shutil.copytree(SITE, own)
    return own


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
def open_figure(open_page, places):
    """`open_figure(widget, fragment="costs=v1;H=9", **options)`: one on its page."""

    def open_figure(widget, fragment="", protocol="http", damage=str, **options):
        path = f"lens/{widget.name}.html"
        html = page(figure(widget, damage))
        (places.folder / path).write_text(html, encoding="utf-8")
        address = places(protocol, path) + (fragment and f"#{fragment}")
        opened = open_page(address, **options)
        if options.get("java_script_enabled", True) and damage is str:
            return Figure(opened, widget.name)
        return opened

    return open_figure


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
