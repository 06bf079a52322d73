"""Links to a state, as they are out in the world, with what they show.

`links.json` has for each figure some links of every kind, good and bad, and for each
link two texts: what the figure says then, with "#" for numbers that have a point, and
the state that it copies.  Add to it; never change a state, nor remove a link.
"""

import json
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from lens_pages import height_lens, module_lens
from test_figures import EXAMPLES, reach_probe

from vip_tutorial import PermuteMLP, trace
from vip_tutorial.figures import PermuteLens

LINKS = json.loads(Path(__file__).with_name("links.json").read_text("utf-8"))


def without_gradient() -> PermuteLens:
    run = trace(PermuteMLP(8, 4).width, torch.ones(1, 4, 4, 8))
    return PermuteLens(run, name="no-gradient")


def picture_lens() -> PermuteLens:
    return height_lens("picture", N=8, S=1, picture=torch.eye(8))


def reach_from() -> object:
    probe = reach_probe()
    probe.name, probe.start = "reach-from", "v1;map=1;at=3;shade=log"
    return probe


FIGURES = {name: make for name, (make, _) in EXAMPLES.items()} | {
    "height-from": partial(
        height_lens, "height-from", start="v1;step=2;numbers=birth;cell=5;fill=value"
    ),
    "no-gradient": without_gradient,
    "picture": picture_lens,
    "whole": partial(module_lens, "whole", C=8, N=4),
    "reach-from": reach_from,
}


# Sends the figure to each link, as a reader goes there; what does it say and copy?
FOLLOW = """async ([name, links]) => {
  const figure = document.getElementById(name);
  const press = (button) => figure.querySelector(`[data-do="${button}"]`).click();
  navigator.clipboard.writeText = () => new Promise(String); // late words
  const shown = [];
  for (const link of links) {
    press("reset");
    const followed = new Promise((done) => addEventListener("hashchange", done));
    const before = location.hash;
    location.hash = `${name}=${link}`;
    if (location.hash !== before) await followed;
    const said = figure.querySelector("[data-part=say]").textContent;
    press("copy");
    const copied = figure.querySelector("[data-part=link] input").value;
    shown.push([said, copied.split(`#${name}=`)[1]]);
  }
  return shown;
}"""


def shown(figure, links: list[str]) -> list[list[str]]:
    found = figure.page.evaluate(FOLLOW, [figure.name, links])
    return [
        [re.sub("[-\N{MINUS SIGN}]?\\d+\\.\\d+(e-?\\d+)?", "#", said), copied]
        for said, copied in found
    ]


def links_of(name: str) -> dict[str, list[str]]:
    assert name in LINKS, f"give links.json some links of {name}"
    return LINKS[name]


@pytest.mark.parametrize("name", FIGURES)
def test_a_link_shows_what_it_always_showed(name, open_figure):
    figure = open_figure(FIGURES[name]())
    links = links_of(name)
    found = shown(figure, list(links))
    for (link, (words, state)), (said, copied) in zip(
        links.items(), found, strict=True
    ):
        if words.endswith("…"):  # long sentences are cut
            said = said[: len(words) - 1] + "…"
        assert (said, copied) == (words, state), link


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_copied_is_a_link_to_the_same(name):
    links = links_of(name)
    for link, (said, copied) in links.items():
        assert said.startswith("This link") or copied in links, link
