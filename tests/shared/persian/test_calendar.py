"""Jalali and Gregorian dates, and where the periods of both begin, against the published calendar and `jdatetime`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import jdatetime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.contracts.cards import CalendarDate
from shared.persian.calendar import (
    Calendar,
    Interval,
    InvalidDate,
    JalaliDate,
    days_in_month,
    from_jalali,
    instant,
    next_month,
    next_start,
    parse_date,
    start_of,
    to_gregorian,
    to_jalali,
)

TEHRAN = ZoneInfo("Asia/Tehran")
days = st.dates(date(1799, 3, 21), date(2255, 3, 20))
LEAP_YEARS = (1370, 1375, 1379, 1383, 1387, 1391, 1395, 1399, 1403, 1408)
"""As Iran's official calendar had, and announces, them."""


@pytest.mark.parametrize(
    ("jalali", "gregorian"),
    [
        ("1357-11-22", date(1979, 2, 11)),
        ("1399-12-30", date(2021, 3, 20)),
        ("1400-01-01", date(2021, 3, 21)),
        ("1403-01-01", date(2024, 3, 20)),
        ("1403-12-30", date(2025, 3, 20)),
        ("1404-01-01", date(2025, 3, 21)),
        ("1405-09-01", date(2026, 11, 22)),
    ],
)
def test_days_of_the_printed_calendar(jalali: str, gregorian: date) -> None:
    assert to_jalali(gregorian) == jalali
    assert from_jalali(jalali) == gregorian


@given(days)
def test_to_and_from_jalali_are_inverse(day: date) -> None:
    assert from_jalali(to_jalali(day)) == day


@given(days)
def test_jdatetime_agrees(day: date) -> None:
    assert to_jalali(day) == jdatetime.date.fromgregorian(date=day).strftime("%Y-%m-%d")


@pytest.mark.parametrize("year", range(1370, 1410))
def test_esfand_has_a_thirtieth_in_leap_years_only(year: int) -> None:
    if year in LEAP_YEARS:
        assert parse_date(f"{year}-12-30").date == f"{year}-12-30"
    else:
        with pytest.raises(InvalidDate, match=f"Esfand {year} has 29 days"):
            parse_date(f"{year}-12-30")


@pytest.mark.parametrize("text", ["1405-09-01", "1405/9/1", "۱۴۰۵/۰۹/۰۱", "١٤٠٥.٩.١", " 1405 / 9 / 1 "])
def test_a_jalali_day_is_read_in_any_digits(text: str) -> None:
    assert parse_date(text) == CalendarDate(calendar="jalali", date="1405-09-01")


def test_the_year_tells_the_calendar() -> None:
    assert parse_date("1990/6/2") == CalendarDate(calendar="gregorian", date="1990-06-02")
    assert parse_date("1369/3/12").calendar == "jalali"
    assert to_gregorian(parse_date("1369/3/12")) == to_gregorian(parse_date("1990/6/2"))


@pytest.mark.parametrize(
    ("text", "calendar", "right"),
    [
        ("65/3/12", None, "1365-03-12"),
        ("05-09-01", "jalali", "1305-09-01"),
        ("12/3/1365", None, "1365-03-12"),
        ("02/06/1990", None, "1990-06-02"),
        ("1405/13/1", None, "months are 1 to 12"),
        ("1405/0/1", None, "months are 1 to 12"),
        ("1405/7/31", None, "Mehr 1405 has 30 days"),
        ("1405/7/0", None, "Mehr 1405 has 30 days"),
        ("2026-02-29", None, "2026-02 has 28 days"),
        ("1700-01-01", None, "Jalali years are 1178 to 1633"),
        ("2026-11-22", "jalali", "one from 1178 to 1633"),
        ("1405-09-01", "gregorian", "one from 1799 to 2255"),
        ("99999-1-1", None, "1405-09-01 or 2026-11-22"),
        ("امروز", None, "1405-09-01 or 2026-11-22"),
        ("", None, "1405-09-01 or 2026-11-22"),
        ("12-30-1403", "jalali", "1403-12-30"),
    ],
)
def test_nonsense_is_refused_with_what_would_be_right(text: str, calendar: Calendar | None, right: str) -> None:
    with pytest.raises(InvalidDate) as refused:
        parse_date(text, calendar)

    assert right in refused.value.detail
    assert refused.value.code == "not_a_date"
    assert refused.value.detail_fa


