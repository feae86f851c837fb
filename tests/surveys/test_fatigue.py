"""Who may be asked when: a table worked by hand, and the same through events at once and in either order."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.surveys.fatigue.rules import Asked, Limits, draw_of, refusal
from shared.contracts.surveys import SurveyInvited, SurveyRefused
from shared.ids import new_id
from shared.service import Runtime
from tests.support.events import deliver, published
from tests.surveys.story import START, after, items, new_survey, pointers, requested

NPS, CSAT = UUID(int=1), UUID(int=2)
INSTANT = timedelta(microseconds=1)


def limits(*, days: int = 30, interval: int | None = None, percent: int = 100, exempt: bool = False) -> Limits:
    return Limits(days=days, survey_id=NPS, interval_days=interval, sampling_percent=percent, exempt=exempt)


@pytest.mark.parametrize(
    ("asked", "given_limits", "reason"),
    [
        ([], limits(), None),
        ([(CSAT, timedelta(days=-30))], limits(), None),
        ([(CSAT, timedelta(days=-30) + INSTANT)], limits(), "fatigue"),
        ([(CSAT, timedelta(0))], limits(), "fatigue"),
        ([(CSAT, timedelta(days=30) - INSTANT)], limits(), "fatigue"),
        ([(CSAT, timedelta(days=30))], limits(), None),
        ([(CSAT, timedelta(0))], limits(days=0), None),
        ([(CSAT, timedelta(days=-1))], limits(exempt=True), None),
        ([(NPS, timedelta(days=-89))], limits(interval=90), "survey_interval"),
        ([(NPS, timedelta(days=-90))], limits(interval=90), None),
        ([(NPS, timedelta(days=-89))], limits(interval=90, exempt=True), "survey_interval"),
        ([(CSAT, timedelta(days=-89))], limits(interval=90), None),
        ([(NPS, timedelta(days=-10))], limits(interval=90), "survey_interval"),
        ([(NPS, timedelta(days=-31)), (CSAT, timedelta(days=-29))], limits(interval=7), "fatigue"),
        ([], limits(percent=0), "not_sampled"),
        ([(CSAT, timedelta(days=-1))], limits(percent=0), "fatigue"),
    ],
)
def test_a_person_is_asked_or_refused_as_worked_by_hand(
    asked: list[tuple[UUID, timedelta]], given_limits: Limits, reason: str | None
) -> None:
    questions = [Asked(survey, START + distance) for survey, distance in asked]

    assert refusal(given_limits, START, questions, draw=5_000) == reason


@pytest.mark.parametrize(
    ("percent", "draw", "reason"), [(50, 4_999, None), (50, 5_000, "not_sampled"), (100, 9_999, None)]
)
def test_sampling_takes_the_share_that_it_says(percent: int, draw: int, reason: str | None) -> None:
    assert refusal(limits(percent=percent), START, [], draw=draw) == reason


@given(st.uuids(), st.uuids())
def test_a_requests_place_in_the_sampling_is_always_the_same(request_id: UUID, survey_id: UUID) -> None:
    assert 0 <= draw_of(request_id, survey_id) == draw_of(request_id, survey_id) < 10_000


def test_places_in_the_sampling_are_evenly_spread() -> None:
    drawn = sum(draw_of(UUID(int=number), NPS) < 2_500 for number in range(10_000))

    assert 2_300 < drawn < 2_700


async def test_a_request_asks_the_person_and_says_how(runtime: Runtime) -> None:
    request = requested(new_id(), product="tea-500", purchase_id=new_id())
    await deliver(runtime, request)

    (event,) = await published(runtime)
    assert isinstance(event, SurveyInvited)
    assert (event.person_id, event.request_id) == (request.person_id, request.request_id)
    assert (event.survey, event.kind, event.scale, event.channel) == ("csat_purchase", "csat", "1-5", "sms")
    assert (event.template, event.touchpoint) == ("survey_csat", "purchase")
    assert (event.product, event.purchase_id) == ("tea-500", request.purchase_id)
    assert (event.occurred_at, event.expires_at) == (START, after(days=14))


async def test_a_refused_request_is_recorded_with_its_reason(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person = new_id()
    await deliver(runtime, requested(person), requested(person, at=after(days=29), product="tea-500"))

    (refused,) = await published(runtime, SurveyRefused)
    assert (refused.reason, refused.product) == ("fatigue", "tea-500")
    (kept,) = await items(client, "/v1/invitations", status="refused", person_id=person)
    assert (kept["reason"], kept["request_id"]) == ("fatigue", str(refused.request_id))


async def test_after_thirty_days_a_person_is_asked_again(runtime: Runtime) -> None:
    person = new_id()
    await deliver(runtime, requested(person), requested(person, at=after(days=30)))

    assert len(await published(runtime, SurveyInvited)) == 2


@pytest.mark.parametrize("backwards", [False, True])
async def test_of_two_requests_in_either_order_one_is_granted(runtime: Runtime, backwards: bool) -> None:
    person = new_id()
    requests = [requested(person), requested(person, at=after(days=3))]
    for request in reversed(requests) if backwards else requests:
        await deliver(runtime, request)

    assert [event.type for event in await published(runtime)] == ["survey.invited", "survey.refused"]


async def test_of_requests_that_come_at_once_one_is_granted(runtime: Runtime) -> None:
    person = new_id()
    await asyncio.gather(*(deliver(runtime, requested(person, at=after(minutes=n))) for n in range(5)))

    assert len(await published(runtime, SurveyInvited)) == 1
    assert [event.reason for event in await published(runtime, SurveyRefused)] == ["fatigue"] * 4


async def test_a_request_that_comes_twice_is_decided_once(runtime: Runtime) -> None:
    granted, refused = requested(person := new_id()), requested(person, at=after(days=1))
    await deliver(runtime, granted, refused)
    await deliver(runtime, granted, refused)
    await asyncio.gather(deliver(runtime, granted), deliver(runtime, refused))

    assert len(await published(runtime)) == 2


async def test_a_question_after_support_does_not_wait_but_counts(runtime: Runtime) -> None:
    person = new_id()
    await deliver(
        runtime,
        requested(person),
        requested(person, at=after(days=1), touchpoint="support"),
        requested(person, at=after(days=30, hours=1)),
    )

    assert len(await published(runtime, SurveyInvited)) == 2
    assert [event.reason for event in await published(runtime, SurveyRefused)] == ["fatigue"]


async def test_a_surveys_own_interval_binds_beside_the_common_one(runtime: Runtime, client: httpx.AsyncClient) -> None:
    nps = await new_survey(client, kind="nps", scale="0-10", interval_days=90)
    person = new_id()
    await deliver(
        runtime,
        requested(person, survey=nps),
        requested(person, survey=nps, at=after(days=89)),
        requested(person, survey=nps, at=after(days=90)),
    )

    assert [event.type for event in await published(runtime)] == ["survey.invited", "survey.refused", "survey.invited"]
    assert [event.reason for event in await published(runtime, SurveyRefused)] == ["survey_interval"]


async def test_people_do_not_tire_each_other(runtime: Runtime) -> None:
    await deliver(runtime, *(requested(new_id()) for _ in range(3)))

    assert len(await published(runtime, SurveyInvited)) == 3


async def test_the_days_can_be_set_and_hold_from_then_on(runtime: Runtime, client: httpx.AsyncClient) -> None:
    changed = await client.patch("/v1/surveys/fatigue", json={"days": 2})
    person = new_id()
    await deliver(runtime, requested(person), requested(person, at=after(days=2)))

    assert changed.json() == {"days": 2, "exempt_touchpoints": ["support", "ticket"], "version": 2}
    assert len(await published(runtime, SurveyInvited)) == 2


async def test_a_stopped_survey_and_one_that_nobody_has_are_refused_by_name(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    stopped = await new_survey(client, active=False)
    await deliver(runtime, requested(new_id(), survey=stopped), requested(new_id(), survey="no_such"))

    refused = await published(runtime, SurveyRefused)
    assert [(event.survey, event.reason) for event in refused] == [(stopped, "inactive"), ("no_such", "unknown_survey")]
    assert len(await items(client, "/v1/invitations", reason="unknown_survey")) == 1


async def test_settings_that_do_not_fit_are_named(client: httpx.AsyncClient) -> None:
    unfit: list[tuple[dict[str, object], str]] = [
        ({"days": -1}, "/days"),
        ({"days": "thirty"}, "/days"),
        ({"days": None}, "/days"),
        ({"exempt_touchpoints": ["پشتیبانی"]}, "/exempt_touchpoints/0"),
        ({"weeks": 3}, "/weeks"),
    ]
    for body, pointer in unfit:
        answer = await client.patch("/v1/surveys/fatigue", json=body)

        assert (answer.status_code, pointers(answer)) == (422, [pointer])


async def test_settings_changed_meanwhile_are_not_overwritten(client: httpx.AsyncClient) -> None:
    tag = (await client.get("/v1/surveys/fatigue")).headers["ETag"]
    answers = [await client.patch("/v1/surveys/fatigue", json={"days": 9}, headers={"If-Match": tag}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 412]


async def test_a_touchpoint_is_exempt_once_however_often_it_is_named(client: httpx.AsyncClient) -> None:
    changed = await client.patch("/v1/surveys/fatigue", json={"exempt_touchpoints": ["visit", "support", "visit"]})

    assert changed.json()["exempt_touchpoints"] == ["visit", "support"]


async def test_changes_at_once_are_all_counted(client: httpx.AsyncClient) -> None:
    await asyncio.gather(*(client.patch("/v1/surveys/fatigue", json={"days": days}) for days in range(1, 6)))

    assert (await client.get("/v1/surveys/fatigue")).json()["version"] == 6
