"""What is left of somebody who was erased, and what still comes in about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from services.messaging.contacts import sql as contacts
from services.messaging.contacts.marks import mark_numbers
from services.messaging.inbound.receiving import dedupe_of, receive
from services.messaging.providers.protocol import InboundSms
from services.messaging.providers.usecases import SandboxAccounts
from shared.clock import moved, utcnow
from shared.contracts.customers import CustomerErased
from shared.contracts.messaging import CouponRequested, ReplyReceived, SurveyRequested
from shared.db import driver
from shared.ids import new_id
from shared.service import Runtime
from tests.messaging.conftest import LINE, Panel
from tests.messaging.people import SARA_PHONE, card, purchase
from tests.messaging.sending import (
    claimed,
    execute,
    fetchval,
    intent,
    known_person,
    plain_digest_of,
    queued,
    statuses,
    waits_or_is_done,
)
from tests.support.events import deliver, published, turn
from tests.support.eventually import eventually

INBOX = "SELECT coalesce(string_agg(inbound::text, ' '), '') FROM inbound_messages inbound"

DIGESTS = """
SELECT dedupe FROM inbound_messages UNION ALL SELECT flight FROM messages UNION ALL SELECT flight FROM in_flight
"""


async def write(client: httpx.AsyncClient, accounts: SandboxAccounts, text: str = "سلام") -> None:
    said = {"from": "09990001234", "to": LINE, "text": text}
    (await client.post(accounts.webhook_paths["inbound"], json=said)).raise_for_status()


@pytest.mark.parametrize("cards_first", [True, False])
async def test_a_text_that_may_be_an_erased_persons_is_emptied_though_it_was_matched_to_nobody(
    runtime: Runtime, client: httpx.AsyncClient, accounts: SandboxAccounts, *, cards_first: bool
) -> None:
    mother, son = (card(phones=(), shared_phones=(SARA_PHONE,)) for _ in range(2))
    if cards_first:
        await deliver(runtime, mother, son)
        await write(client, accounts)
    else:
        await write(client, accounts)
        await deliver(runtime, mother, son)
    assert "سلام" in await fetchval(runtime, INBOX)

    await deliver(runtime, mother.person_id)
    await deliver(runtime, CustomerErased(occurred_at=utcnow(), person_id=mother.person_id))

    assert await published(runtime, ReplyReceived) == []
    assert SARA_PHONE not in await fetchval(runtime, INBOX)
    assert "سلام" not in await fetchval(runtime, INBOX)


async def test_the_answer_to_a_cancellation_goes_with_who_was_to_be_written_to(
    runtime: Runtime, client: httpx.AsyncClient, panel: Panel, accounts: SandboxAccounts
) -> None:
    del accounts
    person = await known_person(runtime)
    [message] = await queued(runtime, intent(person))
    await panel.fault("http_429", count=1)
    await turn(runtime, "send transactional")
    cancel = client.build_request("POST", f"/v1/messages/{message}/cancel", headers={"Idempotency-Key": "cancelled"})
    assert (await client.send(cancel)).json()["address"] == SARA_PHONE

    await deliver(runtime, person)
    await deliver(runtime, CustomerErased(occurred_at=utcnow(), person_id=person))

    assert (await client.send(cancel)).json()["code"] == "answer_erased"


async def test_no_digest_is_left_by_which_a_number_could_be_searched(
    runtime: Runtime, client: httpx.AsyncClient, accounts: SandboxAccounts
) -> None:
    """Whoever has the tables knows the line, the second and what is written; there are only so many numbers.

    The version before kept a digest without a key with every message.
    """
    person, at = await known_person(runtime), int(utcnow().timestamp()) - 5
    said = {"from": SARA_PHONE, "to": LINE, "text": "۲", "time": at}
    await client.post(accounts.webhook_paths["inbound"], json=said)
    await queued(runtime, intent(person, "سلام"))
    await claimed(runtime)
    digests = [
        dedupe_of(InboundSms(line=LINE, sender=SARA_PHONE, text="۲", received_at=datetime.fromtimestamp(at, UTC))),
        plain_digest_of("سلام"),
    ]
    await execute(runtime, "UPDATE messages SET flight = $1", digests[1])
    kept = f"SELECT count(*) FROM ({DIGESTS}) AS kept (digest) WHERE digest = ANY($1)"
    assert await fetchval(runtime, kept, digests) == 2

    erased = CustomerErased(occurred_at=utcnow(), person_id=person)
    await deliver(runtime, erased)
    await deliver(runtime, erased)
    await client.post(accounts.webhook_paths["inbound"], json=said)
    assert await fetchval(runtime, kept, digests) == 0
    assert await fetchval(runtime, "SELECT count(*) FROM inbound_messages, in_flight") == 1


async def test_a_text_of_nobody_s_outlives_somebody_elses_erasure(
    runtime: Runtime, client: httpx.AsyncClient, accounts: SandboxAccounts
) -> None:
    other = card(phones=("+989990005678",))
    await deliver(runtime, other)
    await write(client, accounts)
    await deliver(runtime, CustomerErased(occurred_at=utcnow(), person_id=other.person_id))

    assert "سلام" in await fetchval(runtime, INBOX)


HEARD = "SELECT count(*) FROM inbound_messages"


def said(text: str, *, sent_at: datetime) -> InboundSms:
    return InboundSms(line=LINE, sender=SARA_PHONE, text=text, received_at=sent_at)


@asynccontextmanager
async def being_heard(runtime: Runtime, accounts: SandboxAccounts, text: InboundSms) -> AsyncIterator[None]:
    """Hold the transaction open that stores a text, and commit it at the end of the block."""
    async with runtime.db.transaction() as tx:
        await receive(tx, accounts.sms_id, [text], runtime.settings, utcnow())
        yield


async def heard(runtime: Runtime, accounts: SandboxAccounts, text: str, *, ago: timedelta) -> None:
    async with being_heard(runtime, accounts, said(text, sent_at=utcnow() - ago)):
        pass


async def erased(runtime: Runtime, person: UUID, *, ago: timedelta = timedelta(0)) -> None:
    await deliver(runtime, CustomerErased(occurred_at=utcnow() - ago, person_id=person))


async def nothing_kept(runtime: Runtime) -> bool:
    """Tell whether one text was heard, and neither it nor its number is kept."""
    kept = await fetchval(runtime, INBOX)
    return await fetchval(runtime, HEARD) == 1 and SARA_PHONE not in kept and "سلام" not in kept


async def test_a_text_that_is_being_stored_while_its_sender_is_erased_is_emptied(
    runtime: Runtime, accounts: SandboxAccounts
) -> None:
    person = await known_person(runtime)
    async with being_heard(runtime, accounts, said("سلام", sent_at=utcnow())):
        erasure = asyncio.create_task(erased(runtime, person))
        await eventually(lambda: waits_or_is_done(runtime, erasure))
    await erasure

    assert await nothing_kept(runtime)


async def test_a_text_that_comes_while_its_sender_is_being_erased_is_not_kept(
    runtime: Runtime, client: httpx.AsyncClient, accounts: SandboxAccounts
) -> None:
    person = await known_person(runtime)
    async with runtime.db.transaction() as tx:
        await mark_numbers(driver(tx), [(person, utcnow())], runtime.settings)
        await driver(tx).execute(contacts.EMPTY_ERASED, [person])
        writing = asyncio.create_task(write(client, accounts))
        await eventually(lambda: waits_or_is_done(runtime, writing))
    await writing

    assert await nothing_kept(runtime)


@pytest.mark.parametrize("tombstone_first", [False, True])
async def test_what_was_sent_before_an_erasure_and_is_told_of_after_it_is_not_kept(
    runtime: Runtime, accounts: SandboxAccounts, *, tombstone_first: bool
) -> None:
    """Though somebody new has the number by then; and it is recognised when it is told of again."""
    person = await known_person(runtime)
    if tombstone_first:
        await deliver(runtime, person)
    await erased(runtime, person)
    await known_person(runtime)
    text = said("سلام", sent_at=utcnow() - timedelta(minutes=10))
    for _ in range(2):
        async with being_heard(runtime, accounts, text):
            pass

    assert await nothing_kept(runtime)
    assert await published(runtime, ReplyReceived) == []


async def test_an_opt_out_that_is_told_of_after_the_erasure_stands(runtime: Runtime, accounts: SandboxAccounts) -> None:
    await erased(runtime, await known_person(runtime))
    await heard(runtime, accounts, "۱۱", ago=timedelta(minutes=10))

    assert await fetchval(runtime, "SELECT count(*) FROM suppressions") == 1


async def test_what_is_sent_after_an_erasure_is_of_whoever_has_the_number_then(
    runtime: Runtime, accounts: SandboxAccounts
) -> None:
    """The first text comes before the erasure is heard of, the second after it."""
    person = await known_person(runtime)
    await heard(runtime, accounts, "یک", ago=timedelta(minutes=9))
    await erased(runtime, person, ago=timedelta(hours=1))
    await heard(runtime, accounts, "دو", ago=timedelta(minutes=8))
    new = await known_person(runtime)

    assert await fetchval(runtime, "SELECT array_agg(text ORDER BY text) FROM inbound_messages") == ["دو", "یک"]
    assert [reply.person_id for reply in await published(runtime, ReplyReceived)] == [person, new, new]


async def test_what_was_sent_after_an_erasure_is_the_newcomers_whose_card_came_before_the_erasure_was_heard_of(
    runtime: Runtime, accounts: SandboxAccounts
) -> None:
    person = await known_person(runtime)
    await heard(runtime, accounts, "یک", ago=timedelta(minutes=9))
    new = await known_person(runtime)
    await erased(runtime, person, ago=timedelta(hours=1))

    assert [reply.person_id for reply in await published(runtime, ReplyReceived)] == [person, new]


async def test_a_number_is_marked_for_a_month_by_a_hash(runtime: Runtime) -> None:
    marks = "SELECT coalesce(string_agg(mark::text, ' '), '') FROM erased_addresses mark"
    await erased(runtime, await known_person(runtime))
    marked = await fetchval(runtime, marks)
    assert marked
    assert SARA_PHONE[1:] not in marked

    for days, stands in ((29, True), (31, False)):
        with moved(timedelta(days=days)):
            await turn(runtime, "forget marks of erased numbers")
        assert bool(await fetchval(runtime, marks)) is stands


async def test_a_purchase_that_is_heard_of_after_the_erasure_leads_to_nothing(runtime: Runtime) -> None:
    person, alias = new_id(), new_id()
    await deliver(runtime, CustomerErased(occurred_at=utcnow(), person_id=person, alias_ids=(alias,)))
    await deliver(runtime, purchase(person), purchase(alias))
    for later in (timedelta(seconds=1), timedelta(days=3, seconds=1)):
        with moved(later):
            await turn(runtime, "step automations")

    assert [*await published(runtime, SurveyRequested), *await published(runtime, CouponRequested)] == []
    ended = "SELECT array_agg(DISTINCT status || ' ' || coalesce(reason, '')) FROM automation_runs"
    assert await fetchval(runtime, ended) == ["cancelled erased"]


async def test_what_staff_are_told_of_somebody_goes_with_them(runtime: Runtime, accounts: SandboxAccounts) -> None:
    assert accounts
    person, agent = await known_person(runtime), card(kind="agent", phones=("+989990005678",))
    await deliver(runtime, agent)
    for text in ("سارا زنگ زد", "سارا نوشت"):
        await turn(runtime, "send transactional")
        await queued(runtime, intent(agent.person_id, text, about_id=person))
    await erased(runtime, person)
    await queued(runtime, intent(agent.person_id, "کسی نوشت", about_id=person))
    await turn(runtime, "send transactional")

    assert await statuses(runtime) == [("sent", None), ("cancelled", "erased"), ("suppressed", "erased")]
    assert "سارا" not in await fetchval(runtime, "SELECT string_agg(message::text, ' ') FROM messages message")


async def test_a_number_whose_people_were_erased_one_after_the_other_is_marked_until_the_last(
    runtime: Runtime, accounts: SandboxAccounts
) -> None:
    for ago in (timedelta(hours=2), timedelta()):
        await erased(runtime, await known_person(runtime), ago=ago)
    await heard(runtime, accounts, "سلام", ago=timedelta(hours=1))

    assert await nothing_kept(runtime)


async def test_a_card_that_comes_after_the_erasure_is_not_kept(runtime: Runtime) -> None:
    person = await known_person(runtime)
    await erased(runtime, person)
    await deliver(runtime, card(person))

    assert SARA_PHONE not in await fetchval(runtime, "SELECT string_agg(kept::text, ' ') FROM contact_cards kept")
