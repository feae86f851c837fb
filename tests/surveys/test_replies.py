"""Answers by SMS: whose question a number answers, twice, at once, late and off the scale."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from shared.contracts.surveys import SurveyAnswered
from shared.ids import new_id
from shared.service import Runtime
from tests.support.events import deliver, published, turn
from tests.surveys.story import START, after, invited, items, new_survey, replied

INSTANT = timedelta(microseconds=1)


async def replies_to(client: httpx.AsyncClient, invitation_id: object) -> list[tuple[str, str]]:
    detail = (await client.get(f"/v1/invitations/{invitation_id}")).json()
    return [(reply["number"], reply["outcome"]) for reply in detail["replies"]]


@pytest.mark.parametrize(
    ("number", "category"),
    [(1, "unsatisfied"), (2, "unsatisfied"), (3, "neutral"), (4, "satisfied"), (5, "satisfied")],
)
async def test_a_reply_answers_the_question_with_its_category(runtime: Runtime, number: int, category: str) -> None:
    question = await invited(runtime, new_id(), product="tea-500", agent_id=new_id())
    await deliver(runtime, replied(question.person_id, number))

    (answer,) = await published(runtime, SurveyAnswered)
    assert (answer.value, answer.category, answer.revision, answer.channel) == (number, category, 1, "sms")
    assert (answer.invitation_id, answer.request_id) == (question.invitation_id, question.request_id)
    assert (answer.product, answer.agent_id, answer.touchpoint) == ("tea-500", question.agent_id, "purchase")
    assert answer.occurred_at == after(hours=1)


async def test_a_second_reply_replaces_the_first(runtime: Runtime, client: httpx.AsyncClient) -> None:
    question = await invited(runtime, new_id())
    await deliver(runtime, replied(question.person_id, 2))
    await deliver(runtime, replied(question.person_id, 5, at=after(hours=2)))

    first, second = await published(runtime, SurveyAnswered)
    assert first.answer_id == second.answer_id
    assert (second.value, second.category, second.revision) == (5, "satisfied", 2)
    (kept,) = await items(client, "/v1/answers")
    assert (kept["value"], kept["revision"], kept["answered_at"]) == (5, 2, "2026-11-22T10:30:00Z")


async def test_two_replies_at_once_are_an_answer_and_its_revision(runtime: Runtime, client: httpx.AsyncClient) -> None:
    question = await invited(runtime, new_id())
    await asyncio.gather(*(deliver(runtime, replied(question.person_id, number)) for number in (1, 5)))

    assert [event.revision for event in await published(runtime, SurveyAnswered)] == [1, 2]
    assert len(await items(client, "/v1/answers")) == 1


async def test_a_reply_that_comes_twice_is_read_once(runtime: Runtime) -> None:
    question = await invited(runtime, new_id())
    reply = replied(question.person_id, 4)
    await deliver(runtime, reply, reply)
    await asyncio.gather(deliver(runtime, reply), deliver(runtime, reply))

    assert [event.revision for event in await published(runtime, SurveyAnswered)] == [1]


async def test_a_reply_sent_before_the_answer_that_is_there_does_not_replace_it(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    question = await invited(runtime, new_id())
    await deliver(runtime, replied(question.person_id, 5, at=after(hours=2)))
    await deliver(runtime, replied(question.person_id, 1, at=after(hours=1)))

    assert [event.value for event in await published(runtime, SurveyAnswered)] == [5]
    assert await replies_to(client, question.invitation_id) == [("1", "older"), ("5", "answered")]


@pytest.mark.parametrize("number", [0, 6, 11, -1, 10**30])
async def test_a_number_off_the_scale_is_ignored_and_recorded(
    runtime: Runtime, client: httpx.AsyncClient, number: int
) -> None:
    question = await invited(runtime, new_id())
    await deliver(runtime, replied(question.person_id, number))

    assert await published(runtime, SurveyAnswered) == []
    assert await replies_to(client, question.invitation_id) == [(str(number), "off_scale")]
    await deliver(runtime, replied(question.person_id, 4, at=after(hours=2)))
    assert [event.value for event in await published(runtime, SurveyAnswered)] == [4]


@pytest.mark.usefixtures("unwearied")
async def test_a_number_answers_the_newest_question_whose_scale_holds_it(runtime: Runtime, ten: str) -> None:
    person = new_id()
    older = await invited(runtime, person, survey=ten)
    newer = await invited(runtime, person, at=after(days=1))
    await deliver(runtime, replied(person, 9, at=after(days=2)), replied(person, 3, at=after(days=2)))

    answers = await published(runtime, SurveyAnswered)
    assert [(event.invitation_id, event.category) for event in answers] == [
        (older.invitation_id, "satisfied"),
        (newer.invitation_id, "neutral"),
    ]


@pytest.mark.usefixtures("unwearied")
async def test_a_question_put_after_the_reply_was_sent_is_not_answered_by_it(runtime: Runtime) -> None:
    person = new_id()
    older = await invited(runtime, person)
    await invited(runtime, person, at=after(hours=2))
    await deliver(runtime, replied(person, 4, at=after(hours=1)))

    assert [event.invitation_id for event in await published(runtime, SurveyAnswered)] == [older.invitation_id]


async def test_a_reply_whose_time_the_panel_cut_to_the_minute_is_an_answer_all_the_same(runtime: Runtime) -> None:
    question = await invited(runtime, new_id(), at=after(seconds=40))
    for number in (2, 4):
        await deliver(runtime, replied(question.person_id, number, at=START))

    answers = await published(runtime, SurveyAnswered)
    assert [(event.value, event.occurred_at) for event in answers] == [(2, after(seconds=40)), (4, after(seconds=40))]


@pytest.mark.parametrize("clock_first", [False, True])
async def test_a_reply_in_time_counts_even_if_the_clock_was_faster(runtime: Runtime, clock_first: bool) -> None:
    question = await invited(runtime, new_id(), at=START.replace(year=2025))
    if clock_first:
        assert await turn(runtime, "expire invitations") == 1
    await deliver(runtime, replied(question.person_id, 4, at=question.expires_at.replace(second=0, minute=29)))

    assert len(await published(runtime, SurveyAnswered)) == 1


async def test_a_reply_at_the_end_of_the_validity_is_late(runtime: Runtime, client: httpx.AsyncClient) -> None:
    question = await invited(runtime, new_id())
    await deliver(runtime, replied(question.person_id, 4, at=question.expires_at))

    assert await published(runtime, SurveyAnswered) == []
    assert await replies_to(client, question.invitation_id) == [("4", "late")]


async def test_what_is_no_number_or_no_sms_or_nobodys_answer_is_left_alone(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    question = await invited(runtime, new_id())
    await deliver(
        runtime,
        replied(question.person_id, None, keyword="STOP"),
        replied(question.person_id, 4, channel="email"),
        replied(new_id(), 4),
    )

    assert await published(runtime, SurveyAnswered) == []
    assert await replies_to(client, question.invitation_id) == []


async def test_a_question_asked_by_the_app_is_not_answered_by_sms(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person = new_id()
    by_api = await new_survey(client, channel="api", template=None)
    await invited(runtime, person, survey=by_api)
    await deliver(runtime, replied(person, 4))

    assert await published(runtime, SurveyAnswered) == []


@pytest.mark.parametrize(("sent", "values"), [(timedelta(minutes=2), [5]), (timedelta(minutes=2) - INSTANT, [5, 1])])
async def test_a_reply_may_seem_up_to_two_minutes_older_than_the_answer_it_replaces(
    runtime: Runtime, sent: timedelta, values: list[int]
) -> None:
    """Panels cut the time of a reply to the minute, and their clocks differ from ours."""
    question = await invited(runtime, new_id())
    await deliver(runtime, replied(question.person_id, 5, at=after(hours=2)))
    await deliver(runtime, replied(question.person_id, 1, at=after(hours=2) - sent))

    assert [event.value for event in await published(runtime, SurveyAnswered)] == values


@pytest.mark.parametrize(("sent", "answers"), [(timedelta(minutes=2), 0), (timedelta(minutes=2) - INSTANT, 1)])
async def test_a_reply_may_seem_up_to_two_minutes_older_than_its_question(
    runtime: Runtime, sent: timedelta, answers: int
) -> None:
    question = await invited(runtime, new_id(), at=after(hours=2))
    await deliver(runtime, replied(question.person_id, 4, at=after(hours=2) - sent))

    assert len(await published(runtime, SurveyAnswered)) == answers
