"""The permutation test."""

import random
from itertools import permutations
from statistics import mean

import numpy as np
import pytest
import torch

from vip_tutorial.study import permutation_test
from vip_tutorial.study.permutation_test import chance, deals


def by_all_orders(one, other):
    """The same share, over all orders of all results: slow, and nothing is skipped."""
    n, real = len(one), abs(sum(one) - sum(other))
    orders = list(permutations([*one, *other]))
    return mean(abs(sum(o[:n]) - sum(o[n:])) >= real for o in orders)


def test_it_is_the_share_of_all_orders():
    generator = random.Random(0)
    for runs in (1, 2, 3, 4):
        one, other = ([generator.randint(0, 9) for _ in range(runs)] for _ in "ab")
        assert chance(one, other) == pytest.approx(by_all_orders(one, other))


def test_it_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    generator = random.Random(1)
    for _ in range(5):
        one, other = ([generator.randint(470, 500) for _ in range(5)] for _ in "ab")
        theirs = stats.permutation_test(
            (np.array(one), np.array(other)), lambda a, b: a.mean() - b.mean()
        )
        assert chance(one, other) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize(("runs", "least"), [(2, 2 / 6), (3, 0.1), (5, 2 / 252)])
def test_what_so_many_seeds_can_show_at_best(runs, least):
    low, high = list(range(runs)), list(range(10, 10 + runs))
    assert chance(low, high) == chance(high, low) == least
    assert chance(low, low) == 1
    assert deals(high, low)[0] == 10 * runs


def test_as_many_runs_as_are_allowed_are_dealt_and_one_more_is_not(monkeypatch):
    monkeypatch.setattr(permutation_test, "MOST", 2)
    assert len(deals([1, 2], [3, 4])) == 6
    with pytest.raises(ValueError, match="at most 2"):
        deals([1, 2, 3], [4, 5, 6])


@pytest.mark.parametrize(("one", "other"), [([], []), ([1], [1, 2])])
def test_groups_that_cannot_be_dealt_are_refused(one, other):
    with pytest.raises(ValueError, match="the same number of runs"):
        chance(one, other)


@pytest.mark.parametrize(
    "wrong",
    [[1, 2.5], [1, float("nan")], [1, float("inf")], [1, "2"], [1, None], 3, "12"],
)
def test_results_that_cannot_be_counted_are_refused(wrong):
    for pair in ((wrong, [1, 2]), ([1, 2], wrong)):
        with pytest.raises(TypeError, match="must be a list of whole numbers"):
            chance(*pair)


@pytest.mark.parametrize("kind", [np.array, torch.tensor, tuple])
def test_any_kind_of_whole_numbers_is_dealt(kind):
    one, other = [7, 9, 4], [3, 7, 1]
    assert deals(kind(one), kind(other)) == deals(one, other)


def test_too_many_to_deal_are_refused_at_once():
    with pytest.raises(ValueError, match=r"^13 results .*at most 12 .*at random"):
        chance(range(13), range(13))
    with pytest.raises(ValueError, match="at most 12"):
        chance(range(10**5), range(10**5))
