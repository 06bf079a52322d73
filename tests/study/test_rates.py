"""Rates of two groups of runs: known values, and what must hold for any."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables import in_turn
from vip_tutorial.study import compare_rates, holm


def test_known_values():
    """Newcombe's own example, and Fisher's lady who tastes tea."""
    found = compare_rates(56, 70, 48, 80)
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert compare_rates(4, 4, 0, 4).p == pytest.approx(2 / math.comb(8, 4))
    assert compare_rates(3, 4, 1, 4).p == pytest.approx(34 / 70)


@given(st.data())
def test_exchanging_the_groups_or_what_counts_changes_only_signs(data):
    runs, others = (data.draw(st.integers(1, 30)) for _ in range(2))
    one, other = data.draw(st.integers(0, runs)), data.draw(st.integers(0, others))
    found = compare_rates(one, runs, other, others)
    assert found.low <= found.difference <= found.high and 0 < found.p <= 1 + 1e-9
    for turned in (
        compare_rates(other, others, one, runs),
        compare_rates(runs - one, runs, others - other, others),
    ):
        assert (-turned.difference, -turned.high, -turned.low, turned.p) == (
            pytest.approx(tuple(found))
        )


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_multiplies_and_keeps_the_order(p_values):
    """By how many tests are no smaller; and none gets below a smaller one."""
    corrected = holm(p_values)
    order = sorted(range(len(p_values)), key=lambda i: (p_values[i], i))
    for rank, i in enumerate(order):
        wanted = max(
            min(1, (len(order) - k) * p_values[j])
            for k, j in enumerate(order[: rank + 1])
        )
        assert corrected[i] == pytest.approx(wanted)


@in_turn(
    "call, error, told",
    [
        (lambda: compare_rates(3, 2, 1, 2), ValueError, "one is 3; it must be at most"),
        (lambda: compare_rates(1, 0, 1, 2), ValueError, "runs is 0"),
        (lambda: compare_rates(1, 2, -1, 2), ValueError, "other is -1"),
        (lambda: compare_rates(0.5, 2, 1, 2), TypeError, "whole number"),
        (lambda: holm([0.5, 1.5]), ValueError, "a p-value is 1.5"),
        (lambda: holm([math.nan]), ValueError, "finite"),
        (lambda: holm(["0.1"]), TypeError, "must be a number"),
    ],
)
def test_what_is_no_count_is_refused(call, error, told):
    with pytest.raises(error, match=told):
        call()
