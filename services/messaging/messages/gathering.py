"""Gathering what a batch of messages is decided by, a statement a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.automations.models import Automation
from services.messaging.contacts.cards import Known
from services.messaging.contacts.queries import all_ids, people
from services.messaging.messages import sql
from services.messaging.messages.decision import Suppressed
from services.messaging.providers.models import ProviderAccount
from services.messaging.providers.queries import active_accounts, routes_of
from services.messaging.providers.routing import Route
from services.messaging.providers.secrets import address_hash
from services.messaging.settings import Settings
from services.messaging.templates.models import Template
from shared.db import driver

Row = asyncpg.Record
NOBODY = Known()


@dataclass(frozen=True, slots=True)
class Batch:
    """What is known about a batch: people, templates, accounts and what stands against a message."""

    people: Mapping[UUID, Known]
    templates: Mapping[str, Template]
    accounts: Mapping[UUID, ProviderAccount]
    routes: Sequence[Route]
    inactive_automations: frozenset[str]
    suppressed: Mapping[bytes, Suppressed]
    same: Mapping[UUID, UUID]
    pauses: Mapping[UUID, datetime]
    promotion: dict[UUID, tuple[int, int]]
    settings: Settings

    def pause_of(self, person_id: UUID) -> datetime | None:
        """Return until when a person gets no promotion."""
        return self.pauses.get(self.same.get(person_id, person_id))

    def promoted(self, person_id: UUID) -> tuple[int, int]:
        """Return how much promotion a person had, under all their ids, within a day and a week."""
        return self.promotion.get(self.same.get(person_id, person_id), (0, 0))

    def promote(self, person_id: UUID) -> None:
        """Count one more to a person."""
        day, week = self.promoted(person_id)
        self.promotion[self.same.get(person_id, person_id)] = (day + 1, week + 1)

    def known(self, person_id: UUID | None) -> Known:
        """Return what is known of a person; nothing of one never heard of."""
        return self.people.get(person_id, NOBODY) if person_id is not None else NOBODY

    def suppression_of(self, channel: str, address: str | None) -> Suppressed:
        """Return what stands against an address."""
        if address is None:
            return Suppressed()
        return self.suppressed.get(address_hash(self.settings, channel, address), Suppressed())


async def gather(tx: AsyncSession, rows: Sequence[Row], settings: Settings, now: datetime) -> Batch:
    """Read all that the decisions about `rows` need.

    Promotion is counted by one sender at a time for a person, so that two cannot both send the last one allowed.
    """
    connection = driver(tx)
    ids = {row["person_id"] for row in rows} | {row["about_id"] for row in rows if row["about_id"]}
    known = await people(connection, ids)
    accounts = await active_accounts(tx)
    promoted = {row["person_id"] for row in rows if row["purpose"] == "promotional"}
    same = await all_ids(connection, promoted) if promoted else {}
    return Batch(
        people=known,
        templates=await _templates(tx, {row["template"] for row in rows if row["template"]}),
        accounts={account.id: account for account in accounts},
        routes=routes_of(accounts),
        inactive_automations=await _inactive(tx, {row["automation"] for row in rows if row["automation"]}),
        suppressed=await _suppressed(connection, rows, known, settings),
        same=same,
        pauses=await _pauses(connection, same, now),
        promotion=await _promotion(connection, same, now),
        settings=settings,
    )


async def _templates(tx: AsyncSession, codes: set[str]) -> dict[str, Template]:
    if not codes:
        return {}
    return {template.code: template for template in await tx.scalars(select(Template).where(Template.code.in_(codes)))}


async def _inactive(tx: AsyncSession, codes: set[str]) -> frozenset[str]:
    if not codes:
        return frozenset()
    statement = select(Automation.code).where(Automation.code.in_(codes), ~Automation.active)
    return frozenset(await tx.scalars(statement))


async def _suppressed(
    connection: asyncpg.Connection, rows: Sequence[Row], known: Mapping[UUID, Known], settings: Settings
) -> dict[bytes, Suppressed]:
    hashes = set()
    for row in rows:
        card = known.get(row["person_id"], NOBODY).card
        address = card.address(row["channel"]) if card else None
        if address:
            hashes.add(address_hash(settings, row["channel"], address))
    own: dict[bytes, set[tuple[str, str]]] = {}
    operator: dict[bytes, set[str]] = {}
    for found in await connection.fetch(sql.SUPPRESSIONS, list(hashes)):
        if found["source"] == "operator":
            operator.setdefault(found["address_hash"], set()).add(found["purpose"])
        else:
            own.setdefault(found["address_hash"], set()).add((found["line"], found["purpose"]))
    return {
        each: Suppressed(frozenset(own.get(each, ())), frozenset(operator.get(each, ())))
        for each in own.keys() | operator.keys()
    }


async def _pauses(connection: asyncpg.Connection, same: Mapping[UUID, UUID], now: datetime) -> dict[UUID, datetime]:
    if not same:
        return {}
    rows = await connection.fetch(sql.PAUSES, list(same), list(same.values()), now)
    return {row["person_id"]: row["until"] for row in rows}


async def _promotion(
    connection: asyncpg.Connection, same: Mapping[UUID, UUID], now: datetime
) -> dict[UUID, tuple[int, int]]:
    if not same:
        return {}
    people_ids = list(same.values())
    await connection.execute(sql.LOCK_PEOPLE, people_ids)
    day, week = now - timedelta(days=1), now - timedelta(days=7)
    rows: list[Any] = await connection.fetch(sql.RECENT_PROMOTION, list(same), people_ids, day, week)
    return {row["person_id"]: (row["day"], row["week"]) for row in rows}
