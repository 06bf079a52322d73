"""Every comparison of two ways to mix tokens on which a chapter rests, in one list.

`python -m vip_tutorial.experiments.comparisons` writes it as Markdown, from the stored
results.  The book has that as a page, `book/comparisons.md`, and tests hold the page,
and the numbers in the chapters, to it.
"""

# ruff: noqa: RUF001 -- the page has the signs that are printed

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..study.permutation_test import chance
from ..study.rates import compare_rates, holm
from . import results
from .ablations import MIXERS
from .strokes import SETTINGS

POWER = 0.8  # how often a difference is seen that counts as one that would be seen
LEVEL = 0.05

NAMES = {
    "weighted": "three, weighted",
    "sum": "three, plain sum",
    "third": "three, a third each",
    "static": "static weights",
    "token": "token-wise weights",
    "cold": "weighted, T = 0.25",
    "learned": "weighted, T learned",
    "coarse": "five, two grids",
    "twice": "five, one grid",
    "local": "three, neighbours",
    "conv": "3 × 3 convolution",
    "rank8": "rank 8",
    "rank4": "rank 4",
    "channels4": "4 groups of channels",
    "rows4": "4 groups of rows",
    "shared": "one matrix shared",
    "dim24": "24 channels",
    "dim16": "16 channels",
    "mixer": "MLP-Mixer's token mixing",
    "attention": "attention, told where",
    "weighted, moved": "three, weighted, moved copies",
    "conv, moved": "3 × 3 convolution, moved copies",
}


class Comparison(NamedTuple):
    """Two ways, on one task.

    Attributes:
        chapter: Whose claim it is.
        task: What they were trained on.
        one: The first way.
        other: The second.
        filed: The name of the stored result.
        seeds: Which.
        counts: "right", of means of test pictures, or "stuck", of rates of runs.
        difference: The first less the second, in points of a hundred.
        low: Where the 95 % interval of the difference begins.
        high: Where it ends.
        p: Of the exact permutation test, or of Fisher's exact test.
        corrected: After Holm, among all of its chapter that were filed together.
        seen_from: The least difference that such a comparison would find four times of
            five.
    """

    chapter: int
    task: str
    one: str
    other: str
    filed: str
    seeds: str
    counts: str
    difference: float
    low: float
    high: float
    p: float
    corrected: float
    seen_from: float


def of_means(
    one: Sequence[int], other: Sequence[int], of: int
) -> tuple[float, float, float, float, float]:
    """Difference, interval (Welch's), p and what would be seen, in points.

    Args:
        one: Of each seed, how many test pictures are named right.
        other: The same of the other way.
        of: How many test pictures there are.

    Raises:
        ModuleNotFoundError: If scipy is missing.
    """
    from scipy.stats import t

    parts = [statistics.variance(some) / len(some) for some in (one, other)]
    error = math.sqrt(sum(parts))
    difference = statistics.mean(one) - statistics.mean(other)
    if error == 0:
        reach = seen = 0.0
    else:
        free = error**4 / sum(
            part**2 / (len(some) - 1) for part, some in zip(parts, (one, other))
        )
        reach = error * t.ppf(1 - LEVEL / 2, free)
        seen = reach + error * t.ppf(POWER, free)
    scale = 100 / of
    return (
        scale * difference,
        scale * (difference - reach),
        scale * (difference + reach),
        chance(one, other),
        scale * seen,
    )


def least_rate(rate: float, runs: int) -> float:
    """The least difference to a rate that Fisher's test finds four times of five.

    Args:
        rate: How often it happens in the one group.
        runs: How many runs each group has.

    Returns:
        In points; not a number if no rate is far enough.
    """

    def odds(share: float, count: int) -> float:
        ways = math.comb(runs, count)
        return ways * share**count * (1 - share) ** (runs - count)

    is_found = [
        [compare_rates(a, runs, b, runs).p < LEVEL for b in range(runs + 1)]
        for a in range(runs + 1)
    ]
    best = math.nan
    for hundredths in range(101):
        share = hundredths / 100
        found = sum(
            odds(share, a) * odds(rate, b)
            for a in range(runs + 1)
            for b in range(runs + 1)
            if is_found[a][b]
        )
        apart = 100 * abs(share - rate)
        if found >= POWER and not apart >= best:
            best = apart
    return best


