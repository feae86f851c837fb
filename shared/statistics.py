"""95 % intervals for the figures that answers give: Wilson for shares, adjusted Wald for NPS, t for means.

Shares are fractions of 1. Where there is nothing to divide by the answer is None, never 0.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, inf, lgamma, log, log1p, pi, sqrt, tan
from statistics import NormalDist
from typing import NamedTuple

_SMALLEST = 1e-300
_PRECISION = 1e-15
_STEPS = 500


class Interval(NamedTuple):
    """The ends of an interval, both belonging to it."""

    low: float
    high: float


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Return the interval of the share `successes / n` (Wilson 1927, without continuity correction)."""
    if n == 0:
        return None
    z = z_quantile(confidence)
    share, zz = successes / n, z * z
    centre = (share + zz / (2 * n)) / (1 + zz / n)
    half = z / (1 + zz / n) * sqrt(share * (1 - share) / n + zz / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


def nps_interval(promoters: int, detractors: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Return the interval of the share of promoters less that of detractors, from -1 to 1.

    Adjusted Wald for the difference of two shares of one sample (Rocks 2016): three answers are added, three
    quarters of one each to promoters and detractors. It need not lie around the plain figure.
    """
    if n == 0:
        return None
    total = n + 3
    up, down = (promoters + 0.75) / total, (detractors + 0.75) / total
    centre = up - down
    half = z_quantile(confidence) * sqrt((up + down - centre * centre) / total)
    return Interval(max(-1.0, centre - half), min(1.0, centre + half))


def mean_interval(mean: float, deviation: float, n: int, confidence: float = 0.95) -> Interval | None:
    """Return the interval of a mean from the sample's standard deviation (divided by n - 1); None below two."""
    if n < 2:  # noqa: PLR2004
        return None
    half = t_quantile((1 + confidence) / 2, n - 1) * deviation / sqrt(n)
    return Interval(mean - half, mean + half)


@lru_cache(maxsize=16)
def z_quantile(confidence: float) -> float:
    """Return how many standard deviations to both sides hold the share `confidence` of a normal distribution."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


@lru_cache(maxsize=4096)
def t_quantile(p: float, df: int) -> float:
    """Return the value that Student's t with `df` degrees of freedom stays below with probability `p`.

    Found by bisection, to the last bit.
    """
    if not 0 < p < 1 or df < 1:
        raise ValueError(f"No t quantile for p={p} and df={df}; p lies between 0 and 1, df is 1 or more.")
    if p < 0.5:  # noqa: PLR2004
        return -t_quantile(1 - p, df)
    if df == 1:
        return tan(pi * (p - 0.5))
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        low, high = high, high * 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if t_cdf(middle, df) < p else (low, middle)
    return high


def t_cdf(t: float, df: int) -> float:
    """Return the probability that Student's t with `df` degrees of freedom lies below `t`."""
    tail = _incomplete_beta(df / 2, 0.5, df / (df + t * t)) / 2
    return 1 - tail if t > 0 else tail


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    return front / _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction 1 + d₁/(1 + d₂/(1 + …)), by Lentz's algorithm."""
    value, c, d, step = 1.0, 1.0, 0.0, inf
    for index in range(1, _STEPS):
        m, odd = divmod(index, 2)
        term = (
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
            if odd
            else m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        )
        d = 1 / (1 + term * d or _SMALLEST)
        c = 1 + term / c or _SMALLEST
        step = c * d
        value *= step
        if abs(step - 1) < _PRECISION:
            break
    return value
