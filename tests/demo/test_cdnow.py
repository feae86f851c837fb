"""The CDNOW log, fed to a whole deployment, against a recomputation over the file: plain Python over sets."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import jdatetime
import pytest
import pytest_asyncio
from rich.console import Console

from services.demo import cdnow
from services.demo.client import Api
from tests.support.deployments import Deployment, embedded

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(420)]

TEHRAN = ZoneInfo("Asia/Tehran")
ACTIVE_FOR = timedelta(days=90)
MONTHS_AFTER = (date(1997, 1, 1), 18)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file: who bought, when to the instant, on which day, for how many cents."""

    customer: str
    at: datetime
    day: date
    cents: int


def lines_of(path: Path) -> list[Line]:
    """Read the file in another way than the demo does: columns by position in the split line, Decimal dollars."""
    lines = []
    for text in path.read_text().splitlines()[1:]:
        customer, stamp, _, dollars = text.split()
        day = date(int(stamp[:4]), int(stamp[4:6]), int(stamp[6:]))
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=TEHRAN).astimezone(UTC)
        lines.append(Line(customer, noon, day, int(Decimal(dollars) * 100)))
    return lines


class History:
    """Who bought when, and from that every figure that is asked for."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.instants: dict[str, list[datetime]] = defaultdict(list)
        for line in sorted(lines, key=lambda line: line.at):
            self.instants[line.customer].append(line.at)

    def active(self, at: datetime) -> set[str]:
        """Who bought within the 90 days of 24 hours before `at`."""
        return {who for who, bought in self.instants.items() if any(at - ACTIVE_FOR <= each < at for each in bought)}

    def bought(self, start: datetime, end: datetime) -> set[str]:
        return {line.customer for line in self.lines if start <= line.at < end}

    def first_in(self, start: datetime, end: datetime) -> set[str]:
        return {who for who, bought in self.instants.items() if start <= bought[0] < end}

    def retention(self, start: datetime, end: datetime) -> dict[str, int]:
        before, after = self.active(start), self.active(end)
        gained = after - before
        new = gained & self.first_in(start, end)
        return {
            "active_at_start": len(before),
            "active_at_end": len(after),
            "new": len(new),
            "won_back": len(gained - new),
        }


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=TEHRAN).astimezone(UTC)


def months(first: date, count: int) -> Iterator[tuple[date, datetime, datetime]]:
    """Yield Gregorian months: their first day, and the instants at which they begin and end."""
    for place in range(first.month - 1, first.month - 1 + count):
        start = date(first.year + place // 12, place % 12 + 1, 1)
        end = date(first.year + (place + 1) // 12, (place + 1) % 12 + 1, 1)
        yield start, midnight(start), midnight(end)


@pytest.fixture(scope="module")
def history() -> History:
    return History(lines_of(cdnow.default_path()))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """Lend a deployment that the log was fed to."""
    async with embedded(tmp_path_factory.mktemp("cdnow")) as running:
        await feed(running)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    async with deployment.client() as opened:
        yield opened


async def feed(deployment: Deployment) -> str:
    """Feed the log as `peyvand demo --cdnow` does, and return what it printed."""

    def run() -> str:
        said = StringIO()
        with Api(deployment.url, deployment.token_file.read_text().strip(), deployment.url) as api:
            cdnow.feed(api, cdnow.default_path(), Console(file=said, width=200))
        return said.getvalue()

    return await asyncio.to_thread(run)


async def figure(client: httpx.AsyncClient, name: str, **query: str) -> list[dict[str, Any]]:
    span = {"from": "1997-01-01", "to": "1998-07-01", "calendar": "gregorian"} | query
    answer = (await client.get(f"/v1/metrics/{name}", params=span)).raise_for_status().json()
    points: list[dict[str, Any]] = answer["points"]
    return points


def parts(point: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: point["parts"][name] for name in names}


async def test_every_line_is_a_purchase_and_no_cent_is_lost(client: httpx.AsyncClient, history: History) -> None:
    [purchases] = await figure(client, "purchases")
    [revenue] = await figure(client, "revenue", currency="USD")

    assert purchases["value"] == len(history.lines) == 69_659
    assert revenue["value"] == sum(line.cents for line in history.lines)


async def test_each_month_has_its_purchases_and_its_revenue(client: httpx.AsyncClient, history: History) -> None:
    purchases = await figure(client, "purchases", interval="month")
    revenue = await figure(client, "revenue", interval="month", currency="USD")

    for (first, start, end), bought, money in zip(months(*MONTHS_AFTER), purchases, revenue, strict=True):
        within = [line for line in history.lines if start <= line.at < end]
        assert (bought["from"], bought["value"]) == (first.isoformat(), len(within))
        assert money["value"] == sum(line.cents for line in within)


async def test_retention_by_month_is_that_of_the_sets(client: httpx.AsyncClient, history: History) -> None:
    points = await figure(client, "retention", interval="month")

    for (first, start, end), point in zip(months(*MONTHS_AFTER), points, strict=True):
        expected = history.retention(start, end)
        assert (point["from"], parts(point, list(expected))) == (first.isoformat(), expected)
        kept = expected["active_at_end"] - expected["new"] - expected["won_back"]
        rate = 100 * kept / expected["active_at_start"] if expected["active_at_start"] else None
        assert point["value"] == pytest.approx(rate)


async def test_retention_by_jalali_month_is_that_of_the_sets(client: httpx.AsyncClient, history: History) -> None:
    query = {"from": "1376-01-01", "to": "1377-01-01", "calendar": "jalali", "interval": "month"}
    points = await figure(client, "retention", **query)

    starts = [jdatetime.date(1376, month, 1).togregorian() for month in range(1, 13)]
    ends = [*starts[1:], jdatetime.date(1377, 1, 1).togregorian()]
    for start, end, point in zip(starts, ends, points, strict=True):
        expected = history.retention(midnight(start), midnight(end))
        assert parts(point, list(expected)) == expected


async def test_cohorts_are_those_of_the_sets(client: httpx.AsyncClient, history: History) -> None:
    query = {"from": "1997-01-01", "to": "1998-07-01", "calendar": "gregorian"}
    cohorts = (await client.get("/v1/metrics/cohorts", params=query)).raise_for_status().json()["cohorts"]
    spans = list(months(*MONTHS_AFTER))
    by_month = [(history.bought(start, end), history.active(end)) for _, start, end in spans]

    seen = {cohort["cohort"]: cohort for cohort in cohorts if cohort["size"]}
    assert sorted(seen) == ["1997-01", "1997-02", "1997-03"]
    for place, (first, start, end) in enumerate(spans[:3]):
        members = history.first_in(start, end)
        cohort = seen[f"{first:%Y-%m}"]
        assert cohort["size"] == len(members)
        expected = [(len(members & bought), len(members & active)) for bought, active in by_month[place:]]
        shown = [(month["bought"], month["active"]) for month in cohort["months"]]
        assert shown[: len(expected)] == expected


async def test_nobody_is_greeted_thanked_or_asked_for_a_purchase_of_1997(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/messages")).raise_for_status().json()["items"] == []
    assert (await client.get("/v1/invitations")).raise_for_status().json()["items"] == []
    assert (await client.get("/v1/coupons")).raise_for_status().json()["items"] == []
    assert (await client.get("/sandbox/messages")).raise_for_status().json()["items"] == []


async def test_the_log_fed_twice_changes_nothing(deployment: Deployment, client: httpx.AsyncClient) -> None:
    asked = [("purchases", {}), ("revenue", {"currency": "USD"}), ("retention", {"interval": "month"})]
    before = [await figure(client, name, **query) for name, query in asked]

    said = await feed(deployment)

    assert "0 recorded, 69,659 known already" in said
    assert [await figure(client, name, **query) for name, query in asked] == before


async def test_the_recomputation_agrees_with_a_history_worked_by_hand() -> None:
    """Bought at noon of 1 January and of 10 May 1997: active on 1 April (89 days later), not on 1 May."""
    days = [date(1997, 1, 1), date(1997, 5, 10)]
    history = History([Line("a", midnight(day) + timedelta(hours=12), day, 100) for day in days])

    april, may, june = (midnight(date(1997, month, 1)) for month in (4, 5, 6))

    assert [bool(history.active(at)) for at in (april, may, june)] == [True, False, True]
    assert history.retention(april, may) == {"active_at_start": 1, "active_at_end": 0, "new": 0, "won_back": 0}
    assert history.retention(may, june) == {"active_at_start": 0, "active_at_end": 1, "new": 0, "won_back": 1}
