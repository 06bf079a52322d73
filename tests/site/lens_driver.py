"""Drives a lens on a page as a reader does, and reads what the reader sees."""

import re
from typing import TYPE_CHECKING

from figure_driver import Figure

if TYPE_CHECKING:
    from playwright.sync_api import Page

# What the pointer meets: names the cells by the tooltip that each of them shows.
FIND_CELLS = """(canvas) => {
  const box = canvas.getBoundingClientRect();
  const found = {};
  for (let y = 1; y < box.height; y += 2)
    for (let x = 1; x < box.width; x += 8) {
      const at = { clientX: box.left + x, clientY: box.top + y, bubbles: true };
      canvas.dispatchEvent(new PointerEvent("pointermove", at));
      if (!canvas.title) continue;
      const key = `${x < box.width / 2 ? "left" : "right"} ${canvas.title}`;
      const cell = (found[key] ??= { left: x, top: y });
      Object.assign(cell, { right: x, bottom: y });
    }
  return found;
}"""
PIXELS = """(canvas, points) => {
  const scale = canvas.width / canvas.getBoundingClientRect().width;
  const context = canvas.getContext("2d");
  return points.map(([x, y]) =>
    [...context.getImageData(x * scale, y * scale, 1, 1).data].slice(0, 3));
}"""

COUNT_COLOURS = """(canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


class Lens(Figure):
    """A living lens.  Its clock must be Playwright's, see `open_page`."""

    def __init__(self, page: "Page", name: str = "toy"):
        super().__init__(page, name)

    def go_to(self, step: int) -> None:
        """Press the button of a step, counted from 1."""
        self.part("steps").locator("button").nth(step - 1).click()
        self.settle()

    def key(self, *keys: str) -> None:
        """Press keys while the picture has focus."""
        self.part("panes").focus()
        for key in keys:
            self.page.keyboard.press(key)
            self.settle()

    @property
    def position(self) -> float:
        return float(self.part("scrub").input_value())

    @property
    def head(self) -> tuple[str, str]:
        """What stands above the left and the right picture."""
        return self.part("left").inner_text(), self.part("right").inner_text()

    @property
    def current(self) -> list[str]:
        """The buttons that are marked as the step shown."""
        return self.part("steps").locator("[aria-current=step]").all_inner_texts()

    def picture(self, part: str = "panes") -> str:
        canvas = self.part(part).locator("canvas")
        return canvas.evaluate("(canvas) => canvas.toDataURL()")

    def is_blank(self) -> bool:
        """Whether the picture has next to no colours."""
        return self.part("panes").locator("canvas").evaluate(COUNT_COLOURS) < 4

    def pictures(self) -> tuple[str, str]:
        return self.picture("panes"), self.picture("strip")

    def cells(self) -> dict[str, dict[str, tuple[int, tuple[float, ...]]]]:
        """Per side, per cell "h0 w1 c2": its address; its left, top, right, bottom."""
        sides = {"left": {}, "right": {}}
        canvas = self.part("panes").locator("canvas")
        for key, box in canvas.evaluate(FIND_CELLS).items():
            side, cell, address = re.fullmatch(
                r"(\w+) (.*), address (\d+)", key
            ).groups()
            place = box["left"], box["top"], box["right"], box["bottom"]
            sides[side][cell] = int(address), place
        return sides

    def colours(self, points: list[tuple[float, float]]) -> list[list[int]]:
        """Red, green and blue of the picture at points of the page's pixels."""
        canvas = self.part("panes").locator("canvas")
        return canvas.evaluate(PIXELS, points)

    def click_cell(self, cell: str, side: str = "right") -> None:
        left, top, right, bottom = self.cells()[side][cell][1]
        canvas = self.part("panes").locator("canvas")
        canvas.click(position={"x": (left + right) / 2, "y": (top + bottom) / 2})
