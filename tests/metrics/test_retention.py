"""Retention, churn and their parts, on a story worked by hand.

Five customers, Gregorian months of 2026, 90 days of activity. A purchase at p makes active at t where p < t ≤ p + 90 d.

| who    | bought              | active until (90 d later) | at 1 Apr | at 1 May | at 1 Jun | at 1 Jul |
|--------|---------------------|---------------------------|----------|----------|----------|----------|
| steady | 10 Feb, 20 Apr      | 11 May, then 19 Jul       | yes      | yes      | yes      | yes      |
| leaver | 10 Feb              | 11 May                    | yes      | yes      | no       | no       |
| back   | 10 Jan, 5 May       | 10 Apr; then 3 Aug        | yes      | no       | yes      | yes      |
| fresh  | 15 May              | 13 Aug                    | no       | no       | yes      | yes      |
| brief  | 10 Jan, 11 Apr      | 10 Apr; then 10 Jul       | yes      | yes      | yes      | yes      |

April: S = 4 (steady, leaver, back, brief), E = 3, N = 0 (brief lapsed and returned within April: active at both ends).
  retention 3/4 = 75 %.
May: S = 3 (steady, leaver, brief), E = 4 (steady, back, fresh, brief), N = 2: fresh new, back won back.
  retention (4 - 2)/3 = 66.67 %.
June: S = 4, E = 4, N = 0: 100 %.
"""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from services.metrics.app import SERVICE
from shared.clock import utcnow
from shared.contracts import Event
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.metrics.facts import TEHRAN, ask, at, cancellation, points, purchase, values
from tests.support import api
from tests.support.events import deliver, turn

STORY: list[Event] = [
    purchase("steady", "2026-02-10"),
    purchase("steady", "2026-04-20"),
    purchase("leaver", "2026-02-10"),
    purchase("back", "2026-01-10"),
    purchase("back", "2026-05-05"),
    purchase("fresh", "2026-05-15"),
    purchase("brief", "2026-01-10"),
    purchase("brief", "2026-04-11"),
]
SPRING = {"from_": "2026-04-01", "to": "2026-07-01", "interval": "month"}


@pytest.fixture
async def told(runtime: Runtime) -> Runtime:
    await deliver(runtime, *STORY)
    await turn(runtime, "fold")
    return runtime


async def test_retention_follows_the_story_with_its_parts(told: Runtime, client: httpx.AsyncClient) -> None:
    answered = await ask(client, "retention", **SPRING)

    assert answered["computed"] == "kept"
    assert [point["parts"] for point in answered["points"]] == [
        {"active_at_start": 4, "active_at_end": 3, "new": 0, "won_back": 0},
        {"active_at_start": 3, "active_at_end": 4, "new": 1, "won_back": 1},
        {"active_at_start": 4, "active_at_end": 4, "new": 0, "won_back": 0},
    ]
    assert [point["value"] for point in answered["points"]] == [75, 200 / 3, 100]
    assert [point["count"] for point in answered["points"]] == [4, 3, 4]
    assert [(point["from"], point["to"]) for point in answered["points"]] == [
        ("2026-04-01", "2026-05-01"),
        ("2026-05-01", "2026-06-01"),
        ("2026-06-01", "2026-07-01"),
    ]


async def test_churn_is_what_retention_leaves(told: Runtime, client: httpx.AsyncClient) -> None:
    assert await values(client, "churn", **SPRING) == [25, 100 - 200 / 3, 0]


async def test_a_span_that_is_no_period_is_counted_on_demand_and_says_so(
    told: Runtime, client: httpx.AsyncClient
) -> None:
    """From 1 April to 1 June: S = 4, E = 4 of whom fresh is new; back is active at both ends, so not won back."""
    answered = await ask(client, "retention", from_="2026-04-01", to="2026-06-01")

    assert answered["computed"] == "on_demand"
    [point] = answered["points"]
    assert point["parts"] == {"active_at_start": 4, "active_at_end": 4, "new": 1, "won_back": 0}
    assert point["value"] == 75


