"""Contact cards of leads' persons and of agents, as the relay sends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg
import msgspec

from shared.contracts.cards import ContactCard

PERSONS = """
SELECT id, first_name, last_name, phone, phone_shared, email, province, city, accepts_promotional,
       accepts_promotional OR coalesce((
           SELECT bool_or(lead.source <> 'import' OR lead.status = 'converted' OR EXISTS (
               SELECT FROM touches WHERE lead_id = lead.id AND by = 'person' AND source IS DISTINCT FROM 'import'
           )) FROM leads AS lead WHERE lead.person_id = persons.id
       ), true) AS accepts_service
FROM persons WHERE id = ANY($1::uuid[]) AND erased_at IS NULL
"""
"""Who merely stands in an imported list has given no reason to be written to, until they say yes or come to us."""

AGENTS = "SELECT id, first_name, last_name, phone, email FROM agents WHERE id = ANY($1::uuid[])"


async def read_cards(connection: asyncpg.Connection, ids: Sequence[UUID]) -> Mapping[UUID, bytes]:
    """Return the present cards of `ids`; one that is missing was erased."""
    cards = [_of_person(row) for row in await connection.fetch(PERSONS, list(ids))]
    cards += [_of_agent(row) for row in await connection.fetch(AGENTS, list(ids))]
    return {card.person_id: msgspec.json.encode(card) for card in cards}


def _of_person(row: asyncpg.Record) -> ContactCard:
    phones = (row["phone"],) if row["phone"] else ()
    return ContactCard(
        person_id=row["id"],
        kind="lead",
        first_name=row["first_name"],
        last_name=row["last_name"],
        phones=() if row["phone_shared"] else phones,
        shared_phones=phones if row["phone_shared"] else (),
        emails=(row["email"],) if row["email"] else (),
        province=row["province"],
        city=row["city"],
        accepts_service=row["accepts_service"],
        accepts_promotional=row["accepts_promotional"],
    )


def _of_agent(row: asyncpg.Record) -> ContactCard:
    return ContactCard(
        person_id=row["id"],
        kind="agent",
        first_name=row["first_name"],
        last_name=row["last_name"],
        phones=(row["phone"],) if row["phone"] else (),
        emails=(row["email"],) if row["email"] else (),
    )
