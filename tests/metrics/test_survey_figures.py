"""CSAT, NPS and response rate, on a story worked by hand.

Ten people are asked after a purchase on the scale 1-5; eight answer: 5, 5, 4, 4, 4, 3, 2 and 1. Five of eight are
satisfied (4 and 5), one neutral, two unsatisfied: CSAT 62.5. Wilson's 95 % interval of 5 of 8, by the formula
(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n) with z = 1.959964: 30.57 to 86.32.

Ten are asked whether they would recommend us: 10, 10, 9, 9, 9, 8, 8, 7, 6 and 0, five promoters and two detractors:
NPS 30. Adjusted Wald adds three quarters of an answer to each of the two, and three answers in all: 5.75/13 less
2.75/13 is 0.2308, ± z √((8.5/13 - 0.2308²) / 13) = 0.4213: -19.05 to 65.20.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from shared.contracts import Event
from shared.service import Runtime
from tests.metrics.facts import answer, delivery, invitation, named, points, values
from tests.support.events import deliver, turn

APRIL = {"from_": "2026-04-01", "to": "2026-05-01"}
TWO_MONTHS = {"from_": "2026-04-01", "to": "2026-06-01", "interval": "month"}
SATISFIED = {1: "unsatisfied", 2: "unsatisfied", 3: "neutral", 4: "satisfied", 5: "satisfied"}


def _asked(number: int, **more: Any) -> Any:
    return invitation(f"person {number}", "2026-04-10", touchpoint="purchase", **more)


def _answered(number: int, value: int, **more: Any) -> list[Event]:
    asked = _asked(number, **more)
    return [asked, delivery(asked, "2026-04-10 12:01"), answer(asked, "2026-04-11", value, SATISFIED[value])]


@pytest.fixture
async def told(runtime: Runtime) -> Runtime:
    for number, value in enumerate([5, 5, 4, 4, 4, 3, 2, 1]):
        await deliver(runtime, *_answered(number, value, product="tea" if number < 4 else "coffee"))
    reached = _asked(8)
    await deliver(runtime, reached, delivery(reached, "2026-04-10 12:01"), _asked(9))
    await turn(runtime, "fold")
    return runtime


async def test_csat_is_the_share_satisfied_with_its_interval(told: Runtime, client: httpx.AsyncClient) -> None:
    [point] = await points(client, "csat", **APRIL)

    assert (point["value"], point["count"]) == (62.5, 8)
    assert point["parts"] == {"satisfied": 5, "neutral": 1, "unsatisfied": 2}
    assert point["confidence_interval"]["low"] == pytest.approx(30.57, abs=0.005)
    assert point["confidence_interval"]["high"] == pytest.approx(86.32, abs=0.005)


async def test_csat_is_split_by_product(told: Runtime, client: httpx.AsyncClient) -> None:
    found = await points(client, "csat", **APRIL, by="product")
    assert [(point["by"], point["value"], point["count"]) for point in found] == [("coffee", 25, 4), ("tea", 100, 4)]


@pytest.mark.parametrize(("by", "key"), [("survey", "after_purchase"), ("touchpoint", "purchase"), ("agent", None)])
async def test_csat_is_split_by_what_was_asked_about(
    told: Runtime, client: httpx.AsyncClient, by: str, key: str | None
) -> None:
    [point] = await points(client, "csat", **APRIL, by=by)
    assert (point["by"], point["count"]) == (key, 8)


async def test_response_rate_is_of_the_invitations_that_were_delivered(
    told: Runtime, client: httpx.AsyncClient
) -> None:
    """Ten were invited, nine reached (the tenth has no report), eight answered."""
    [point] = await points(client, "response_rate", **APRIL)

    assert point["parts"] == {"delivered": 9, "answered": 8}
    assert point["value"] == 800 / 9


async def test_an_answer_proves_that_the_question_arrived(runtime: Runtime, client: httpx.AsyncClient) -> None:
    asked = _asked(1)
    await deliver(runtime, asked, answer(asked, "2026-04-11", 5, "satisfied"))
    await turn(runtime, "fold")

    assert await values(client, "response_rate", **APRIL) == [100]


async def test_an_invitation_by_api_reaches_at_once(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await deliver(runtime, _asked(1, channel="api"))
    await turn(runtime, "fold")

    assert await values(client, "response_rate", **APRIL) == [0]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_a_second_answer_replaces_the_first(
    runtime: Runtime, client: httpx.AsyncClient, order: tuple[int, int]
) -> None:
    asked = _asked(1)
    said = {
        1: answer(asked, "2026-04-11", 1, "unsatisfied"),
        2: answer(asked, "2026-04-12", 5, "satisfied", revision=2),
    }
    for revision in order:
        await deliver(runtime, asked, said[revision])
        await turn(runtime, "fold")

    [point] = await points(client, "csat", **APRIL)
    assert (point["value"], point["count"]) == (100, 1)
    assert point["parts"] == {"satisfied": 1, "neutral": 0, "unsatisfied": 0}


async def test_scales_are_not_pooled(told: Runtime, client: httpx.AsyncClient) -> None:
    other = invitation("person 1", "2026-04-20", scale="1-3", survey="quick")
    await deliver(told, other, answer(other, "2026-04-20", 3, "satisfied"))
    await turn(told, "fold")

    refused = await client.get("/v1/metrics/csat", params={"from": "2026-04-01", "to": "2026-05-01"})
    assert (refused.status_code, refused.json()["code"]) == (422, "scales_not_pooled")
    assert "1-3, 1-5" in refused.json()["detail"]
    assert await values(client, "csat", **APRIL, scale="1-3") == [100]
    by_scale = await points(client, "csat", **APRIL, by="scale")
    assert [(point["by"], point["value"]) for point in by_scale] == [("1-3", 100), ("1-5", 62.5)]
    assert await values(client, "response_rate", **APRIL, scale="1-3") == [100]
    assert await values(client, "response_rate", **APRIL, scale="1-10") == [None]


async def test_nps_is_promoters_less_detractors_month_by_month(told: Runtime, client: httpx.AsyncClient) -> None:
    for number, value in enumerate([10, 10, 9, 9, 9, 8, 8, 7, 6, 0]):
        category = "promoter" if value >= 9 else "passive" if value >= 7 else "detractor"
        asked = replace(_asked(number, survey="nps"), kind="nps", scale="0-10")
        await deliver(told, asked, replace(answer(asked, "2026-04-20 00:00", value, category), kind="nps"))
    await turn(told, "fold")

    found = await points(client, "nps", from_="1405-01-01", to="1405-03-01", interval="month")

    assert [(point["from"], point["value"], point["count"]) for point in found] == [
        ("1405-01-01", 30, 10),
        ("1405-02-01", None, 0),
    ]
    assert found[0]["parts"] == {"promoter": 5, "passive": 3, "detractor": 2}
    assert found[0]["confidence_interval"]["low"] == pytest.approx(-19.05, abs=0.005)
    assert found[0]["confidence_interval"]["high"] == pytest.approx(65.20, abs=0.005)
    assert await values(client, "csat", **APRIL) == [62.5]


async def test_nobody_asked_is_null(runtime: Runtime, client: httpx.AsyncClient) -> None:
    assert await values(client, "nps", **APRIL) == [None]
    assert await values(client, "csat", **APRIL) == [None]
    assert await values(client, "response_rate", **APRIL) == [None]
    [point] = await points(client, "csat", **APRIL)
    assert point["confidence_interval"] is None


async def test_a_delivery_before_its_invitation_is_not_lost(runtime: Runtime, client: httpx.AsyncClient) -> None:
    asked = _asked(1, agent_id=named("ava"))
    await deliver(runtime, delivery(asked, "2026-04-10 12:01"))
    await turn(runtime, "fold")
    await deliver(runtime, asked)
    await turn(runtime, "fold")

    [point] = await points(client, "response_rate", **APRIL, by="agent")
    assert (point["by"], point["value"]) == (str(named("ava")), 0)


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_question_reached_its_person_when_it_first_did(
    runtime: Runtime, client: httpx.AsyncClient, at_once: bool
) -> None:
    asked = _asked(1)
    later, first = delivery(asked, "2026-05-02"), replace(delivery(asked, "2026-04-30"), message_id=named("another"))
    await deliver(runtime, asked, *([later, first] if at_once else [first]))
    if not at_once:
        await deliver(runtime, later)
    await turn(runtime, "fold")

    assert [point["count"] for point in await points(client, "response_rate", **TWO_MONTHS)] == [1, 0]


async def test_a_question_without_a_report_reached_its_person_by_the_first_answer(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    asked = _asked(1)
    answers = [answer(asked, when, 5, "satisfied", revision=n) for n, when in ((1, "2026-04-30"), (2, "2026-05-02"))]
    await deliver(runtime, asked, *answers, delivery(asked, "2026-05-03"))
    await turn(runtime, "fold")

    assert [point["count"] for point in await points(client, "response_rate", **TWO_MONTHS)] == [1, 0]
    assert [point["count"] for point in await points(client, "csat", **TWO_MONTHS)] == [0, 1]
