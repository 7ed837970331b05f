"""Laws of the bounds and of the verdict."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2s.validate.statistics import clopper_pearson, judge, overall

COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def tail(k: int, n: int, p: float) -> float:
    """P(X >= k) of a binomial, term by term."""
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


@pytest.mark.parametrize(("k", "n"), [(1, 1), (5, 10), (49, 50), (50, 50), (0, 20), (180, 200)])
def test_the_bounds_are_where_the_binomial_tail_is_five_percent(k, n):
    lower, upper = clopper_pearson(k, n)
    assert tail(k, n, lower) == pytest.approx(0.05 if k else 1.0, abs=1e-9)
    assert 1 - tail(k + 1, n, upper) == pytest.approx(0.05 if k < n else 1.0, abs=1e-9)


@given(COUNTS)
def test_the_bounds_hold_the_rate_between_them(counts):
    k, n = counts
    lower, upper = clopper_pearson(k, n)
    assert 0 <= lower <= k / n <= upper <= 1


@given(COUNTS)
def test_one_more_success_never_lowers_a_bound(counts):
    k, n = counts
    if k < n:
        assert clopper_pearson(k, n) <= clopper_pearson(k + 1, n)


def test_the_gate_thresholds_in_trials():
    # 49 of 50 nominal passes 0.90, 48 does not; 44 of 50 passes 0.80, 43 does not.
    assert judge(*clopper_pearson(49, 50), 0.90) == "pass"
    assert judge(*clopper_pearson(48, 50), 0.90) == "marginal"
    assert judge(*clopper_pearson(45, 50), 0.80) == "pass"
    assert judge(*clopper_pearson(44, 50), 0.80) == "marginal"
    assert judge(*clopper_pearson(33, 50), 0.80) == "fail"


def test_no_trials_are_no_evidence():
    with pytest.raises(ValueError, match="0 successes of 0 trials"):
        clopper_pearson(0, 0)


def test_the_worst_verdict_wins():
    assert overall(["pass", "pass"]) == "pass"
    assert overall(["pass", "marginal"]) == "marginal"
    assert overall(["marginal", "fail", "pass"]) == "fail"
