"""The first slice: a captured lead is acknowledged on their phone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.clock import moved
from shared.contracts.cards import LEADS_CONTACTS, CardVersion
from shared.contracts.messaging import MessageDelivered, MessageHeld, MessageQueued, MessageSent
from shared.ids import new_id
from shared.outbox.handling import apply_batch
from shared.service import Runtime
from tests.messaging.conftest import Panel
from tests.messaging.people import SARA_PHONE, captured, card
from tests.support.events import deliver, published, record_of, turn
from tests.support.eventually import eventually

pytestmark = pytest.mark.usefixtures("accounts")


async def acknowledge(runtime: Runtime) -> None:
    await turn(runtime, "step automations")
    await turn(runtime, "send service")


async def test_a_lead_that_came_by_itself_is_acknowledged_by_first_name(runtime: Runtime, panel: Panel) -> None:
    sara = card()
    await deliver(runtime, sara, captured(sara.person_id))
    await acknowledge(runtime)

    [text] = await panel.texts(SARA_PHONE)
    assert text["text"] == "سارا عزیز، درخواست شما به دست ما رسید. همکارمان به‌زودی با شما تماس می‌گیرد."
    assert [type(event) for event in await published(runtime)] == [MessageQueued, MessageSent]


async def test_somebody_whose_name_is_not_known_is_addressed_as_a_friend(runtime: Runtime, panel: Panel) -> None:
    nameless = card(first_name=None, last_name=None)
    await deliver(runtime, nameless, captured(nameless.person_id))
    await acknowledge(runtime)

    [text] = await panel.texts(SARA_PHONE)
    assert text["text"].startswith("دوست عزیز، ")


async def test_the_same_event_twice_gives_one_message(runtime: Runtime, panel: Panel) -> None:
    sara = card()
    event = captured(sara.person_id)
    await deliver(runtime, sara, event)
    await acknowledge(runtime)
    await deliver(runtime, event)
    await acknowledge(runtime)

    assert len(await panel.texts(SARA_PHONE)) == 1


async def test_an_older_card_that_comes_late_does_not_win(runtime: Runtime, panel: Panel) -> None:
    sara = card()
    older, newer = record_of(sara), record_of(card(sara.person_id, first_name="نازنین"))
    for record in (newer, older):
        async with runtime.db.transaction() as tx:
            await apply_batch(tx, runtime, [record])
    await deliver(runtime, captured(sara.person_id))
    await acknowledge(runtime)

    [text] = await panel.texts(SARA_PHONE)
    assert text["text"].startswith("نازنین عزیز، ")


async def test_an_outbound_lead_is_not_acknowledged(runtime: Runtime, panel: Panel) -> None:
    sara = card()
    await deliver(runtime, sara, captured(sara.person_id, direction="outbound"))
    await acknowledge(runtime)

    assert await panel.texts() == []


async def test_a_fact_before_its_card_waits_for_the_card(runtime: Runtime, panel: Panel) -> None:
    person = new_id()
    await deliver(runtime, captured(person))
    await acknowledge(runtime)
    [held] = await published(runtime, MessageHeld)

    await deliver(runtime, card(person))
    await acknowledge(runtime)

    assert held.reason == "awaiting_card"
    assert len(await panel.texts(SARA_PHONE)) == 1


async def test_a_message_waits_for_the_card_that_its_fact_names_and_not_for_any(runtime: Runtime, panel: Panel) -> None:
    old = card(first_name="کهنه")
    await deliver(runtime, old)
    needed = CardVersion(LEADS_CONTACTS, 1_000_000)
    await deliver(runtime, captured(old.person_id), card=needed)
    await acknowledge(runtime)
    assert await panel.texts(SARA_PHONE) == []
    [held] = await published(runtime, MessageHeld)

    with moved(timedelta(minutes=11)):
        await acknowledge(runtime)
        [text] = await panel.texts(SARA_PHONE)

    assert held.reason == "awaiting_card"
    assert text["text"].startswith("کهنه")


async def test_a_delivery_is_found_by_polling(runtime: Runtime) -> None:
    sara = card()
    await deliver(runtime, sara, captured(sara.person_id))
    await acknowledge(runtime)

    async def delivered() -> bool:
        await turn(runtime, "poll delivery reports")
        await turn(runtime, "apply delivery reports")
        return len(await published(runtime, MessageDelivered)) == 1

    assert await eventually(delivered, within=6)
