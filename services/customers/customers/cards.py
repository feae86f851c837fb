"""The contact cards of customers, as the relay reads them when it sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg
import msgspec

from services.customers.customers import sql
from shared.contracts.cards import CalendarDate, ContactCard
from shared.persian.calendar import to_jalali


async def read_cards(connection: asyncpg.Connection, ids: Sequence[UUID]) -> Mapping[UUID, bytes]:
    """Return the present cards of customers; an id that was merged has the card of the one it means."""
    rows = await connection.fetch(sql.CARDS, list(ids))
    return {row["asked_id"]: msgspec.json.encode(_card(row)) for row in rows}


def _card(row: asyncpg.Record) -> ContactCard:
    return ContactCard(
        person_id=row["id"],
        kind="customer",
        first_name=row["first_name"],
        last_name=row["last_name"],
        phones=tuple(row["phones"] or ()),
        shared_phones=tuple(row["shared_phones"] or ()),
        emails=tuple(row["emails"]),
        locale=row["locale"],
        time_zone=row["time_zone"],
        province=row["province"],
        city=row["city"],
        birth_date=_birthday(row),
        accepts_service=row["accepts_service"],
        accepts_promotional=row["accepts_promotional"],
        aliases=tuple(row["aliases"] or ()),
    )


def _birthday(row: asyncpg.Record) -> CalendarDate | None:
    day = row["birth_date"]
    if day is None:
        return None
    jalali = row["birth_calendar"] == "jalali"
    return CalendarDate(calendar=row["birth_calendar"], date=to_jalali(day) if jalali else day.isoformat())
