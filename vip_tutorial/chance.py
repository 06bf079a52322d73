"""Could a difference between two groups of runs be chance?  Deal anew and count."""

from collections.abc import Sequence
from itertools import combinations


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
        ValueError: If the groups are empty or not of one size.
    """
    if not one or len(one) != len(other):
        raise ValueError(
            f"{len(one)} and {len(other)} results: give both models the same number of "
            "runs, at least one"
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
