"""The browser in which the built pages are read, by the tests and by the benchmark."""

import shutil
from pathlib import Path

# The shell has no windows, and is twice as quick for it.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# No sandbox: it needs rights that containers lack, and the pages are our own.  No name
# resolves, so no page can reach beyond this machine.
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


class NoBrowser(Exception):
    """There is no browser; the text says where it was looked for."""


def launch(playwright):
    """Chromium: the system's, or else Playwright's own download.

    Args:
        playwright: What `sync_playwright()` gives.

    Raises:
        NoBrowser: If there is neither.
    """
    own = playwright.chromium.executable_path
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None and not Path(own).exists():
        raise NoBrowser(f"no browser: none of {', '.join(NAMES)} on the PATH, no {own}")
    # Without a path Playwright takes its own shell, which it downloads with Chromium.
    return playwright.chromium.launch(executable_path=path, args=FLAGS)
