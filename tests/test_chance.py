"""The permutation test, and the exercise that asks for one."""

import random
from itertools import permutations
from statistics import mean

import numpy as np
import pytest
import torch

from vip_tutorial.chance import chance, deals
from vip_tutorial.exercises import check_chance


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


# --- The exercise --------------------------------------------------------------------


def mutates(one, other):
    share = chance(one, other)
    one.sort()
    one.append(1)
    return share


def shuffles(one, other):
    generator, both = random.Random(0), one + other
    real, count = abs(sum(one) - sum(other)), 0
    for _ in range(5000):
        generator.shuffle(both)
        count += abs(sum(both[: len(one)]) - sum(both[len(one) :])) >= real
    return count / 5000


def share_of(keep):
    def answer(one, other):
        real, *_ = found = deals(one, other)
        return sum(keep(d, real) for d in found) / len(found)

    return answer


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda a, b: None, "returned None"),
        (lambda a: 1, "raised TypeError"),
        (lambda a, b: 1 // 0, "raised ZeroDivisionError"),
        (lambda a, b: True, "returned True; it must return a share"),
        (lambda a, b: "0.5", "must return a share"),
        (mutates, "changed its input"),
        (share_of(lambda d, real: d >= real), "one direction only"),
        (share_of(lambda d, real: d <= real), "one direction only"),
        (share_of(lambda d, real: abs(d) > abs(real)), "use >="),
        (share_of(lambda d, real: abs(d) < abs(real)), "differ less"),
        (lambda a, b: chance(a, b) * len(deals(a, b)), "That is the number of deals"),
        (shuffles, "did you shuffle at random? There are only 70 deals"),
        (lambda a, b: torch.tensor(True), "must return a share"),
        (lambda a, b: np.True_, "must return a share"),
        (lambda a, b: float("inf"), "returned inf; it must return a share"),
        (lambda a, b: 1.0, "every deal differs at least as much. List the deals"),
        (lambda a, b: round(chance(a, b), 2), "That is right, and rounded"),
        (lambda a, b: round(chance(a, b), 4), "That is right, and rounded"),
        (lambda a, b: 100 * chance(a, b), "in percent"),
        (lambda a, b: 0.5, "14 of the 70 deals differ at least as much"),
    ],
)
def test_a_wrong_answer_is_told_why(answer, told, capsys):
    check_chance(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


@pytest.mark.parametrize("kind", [float, np.float64, np.array, torch.tensor])
def test_any_kind_of_number_is_right(kind, capsys):
    check_chance(lambda one, other: kind(chance(one, other)))
    assert capsys.readouterr().out.startswith("Right on 10 pairs")


def test_means_instead_of_sums_are_right(capsys):
    check_chance(by_means)
    assert capsys.readouterr().out.startswith("Right")


def by_means(one, other):
    from itertools import combinations

    both = one + other
    real = abs(mean(one) - mean(other))
    found = []
    for places in combinations(range(len(both)), len(one)):
        first = [both[i] for i in places]
        rest = [both[i] for i in range(len(both)) if i not in places]
        found.append(abs(mean(first) - mean(rest)) >= real)
    return mean(found)
