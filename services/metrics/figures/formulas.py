"""The figures' formulas (DOMAIN.md, "Figures"): pure, unrounded, and None where there is nothing to divide by."""

from __future__ import annotations

from collections.abc import Mapping

from shared.statistics import nps_interval, wilson

EXACT = 2**53
"""Beyond this a JSON number may lose digits, so integers are written as text."""


def percent(part: int, whole: int) -> float | None:
    """Return `part` of `whole` in percent."""
    return part * 100 / whole if whole else None


def percent_interval(part: int, whole: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a share (Wilson), in percent."""
    interval = wilson(part, whole)
    return (interval.low * 100, interval.high * 100) if interval else None


def difference_interval(part: int, other: int, whole: int) -> tuple[float, float] | None:
    """Return the 95 % interval of the difference of two shares of one whole (adjusted Wald), in percent."""
    interval = nps_interval(part, other, whole)
    return (interval.low * 100, interval.high * 100) if interval else None


def retention_rate(parts: Mapping[str, int]) -> float | None:
    """Return (E - N) / S x 100: active at the end less who came meanwhile, of those active at the start."""
    came = parts["new"] + parts["won_back"]
    return percent(parts["active_at_end"] - came, parts["active_at_start"])


def churn_rate(parts: Mapping[str, int]) -> float | None:
    """Return 100 - retention."""
    retained = retention_rate(parts)
    return None if retained is None else 100 - retained


def mean(total: int, count: int, factor: float = 1.0) -> float | None:
    """Return `total` x `factor` / `count`; the division comes last."""
    return (total if factor == 1.0 else total * factor) / count if count else None


def whole(number: int) -> int | str:
    """Return an integer as it is written in JSON."""
    return number if abs(number) <= EXACT else str(number)
