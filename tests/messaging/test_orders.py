"""Facts before their cards, and two ids that turn out to be one person in the middle: the same texts in any order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations

import pytest

from shared.clock import moved, utcnow
from shared.contracts import Event
from shared.contracts.cards import ContactCard
from shared.contracts.customers import CustomerMerged
from shared.contracts.leads import LeadConverted
from shared.ids import new_id
from shared.service import Runtime
from tests.messaging.conftest import Panel
from tests.messaging.people import captured, card
from tests.messaging.sending import fetchval
from tests.support.events import deliver, turn
from tests.support.eventually import eventually

CAPTURED, CONVERTED, OWN_CARD = 0, 1, 2
ORDERS = [order for order in permutations(range(5)) if order.index(CAPTURED) < order.index(CONVERTED)]
"""Of a lead's two facts the first comes first. All else is of another topic or key, so it comes whenever it comes."""

OPEN = "SELECT count(*) FROM messages WHERE ended_at IS NULL AND status <> 'sent'"
WORDS = ("درخواست شما به دست ما رسید", "به جمع مشتریان ما خوش آمدید")
LOOKED_FOR = timedelta(seconds=10)
"""A card is looked for again after five seconds, long before a message that waits for it is given up."""


def told_of(phone: str) -> Sequence[Event | ContactCard]:
    """Return what is published of somebody who asked, was converted, and turned out to be a customer already."""
    asked, lives = new_id(), new_id()
    lead = captured(asked)
    return (
        lead,
        LeadConverted(occurred_at=utcnow(), lead_id=lead.lead_id, person_id=asked, source=lead.source),
        card(asked, phones=(phone,)),
        CustomerMerged(occurred_at=utcnow(), person_id=lives, merged_id=asked),
        card(lives, kind="customer", phones=(phone,)),
    )


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize("cards", ["of both ids", "of the one that lives"])
async def test_in_whatever_order_facts_cards_and_a_merge_come_each_text_is_on_the_phone_once(
    runtime: Runtime, panel: Panel, cards: str
) -> None:
    people = {f"+98999000{number}": order for number, order in enumerate(ORDERS, start=1_000)}
    told = {phone: told_of(phone) for phone in people}
    for step in range(len(ORDERS[0])):
        come = [(phone, order[step]) for phone, order in people.items()]
        told_now = [told[phone][place] for phone, place in come if cards == "of both ids" or place != OWN_CARD]
        await deliver(runtime, *told_now)
        await send(runtime)
    with moved(LOOKED_FOR):
        await eventually(lambda: sent_all(runtime), within=10, every=0.2)
        for phone, order in people.items():
            texts = [text["text"] for text in await panel.texts(phone)]
            assert [sum(words in text for text in texts) for words in WORDS] == [1, 1], order
            assert len(texts) == len(WORDS), order


async def send(runtime: Runtime) -> None:
    await turn(runtime, "step automations")
    await turn(runtime, "send service")


async def sent_all(runtime: Runtime) -> bool:
    """Send; an account sends so many a second and no more."""
    await send(runtime)
    return not await fetchval(runtime, OPEN)
