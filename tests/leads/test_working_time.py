"""Due times by a table worked by hand from the calendar of Iran (1405 and 1406), in Tehran's clock time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.leads.leads.working_time import RoundTheClock, WorkingTime, knows_country, office_hours, public_holidays

TEHRAN = ZoneInfo("Asia/Tehran")
DAYS = ("sat", "sun", "mon", "tue", "wed", "thu")
FIVE = timedelta(minutes=5)


def iran() -> WorkingTime:
    return office_hours(TEHRAN, time(8, 30), time(17, 30), DAYS, "IR")


def tehran(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TEHRAN)


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        pytest.param("2026-11-22 11:00", "2026-11-22 11:05", id="Sunday morning"),
        pytest.param("2026-11-22 08:30", "2026-11-22 08:35", id="as the day begins"),
        pytest.param("2026-11-22 03:00", "2026-11-22 08:35", id="before the day begins"),
        pytest.param("2026-11-22 17:25", "2026-11-22 17:30", id="five minutes before the end"),
        pytest.param("2026-11-22 17:28", "2026-11-23 08:33", id="two minutes before the end"),
        pytest.param("2026-11-22 17:30", "2026-11-23 08:35", id="as the day ends"),
        pytest.param("2026-11-22 23:59", "2026-11-23 08:35", id="at night"),
        pytest.param("2026-11-19 17:29", "2026-11-21 08:34", id="Thursday evening, over Friday to Saturday"),
        pytest.param("2026-11-20 12:00", "2026-11-21 08:35", id="Friday"),
        pytest.param("2026-08-20 18:00", "2026-08-22 08:35", id="Thursday evening, Friday a holiday too"),
        pytest.param("2026-06-24 10:00", "2026-06-27 08:35", id="Tasua, Ashura on Thursday, then Friday"),
        pytest.param("2027-03-18 17:28", "2027-03-25 08:33", id="Thursday before Nowruz, over 4 Farvardin"),
        pytest.param("2027-04-01 09:00", "2027-04-04 08:35", id="12 and 13 Farvardin, then a mourning day on Saturday"),
    ],
)  # fmt: skip
def test_a_question_is_due_five_working_minutes_after_it_was_asked(asked: str, due: str) -> None:
    assert iran().due(tehran(asked), FIVE) == tehran(due)


@pytest.mark.parametrize(
    ("start", "end", "worked"),
    [
        ("2026-11-22 11:00", "2026-11-22 11:02", timedelta(minutes=2)),
        ("2026-11-22 17:00", "2026-11-23 09:00", timedelta(hours=1)),
        ("2026-11-19 17:29", "2026-11-21 08:34", timedelta(minutes=5)),
        ("2026-11-20 01:00", "2026-11-20 23:00", timedelta()),
        ("2026-11-21 08:30", "2026-11-28 08:30", timedelta(hours=54)),
        ("2027-03-18 17:30", "2027-03-25 08:30", timedelta()),
    ],
)
def test_only_working_hours_count(start: str, end: str, worked: timedelta) -> None:
    assert iran().between(tehran(start), tehran(end)) == worked


def test_an_allowance_longer_than_a_day_runs_over_the_days_after_it() -> None:
    assert iran().due(tehran("2026-11-18 16:30"), timedelta(hours=11)) == tehran("2026-11-21 09:30")


def test_days_of_our_own_are_off_too() -> None:
    hours = office_hours(TEHRAN, time(8, 30), time(17, 30), DAYS, "IR", (datetime(2026, 11, 23, tzinfo=UTC).date(),))

    assert hours.due(tehran("2026-11-22 18:00"), FIVE) == tehran("2026-11-24 08:35")


def test_without_a_country_no_holiday_is_kept() -> None:
    hours = office_hours(TEHRAN, time(8, 30), time(17, 30), DAYS, None)

    assert hours.due(tehran("2027-03-21 09:00"), FIVE) == tehran("2027-03-21 09:05")


def test_a_day_with_a_change_of_the_clock_has_its_hours_by_the_wall() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    hours = office_hours(berlin, time(1, 0), time(5, 0), ("sun",), None)
    start = datetime(2026, 3, 29, 0, 0, tzinfo=berlin)

    assert hours.due(start, timedelta(hours=3)) == datetime(2026, 3, 29, 5, 0, tzinfo=berlin)


def test_an_evening_west_of_greenwich_is_of_its_own_day() -> None:
    new_york = ZoneInfo("America/New_York")
    hours = office_hours(new_york, time(9, 0), time(23, 0), ("sun",), None)
    asked = datetime(2026, 11, 22, 21, 0, tzinfo=new_york)

    assert hours.due(asked, FIVE) == datetime(2026, 11, 22, 21, 5, tzinfo=new_york)


def test_round_the_clock_every_minute_counts() -> None:
    asked = tehran("2026-11-20 23:58")

    assert RoundTheClock().due(asked, FIVE) == tehran("2026-11-21 00:03")
    assert RoundTheClock().between(asked, tehran("2026-11-21 00:03")) == FIVE


@pytest.mark.parametrize("hours", [RoundTheClock(), iran()])
def test_an_end_before_its_start_is_no_time(hours: WorkingTime) -> None:
    assert hours.between(tehran("2026-11-22 11:00"), tehran("2026-11-22 10:59")) == timedelta()


@settings(deadline=None)
@given(
    start=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    minutes=st.integers(0, 3000),
)
def test_the_working_time_until_the_due_time_is_what_was_allowed(start: datetime, minutes: int) -> None:
    allowed = timedelta(minutes=minutes)

    assert iran().between(start, iran().due(start, allowed)) == allowed


def test_the_holidays_of_every_country_are_those_of_the_library() -> None:
    days = [date(2026, 1, 1) + timedelta(number) for number in range(365)]

    for country in holidays.list_supported_countries(include_aliases=False):
        theirs, ours = holidays.country_holidays(country), public_holidays(country)
        assert knows_country(country)
        assert [day for day in days if day in ours] == [day for day in days if day in theirs], country
