"""How often something happens in two groups of runs: could the difference be luck?

A mean says little where results make two heaps.  Then it says more how many runs of
each group landed in the lower heap, and with few runs such counts want an exact test.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from .._util.arguments import real_number, whole_number

_Z = 1.959964  # of 95 %


class Rates(NamedTuple):
    """Two rates, compared.

    Attributes:
        difference: The first rate less the second.
        low: Where the 95 % interval of the difference begins (Newcombe's, from Wilson's
            intervals of both rates).
        high: Where it ends.
        p: Of Fisher's exact test, for two sides.
    """

    difference: float
    low: float
    high: float
    p: float


def compare_rates(one: int, runs: int, other: int, other_runs: int) -> Rates:
    """Compare how often something happened in two groups of runs.

    Args:
        one: How often in the first group.
        runs: How many runs the first group has.
        other: How often in the second.
        other_runs: How many runs that has.

    Raises:
        ValueError: If a count is negative, or larger than the number of runs.
        TypeError: If one is no whole number.
        ModuleNotFoundError: If scipy is missing.
    """
    runs, other_runs = whole_number("runs", runs), whole_number("runs", other_runs)
    one = whole_number("one", one, least=0, most=runs)
    other = whole_number("other", other, least=0, most=other_runs)
    from scipy.stats import fisher_exact

    p = fisher_exact([[one, runs - one], [other, other_runs - other]]).pvalue
    first, second = one / runs, other / other_runs
    low, high = _wilson(one, runs)
    other_low, other_high = _wilson(other, other_runs)
    difference = first - second
    return Rates(
        difference,
        difference - math.hypot(first - low, other_high - second),
        difference + math.hypot(high - first, second - other_low),
        float(p),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: what each p-value is worth, as one of so many.

    Args:
        p_values: Of tests that were named together.

    Returns:
        Corrected p-values, in the same order; below 0.05 as a whole they are luck in at
        most 5 % of all cases.

    Raises:
        ValueError: If one is not from 0 to 1.
        TypeError: If one is no number.
    """
    above = math.nextafter(1, 2)
    p_values = [real_number("a p-value", p, 0, above) for p in p_values]
    corrected = [0.0] * len(p_values)
    least = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = least
    return corrected


def _wilson(count: int, runs: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate."""
    rate, z = count / runs, _Z**2 / runs
    middle = (rate + z / 2) / (1 + z)
    half = _Z * math.sqrt(rate * (1 - rate) / runs + z / (4 * runs)) / (1 + z)
    return max(0.0, middle - half), min(1.0, middle + half)
