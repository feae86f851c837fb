"""Dates in the Jalali and the Gregorian calendar, and where the periods that figures are counted in begin."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import jdatetime
from pydantic import WithJsonSchema

from shared.contracts.cards import CalendarDate
from shared.errors import Invalid
from shared.persian.digits import numeral, to_latin
from shared.persian.fields import read_by

Calendar = Literal["gregorian", "jalali"]
Interval = Literal["day", "week", "month", "quarter", "year"]

JALALI_YEARS: Final = range(1178, 1634)
"""The years for which the arithmetic of 33-year cycles gives the leap years that are observed."""

GREGORIAN_YEARS: Final = range(1799, 2256)
_FIRST, _LAST = date(1799, 3, 21), date(2255, 3, 20)
_MONTHS: Final = (
    "Farvardin", "Ordibehesht", "Khordad", "Tir", "Mordad", "Shahrivar", "Mehr", "Aban", "Azar", "Dey", "Bahman",
    "Esfand",
)  # fmt: skip
_MONTHS_FA: Final = (
    "فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور", "مهر", "آبان", "آذر", "دی", "بهمن", "اسفند"
)  # fmt: skip
_WRITTEN: Final = re.compile(r"\s*([0-9]{1,4})\s*[-/.]\s*([0-9]{1,2})\s*[-/.]\s*([0-9]{1,4})\s*").fullmatch
_YEAR_DIGITS = 4
_MONTHS_A_YEAR = 12


class InvalidDate(Invalid):
    """A text that is no day of the calendar it is read in."""

    code = "not_a_date"


def parse_date(text: str, calendar: Calendar | None = None) -> CalendarDate:
    """Read a day written year first, in any digits, parted by `-`, `/` or `.`.

    Without `calendar` the year tells which one is meant. Raises `InvalidDate` saying what would be right.
    """
    year, month, day = _read(text)
    known = calendar or _calendar_of(text, year)
    _to_date(text, known, year, month, day)
    return CalendarDate(calendar=known, date=f"{year:04}-{month:02}-{day:02}")


def to_gregorian(day: CalendarDate) -> date:
    """Return the day as Python counts it."""
    year, month, number = map(int, day.date.split("-"))
    return _to_date(day.date, day.calendar, year, month, number)


def to_jalali(day: date) -> str:
    """Return the Jalali day as `1405-09-01`."""
    year, month, number = _jalali(day)
    return f"{year:04}-{month:02}-{number:02}"


def from_jalali(text: str) -> date:
    """Return the day that a Jalali date such as `1405-09-01` names."""
    return to_gregorian(parse_date(text, "jalali"))


def days_in_month(calendar: Calendar, year: int, month: int) -> int:
    """Return how many days a month has; 30 for Esfand in a leap year."""
    first = _to_date(f"{year}-{month}-1", calendar, year, month, 1)
    return (next_month(first, calendar) - first).days


def start_of(day: date, interval: Interval, calendar: Calendar = "gregorian") -> date:
    """Return the first day of the period that `day` lies in; weeks start on Saturday, Gregorian ones on Monday."""
    if interval == "day":
        return day
    if interval == "week":
        return day - timedelta(days=(day.weekday() + (2 if calendar == "jalali" else 0)) % 7)
    year, month, _ = _parts(day, calendar)
    first = {"month": month, "quarter": month - (month - 1) % 3, "year": 1}[interval]
    return _of(calendar, year, first)


def next_month(day: date, calendar: Calendar = "gregorian", months: int = 1) -> date:
    """Return the first day of the month that comes `months` after the one `day` lies in."""
    year, month, _ = _parts(day, calendar)
    years, index = divmod(month - 1 + months, _MONTHS_A_YEAR)
    return _of(calendar, year + years, index + 1)


def next_start(day: date, interval: Interval, calendar: Calendar = "gregorian") -> date:
    """Return the first day of the period after the one that starts on `day`."""
    if interval in ("day", "week"):
        return day + timedelta(days=1 if interval == "day" else 7)
    return next_month(day, calendar, {"month": 1, "quarter": 3, "year": 12}[interval])


def instant(day: date, zone: ZoneInfo) -> datetime:
    """Return when `day` begins in `zone`, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _parts(day: date, calendar: Calendar) -> tuple[int, int, int]:
    return _jalali(day) if calendar == "jalali" else (day.year, day.month, day.day)


def _of(calendar: Calendar, year: int, month: int) -> date:
    return _to_date(f"{year}-{month}-1", calendar, year, month, 1)


