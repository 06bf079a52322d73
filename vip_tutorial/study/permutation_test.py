"""Could a difference between two groups of runs be chance?  Deal anew and count."""

import operator
import reprlib
from collections.abc import Sequence
from itertools import combinations

# Results of each model: with one more there are over ten million deals.
MOST = 12


def deals(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """What the difference would be, had the results been dealt otherwise.

    If two models are equally good, it is chance which results carry the name of the
    one and which the name of the other.  So collect all, deal them out again in every
    possible way, and see what comes of it.

    Args:
        one: Results of the one model, whole numbers: exact, so that ties are ties.
        other: As many results of the other.

    Returns:
        For each deal, the sum of the first group less that of the second; the deal that
        really happened comes first.

    Raises:
        ValueError: If the groups are empty, not of one size, or larger than `MOST`.
        TypeError: If a result is no whole number.
    """
    one, other = _whole(one), _whole(other)
    if not one or len(one) != len(other):
        raise ValueError(
            f"{len(one)} and {len(other)} results: give both models the same number of "
            "runs, at least one"
        )
    if len(one) > MOST:
        raise ValueError(
            f"{len(one)} results of each can be dealt in too many ways to go through: "
            f"give at most {MOST} of each, or draw some of the deals at random, e.g. "
            "with scipy.stats.permutation_test"
        )
    everything = [*one, *other]
    total = sum(everything)
    return [2 * sum(first) - total for first in combinations(everything, len(one))]


def chance(one: Sequence[int], other: Sequence[int]) -> float:
    """Exact permutation test: the share of deals that differ at least as much.

    Args:
        one: Results of the one model, whole numbers.
        other: As many results of the other.

    Returns:
        The p-value for two sides; it goes from 2 / (number of deals), when no result of
        one model reaches any of the other, to 1.
    """
    real, *_ = differences = deals(one, other)
    return sum(abs(d) >= abs(real) for d in differences) / len(differences)


def _whole(results: Sequence[int]) -> list[int]:
    try:
        return [operator.index(result) for result in results]
    except TypeError as fault:
        raise TypeError(
            f"the results are {reprlib.repr(results)}; they must be a list of whole "
            "numbers, such as how many images are classified right: of shares, ties "
            "are not exact"
        ) from fault
