"""Cohorts on a story worked by hand; 90 days of activity, Jalali months of 1405 (Farvardin begins on 21 March 2026).

| who | bought                  | active until                                                |
|-----|-------------------------|-------------------------------------------------------------|
| ana | 1 Farvardin, 1 Tir      | 19 June at noon (29 Khordad); then from 22 June to 20 September |
| bea | 5 Farvardin (25 March)  | 23 June at noon, 2 Tir                                      |
| cyr | 10 Ordibehesht          | from 30 April to 29 July at noon, 7 Mordad                  |

Month ends are the first instants of: Ordibehesht (21 April), Khordad (22 May), Tir (22 June), Mordad (23 July),
Shahrivar (23 August).

Cohort Farvardin (ana, bea): bought 2, 0, 0, 1 in months 0 to 3. Active at the ends of Farvardin: both; Ordibehesht:
both; Khordad (22 June 00:00): bea only, as ana's first 90 days ended on 19 June and she comes again on 22 June; Tir
(23 July): ana.
Cohort Ordibehesht (cyr): bought 1, 0, 0; active at the ends of Ordibehesht, Khordad and Tir.
"""

from __future__ import annotations

from datetime import timedelta

import httpx

from shared.clock import utcnow
from shared.persian.calendar import next_month
from shared.service import Runtime
from tests.metrics.facts import TEHRAN, ask, purchase
from tests.support.events import deliver, turn


async def test_cohorts_follow_the_story(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await deliver(
        runtime,
        purchase("ana", "2026-03-21"),
        purchase("ana", "2026-06-22"),
        purchase("bea", "2026-03-25"),
        purchase("cyr", "2026-04-30"),
    )
    await turn(runtime, "fold")

    answered = await ask(client, "cohorts", from_="1405-01-01", to="1405-05-01")

    assert answered == {
        "from": "1405-01-01",
        "to": "1405-05-01",
        "calendar": "jalali",
        "computed": "kept",
        "cohorts": [
            {
                "cohort": "1405-01",
                "size": 2,
                "months": [_month(0, 2, 2, of=2), _month(1, 0, 2, of=2), _month(2, 0, 1, of=2), _month(3, 1, 1, of=2)],
            },
            {
                "cohort": "1405-02",
                "size": 1,
                "months": [_month(0, 1, 1, of=1), _month(1, 0, 1, of=1), _month(2, 0, 1, of=1)],
            },
        ],
    }


def _month(month: int, bought: int, active: int, *, of: int) -> dict[str, object]:
    return {
        "month": month,
        "bought": bought,
        "bought_share": bought / of * 100,
        "active": active,
        "active_share": active / of * 100,
        "complete": True,
    }


async def test_the_same_customers_fall_into_other_gregorian_cohorts(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """21 March and 1 April are both of Farvardin, but of two Gregorian months."""
    await deliver(runtime, purchase("ana", "2026-03-21"), purchase("bea", "2026-04-01"))
    await turn(runtime, "fold")

    gregorian = await ask(client, "cohorts", from_="2026-03-01", to="2026-05-01")
    jalali = await ask(client, "cohorts", from_="1405-01-01", to="1405-02-01")

    assert [(cohort["cohort"], cohort["size"]) for cohort in gregorian["cohorts"]] == [("2026-03", 1), ("2026-04", 1)]
    assert [(cohort["cohort"], cohort["size"]) for cohort in jalali["cohorts"]] == [("1405-01", 2)]


async def test_an_earlier_purchase_that_comes_late_moves_the_cohort(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await deliver(runtime, purchase("ana", "2026-05-10"))
    await turn(runtime, "fold")
    await deliver(runtime, purchase("ana", "2026-03-10"))
    await turn(runtime, "fold")

    [cohort] = (await ask(client, "cohorts", from_="2026-01-01", to="2026-07-01"))["cohorts"]
    assert (cohort["cohort"], cohort["size"]) == ("2026-03", 1)
    assert [month["bought"] for month in cohort["months"]] == [1, 0, 1, 0]


async def test_the_present_month_is_the_last_and_is_incomplete(runtime: Runtime, client: httpx.AsyncClient) -> None:
    now = utcnow()
    await deliver(runtime, purchase("ana", now - timedelta(minutes=1)))
    await turn(runtime, "fold")

    this_month = (now - timedelta(minutes=1)).astimezone(TEHRAN).strftime("%Y-%m")
    [cohort] = (await ask(client, "cohorts", from_=f"{this_month}-01", to="2100-01-01", calendar="gregorian"))[
        "cohorts"
    ]
    assert cohort["cohort"] == this_month
    assert cohort["months"][-1]["complete"] is False
    assert len(cohort["months"]) <= 2


async def test_a_month_that_has_begun_has_its_cohort_also_asked_for_from_a_day_to_come(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    now = utcnow() - timedelta(minutes=1)
    await deliver(runtime, purchase("ana", now))
    await turn(runtime, "fold")

    last_day = next_month(now.astimezone(TEHRAN).date()) - timedelta(days=1)
    [cohort] = (await ask(client, "cohorts", from_=str(last_day), to=str(last_day + timedelta(days=1))))["cohorts"]
    assert cohort["size"] == 1


async def test_a_month_that_the_span_ends_in_has_its_cohort_and_one_that_it_ends_before_has_none(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await deliver(runtime, purchase("ana", "2026-04-20"))
    await turn(runtime, "fold")

    for end, called in (("2026-04-01", []), ("2026-04-02", ["2026-04"]), ("2026-05-01", ["2026-04"])):
        answered = await ask(client, "cohorts", from_="2026-03-01", to=end)
        assert [cohort["cohort"] for cohort in answered["cohorts"]] == called, end
