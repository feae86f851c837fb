"""Whether a lead may be written to for service: who came, or said yes; not who merely stands in an imported list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from shared.clock import utcnow
from shared.contracts.messaging import ReplyReceived
from shared.ids import new_id
from shared.service import Runtime
from tests.leads.story import captured, done, number, person_of, touched
from tests.support.events import deliver, published_cards

Lead = dict[str, Any]


async def accepts_service(runtime: Runtime, lead: Lead) -> bool:
    """Tell what the card says that was published last."""
    card = (await published_cards(runtime))[person_of(lead)]
    assert card is not None
    return card.accepts_service


@pytest.mark.parametrize(
    ("fields", "accepts"),
    [
        ({"source": "import"}, False),
        ({"source": "import", "direction": "outbound"}, False),
        ({"source": "import", "accepts_promotional": True}, True),
        ({"source": "website"}, True),
        ({"source": "social", "direction": "outbound"}, True),
    ],
)
async def test_who_stands_in_an_imported_list_is_not_written_to(
    fields: dict[str, Any], accepts: bool, runtime: Runtime, client: httpx.AsyncClient
) -> None:
    assert await accepts_service(runtime, await captured(client, **fields)) is accepts


async def test_who_is_imported_again_is_not_written_to_either(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client, source="import", phone=(phone := number()))
    await captured(client, source="import", phone=phone)
    await captured(client, source="import", phone=phone, product="club")
    await touched(client, lead, direction="outbound")

    assert await accepts_service(runtime, lead) is False


async def came(_runtime: Runtime, client: httpx.AsyncClient, lead: Lead) -> None:
    assert (await captured(client, phone=lead["phone"]))["recaptured"]


async def came_for_another_product(_runtime: Runtime, client: httpx.AsyncClient, lead: Lead) -> None:
    await captured(client, phone=lead["phone"], product="club")


async def wrote(_runtime: Runtime, client: httpx.AsyncClient, lead: Lead) -> None:
    await touched(client, lead, direction="inbound", channel="chat")


async def replied(runtime: Runtime, _client: httpx.AsyncClient, lead: Lead) -> None:
    await deliver(runtime, ReplyReceived(reply_id=new_id(), person_id=person_of(lead), occurred_at=utcnow()))


async def agreed_to_buy(_runtime: Runtime, client: httpx.AsyncClient, lead: Lead) -> None:
    await done(client, lead, "convert")


@pytest.mark.parametrize("happens", [came, came_for_another_product, wrote, replied, agreed_to_buy])
async def test_who_was_imported_and_comes_to_us_is_written_to(
    happens: Callable[[Runtime, httpx.AsyncClient, Lead], Awaitable[None]], runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client, source="import")
    async with runtime.db.connection() as connection:
        await connection.execute("DELETE FROM outbox")
    await happens(runtime, client, lead)

    assert await accepts_service(runtime, lead) is True
