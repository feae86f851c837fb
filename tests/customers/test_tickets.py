from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.clock import utcnow
from shared.contracts.customers import (
    TicketAnswered,
    TicketAssigned,
    TicketOpened,
    TicketReopened,
    TicketResolved,
)
from shared.contracts.leads import AgentAdded, AgentUpdated
from shared.contracts.surveys import SurveyAnswered
from shared.ids import new_id
from shared.outbox.handling import apply_batch
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, bought, opened
from tests.support import api
from tests.support.events import deliver, published, record_of


def answered(person_id: Any, invitation_id: UUID, category: Any, **fields: Any) -> SurveyAnswered:
    return SurveyAnswered(
        person_id=UUID(str(person_id)),
        survey_id=new_id(),
        survey="csat",
        kind="csat",
        scale="1-5",
        answer_id=new_id(),
        invitation_id=invitation_id,
        value=2,
        category=category,
        channel="sms",
        occurred_at=utcnow(),
        **fields,
    )


async def manager(runtime: Runtime, **fields: Any) -> UUID:
    agent_id = new_id()
    await deliver(runtime, AgentAdded(agent_id=agent_id, role="manager", occurred_at=utcnow(), **fields))
    return agent_id


async def ticket_of(client: httpx.AsyncClient, person_id: str, **fields: Any) -> dict[str, Any]:
    reply = await client.post("/v1/tickets", json={"person_id": person_id, "kind": "problem"} | fields)
    assert reply.status_code == 201, reply.text
    ticket: dict[str, Any] = reply.json()
    return ticket


