"""Who an id, a number or an external id means, and claims to numbers and external ids that only one can win."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from services.customers.people import sql
from services.customers.people.errors import CustomerNotFound, PersonErased

IDENTITIES: Final = 5_120_734_166
"""Advisory lock under which ids come to mean other people, or nobody."""

ExternalKey = tuple[str, str]
"""A source, and what it calls a customer."""


class PhoneClaim(NamedTuple):
    """A number that a person shall have; `place` is its place in their list."""

    phone: str
    person_id: UUID
    shared: bool = False
    place: int = 0


class ExternalClaim(NamedTuple):
    """What another system calls a person."""

    source: str
    external_id: str
    person_id: UUID


class SomebodyWasFaster(Exception):
    """Another transaction took a number, an external id or a person meanwhile: look again, and decide anew."""


@dataclass(slots=True)
class Directory:
    """Who the numbers and external ids of a request mean, in our own profiles or on the cards of leads.

    `customers` and `leads` say whose a number is; one in `shared` means nobody in particular, but all of its people.
    """

    customers: dict[str, UUID] = field(default_factory=dict)
    leads: dict[str, UUID] = field(default_factory=dict)
    by_external_id: dict[ExternalKey, UUID] = field(default_factory=dict)
    shared: dict[str, set[UUID]] = field(default_factory=dict)

    def put(
        self, phone: str, customer_id: UUID | None, lead_person_id: UUID | None, sharers: Sequence[UUID] | None
    ) -> None:
        """Enter what was found of a number."""
        if sharers:
            self.shared[phone] = set(sharers)
        elif customer_id is not None:
            self.customers[phone] = customer_id
        elif lead_person_id is not None:
            self.leads[phone] = lead_person_id

    def copy(self) -> Directory:
        """Return a directory that can be written into without changing this one."""
        return Directory(dict(self.customers), dict(self.leads), dict(self.by_external_id), dict(self.shared))


async def look_up(
    connection: asyncpg.Connection, phones: Collection[str] = (), external_ids: Collection[ExternalKey] = ()
) -> Directory:
    """Look numbers up in our own customers and in the copy of the leads' cards, external ids in our own."""
    directory = Directory()
    if phones:
        for row in await connection.fetch(sql.BY_PHONE, list(phones)):
            directory.put(row["phone"], row["customer_id"], row["lead_person_id"], row["sharers"])
    if external_ids:
        sources, ids = zip(*external_ids, strict=True)
        for source, external_id, person_id in await connection.fetch(sql.BY_EXTERNAL_ID, list(sources), list(ids)):
            directory.by_external_id[source, external_id] = person_id
    return directory


async def claim(
    connection: asyncpg.Connection, phones: Sequence[PhoneClaim], external_ids: Sequence[ExternalClaim] = ()
) -> None:
    """Take numbers and external ids for people; raises `SomebodyWasFaster` unless all could be taken.

    Rows are written in the order of their keys, so that two requests wait for each other at most one way round.
    """
    if phones:
        taken = await connection.fetch(sql.CLAIM_PHONES, *_columns(phones))
        _all_of(taken, phones)
    if external_ids:
        taken = await connection.fetch(sql.CLAIM_EXTERNAL_IDS, *_columns(external_ids))
        _all_of(taken, external_ids)


async def find_doubles(connection: asyncpg.Connection, person_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the people of leads whose number is a customer's own, by either one's id, with that customer."""
    rows = await connection.fetch(sql.DOUBLES, list(person_ids)) if person_ids else []
    return {row["lead_person_id"]: row["customer_id"] for row in rows}


async def take_free(connection: asyncpg.Connection, phones: Sequence[PhoneClaim]) -> None:
    """Give people those of the numbers that nobody has alone."""
    known = await look_up(connection, [claimed.phone for claimed in phones])
    free = [claimed for claimed in phones if claimed.phone not in known.customers]
    shared = [claimed._replace(shared=True) for claimed in free if claimed.shared or claimed.phone in known.shared]
    alone = [claimed for claimed in free if not claimed.shared and claimed.phone not in known.shared]
    for claims in (alone, shared):
        if claims:
            await connection.execute(sql.CLAIM_PHONES, *_columns(claims))


async def resolve(connection: asyncpg.Connection, person_id: UUID) -> UUID:
    """Return the id that a person has now; raises `PersonErased`."""
    row = await connection.fetchrow(sql.RESOLVE, [person_id])
    if row is None:
        raise CustomerNotFound(person_id)
    if row["erased"]:
        raise PersonErased(person_id)
    resolved: UUID = row["person_id"]
    return resolved


async def resolve_many(
    connection: asyncpg.Connection, person_ids: Iterable[UUID]
) -> tuple[dict[UUID, UUID], set[UUID]]:
    """Return the ids that people have now, and which of those asked for were erased."""
    rows = await connection.fetch(sql.RESOLVE, list(person_ids))
    return {row["id"]: row["person_id"] for row in rows}, {row["id"] for row in rows if row["erased"]}


async def ids_of(connection: asyncpg.Connection, person_id: UUID) -> list[UUID]:
    """Return a person's id and all that were merged into it; what they did is kept under any of them."""
    aliases = await connection.fetch("SELECT alias_id FROM aliases WHERE person_id = $1 ORDER BY alias_id", person_id)
    return [person_id, *(row["alias_id"] for row in aliases)]


async def share(connection: asyncpg.Connection, phones: Sequence[PhoneClaim]) -> list[UUID]:
    """Give people numbers that several use; return whose alone those were until now."""
    if not phones:
        return []
    others = await connection.fetch(sql.SHARE_PHONES, sorted({claimed.phone for claimed in phones}))
    await connection.execute(sql.CLAIM_PHONES, *_columns(phones))
    return [row["person_id"] for row in others]


async def remember_erased(connection: asyncpg.Connection, person_ids: Sequence[UUID], *, at: datetime) -> None:
    """Remember for ever that these ids were erased, and drop the copy of what the leads service knew of them."""
    await connection.execute(sql.REMEMBER_ERASED, list(person_ids), at)
    await connection.execute(sql.FORGET_LEAD_PHONES, list(person_ids))
    await connection.execute("UPDATE lead_contacts SET card = NULL WHERE person_id = ANY($1::uuid[])", list(person_ids))


async def lock_identities(connection: asyncpg.Connection) -> None:
    """Let nobody else merge or erase people until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", IDENTITIES)


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _all_of(taken: Sequence[object], wanted: Sequence[object]) -> None:
    if len(taken) != len(wanted):
        raise SomebodyWasFaster