def listed() -> list[Comparison]:
    """All of them, in the order of the chapters.

    Raises:
        ModuleNotFoundError: If scipy is missing.
    """
    parts = _ablations, _scales, _adaptive, _stuck, _lighter, _clothes
    found = [one for part in parts for one in part()]
    whole = []
    for family in dict.fromkeys((one.chapter, one.filed) for one in found):
        own = [one for one in found if (one.chapter, one.filed) == family]
        corrected = holm([one.p for one in own])
        whole += [one._replace(corrected=p) for one, p in zip(own, corrected)]
    return whole


def _named_right(
    chapter: int, task: str, filed: str, names: tuple[str, str], right: list, of: int
) -> Comparison:
    """A comparison of what five seeds of each name right, `right` of `of` pictures."""
    *told, seen = of_means(*right, of)
    about = chapter, task, *names, filed, "0 to 4", "right"
    return Comparison(*about, *told, math.nan, seen)


def _ablations() -> Iterator[Comparison]:
    filed = results.read("ablations")
    pairs = [
        (size, name, "weighted")
        for size in ("4x4", "8x8")
        for name in filed["runs"][size]
        if name != "weighted"
    ] + [("4x4", "ch", "chc"), ("4x4", "cw", "cwc")]
    for size, *pair in pairs:
        right = [filed["runs"][size][name]["right"] for name in pair]
        one, other = (MIXERS[name].label.replace(" x ", " × ") for name in pair)
        task = f"digits, {size[0]} × {size[0]} tokens"
        yield _named_right(13, task, "ablations", (one, other), right, filed["of"])


def _digits(chapter: int, pairs: Sequence[tuple[str, str]]) -> Iterator[Comparison]:
    filed = results.read("mixers")
    for pair in pairs:
        right = [filed["runs"]["digits"][name]["right"] for name in pair]
        one, other = (NAMES[name] for name in pair)
        task, of = "digits, 8 × 8 tokens", filed["of"]["digits"]
        yield _named_right(chapter, task, "mixers", (one, other), right, of)


def _scales() -> Iterator[Comparison]:
    pairs = [(name, "weighted") for name in ("coarse", "twice", "sum", "local", "conv")]
    return _digits(14, [*pairs, ("coarse", "twice"), ("coarse", "sum")])


def _adaptive() -> Iterator[Comparison]:
    names = ("sum", "third", "static", "token", "cold", "learned")
    pairs = [(name, "weighted") for name in names]
    return _digits(15, [*pairs, ("token", "static"), ("third", "sum")])


def _lighter() -> Iterator[Comparison]:
    ours = ("rank8", "rank4", "channels4", "rows4", "shared", "sum", "dim24", "dim16")
    pairs = [(name, "weighted") for name in ours]
    cheap = ("channels4", "rank4", "dim24", "dim16")
    return _digits(16, [*pairs, *((name, "rows4") for name in cheap)])


STUCK = [
    (("as before", "weighted"), ("as before", "sum")),
    (("as before", "weighted"), ("as before", "token")),
    (("as before", "weighted"), ("as before", "conv")),
    (("lower", "weighted"), ("lower", "sum")),
    (("as before", "weighted"), ("even", "weighted")),
    (("warm", "weighted"), ("warm", "sum")),
    (("as before", "weighted"), ("warm", "weighted")),
]


