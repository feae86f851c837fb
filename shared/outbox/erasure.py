"""Erasing people from what the machinery keeps: parked cards, and stored answers to requests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Record, TopicPartition
from shared.contracts.cards import ReceivedCard
from shared.contracts.customers import CustomerErased
from shared.contracts.leads import LeadErased
from shared.db import driver
from shared.outbox.parking import let_go

TYPES = frozenset({CustomerErased.type, LeadErased.type})
"""Facts that say a person was erased: the inbox acts on them whether or not the service has a handler of its own."""

_PARKED = """
DELETE FROM parked WHERE key = ANY($1::uuid[]) AND topic LIKE '%.contacts.%' AND body IS NOT NULL
RETURNING consumer, topic, partition, key
"""
_BEFORE = """
DELETE FROM parked USING unnest($1::text[], $2::uuid[], $3::bigint[]) AS gone (topic, key, version)
WHERE parked.topic = gone.topic AND parked.topic LIKE '%.contacts.%' AND parked.key = gone.key AND body IS NOT NULL
    AND (headers ->> 'version')::bigint < gone.version
RETURNING consumer, parked.topic, partition, parked.key
"""
_ANSWERS = "UPDATE idempotency_keys SET body = NULL, headers = NULL WHERE person_id = ANY($1::uuid[])"


class _Erased(msgspec.Struct):
    person_id: UUID
    alias_ids: tuple[UUID, ...] = ()


_decoder = msgspec.json.Decoder(_Erased)


async def forget(tx: AsyncSession, records: Sequence[Record]) -> None:
    """Forget the people whom the facts `records` say to be erased."""
    erased = [_decoder.decode(record.body or b"") for record in records]
    if erased:
        await forget_people(tx, [person for fact in erased for person in (fact.person_id, *fact.alias_ids)])


async def forget_people(tx: AsyncSession, person_ids: Collection[UUID]) -> None:
    """Empty what is kept of people: parked and dead cards go, stored answers lose their body, a repeat gets 410.

    A parked tombstone stays, so that it still reaches its handler; parked facts stay, as they name nobody.
    """
    ids = list(person_ids)
    await _empty_parked(driver(tx), _PARKED, ids)
    await driver(tx).execute(_ANSWERS, ids)


async def forget_before(tx: AsyncSession, cards: Sequence[ReceivedCard]) -> None:
    """Delete what is parked or dead of cards before their tombstones: what came after the erasure was heard of."""
    gone = [card for card in cards if card.card is None]
    if gone:
        columns = [card.topic for card in gone], [card.key for card in gone], [card.version for card in gone]
        await _empty_parked(driver(tx), _BEFORE, *columns)


async def _empty_parked(connection: asyncpg.Connection, delete: str, *of: object) -> None:
    """Delete parked and dead cards, again where that had to wait for a batch, which has parked others behind them."""
    while gone := await connection.fetch(delete, *of):
        for consumer, topic, partition, key in dict.fromkeys(map(tuple, gone)):
            await let_go(connection, consumer, TopicPartition(topic, partition), [key])
