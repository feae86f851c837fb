"""Keeping copies of contact cards, and forgetting people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from services.messaging.contacts import sql
from shared.contracts.cards import ContactCard, ReceivedCard


async def keep_cards(connection: asyncpg.Connection, received: Sequence[ReceivedCard]) -> None:
    """Store the newest card of each person; an older one, or one of somebody erased, changes nothing."""
    for topic in sorted({card.topic for card in received}):
        rows = [_row(card) for card in received if card.topic == topic]
        await connection.execute(sql.UPSERT, topic, orjson.dumps(rows).decode())
    aliases = [(alias, each.key) for each in received if each.card for alias in each.card.aliases]
    if aliases:
        await keep_aliases(connection, aliases)


async def keep_aliases(connection: asyncpg.Connection, aliases: Sequence[tuple[UUID, UUID]]) -> None:
    """Store pairs of an id and the id that it means from now on."""
    await connection.execute(sql.UPSERT_ALIASES, [alias for alias, _ in aliases], [person for _, person in aliases])


async def remember_erased(connection: asyncpg.Connection, person_ids: Sequence[UUID], now: datetime) -> None:
    """Remember for ever that these ids were erased."""
    await connection.execute(sql.REMEMBER_ERASED, list(person_ids), now)


def _row(received: ReceivedCard) -> dict[str, Any]:
    card = received.card or ContactCard(person_id=received.key, kind="lead")
    return {
        "person_id": received.key,
        "version": received.version,
        "erased": received.card is None,
        "kind": card.kind if received.card else "",
        "first_name": card.first_name,
        "last_name": card.last_name,
        "phones": card.phones,
        "shared_phones": card.shared_phones,
        "emails": card.emails,
        "locale": card.locale,
        "time_zone": card.time_zone,
        "accepts_service": card.accepts_service,
        "accepts_promotional": card.accepts_promotional,
    }