def _stuck() -> Iterator[Comparison]:
    filed = results.read("strokes")
    seeds = filed["seeds"]
    limit = filed["stuck_below"] * filed["of"]

    def stuck(setting: str, name: str) -> int:
        right = filed["runs"][setting][name]
        if len(right) != len(seeds):
            raise ValueError(f"{setting}, {name} has {len(right)} of {len(seeds)} runs")
        return sum(number < limit for number in right)

    for one, other in STUCK:
        counts = stuck(*one), stuck(*other)
        rates = compare_rates(counts[0], len(seeds), counts[1], len(seeds))
        names = (
            NAMES[name]
            if setting == "as before"
            else f"{NAMES[name]}, {SETTINGS[setting].label}"
            for setting, name in (one, other)
        )
        yield Comparison(
            15,
            "strokes of marks",
            *names,
            "strokes",
            f"{seeds[0]} to {seeds[-1]}",
            "stuck",
            100 * rates.difference,
            100 * rates.low,
            100 * rates.high,
            rates.p,
            math.nan,
            least_rate(counts[1] / len(seeds), len(seeds)),
        )


def _clothes() -> Iterator[Comparison]:
    filed = results.read("garments")
    pairs = [(name, "weighted") for name in ("sum", "mixer", "conv", "attention")]
    pairs += [(f"{name}, moved", name) for name in ("weighted", "conv")]
    for pair in pairs:
        right = [filed["runs"][name]["right"] for name in pair]
        one, other = (NAMES[name] for name in pair)
        task, of = "clothes, 8 × 8 tokens", filed["pictures"]["test"]
        yield _named_right(20, task, "garments", (one, other), right, of)


TITLES = {
    13: "[The paper's ablations in miniature](13-ablations-in-miniature.ipynb)",
    14: "[Several scales at once](14-multi-scale.ipynb)",
    15: "[More adaptive weights](15-dynamic-weights.ipynb)",
    16: "[Lighter](16-lightweight.ipynb)",
    20: "[Should you use it?](20-should-you-use-it.ipynb)",
}

HEAD = """\
# All comparisons

Where a chapter says that one way to mix tokens is better than another, or not told
apart from it, it rests on a row of this page. The page is made from the stored results,
by `python -m vip_tutorial.experiments.comparisons`.

- **Points** are hundredths: of the test pictures that are named right, or of the runs
  that got *stuck*, that is, ended below 80 %. A minus says that the first has less.
- The **interval** holds the true difference with 95 per cent, for new seeds of the same
  networks and the same test pictures. It is Welch's for pictures, Newcombe's for runs.
- **p** is that of an exact test: the permutation test for pictures, Fisher's for runs.
  **Corrected** is the same after Holm, among all rows of a chapter that come from one
  file. What was foretold may be judged by p; what is picked from the list, by this.
- **Seen from** is the least true difference that such a comparison would find (p below
  0.05) four times of five. A smaller one can be there, and not be seen.

Five seeds can't give a smaller p than 0.008. Of seven rows or more of them no corrected
p can be below 0.05, whatever the difference; there the interval tells more.
"""


def page() -> str:
    """The list as the Markdown of a page."""
    parts = [HEAD]
    comparisons = listed()
    for chapter, title in TITLES.items():
        parts.append(f"\n## {title}\n")
        own = [one for one in comparisons if one.chapter == chapter]
        for task in dict.fromkeys((one.task, one.counts, one.seeds) for one in own):
            rows = [one for one in own if (one.task, one.counts, one.seeds) == task]
            name, counts, seeds = task
            what = "named right" if counts == "right" else "stuck"
            parts.append(
                f"\nOf {name}, {what}; seeds {seeds}, "
                f"from `results/{rows[0].filed}.json`.\n"
            )
            parts.append(
                "| first – second | points | interval | p | corrected | seen from |"
            )
            parts.append("| --- | ---: | :---: | ---: | ---: | ---: |")
            parts += [_row(one) for one in rows]
    return "\n".join(parts) + "\n"


def _row(one: Comparison) -> str:
    def told(points: float) -> str:
        places = 1 if one.counts == "right" else 0
        return f"{points:+.{places}f}".replace("-", "−")

    cells = (
        f"{one.one} – {one.other}",
        told(one.difference),
        f"{told(one.low)} to {told(one.high)}",
        f"{one.p:.3f}",
        f"{one.corrected:.3f}",
        "–" if math.isnan(one.seen_from) else told(one.seen_from).lstrip("+"),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(page(), end="")
