"""Intervals, against SciPy and hand-worked figures."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shared.statistics import mean_interval, nps_interval, t_cdf, t_quantile, wilson


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 10), (10, 10), (8, 10), (1, 3), (499, 1000)])
def test_wilson_is_what_scipy_says(successes: int, n: int) -> None:
    second = stats.binomtest(successes, n).proportion_ci(method="wilson")

    assert wilson(successes, n) == pytest.approx((second.low, second.high), abs=1e-12)


@given(st.integers(1, 5000), st.data())
def test_wilson_holds_the_share_and_stays_a_share(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    interval = wilson(successes, n)

    assert interval is not None
    assert 0 <= interval.low <= successes / n <= interval.high <= 1


def test_nothing_to_divide_by_gives_no_interval() -> None:
    assert wilson(0, 0) is None
    assert nps_interval(0, 0, 0) is None
    assert mean_interval(4.0, 0.0, 1) is None


def test_nps_by_hand() -> None:
    """5 promoters and 2 detractors of 10: 13 answers, 5.75 against 2.75.

    (5.75 - 2.75) / 13 = 0.230769; variance 8.5/13 - 0.230769² = 0.600592; standard error sqrt(0.600592 / 13) =
    0.214941; times 1.959964 = 0.421277.
    """
    assert nps_interval(5, 2, 10) == pytest.approx((0.230769 - 0.421277, 0.230769 + 0.421277), abs=2e-6)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_an_nps_lies_between_minus_and_plus_one_and_mirrors(promoters: int, passives: int, detractors: int) -> None:
    n = promoters + passives + detractors
    interval, mirrored = nps_interval(promoters, detractors, n), nps_interval(detractors, promoters, n)

    assert (interval is None) == (n == 0)
    if interval is not None and mirrored is not None:
        assert -1 <= interval.low <= interval.high <= 1
        assert (-mirrored.high, -mirrored.low) == pytest.approx(interval)


@pytest.mark.parametrize("values", [[3, 5], [1, 2, 3, 4, 5, 5, 5], [7] * 40 + [1] * 3])
def test_a_means_interval_is_what_scipy_says(values: list[int]) -> None:
    n = len(values)
    mean = sum(values) / n
    deviation = sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    second = stats.t.interval(0.95, n - 1, loc=mean, scale=stats.sem(values))

    assert mean_interval(mean, deviation, n) == pytest.approx(second, rel=1e-9)


@pytest.mark.parametrize("p", [0.025, 0.5, 0.75, 0.975, 0.995, 0.9995])
@pytest.mark.parametrize("df", [1, 2, 3, 5, 10, 29, 100, 1000, 100_000])
def test_t_quantiles_are_scipys(p: float, df: int) -> None:
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-8, abs=1e-12)


@given(st.floats(-50, 50), st.integers(1, 300))
def test_the_t_distribution_is_scipys(t: float, df: int) -> None:
    assert t_cdf(t, df) == pytest.approx(stats.t.cdf(t, df), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize(("p", "df"), [(0.0, 3), (1.0, 3), (0.5, 0)])
def test_there_is_no_quantile_outside_the_distribution(p: float, df: int) -> None:
    with pytest.raises(ValueError, match="No t quantile"):
        t_quantile(p, df)
