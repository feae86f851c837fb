"""People who are merged and people who are erased, in every order with what is asked of them."""

from __future__ import annotations

import asyncio
from uuid import UUID

import httpx
import pytest

from shared.clock import utcnow
from shared.contracts.customers import CustomerErased, CustomerMerged
from shared.contracts.leads import LeadErased
from shared.contracts.surveys import LoopClosed, SurveyAnswered, SurveyExpired, SurveyInvited, SurveyRefused
from shared.ids import new_id
from shared.service import Runtime
from tests.support.events import deliver, published, turn
from tests.surveys.story import START, after, invited, items, replied, requested, survey_id, ticket_answered


def merged(person_id: UUID, merged_id: UUID) -> CustomerMerged:
    return CustomerMerged(occurred_at=after(hours=1), person_id=person_id, merged_id=merged_id)


def erased(person_id: UUID, *alias_ids: UUID) -> CustomerErased:
    return CustomerErased(occurred_at=after(hours=1), person_id=person_id, alias_ids=alias_ids)


@pytest.mark.parametrize("kept_first", [False, True])
async def test_merged_ids_tire_as_one_person(runtime: Runtime, kept_first: bool) -> None:
    kept, gone = new_id(), new_id()
    await deliver(runtime, merged(kept, gone))
    await deliver(runtime, requested(kept if kept_first else gone))
    await deliver(runtime, requested(gone if kept_first else kept, at=after(days=1)))

    assert [event.type for event in await published(runtime)] == ["survey.invited", "survey.refused"]


async def test_questions_put_before_a_merge_count_after_it(runtime: Runtime) -> None:
    kept, gone = new_id(), new_id()
    await deliver(runtime, requested(gone), merged(kept, gone), requested(kept, at=after(days=1)))

    assert [event.reason for event in await published(runtime, SurveyRefused)] == ["fatigue"]


async def test_a_chain_of_merges_leads_to_one_person(runtime: Runtime, client: httpx.AsyncClient) -> None:
    first, second, third = new_id(), new_id(), new_id()
    question = await invited(runtime, first)
    await deliver(runtime, merged(second, first), merged(third, second), merged(third, first))
    await deliver(runtime, replied(third, 2, at=after(hours=2)))

    (answer,) = await published(runtime, SurveyAnswered)
    assert (answer.invitation_id, answer.person_id) == (question.invitation_id, first)
    for any_id in (first, second, third):
        assert len(await items(client, "/v1/answers", person_id=any_id)) == 1


async def test_two_merges_into_each_other_at_once_do_not_lock_each_other_out(runtime: Runtime) -> None:
    one, other = new_id(), new_id()
    await asyncio.gather(deliver(runtime, merged(one, other)), deliver(runtime, merged(other, one)))
    await deliver(runtime, requested(one), requested(other, at=after(days=1)))

    assert [event.type for event in await published(runtime)] == ["survey.invited", "survey.refused"]


async def test_an_erased_person_is_not_asked_under_any_id(runtime: Runtime) -> None:
    person, alias = new_id(), new_id()
    await deliver(runtime, erased(person, alias))
    await deliver(runtime, requested(person, at=after(days=60)), requested(alias, at=after(days=60)))

    assert [event.reason for event in await published(runtime, SurveyRefused)] == ["erased", "erased"]
    assert await published(runtime, SurveyInvited) == []


async def test_merging_with_an_erased_person_erases_the_other(runtime: Runtime, client: httpx.AsyncClient) -> None:
    known, gone = new_id(), new_id()
    await invited(runtime, known)
    await deliver(runtime, erased(gone), merged(known, gone), requested(known, at=after(days=60)))

    assert [event.reason for event in await published(runtime, SurveyRefused)] == ["erased"]
    assert await items(client, "/v1/invitations", person_id=known) == []


@pytest.mark.parametrize("of", [CustomerErased, LeadErased])
async def test_erasing_leaves_answers_that_are_nobodys(
    runtime: Runtime, client: httpx.AsyncClient, of: type[CustomerErased | LeadErased]
) -> None:
    person, alias = new_id(), new_id()
    question = await invited(runtime, alias)
    await deliver(runtime, merged(person, alias), replied(person, 2, at=after(hours=2)))
    await deliver(runtime, of(occurred_at=after(hours=3), person_id=person, alias_ids=(alias,)))

    (answer,) = await items(client, "/v1/answers")
    detail = (await client.get(f"/v1/invitations/{question.invitation_id}")).json()
    assert (answer["person_id"], answer["value"]) == (None, 2)
    assert (detail["person_id"], [reply["number"] for reply in detail["replies"]]) == (None, [None])
    results = (await client.get(f"/v1/surveys/{await survey_id(client, 'csat_purchase')}/results")).json()
    assert results["points"][0]["count"] == 1


