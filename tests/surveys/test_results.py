"""Results with their intervals, against figures worked by hand and SciPy."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from scipy import stats

from services.surveys.results.figures import Tally, figure
from shared.ids import new_id
from shared.service import Runtime
from tests.support.events import deliver
from tests.surveys.story import after, delivered, invited, new_survey, pointers, replied, survey_id


async def results(client: httpx.AsyncClient, code: str = "csat_purchase", **params: str) -> Any:
    answer = await client.get(f"/v1/surveys/{await survey_id(client, code)}/results", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def answer(runtime: Runtime, number: int | None, *, hours: int = 1, **given: Any) -> None:
    question = await invited(runtime, new_id(), **given)
    await deliver(runtime, delivered(question))
    if number is not None:
        await deliver(runtime, replied(question.person_id, number, at=after(hours=hours)))


async def test_csat_is_the_share_of_the_satisfied_with_wilsons_interval(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    for number in (5, 4, 4, 3, 1, None):
        await answer(runtime, number)
    (point,) = (await results(client))["points"]

    second = stats.binomtest(3, 5).proportion_ci(method="wilson")
    assert (point["value"], point["count"]) == (60.0, 5)
    assert point["parts"] == {"satisfied": 3, "neutral": 1, "unsatisfied": 1}
    assert point["confidence_interval"]["low"] == pytest.approx(100 * second.low)
    assert point["confidence_interval"]["high"] == pytest.approx(100 * second.high)
    assert (point["delivered"], point["responded"]) == (6, 5)
    assert point["response_rate"] == pytest.approx(100 * 5 / 6)


async def test_where_nothing_was_answered_the_figure_is_null(client: httpx.AsyncClient) -> None:
    said = await results(client)

    assert (said["figure"], said["survey"], said["scale"]) == ("csat", "csat_purchase", "1-5")
    assert said["points"] == [
        {
            "by": None,
            "value": None,
            "confidence_interval": None,
            "count": 0,
            "parts": {"satisfied": 0, "neutral": 0, "unsatisfied": 0},
            "easy_share": None,
            "easy_confidence_interval": None,
            "delivered": 0,
            "responded": 0,
            "response_rate": None,
        }
    ]
    assert (await results(client, by="product"))["points"] == []


def test_nps_by_hand() -> None:
    """5 promoters, 3 passives and 2 detractors: 30 points, within -19.05 and 65.20 (see the statistics' tests)."""
    found = figure("nps", "0-10", [Tally(10, "promoter", 5), Tally(7, "passive", 3), Tally(0, "detractor", 2)])

    assert found.value == pytest.approx(30)
    assert found.interval == pytest.approx((-19.0508, 65.2046), abs=1e-3)
    assert found.parts == {"promoter": 5, "passive": 3, "detractor": 2}


def test_ces_is_a_mean_with_its_t_interval_and_the_share_that_is_easy() -> None:
    values = [7, 6, 6, 4, 2]
    tallies = [Tally(7, "easy", 1), Tally(6, "easy", 2), Tally(4, "neutral", 1), Tally(2, "hard", 1)]
    found = figure("ces", "1-7", tallies)

    assert (found.value, found.easy_share) == (5.0, 60.0)
    assert found.interval == pytest.approx(stats.t.interval(0.95, 4, loc=5, scale=stats.sem(values)))
    assert figure("ces", "1-7", []).value is None


def test_a_category_decided_earlier_is_not_decided_anew() -> None:
    assert figure("csat", "1-5", [Tally(5, "neutral", 2)]).value == 0


async def test_only_the_last_answer_to_an_invitation_counts(runtime: Runtime, client: httpx.AsyncClient) -> None:
    question = await invited(runtime, new_id())
    await deliver(runtime, replied(question.person_id, 1), replied(question.person_id, 5, at=after(hours=2)))
    (point,) = (await results(client))["points"]

    assert (point["value"], point["count"]) == (100.0, 1)
    assert (point["delivered"], point["responded"]) == (1, 1)


@pytest.mark.parametrize("report_first", [False, True])
async def test_a_question_is_delivered_when_it_first_was_in_either_order(
    runtime: Runtime, client: httpx.AsyncClient, report_first: bool
) -> None:
    question = await invited(runtime, new_id())
    events = [delivered(question, at=after(minutes=2)), replied(question.person_id, 4, at=after(hours=1))]
    for event in events if report_first else reversed(events):
        await deliver(runtime, event)
    await deliver(runtime, delivered(question, at=after(hours=9)))

    kept = (await client.get(f"/v1/invitations/{question.invitation_id}")).json()
    assert kept["delivered_at"] == "2026-11-22T08:32:00Z"


async def test_results_are_told_apart_by_dimension(runtime: Runtime, client: httpx.AsyncClient) -> None:
    for product, number in (("tea", 5), ("tea", 1), ("cup", 4), (None, 3)):
        await answer(runtime, number, product=product)
    points = (await results(client, by="product"))["points"]

    assert [(point["by"], point["value"], point["count"]) for point in points] == [
        ("cup", 100.0, 1),
        ("tea", 50.0, 2),
        (None, 0.0, 1),
    ]


async def test_surveys_are_not_pooled(runtime: Runtime, client: httpx.AsyncClient, ten: str) -> None:
    await answer(runtime, 5)
    await answer(runtime, 5, survey=ten)

    assert (await results(client))["points"][0]["value"] == 100.0
    assert (await results(client, ten))["points"][0]["value"] == 0.0


async def test_a_period_holds_what_was_answered_from_its_beginning_to_before_its_end(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    for hours in (1, 2, 24):
        await answer(runtime, 5, hours=hours)

    for period, count in (
        ({"from": "2026-11-22", "to": "2026-11-23"}, 2),
        ({"from": "1405-09-01", "to": "۱۴۰۵/۹/۲"}, 2),
        ({"from": "2026-11-22T09:30:00Z", "to": "2026-11-22T10:30:00Z"}, 1),
        ({"from": "2026-11-22T14:00:00+03:30"}, 2),
        ({"to": "2026-11-22T09:30:00Z"}, 0),
        ({}, 3),
    ):
        assert (await results(client, **period))["points"][0]["count"] == count, period


async def test_a_period_that_is_none_is_refused_by_name(client: httpx.AsyncClient) -> None:
    path = f"/v1/surveys/{await survey_id(client, 'csat_purchase')}/results"
    for params, pointer, code in (
        ({"from": "1404-12-30"}, "/query/from", "not_a_date"),
        ({"to": "yesterday"}, "/query/to", "not_a_date"),
        ({"from": "2026-11-22T10:00:00"}, "/query/from", "not_a_date"),
        ({"from": "2026-11-23", "to": "2026-11-22"}, "/query/to", "empty_span"),
        ({"from": "2026-11-22", "to": "1405-09-01"}, "/query/to", "empty_span"),
        ({"by": "weather"}, "/query/by", "invalid"),
    ):
        said = await client.get(path, params=params)

        assert (said.status_code, said.json()["code"], pointers(said)) == (422, code, [pointer]), params


async def test_there_are_no_results_of_no_survey(client: httpx.AsyncClient) -> None:
    said = await client.get(f"/v1/surveys/{new_id()}/results")

    assert (said.status_code, said.json()["code"]) == (404, "survey_not_found")


async def test_an_invitation_by_the_app_counts_as_delivered(runtime: Runtime, client: httpx.AsyncClient) -> None:
    code = await new_survey(client, channel="api", template=None)
    await invited(runtime, new_id(), survey=code)

    assert (await results(client, code))["points"][0]["delivered"] == 1


async def test_a_question_that_reached_nobody_is_not_counted_as_delivered(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await invited(runtime, new_id())
    (point,) = (await results(client))["points"]

    assert (point["delivered"], point["responded"], point["response_rate"]) == (0, 0, None)


async def test_of_two_reports_of_one_question_the_first_counts(runtime: Runtime, client: httpx.AsyncClient) -> None:
    question = await invited(runtime, new_id())
    await deliver(runtime, delivered(question, at=after(minutes=9)), delivered(question, at=after(minutes=2)))

    kept = (await client.get(f"/v1/invitations/{question.invitation_id}")).json()
    assert kept["delivered_at"] == "2026-11-22T08:32:00Z"