def test_a_day_outside_the_calendars_range_is_refused() -> None:
    with pytest.raises(InvalidDate, match="1178 to 1633"):
        to_jalali(date(1700, 1, 1))
    with pytest.raises(InvalidDate, match="1178 to 1633"):
        to_jalali(date(2255, 3, 21))
    assert to_jalali(date(2255, 3, 20)) == "1633-12-29"


def test_a_field_holds_a_jalali_day_in_one_form() -> None:
    assert TypeAdapter(JalaliDate).validate_python("۱۳۶۵/۳/۱۲") == "1365-03-12"
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(JalaliDate).validate_python("1404/12/30")
    assert refused.value.errors()[0]["type"] == "not_a_date"


@pytest.mark.parametrize(("month", "length"), [(1, 31), (6, 31), (7, 30), (11, 30), (12, 29)])
def test_months_have_the_days_of_the_calendar(month: int, length: int) -> None:
    assert days_in_month("jalali", 1405, month) == length


@pytest.mark.parametrize(
    ("day", "interval", "calendar", "first"),
    [
        (date(2026, 11, 22), "week", "jalali", date(2026, 11, 21)),
        (date(2026, 11, 21), "week", "jalali", date(2026, 11, 21)),
        (date(2026, 11, 20), "week", "jalali", date(2026, 11, 14)),
        (date(2026, 11, 22), "week", "gregorian", date(2026, 11, 16)),
        (date(2026, 11, 22), "month", "jalali", date(2026, 11, 22)),
        (date(2026, 11, 21), "month", "jalali", date(2026, 10, 23)),
        (date(2026, 11, 22), "quarter", "jalali", date(2026, 9, 23)),
        (date(2026, 11, 22), "quarter", "gregorian", date(2026, 10, 1)),
        (date(2026, 11, 22), "year", "jalali", date(2026, 3, 21)),
        (date(2026, 11, 22), "day", "jalali", date(2026, 11, 22)),
    ],
)
def test_a_period_starts_where_its_calendar_says(
    day: date, interval: Interval, calendar: Calendar, first: date
) -> None:
    assert start_of(day, interval, calendar) == first


def test_a_day_begins_at_midnight_of_its_zone() -> None:
    assert instant(date(2026, 11, 22), TEHRAN) == datetime(2026, 11, 21, 20, 30, tzinfo=UTC)


def test_the_day_that_summer_time_took_an_hour_from_has_23_hours() -> None:
    begins, ends = (instant(date(2022, 3, day), TEHRAN) for day in (22, 23))

    assert ends - begins == timedelta(hours=23)


@given(
    st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    st.sampled_from(("day", "week", "month", "quarter", "year")),
    st.sampled_from(("gregorian", "jalali")),
)
def test_every_day_lies_in_one_period_and_the_next_begins_where_it_ends(
    day: date, interval: Interval, calendar: Calendar
) -> None:
    first = start_of(day, interval, calendar)
    after = next_start(first, interval, calendar)

    assert first <= day < after
    assert start_of(after - timedelta(days=1), interval, calendar) == first
    assert start_of(after, interval, calendar) == after


def test_months_are_counted_over_the_end_of_a_year() -> None:
    assert next_month(date(2026, 12, 31)) == date(2027, 1, 1)
    assert next_month(date(2026, 11, 22), "jalali", 4) == from_jalali("1406-01-01")
    assert next_month(date(2026, 11, 22), "jalali", -9) == from_jalali("1404-12-01")
