"""What is left of somebody who was erased, and what still comes in about them."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from services.messaging.providers.usecases import SandboxAccounts
from shared.clock import moved, utcnow
from shared.contracts.customers import CustomerErased
from shared.contracts.messaging import CouponRequested, ReplyReceived, SurveyRequested
from shared.ids import new_id
from shared.service import Runtime
from tests.messaging.conftest import LINE
from tests.messaging.people import SARA_PHONE, card, purchase
from tests.messaging.sending import fetchval
from tests.support.events import deliver, published, turn

INBOX = "SELECT coalesce(string_agg(inbound::text, ' '), '') FROM inbound_messages inbound"


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


async def test_a_text_of_nobody_s_outlives_somebody_elses_erasure(
    runtime: Runtime, client: httpx.AsyncClient, accounts: SandboxAccounts
) -> None:
    other = card(phones=("+989990005678",))
    await deliver(runtime, other)
    await write(client, accounts)
    await deliver(runtime, CustomerErased(occurred_at=utcnow(), person_id=other.person_id))

    assert "سلام" in await fetchval(runtime, INBOX)


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