async def test_a_quarter_is_no_sum_of_its_months(told: Runtime, client: httpx.AsyncClient) -> None:
    """Second quarter: S = 4, E = 4 (steady, back, fresh, brief): fresh is new; back left and came within it."""
    answered = await ask(client, "retention", from_="2026-04-01", to="2026-07-01", interval="quarter")

    assert answered["computed"] == "kept"
    assert [point["parts"] for point in answered["points"]] == [
        {"active_at_start": 4, "active_at_end": 4, "new": 1, "won_back": 0}
    ]


@pytest.mark.parametrize(
    ("days", "active"), [(timedelta(days=90), 1), (timedelta(days=90, microseconds=1), 0), (timedelta(), 0)]
)
async def test_activity_ends_after_exactly_ninety_days(
    runtime: Runtime, client: httpx.AsyncClient, days: timedelta, active: int
) -> None:
    """t - 90 d ≤ occurred_at < t: bought exactly 90 days before t is active at t, bought at t itself is not."""
    border = at("2026-06-01 00:00")
    await deliver(runtime, purchase("edge", border - days))
    await turn(runtime, "fold")

    [point] = await points(client, "retention", from_="2026-06-01", to="2026-06-02", interval="day")
    assert point["parts"]["active_at_start"] == active


@pytest.mark.parametrize(
    ("when", "month"),
    [("2026-03-20 23:59:59.999999", "1404-12-01"), ("2026-03-21 00:00", "1405-01-01")],
)
async def test_months_turn_at_midnight_in_tehran(
    runtime: Runtime, client: httpx.AsyncClient, when: str, month: str
) -> None:
    await deliver(runtime, purchase("edge", at(when)))
    await turn(runtime, "fold")

    bought = await points(client, "purchases", from_="1404-11-01", to="1405-03-01", interval="month")
    assert [point["from"] for point in bought if point["value"]] == [month]


async def test_the_thirtieth_of_esfand_belongs_to_its_leap_year(runtime: Runtime, client: httpx.AsyncClient) -> None:
    """1403 is a leap year: its Esfand has 30 days, and 1403-12-30 is 20 March 2025."""
    await deliver(runtime, purchase("leap", "2025-03-20"))
    await turn(runtime, "fold")

    [year] = [
        p for p in await points(client, "purchases", from_="1403-01-01", to="1405-01-01", interval="year") if p["value"]
    ]
    [day] = await points(client, "purchases", from_="1403-12-30", to="1404-01-01", interval="day")
    assert (year["from"], year["to"]) == ("1403-01-01", "1404-01-01")
    assert (day["from"], day["to"], day["value"]) == ("1403-12-30", "1404-01-01", 1)


async def test_a_cancelled_purchase_counts_nowhere(runtime: Runtime, client: httpx.AsyncClient) -> None:
    undone = purchase("gone", "2026-04-10", currency="IRR")
    await deliver(runtime, purchase("steady", "2026-04-10"), undone)
    await turn(runtime, "fold")
    await deliver(runtime, cancellation(undone))
    await turn(runtime, "fold")

    span = {"from_": "2026-04-01", "to": "2026-05-01"}
    assert await values(client, "purchases", **span) == [1]
    assert await values(client, "revenue", **span) == [100]
    assert [p["parts"]["new"] for p in await points(client, "retention", **span)] == [1]
    [cohort] = (await ask(client, "cohorts", **span))["cohorts"]
    assert cohort["size"] == 1


async def test_where_nobody_was_active_the_rate_is_null(runtime: Runtime, client: httpx.AsyncClient) -> None:
    assert await values(client, "retention", **SPRING) == [None, None, None]
    assert await values(client, "churn", from_="2026-04-01", to="2026-05-15") == [None]


async def test_a_period_that_is_not_over_is_not_complete(client: httpx.AsyncClient) -> None:
    today = utcnow().astimezone(TEHRAN).date()
    yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)

    found = await points(client, "retention", from_=str(yesterday), to=str(tomorrow), interval="day")
    assert [point["complete"] for point in found] == [True, False]


async def test_other_days_of_activity_are_folded_anew(make_runtime: MakeRuntime) -> None:
    """With 30 days instead of 90, of the story's five only back and fresh are active at 1 June."""
    runtime = await make_runtime(SERVICE, activity_days=30)
    await deliver(runtime, *STORY)
    await turn(runtime, "fold")

    async with api.client(runtime) as http:
        [point] = await points(http, "retention", from_="2026-06-01", to="2026-07-01")
    assert point["parts"]["active_at_start"] == 2
