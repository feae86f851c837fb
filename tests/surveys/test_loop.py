"""The loop: from a bad answer to what its customer was told, timed once."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from shared.contracts.surveys import LoopClosed, SurveyAnswered
from shared.ids import new_id
from shared.service import Runtime
from tests.support.events import deliver, published
from tests.surveys.story import after, invited, items, new_survey, replied, ticket_answered, ticket_resolved


async def answered(runtime: Runtime, *numbers: int) -> SurveyAnswered:
    question = await invited(runtime, new_id(), product="tea-500")
    for hour, number in enumerate(numbers, start=1):
        await deliver(runtime, replied(question.person_id, number, at=after(hours=hour)))
    return (await published(runtime, SurveyAnswered))[-1]


async def test_the_loop_is_closed_when_the_customer_is_answered(runtime: Runtime, client: httpx.AsyncClient) -> None:
    answer = await answered(runtime, 2)
    (waiting,) = await items(client, "/v1/answers", loop="open")
    ticket = ticket_answered(answer.person_id, answer.answer_id, at=after(hours=3))
    await deliver(runtime, ticket)

    (closed,) = await published(runtime, LoopClosed)
    assert (closed.answer_id, closed.ticket_id, closed.after_s) == (answer.answer_id, ticket.ticket_id, 2 * 3600)
    assert (closed.survey, closed.product, closed.occurred_at) == ("csat_purchase", "tea-500", after(hours=3))
    (mended,) = await items(client, "/v1/answers", loop="closed")
    assert (waiting["id"], mended["id"]) == (str(answer.answer_id), str(answer.answer_id))
    assert (mended["loop_after_s"], mended["ticket_id"]) == (7200, str(ticket.ticket_id))


async def test_it_is_closed_once_whatever_comes_after(runtime: Runtime) -> None:
    answer = await answered(runtime, 2)
    first = ticket_answered(answer.person_id, answer.answer_id, at=after(hours=3))
    resolved = ticket_resolved(first, at=after(hours=4))
    await deliver(runtime, first, first, resolved)
    await asyncio.gather(deliver(runtime, first), deliver(runtime, resolved))

    assert [event.after_s for event in await published(runtime, LoopClosed)] == [7200]


async def test_a_ticket_resolved_without_a_word_closes_it_too(runtime: Runtime) -> None:
    answer = await answered(runtime, 1)
    ticket = ticket_answered(answer.person_id, answer.answer_id, at=after(hours=3))
    await deliver(runtime, ticket_resolved(ticket, at=after(hours=5)))

    assert [event.after_s for event in await published(runtime, LoopClosed)] == [4 * 3600]


async def test_its_time_runs_from_the_first_bad_answer(runtime: Runtime) -> None:
    answer = await answered(runtime, 3, 2, 1, 5)
    await deliver(runtime, ticket_answered(answer.person_id, answer.answer_id, at=after(hours=6)))

    assert [event.after_s for event in await published(runtime, LoopClosed)] == [4 * 3600]


@pytest.mark.parametrize("number", [3, 5])
async def test_a_good_or_neutral_answer_opens_no_loop(runtime: Runtime, client: httpx.AsyncClient, number: int) -> None:
    await answered(runtime, number)

    (kept,) = await items(client, "/v1/answers")
    assert kept["loop"] is None


async def test_a_hard_time_opens_no_loop_as_no_complaint_would_close_it(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    survey = await new_survey(client, kind="ces", scale="1-7")
    question = await invited(runtime, new_id(), survey=survey)
    await deliver(runtime, replied(question.person_id, 1))

    (kept,) = await items(client, "/v1/answers")
    assert (kept["category"], kept["loop"]) == ("hard", None)


async def test_a_ticket_that_no_answer_led_to_closes_nothing(runtime: Runtime) -> None:
    answer = await answered(runtime, 2)
    await deliver(
        runtime,
        ticket_answered(answer.person_id, None, at=after(hours=3)),
        ticket_answered(answer.person_id, new_id(), at=after(hours=3)),
    )

    assert await published(runtime, LoopClosed) == []


async def test_a_word_that_seems_to_be_of_before_the_answer_took_no_time(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """Clocks differ: the ticket is told of as answered some seconds before its answer was given."""
    answer = await answered(runtime, 2)
    await deliver(runtime, ticket_answered(answer.person_id, answer.answer_id, at=after(minutes=59)))

    assert [event.after_s for event in await published(runtime, LoopClosed)] == [0]
    (closed,) = await items(client, "/v1/answers", loop="closed")
    assert (closed["loop_after_s"], closed["loop_closed_at"]) == (0, closed["loop_opened_at"])


async def test_a_ticket_about_a_neutral_answer_closes_what_began_with_the_answer(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    answer = await answered(runtime, 3)
    await deliver(runtime, ticket_answered(answer.person_id, answer.answer_id, at=after(hours=3)))

    assert [event.after_s for event in await published(runtime, LoopClosed)] == [2 * 3600]
