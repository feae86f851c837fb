"""Which kept periods add up to a span: each of its days once, and as few periods as there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.figures.kept import FROM_THE_BEGINNING, Range, all_before, summed_by
from services.metrics.periods import Span, number_of
from shared.persian.calendar import Calendar

WIDE = timedelta(days=100)
calendars = st.sampled_from(["gregorian", "jalali"])
days = st.dates(date(2022, 1, 1), date(2027, 1, 1))


def _days_in(ranges: Sequence[Range], around: Span) -> Iterator[date]:
    """Give the days of each range, as far as they lie in a span or a hundred days around it."""
    near = range((around.first - WIDE).toordinal(), (around.after + WIDE).toordinal())
    for grid, first, after in ranges:
        yield from (day for day in map(date.fromordinal, near) if first <= number_of(grid, day) < after)


@settings(max_examples=60)
@given(first=days, length=st.integers(1, 120), calendar=calendars)
def test_a_span_is_made_of_each_of_its_days_once(first: date, length: int, calendar: Calendar) -> None:
    span = Span(first, first + timedelta(days=length), None)

    found = Counter(_days_in(summed_by(span, calendar), span))
    assert found == Counter(first + timedelta(days=number) for number in range(length))


@settings(max_examples=60)
@given(day=days, calendar=calendars)
def test_all_before_a_day_is_each_day_once_from_the_beginning_on(day: date, calendar: Calendar) -> None:
    ranges = all_before(day, calendar)

    assert ranges[0][1] == FROM_THE_BEGINNING
    found = Counter(_days_in(ranges, Span(day, day, None)))
    assert found == Counter(day - timedelta(days=number) for number in range(1, WIDE.days + 1))


@pytest.mark.parametrize(
    ("first", "after", "periods"),
    [
        (date(2025, 1, 1), date(2026, 1, 1), 12),
        (date(2025, 1, 15), date(2026, 1, 15), 17 + 11 + 14),
        (date(2025, 1, 15), date(2025, 2, 15), 31),
        (date(2025, 1, 15), date(2025, 3, 1), 17 + 1),
        (date(2025, 1, 15), date(2025, 1, 20), 5),
    ],
)
def test_whole_months_are_read_as_months(first: date, after: date, periods: int) -> None:
    ranges = summed_by(Span(first, after, None), "gregorian")

    assert sum(after - first for _, first, after in ranges) == periods
