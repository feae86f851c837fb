"""A second opinion: figures of random histories against plain loops over the facts, by DOMAIN.md's wording.

The loops know nothing of spans, grids or counts: they ask of each instant and each person whether a purchase lies in
the window.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

import httpx
import pytest

from shared.contracts.customers import PurchaseRecorded
from shared.persian.calendar import Calendar, Interval, instant, next_start, start_of, to_jalali
from shared.service import Runtime
from tests.metrics.facts import TEHRAN, ask, points, purchase
from tests.support.events import deliver, turn

WINDOW = timedelta(days=90)
FIRST, AFTER = date(2024, 3, 20), date(2026, 3, 21)
Bought = dict[str, list[datetime]]


class Period(NamedTuple):
    """The instants `[start, end)`, and the first day in the period's calendar."""

    start: datetime
    end: datetime
    first: str


@pytest.fixture(scope="module")
def history() -> list[tuple[str, PurchaseRecorded]]:
    """Two years of 120 people; a third of the purchases lie exactly on a border or 90 days before one."""
    chance = random.Random(1405)
    told = []
    for number in range(700):
        who = f"person {chance.randrange(120)}"
        when = datetime(2024, 3, 19, 20, 30, tzinfo=UTC) + timedelta(hours=chance.randrange(24 * 730))
        if number % 3 == 0:
            border = chance.choice(_periods("month", "jalali") + _periods("month", "gregorian")).start
            when = border - chance.choice([timedelta(), WINDOW]) + timedelta(microseconds=chance.choice([-1, 0, 1]))
        told.append((who, purchase(who, when, chance.randrange(1000), number=number)))
    return told


def _periods(interval: Interval, calendar: Calendar, first: date = FIRST, after: date = AFTER) -> list[Period]:
    """Return the periods of the days `[first, after)`, the first and the last cut off there."""
    found = []
    while first < after:
        end = min(next_start(start_of(first, interval, calendar), interval, calendar), after)
        called = to_jalali(first) if calendar == "jalali" else str(first)
        found.append(Period(instant(first, TEHRAN), instant(end, TEHRAN), called))
        first = end
    return found


def _bought(history: list[tuple[str, PurchaseRecorded]]) -> Bought:
    bought: Bought = defaultdict(list)
    for who, event in history:
        bought[who].append(event.occurred_at)
    return bought


def _active(bought: Bought, moment: datetime) -> set[str]:
    return {who for who, times in bought.items() if any(moment - WINDOW <= time < moment for time in times)}


def _within(bought: Bought, period: Period) -> dict[str, int]:
    counts = {who: sum(period.start <= time < period.end for time in times) for who, times in bought.items()}
    return {who: count for who, count in counts.items() if count}


def _retention(bought: Bought, period: Period) -> dict[str, int]:
    at_start, at_end = _active(bought, period.start), _active(bought, period.end)
    new = {who for who in at_end - at_start if period.start <= min(bought[who]) < period.end}
    return {
        "active_at_start": len(at_start),
        "active_at_end": len(at_end),
        "new": len(new),
        "won_back": len(at_end - at_start - new),
    }


@pytest.fixture
async def told(runtime: Runtime, history: list[tuple[str, PurchaseRecorded]]) -> Runtime:
    events = [event for _, event in history]
    for begin in range(0, len(events), 250):
        await deliver(runtime, *events[begin : begin + 250])
        await turn(runtime, "fold")
    return runtime


GRIDS: list[tuple[Interval, Calendar]] = [
    ("day", "jalali"),
    ("week", "gregorian"),
    ("week", "jalali"),
    ("month", "gregorian"),
    ("month", "jalali"),
    ("quarter", "gregorian"),
    ("quarter", "jalali"),
    ("year", "gregorian"),
    ("year", "jalali"),
]


async def test_every_grid_agrees_with_the_plain_count(
    told: Runtime, client: httpx.AsyncClient, history: list[tuple[str, PurchaseRecorded]]
) -> None:
    bought = _bought(history)
    for interval, calendar in GRIDS:
        span = {"from_": str(FIRST), "to": str(AFTER), "interval": interval, "calendar": calendar}
        expected = _periods(interval, calendar)
        retention = await points(client, "retention", **span)
        assert [point["parts"] for point in retention] == [_retention(bought, period) for period in expected], interval
        repeat = await points(client, "repeat_purchase_rate", **span)
        assert [point["parts"] for point in repeat] == list(_repeaters(bought, expected)), interval
        counted = await points(client, "purchases", **span)
        assert [point["value"] for point in counted] == [sum(_within(bought, each).values()) for each in expected]


