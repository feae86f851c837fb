"""What cannot be undone is taken over from the log by a service whose database was restored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.app import SERVICE as CUSTOMERS
from services.leads.app import SERVICE as LEADS
from services.messaging.app import SERVICE as MESSAGING
from services.messaging.messages.intents import Intent, queue
from services.messaging.messages.statuses import Status
from services.messaging.messages.telling import COLUMNS, tell
from shared.bus import TopicPartition
from shared.clock import utcnow
from shared.contracts import Received
from shared.contracts.cards import CUSTOMERS_CONTACTS
from shared.db import driver
from shared.ids import new_id
from shared.outbox import deadletters, wire
from shared.outbox.drain import drain
from shared.outbox.relearning import relearn_at_start
from shared.outbox.restate import restate
from shared.outbox.topics import make_topics
from shared.service import Runtime, Service
from tests.conftest import MakeRuntime
from tests.shared.outbox.echo import TOPICS, Said, echo, fetch, said, say
from tests.shared.outbox.machinery import log_of
from tests.shared.outbox.test_restored_database import EXPIRE_S, relay_until_sent
from tests.support import api
from tests.support.restores import copy_of_database


async def opened(make_runtime: MakeRuntime, service: Service) -> Runtime:
    runtime = await make_runtime(service, partitions=2, old_sends_expire_s=EXPIRE_S)
    await make_topics(runtime.bus, partitions=2)
    return runtime


async def customer(http: httpx.AsyncClient, phone: str) -> UUID:
    reply = await http.post("/v1/customers", json={"phones": [phone], "first_name": "سارا", "last_name": "نمونه"})
    assert reply.status_code == 201, reply.text
    return UUID(reply.json()["id"])


@pytest.mark.parametrize("times", [1, 2])
async def test_who_was_erased_stays_erased_however_often_the_copy_is_restored(
    make_runtime: MakeRuntime, times: int
) -> None:
    runtime = await opened(make_runtime, CUSTOMERS)
    async with api.client(runtime) as http:
        person = await customer(http, "09990002001")
        await relay_until_sent(runtime)
        async with copy_of_database(runtime.db.url) as copy:
            assert (await http.delete(f"/v1/customers/{person}")).status_code == 204
            await relay_until_sent(runtime)
            for _ in range(times):
                await copy.restore()
                await relay_until_sent(runtime)
        reply = await http.get(f"/v1/customers/{person}")
        assert reply.status_code == 410, reply.text
        await customer(http, "09990002001")

    assert await fetch(runtime, "SELECT FROM customers WHERE id = $1", person) == []
    assert "customer.erased" not in await restate(runtime, dry_run=True)
    erased = [each for each in await log_of(runtime, "customers.events.v1") if wire.type_of(each) == "customer.erased"]
    assert len(erased) == 1
    last = {each.key: each.body for each in await log_of(runtime, CUSTOMERS_CONTACTS) if wire.is_card(each)}
    assert last[person] is None


async def test_who_was_merged_stays_one_person(make_runtime: MakeRuntime) -> None:
    runtime = await opened(make_runtime, CUSTOMERS)
    async with api.client(runtime) as http:
        one, other = await customer(http, "09990002002"), await customer(http, "09990002003")
        await relay_until_sent(runtime)
        async with copy_of_database(runtime.db.url) as copy:
            merged = await http.post(f"/v1/customers/{one}/merge", json={"merged_id": str(other)})
            assert merged.status_code == 200, merged.text
            await relay_until_sent(runtime)
            await copy.restore()
        assert await relearn_at_start(runtime) == 1
        assert await relearn_at_start(runtime) == 1
        found = (await http.get(f"/v1/customers/{other}")).json()

    assert found["id"] == str(one)
    numbers = await fetch(runtime, "SELECT phone FROM phone_numbers WHERE person_id = $1", one)
    assert len(numbers) == 2


async def test_a_lead_that_was_erased_stays_erased(make_runtime: MakeRuntime) -> None:
    runtime = await opened(make_runtime, LEADS)
    async with api.client(runtime) as http:
        reply = await http.post("/v1/leads", json={"source": "website", "phone": "09990002004", "first_name": "سارا"})
        lead = reply.json()
        await relay_until_sent(runtime)
        async with copy_of_database(runtime.db.url) as copy:
            assert (await http.delete(f"/v1/leads/{lead['id']}")).status_code == 204
            await relay_until_sent(runtime)
            await copy.restore()
        await relearn_at_start(runtime)

    [person] = await fetch(runtime, "SELECT first_name, phone, erased_at FROM persons")
    assert (person["first_name"], person["phone"]) == (None, None)
    assert person["erased_at"] is not None


async def test_a_message_that_was_sent_is_not_sent_again(make_runtime: MakeRuntime) -> None:
    runtime = await opened(make_runtime, MESSAGING)
    known, unknown, waiting = (_intent(f"run:{new_id()}:0") for _ in range(3))
    await _queue(runtime, known, waiting)
    await relay_until_sent(runtime)
    async with copy_of_database(runtime.db.url) as copy:
        await _queue(runtime, unknown)
        await _mark_sent(runtime, known, unknown)
        await relay_until_sent(runtime)
        await copy.restore()
    await relearn_at_start(runtime)
    again = await _queue(runtime, known, unknown, waiting)

    rows = await fetch(runtime, "SELECT id, status FROM messages")
    assert {row["id"]: row["status"] for row in rows} == {
        known.id: "sent", unknown.id: "sent", waiting.id: "queued",
    }  # fmt: skip
    assert again == []


async def test_what_cannot_be_taken_over_is_parked_with_its_key_and_tried_again_and_all_else_goes_on(
    make_runtime: MakeRuntime,
) -> None:
    runtime = await make_runtime(echo(), partitions=2, old_sends_expire_s=EXPIRE_S)
    await runtime.bus.create_topics(TOPICS, partitions=2)
    poisons, known = {7}, list[int]()

    async def take_over(tx: AsyncSession, received: Received[Said]) -> None:
        if received.event.number in poisons:
            await driver(tx).execute("SELECT 1 / 0")
        known.append(received.event.number)

    runtime.service = replace(runtime.service, relearners={Said: take_over})
    ill, well = new_id(), new_id()
    async with copy_of_database(runtime.db.url) as copy:
        await say(runtime, said(ill, 7), said(ill, 8), said(well, 9))
        await relay_until_sent(runtime)
        await copy.restore()
    assert await relearn_at_start(runtime) == 3
    await relay_until_sent(runtime)

    assert set(known) == {9}
    assert (await restate(runtime, dry_run=True)).total() == 0
    [listed] = await deadletters.listed(runtime.db, "echo")
    assert (listed["key"], listed["state"], "division by zero" in listed["error"]) == (ill, "parked", True)
    poisons.clear()
    assert await drain(runtime) == 2
    assert known[-2:] == [7, 8]
    assert await fetch(runtime, "SELECT FROM parked") == []


async def test_a_worker_that_starts_beside_one_at_work_takes_nothing_over(
    make_runtime: MakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await opened(make_runtime, MESSAGING)
    intent = _intent(f"run:{new_id()}:0")
    await _queue(runtime, intent)
    await relay_until_sent(runtime)
    await _mark_sent(runtime, intent)

    async def bounds_once_another_has_relayed(topics: Collection[str]) -> Mapping[TopicPartition, tuple[int, int]]:
        monkeypatch.undo()
        await relay_until_sent(runtime)
        return await runtime.bus.bounds(topics)

    monkeypatch.setattr(runtime.bus, "bounds", bounds_once_another_has_relayed)

    assert await relearn_at_start(runtime) == 0


def _intent(key: str) -> Intent:
    return Intent(key=key, person_id=new_id(), channel="sms", purpose="service", body="سلام")


async def _queue(runtime: Runtime, *intents: Intent) -> list[Any]:
    async with runtime.db.transaction() as tx:
        return await queue(tx, intents, now=utcnow())


async def _mark_sent(runtime: Runtime, *intents: Intent) -> None:
    """Mark messages as the sender does once the panel has them."""
    async with runtime.db.transaction() as tx:
        rows = await fetch(
            runtime,
            f"UPDATE messages SET status = 'sent', sent_at = now() WHERE id = ANY($1::uuid[]) RETURNING {COLUMNS}",
            [intent.id for intent in intents],
        )
        for row in rows:
            tell(tx, row, Status.SENT, utcnow())