async def test_no_table_holds_an_erased_persons_id_but_the_list_of_those(runtime: Runtime) -> None:
    person = new_id()
    await invited(runtime, person)
    await deliver(runtime, replied(person, 2), requested(person, at=after(days=1)), erased(person))
    await deliver(runtime, requested(person, at=after(days=2)))

    async with runtime.db.connection() as connection:
        columns = await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'uuid' AND table_name <> 'outbox'"
        )
        holding = {
            table
            for table, column in columns
            if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table} WHERE {column} = $1)", person)
        }
    assert holding == {"people"}


async def test_after_erasing_nothing_more_is_taken_or_published(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person = new_id()
    question = await invited(runtime, person, at=START.replace(year=2025))
    await deliver(runtime, replied(person, 2, at=START.replace(year=2025, hour=9)))
    answer = (await published(runtime, SurveyAnswered))[0]
    await deliver(runtime, erased(person), erased(person))
    before = len(await published(runtime))

    await deliver(runtime, replied(person, 5, at=START.replace(year=2025, hour=10)))
    await deliver(runtime, ticket_answered(person, answer.answer_id, at=after(hours=4)))
    await turn(runtime, "expire invitations")
    refused = await client.post("/v1/answers", json={"invitation_id": str(question.invitation_id), "value": 5})

    assert len(await published(runtime)) == before
    assert refused.status_code == 410
    assert not await published(runtime, LoopClosed)
    assert not await published(runtime, SurveyExpired)


async def test_an_open_question_of_an_erased_person_is_cancelled(runtime: Runtime, client: httpx.AsyncClient) -> None:
    question = await invited(runtime, new_id())
    await deliver(runtime, erased(question.person_id))
    refused = await client.post("/v1/answers", json={"invitation_id": str(question.invitation_id), "value": 5})

    assert (refused.status_code, refused.json()["code"]) == (409, "invitation_closed")
    assert (await client.get(f"/v1/invitations/{question.invitation_id}")).json()["status"] == "cancelled"


async def test_an_answer_of_an_erased_person_is_changed_by_nobody(runtime: Runtime, client: httpx.AsyncClient) -> None:
    question = await invited(runtime, new_id(), at=utcnow())
    body = {"invitation_id": str(question.invitation_id)}
    await client.post("/v1/answers", json=body | {"value": 2})
    await deliver(runtime, erased(question.person_id))

    refused = await client.post("/v1/answers", json=body | {"value": 5})

    assert (refused.status_code, refused.json()["code"]) == (410, "person_erased")
    assert [event.value for event in await published(runtime, SurveyAnswered)] == [2]
    assert [answer["value"] for answer in await items(client, "/v1/answers")] == [2]


async def test_a_stored_answer_about_an_erased_person_is_gone(runtime: Runtime, client: httpx.AsyncClient) -> None:
    body = {"survey": "csat_purchase", "person_id": str(person := new_id())}
    first = await client.post("/v1/invitations", json=body, headers={"Idempotency-Key": "one"})
    await deliver(runtime, erased(person))
    again = await client.post("/v1/invitations", json=body, headers={"Idempotency-Key": "one"})

    assert (first.status_code, again.status_code) == (201, 410)


async def test_a_stored_answer_to_a_question_of_an_erased_person_is_gone(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    question = await invited(runtime, new_id(), at=utcnow())
    body = {"invitation_id": str(question.invitation_id), "value": 2}
    first = await client.post("/v1/answers", json=body, headers={"Idempotency-Key": "one"})
    await deliver(runtime, erased(question.person_id))
    again = await client.post("/v1/answers", json=body, headers={"Idempotency-Key": "one"})

    assert (first.status_code, again.status_code) == (201, 410)


async def test_somebody_erased_twice_was_erased_the_first_time(runtime: Runtime) -> None:
    person = new_id()
    await deliver(runtime, erased(person))
    await deliver(runtime, CustomerErased(occurred_at=after(hours=5), person_id=person))

    async with runtime.db.connection() as connection:
        assert await connection.fetchval("SELECT erased_at FROM people") == after(hours=1)