def _repeaters(bought: Bought, expected: list[Period]) -> Iterator[dict[str, int]]:
    for period in expected:
        counts = _within(bought, period)
        yield {"buyers": len(counts), "repeat_buyers": sum(count > 1 for count in counts.values())}


async def test_purchase_retention_agrees_with_the_plain_count(
    told: Runtime, client: httpx.AsyncClient, history: list[tuple[str, PurchaseRecorded]]
) -> None:
    bought = _bought(history)
    months = _periods("month", "jalali")
    found = await points(client, "purchase_retention", from_="1403-01-01", to="1405-01-01", interval="month")

    for before, after, point in zip(months, months[1:], found[1:], strict=False):
        earlier, later = _within(bought, before), _within(bought, after)
        assert point["parts"] == {"bought_before": len(earlier), "bought_again": len(earlier.keys() & later.keys())}


def _odd_spans() -> Iterator[tuple[date, date]]:
    """Yield spans that are no periods; of most an end is a border at which somebody bought, or 90 days after."""
    chance = random.Random(1)
    borders = [each.start.astimezone(TEHRAN).date() for each in _periods("month", "jalali")]
    for number in range(18):
        first = chance.choice(borders[:-4]) if number % 3 else FIRST + timedelta(days=chance.randrange(500))
        later = [border for border in borders if border > first + timedelta(days=45)]
        yield first, chance.choice(later) if number % 2 else first + timedelta(days=chance.randrange(2, 200))


async def test_odd_spans_agree_with_the_plain_count(
    told: Runtime, client: httpx.AsyncClient, history: list[tuple[str, PurchaseRecorded]]
) -> None:
    bought = _bought(history)
    for first, after in _odd_spans():
        span = Period(instant(first, TEHRAN), instant(after, TEHRAN), "")
        before = Period(instant(first - (after - first), TEHRAN), span.start, "")
        asked = {"from_": str(first), "to": str(after), "calendar": "gregorian"}

        assert await _on_demand(client, "retention", **asked) == _retention(bought, span)
        assert await _on_demand(client, "repeat_purchase_rate", **asked) == next(_repeaters(bought, [span]))
        earlier, later = _within(bought, before), _within(bought, span)
        assert await _on_demand(client, "purchase_retention", **asked) == {
            "bought_before": len(earlier),
            "bought_again": len(earlier.keys() & later.keys()),
        }
        [point] = await points(client, "time_between_purchases", **asked)
        gaps = _gaps(bought, span)
        assert (point["value"], point["count"]) == (pytest.approx(median(gaps)), len(gaps))
        [point] = await points(client, "purchases", **asked)
        assert point["value"] == sum(later.values())


async def _on_demand(client: httpx.AsyncClient, figure: str, **asked: str) -> Any:
    answered = await ask(client, figure, **asked)
    assert answered["computed"] == "on_demand", asked
    return answered["points"][0]["parts"]


def _gaps(bought: Bought, span: Period) -> list[float]:
    """Return the days between a person's consecutive purchases of which the later lies in the span."""
    return [
        (time - previous) / timedelta(days=1)
        for times in map(sorted, bought.values())
        for previous, time in pairwise(times)
        if span.start <= time < span.end
    ]


@pytest.mark.parametrize("calendar", ["gregorian", "jalali"])
async def test_cohorts_agree_with_the_plain_count(
    told: Runtime, client: httpx.AsyncClient, history: list[tuple[str, PurchaseRecorded]], calendar: Calendar
) -> None:
    bought = _bought(history)
    months = _periods("month", calendar, after=date(2026, 3, 20))
    months = months[1:] if calendar == "gregorian" else months
    answered = await ask(client, "cohorts", from_=months[0].first, to="2026-03-21", calendar=calendar)

    found = {cohort["cohort"]: cohort for cohort in answered["cohorts"]}
    for place, month in enumerate(months[:-1]):
        people = {who: times for who, times in bought.items() if month.start <= min(times) < month.end}
        cohort: Any = found.get(month.first[:7], {"size": 0, "months": []})
        assert cohort["size"] == len(people)
        for later, cell in zip(months[place:-1], cohort["months"], strict=False):
            assert cell["bought"] == len(_within(people, later)), (month.first, later.first)
            assert cell["active"] == len(_active(people, later.end)), (month.first, later.first)