async def test_a_bad_answer_opens_one_complaint_for_a_manager(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    agent_id = await manager(runtime)
    answer = answered(person_id, new_id(), "unsatisfied", product="tea", purchase_id=new_id())

    await deliver(runtime, answer)
    await deliver(runtime, answer)

    [event] = await published(runtime, TicketOpened)
    assert (event.kind, event.for_manager, event.agent_id, event.answer_id) == (
        "complaint",
        True,
        agent_id,
        answer.answer_id,
    )
    assert (event.product, event.purchase_id) == ("tea", answer.purchase_id)


async def test_other_answers_open_none(runtime: Runtime) -> None:
    for category in ["satisfied", "neutral", "passive", "promoter", "easy", "hard", "uncategorised"]:
        await deliver(runtime, answered(new_id(), new_id(), category))

    assert await published(runtime, TicketOpened) == []


async def test_an_answer_that_is_changed_opens_one_complaint_at_its_first_turn_to_the_bad(runtime: Runtime) -> None:
    person_id, invitation_id = new_id(), new_id()
    categories = ["satisfied", "unsatisfied", "satisfied", "unsatisfied"]

    for revision, category in enumerate(categories, start=1):
        await deliver(runtime, answered(person_id, invitation_id, category, revision=revision))

    assert len(await published(runtime, TicketOpened)) == 1


async def test_a_complaint_goes_to_the_manager_of_the_agent_concerned_else_to_the_least_busy(
    runtime: Runtime,
) -> None:
    one, two = await manager(runtime), await manager(runtime)
    agent_id = new_id()
    await deliver(runtime, AgentAdded(agent_id=agent_id, manager_id=two, occurred_at=utcnow()))

    await deliver(runtime, answered(new_id(), new_id(), "detractor", agent_id=agent_id))
    await deliver(runtime, answered(new_id(), new_id(), "detractor", agent_id=agent_id))
    await deliver(runtime, answered(new_id(), new_id(), "detractor"))

    assert [event.agent_id for event in await published(runtime, TicketOpened)] == [two, two, one]


async def test_a_manager_on_duty_comes_before_a_less_busy_one_who_is_not(runtime: Runtime) -> None:
    await manager(runtime, on_duty=False)
    present = await manager(runtime)
    for _ in range(2):
        await deliver(runtime, answered(new_id(), new_id(), "detractor"))

    assert [event.agent_id for event in await published(runtime, TicketOpened)] == [present, present]


async def test_what_is_resolved_keeps_no_manager_busy(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await manager(runtime), await manager(runtime)
    await deliver(runtime, answered(new_id(), new_id(), "detractor"))
    [first] = await published(runtime, TicketOpened)
    await client.post(f"/v1/tickets/{first.ticket_id}/resolve", json={"cause": "staff"})
    await deliver(runtime, answered(new_id(), new_id(), "detractor"))

    assert [event.agent_id for event in await published(runtime, TicketOpened)] == [first.agent_id] * 2


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_an_agent_became_last_counts_in_whatever_order_it_is_told(
    runtime: Runtime, client: httpx.AsyncClient, *, at_once: bool
) -> None:
    agent_id = new_id()
    joined = record_of(AgentAdded(agent_id=agent_id, role="manager", occurred_at=utcnow()))
    left = record_of(AgentUpdated(agent_id=agent_id, role="manager", active=False, occurred_at=utcnow()))
    for records in [[joined, left]] if at_once else [[left], [joined]]:
        async with runtime.db.transaction() as tx:
            await apply_batch(tx, runtime, records)

    ticket = await ticket_of(client, (await opened(client))["id"], kind="complaint")
    refused = await client.post(f"/v1/tickets/{ticket['id']}/assign", json={"agent_id": str(agent_id)})

    assert ticket["agent_id"] is None
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_agent")


async def test_without_a_manager_a_complaint_waits_for_one(runtime: Runtime, client: httpx.AsyncClient) -> None:
    gone = await manager(runtime)
    await deliver(runtime, AgentUpdated(agent_id=gone, role="manager", active=False, occurred_at=utcnow()))
    person_id = (await opened(client))["id"]

    ticket = await ticket_of(client, person_id, kind="complaint")

    assert (ticket["for_manager"], ticket["agent_id"]) == (True, None)
    waiting = (await client.get("/v1/tickets", params={"for_manager": True})).json()["items"]
    assert [each["id"] for each in waiting] == [ticket["id"]]


async def test_a_ticket_is_assigned_answered_resolved_and_opened_again(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id, agent_id = (await opened(client))["id"], await manager(runtime)
    ticket = await ticket_of(client, person_id, subject="قطعی", product="crm")
    path = f"/v1/tickets/{ticket['id']}"

    await client.post(f"{path}/assign", json={"agent_id": str(agent_id)})
    await client.post(f"{path}/assign", json={"agent_id": str(agent_id)})
    await client.post(f"{path}/answer", json={"text": "بررسی می‌کنیم.", "agent_id": str(agent_id)})
    await client.post(f"{path}/answer", json={"text": "درست شد."})
    resolved = (await client.post(f"{path}/resolve", json={"cause": "product"})).json()
    reopened = (await client.post(f"{path}/reopen")).json()

    assert (resolved["status"], resolved["cause"], resolved["agent_id"]) == ("resolved", "product", str(agent_id))
    assert [each["text"] for each in resolved["answers"]] == ["بررسی می‌کنیم.", "درست شد."]
    assert resolved["first_answered_at"] == resolved["answers"][0]["answered_at"]
    assert (reopened["status"], reopened["reopened"], reopened["opened_at"]) == ("open", 1, ticket["opened_at"])
    assert (reopened["cause"], reopened["resolved_at"]) == (None, None)
    assert (await client.get(path)).json() == reopened
    assert len(await published(runtime, TicketAssigned)) == 1
    assert [event.first for event in await published(runtime, TicketAnswered)] == [True, False]
    assert [event.cause for event in await published(runtime, TicketResolved)] == ["product"]
    assert [str(event.ticket_id) for event in await published(runtime, TicketReopened)] == [ticket["id"]]


async def test_an_answer_in_the_name_of_nobody_we_know_is_refused(client: httpx.AsyncClient) -> None:
    ticket = await ticket_of(client, (await opened(client))["id"])

    refused = await client.post(f"/v1/tickets/{ticket['id']}/answer", json={"text": "بله", "agent_id": str(new_id())})

    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_agent")
    assert (await client.get(f"/v1/tickets/{ticket['id']}")).json()["answers"] == []


async def test_what_is_resolved_is_resolved_once(runtime: Runtime, client: httpx.AsyncClient) -> None:
    ticket = await ticket_of(client, (await opened(client))["id"])
    path = f"/v1/tickets/{ticket['id']}"

    replies = await asyncio.gather(*(client.post(f"{path}/resolve", json={"cause": "staff"}) for _ in range(3)))
    answer = await client.post(f"{path}/answer", json={"text": "دیر"})

    assert sorted(reply.status_code for reply in replies) == [200, 409, 409]
    assert (answer.status_code, answer.json()["code"]) == (409, "ticket_resolved")
    assert len(await published(runtime, TicketResolved)) == 1


async def test_an_open_ticket_is_not_opened_again(client: httpx.AsyncClient) -> None:
    ticket = await ticket_of(client, (await opened(client))["id"])

    reply = await client.post(f"/v1/tickets/{ticket['id']}/reopen")

    assert (reply.status_code, reply.json()["code"]) == (409, "ticket_not_resolved")


MISFITS: list[dict[str, Any]] = [
    {"kind": "love"},
    {"priority": "now"},
    {"product": "چای"},
    {"subject": ""},
    {"subject": "x" * 201},
    {"text": "\u0000"},
    {"agent_id": "0193a1c0-7d00-7000-8000-00000000000a"},
]


async def test_nothing_is_written_to_an_erased_customers_ticket_but_it_can_be_closed(client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    ticket = await ticket_of(client, person_id)
    (await client.delete(f"/v1/customers/{person_id}")).raise_for_status()

    refused = await client.post(f"/v1/tickets/{ticket['id']}/answer", json={"text": "سارای عزیز"})
    resolved = await client.post(f"/v1/tickets/{ticket['id']}/resolve", json={"cause": "other"})

    assert (refused.status_code, refused.json()["code"]) == (410, "person_erased")
    assert (resolved.status_code, resolved.json()["answers"]) == (200, [])


async def test_a_ticket_that_does_not_fit_is_refused(client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]

    for body in MISFITS:
        reply = await client.post("/v1/tickets", json={"person_id": person_id, "kind": "problem"} | body)

        assert reply.status_code == 422, (body, reply.text)


async def test_a_ticket_is_about_a_purchase_that_was_made_by_whomever(client: httpx.AsyncClient) -> None:
    user = (await opened(client))["id"]
    present = await bought(client, phone=OTHER_PHONE)

    ticket = await ticket_of(client, user, purchase_id=present["id"])
    refused = await client.post(
        "/v1/tickets", json={"person_id": user, "kind": "problem", "purchase_id": str(new_id())}
    )

    assert ticket["purchase_id"] == present["id"]
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_purchase")


async def test_tickets_are_listed_by_customer_status_and_product(client: httpx.AsyncClient) -> None:
    one, two = (await opened(client))["id"], (await opened(client, OTHER_PHONE))["id"]
    first = await ticket_of(client, one, product="tea")
    second = await ticket_of(client, two, product="tea")
    third = await ticket_of(client, two, product="crm")
    await client.post(f"/v1/tickets/{third['id']}/resolve", json={"cause": "price"})

    async def ids(**params: str) -> list[str]:
        return [each["id"] for each in (await client.get("/v1/tickets", params=params)).json()["items"]]

    assert await ids(person_id=two) == [third["id"], second["id"]]
    assert await ids(status="resolved") == [third["id"]]
    assert await ids(product="tea") == [second["id"], first["id"]]
    assert await ids(kind="complaint") == []


async def test_what_was_written_is_for_those_who_may_see_personal_data(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    ticket = await ticket_of(client, (await opened(client))["id"], subject="قطعی", text="با ۰۹۹۹۰۰۰۱۲۳۴ تماس بگیرید")

    async with api.client(runtime, ["customers:read"]) as reader:
        seen = (await reader.get(f"/v1/tickets/{ticket['id']}")).json()

    assert (seen["subject"], seen["text"]) == (None, None)


async def test_a_ticket_keeps_its_lines_and_its_length_is_that_of_what_was_sent(client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]

    ticket = await ticket_of(client, person_id, text="بسته دیر رسید.\nدر آن باز بود.")
    refused = await client.post(f"/v1/tickets/{ticket['id']}/answer", json={"text": "پ" * 10_000 + "\u0086"})

    assert ticket["text"] == "بسته دیر رسید.\nدر آن باز بود."
    assert refused.status_code == 422
