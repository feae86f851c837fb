"""Who is this? The number decides; an address decides where no number contradicts it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.persons import sql
from shared.db import driver


class How(IntEnum):
    """By what somebody is known, the surest first."""

    PHONE = 1
    CARD_PHONE = 2
    SHARED_PHONE = 3
    EMAIL = 4
    CARD_EMAIL = 5


@dataclass(frozen=True, slots=True)
class Match:
    """A person known by the number or the address that was given; aliases are resolved."""

    how: How
    person_id: UUID
    has_phone: bool
    same_name: bool
    is_customer: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is. `person_id` is None for a stranger; `possible_duplicate_of` shares the address alone."""

    person_id: UUID | None = None
    is_customer: bool = False
    phone_shared: bool = False
    possible_duplicate_of: UUID | None = None


def identify(matches: Sequence[Match], *, phone_given: bool) -> Identity:
    """Tell who somebody is from those known by the same number or address.

    A number that a family or an office shares tells only who bears the same name; without that, the address decides.
    """
    shared = any(match.how is How.SHARED_PHONE for match in matches)
    by_phone = [match for match in matches if _decides(match, shared=shared)]
    by_email = [match for match in matches if match.how in (How.EMAIL, How.CARD_EMAIL)]
    if not by_phone and (not phone_given or shared):
        by_phone = by_email
    found = by_phone[0] if by_phone else next((match for match in by_email if not match.has_phone), None)
    others = [match.person_id for match in by_email if found is None or match.person_id != found.person_id]
    return Identity(
        person_id=found.person_id if found else None,
        is_customer=found is not None and found.is_customer,
        phone_shared=shared,
        possible_duplicate_of=others[0] if others else None,
    )


def _decides(match: Match, *, shared: bool) -> bool:
    if match.how is How.PHONE:
        return match.same_name or not shared
    return match.how is How.CARD_PHONE and not shared


async def hold_known_by(tx: AsyncSession, *, phone: str | None, email: str | None) -> None:
    """Let nobody else look up this number or address to mint an id until `tx` ends.

    Look-ups are statements of their own, so that they see what the last holder of the lock did.
    """
    await driver(tx).execute(sql.LOCK, sorted(locks_of(phone, email)))


async def hold_those_free(tx: AsyncSession, known_by: Sequence[tuple[str | None, str | None]]) -> list[bool]:
    """Do as `hold_known_by` for many without waiting; tell whose number and address are held, and by them alone."""
    wanted, taken = [locks_of(*each) for each in known_by], Counter[int]()
    for locks in wanted:
        taken.update(locks)
    got = dict(zip(taken, [row[0] for row in await driver(tx).fetch(sql.TRY_LOCK, list(taken))], strict=True))
    return [all(got[lock] and taken[lock] == 1 for lock in locks) for locks in wanted]


def locks_of(phone: str | None, email: str | None) -> set[int]:
    """Return the locks of a number and an address."""
    known_by = {"phone": phone, "email": email}
    return {sql.lock_of(f"{kind}:{value}") for kind, value in known_by.items() if value is not None}


async def are_known(tx: AsyncSession, known_by: Sequence[tuple[str | None, str | None]]) -> list[bool]:
    """Tell of each number and address, held, whether anybody is known by them."""
    return [row[0] for row in await driver(tx).fetchmany(sql.IS_KNOWN, known_by)]


async def look_up(tx: AsyncSession, *, phone: str | None, email: str | None, name: str) -> list[Match]:
    """Return who is known by this number or address, held."""
    return [match_of(row) for row in await driver(tx).fetch(sql.FIND, phone, email, name)]


def match_of(row: asyncpg.Record) -> Match:
    """Return what a row of `sql.FIND` says."""
    return Match(How(row["how"]), row["person_id"], row["has_phone"], row["same_name"], row["is_customer"])


async def hold_person(tx: AsyncSession, person_id: UUID) -> None:
    """Keep others from capturing for a known person until `tx` ends, whatever they are known by.

    Whoever they were merged into while we waited is held as well.
    """
    held = await driver(tx).fetchval(sql.HOLD, person_id)
    if await driver(tx).fetchval(sql.MEANT, person_id) != held:
        await driver(tx).execute(sql.HOLD, person_id)


async def same_persons(tx: AsyncSession, person_ids: Collection[UUID]) -> dict[UUID, frozenset[UUID]]:
    """Return, for each id, all ids that mean the same person."""
    if not person_ids:
        return {}
    rows = await driver(tx).fetch(sql.SAME_AS, list(person_ids))
    return _grouped((row["asked_id"], row["id"]) for row in rows)


def _grouped(rows: Iterable[tuple[UUID, UUID]]) -> dict[UUID, frozenset[UUID]]:
    groups: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for asked, same in rows:
        groups[asked].add(same)
    return {asked: frozenset(same) for asked, same in groups.items()}
