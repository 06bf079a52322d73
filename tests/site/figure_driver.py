"""Drives a figure on a page as a reader does, and reads what the reader sees."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


# Some figures of a chapter are folded, and drawn when they are opened.
UNFOLD = """(figure) => {
  const fold = figure.closest("details");
  if (fold) fold.open = true;
}"""


class Figure:
    """A living figure.  Its clock must be Playwright's, see `open_page`."""

    def __init__(self, page: "Page", name: str):
        self.page = page
        self.name = name
        self.figure = page.locator(f"#{name}")
        self.box = self.figure.locator(".vip")
        self.figure.evaluate(UNFOLD)
        self.figure.locator("[data-ready]").wait_for()

    def part(self, name: str) -> "Locator":
        return self.figure.locator(f'[data-part="{name}"]')

    def button(self, do: str) -> "Locator":
        return self.figure.locator(f'[data-do="{do}"]')

    def press(self, do: str) -> None:
        self.button(do).click()
        self.settle()

    def settle(self) -> None:
        """Let whatever moves arrive."""
        self.page.clock.fast_forward(4000)

    def setting(self, name: str) -> "Locator":
        """A control of the figure, by what it sets."""
        return self.figure.locator(f'[data-set="{name}"]')

    @property
    def said(self) -> str:
        return self.part("say").inner_text()

    @property
    def heard(self) -> str:
        """What is only spoken, since it stands elsewhere in the figure."""
        return self.part("heard").inner_text()

    @property
    def state(self) -> str | None:
        """This figure's part of the page's address."""
        self.page.wait_for_timeout(120)  # it is not written at every key, see page.js
        fragment = self.page.evaluate("location.hash")
        found = re.search(rf"[#&]{self.name}=([^&]*)", fragment)
        return found and found[1]

    def html(self) -> str:
        """The figure's picture, as it stands in the page."""
        return self.part("body").inner_html()

    def painted(self) -> list[str]:
        """What of it is no HTML: its canvases."""
        canvases = self.figure.locator("canvas")
        return canvases.evaluate_all("(all) => all.map((one) => one.toDataURL())")