def _jalali(day: date) -> tuple[int, int, int]:
    if not _FIRST <= day <= _LAST:
        raise InvalidDate(
            f"{day.isoformat()} is outside the Jalali years 1178 to 1633.",
            fa=f"{day.isoformat()} بیرون از سال‌های ۱۱۷۸ تا ۱۶۳۳ است.",
        )
    jalali = jdatetime.date.fromgregorian(date=date(day.year, day.month, day.day))
    return jalali.year, jalali.month, jalali.day


def _read(text: str) -> tuple[int, int, int]:
    written = _WRITTEN(to_latin(text))
    if written is None:
        raise InvalidDate(
            f"{text[:40]!r} is not a date; 1405-09-01 or 2026-11-22 is.",
            fa=f"«{text[:40]}» تاریخ نیست؛ تاریخ مانند ۱۴۰۵/۰۹/۰۱ نوشته می‌شود.",
        )
    first, month, last = written.groups()
    if len(first) != _YEAR_DIGITS:
        raise _year_not_first(text, first, month, last)
    return int(first), int(month), int(last)


def _year_not_first(text: str, first: str, month: str, last: str) -> InvalidDate:
    if len(last) == _YEAR_DIGITS:
        month, day = (first, month) if int(month) > _MONTHS_A_YEAR else (month, first)
        right = f"{last}-{month:0>2}-{day:0>2}"
        return InvalidDate(
            f"{text!r} ends with the year; write it first: {right}.",
            fa=f"«{text}» با سال پایان یافته است؛ نخست سال را بنویسید: {right}.",
        )
    right = f"13{first:0>2}-{month:0>2}-{last:0>2}"
    return InvalidDate(
        f"{text!r} has a year of {len(first)} digits; write it with four, such as {right}.",
        fa=f"سال در «{text}» چهاررقمی نیست؛ آن را با چهار رقم بنویسید، مانند {right}.",
    )


def _calendar_of(text: str, year: int) -> Calendar:
    if year in JALALI_YEARS:
        return "jalali"
    if year in GREGORIAN_YEARS:
        return "gregorian"
    raise InvalidDate(
        f"{year} in {text!r} is a year of neither calendar: Jalali years are 1178 to 1633, Gregorian 1799 to 2255.",
        fa=f"سال {numeral(year)} در «{text}» نه هجری شمسی است (۱۱۷۸ تا ۱۶۳۳) و نه میلادی (۱۷۹۹ تا ۲۲۵۵).",
    )


def _to_date(text: str, calendar: Calendar, year: int, month: int, day: int) -> date:
    if year not in (JALALI_YEARS if calendar == "jalali" else GREGORIAN_YEARS):
        raise _wrong_year(text, calendar, year)
    if not 1 <= month <= _MONTHS_A_YEAR:
        raise InvalidDate(
            f"{text!r} has no month {month}; months are 1 to 12.",
            fa=f"ماه {numeral(month)} در «{text}» نیست؛ ماه از ۱ تا ۱۲ است.",
        )
    try:
        return jdatetime.date(year, month, day).togregorian() if calendar == "jalali" else date(year, month, day)
    except ValueError:
        raise _wrong_day(text, calendar, year, month) from None


def _wrong_year(text: str, calendar: Calendar, year: int) -> InvalidDate:
    right = JALALI_YEARS if calendar == "jalali" else GREGORIAN_YEARS
    return InvalidDate(
        f"{year} in {text!r} is no {calendar.capitalize()} year; one from {right[0]} to {right[-1]} is.",
        fa=f"سال {numeral(year)} در «{text}» در این تقویم نیست؛ "
        f"سال از {numeral(right[0])} تا {numeral(right[-1])} است.",
    )


def _wrong_day(text: str, calendar: Calendar, year: int, month: int) -> InvalidDate:
    last = days_in_month(calendar, year, month)
    name = f"{_MONTHS[month - 1]} {year}" if calendar == "jalali" else f"{year}-{month:02}"
    name_fa = f"{_MONTHS_FA[month - 1]} {numeral(year)}" if calendar == "jalali" else f"{year}-{month:02}"
    return InvalidDate(
        f"{text!r} is no day: {name} has {last} days.",
        fa=f"«{text}» روزی در تقویم نیست: {name_fa} {numeral(last)} روز دارد.",
    )


def _jalali_day(text: str) -> str:
    return parse_date(text, "jalali").date


JalaliDate = Annotated[
    str,
    read_by(_jalali_day),
    WithJsonSchema({"type": "string", "examples": ["1365-03-12"], "description": "A day of the Jalali calendar."}),
]
"""A pydantic string: a day of the Jalali calendar, as `1365-03-12`."""
