"""Who an id means, under a lock; ids that are merged; ids that are erased.

All rows that mean a person are locked together, those of several people in one order of ids, before any of them is
changed; so decisions about a person follow each other, and nobody waits for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.answers.models import Reply
from services.surveys.invitations.models import Invitation
from services.surveys.people.models import Person
from shared.db import driver, savepoint

_MEANT = func.coalesce(Person.merged_into, Person.person_id)


@dataclass(frozen=True, slots=True)
class LockedPerson:
    """A person whose row is locked: no other transaction decides about them meanwhile. `ids` are all that mean them."""

    id: UUID
    ids: tuple[UUID, ...]
    erased: bool


async def lock_person(tx: AsyncSession, person_id: UUID) -> LockedPerson:
    """Lock whom `person_id` means until the end of the transaction, remembering the id if it is new."""
    await remember(tx, [person_id])
    meant = (await lock_people(tx, [person_id]))[person_id]
    erased_at = await tx.scalar(select(Person.erased_at).where(Person.person_id == meant))
    return LockedPerson(meant, await ids_of(tx, meant), erased_at is not None)


async def lock_known_person(tx: AsyncSession, person_id: UUID) -> LockedPerson | None:
    """Lock whom `person_id` means if anybody was ever asked or told about under it; None for one never seen."""
    known = await tx.scalar(select(Person.person_id).where(Person.person_id == person_id))
    return await lock_person(tx, person_id) if known is not None else None


async def lock_people(tx: AsyncSession, person_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Lock whom those of `person_ids` mean that are known, and return it by id.

    A merge that was committed while we waited is followed; the locks taken for what was meant before are let go first,
    as to hold them while waiting for others would close a circle.
    """
    ids = set(person_ids)
    while True:
        meant = await _meant(tx, ids)
        rows = select(Person.person_id).where(_family(meant.values())).order_by(Person.person_id)
        locks = savepoint(driver(tx))
        await locks.start()
        locked = list(await tx.scalars(rows.with_for_update()))
        if meant == await _meant(tx, ids) and locked == list(await tx.scalars(rows)):
            await locks.commit()
            return meant
        await locks.rollback()


async def remember(tx: AsyncSession, person_ids: Iterable[UUID]) -> None:
    """Keep the ids that are new, so that they can be locked."""
    rows = [{"person_id": person_id} for person_id in sorted(set(person_ids))]
    if rows:
        await tx.execute(insert(Person).values(rows).on_conflict_do_nothing())


async def ids_of(tx: AsyncSession, person_id: UUID) -> tuple[UUID, ...]:
    """Return every id that means the same person as `person_id`, itself included."""
    meant = select(_MEANT).where(Person.person_id == person_id).scalar_subquery()
    same = or_(Person.person_id == meant, Person.merged_into == meant)
    found = await tx.scalars(select(Person.person_id).where(same).order_by(Person.person_id))
    return tuple(found) or (person_id,)


async def merge_people(tx: AsyncSession, person_id: UUID, merged_id: UUID, *, at: datetime) -> None:
    """Let `merged_id`, with its own aliases, mean `person_id`; if one of them is erased, both are."""
    await remember(tx, [person_id, merged_id])
    meant = await lock_people(tx, [person_id, merged_id])
    kept, gone = meant[person_id], meant[merged_id]
    if kept == gone:
        return
    aliases = update(Person).where(or_(Person.person_id == gone, Person.merged_into == gone))
    await tx.execute(aliases.values(merged_into=kept))
    if await tx.scalar(select(func.count(Person.erased_at)).where(Person.person_id.in_([kept, gone]))):
        await erase_people(tx, [kept], at=at)


async def erase_people(tx: AsyncSession, person_ids: Sequence[UUID], *, at: datetime) -> None:
    """Forget whom the invitations of people were about, and what they sent; open invitations are closed.

    Answers go on counting in results, as nobody's.
    """
    await remember(tx, person_ids)
    meant = await lock_people(tx, person_ids)
    ids = {one for person_id in set(meant.values()) for one in await ids_of(tx, person_id)}
    await tx.execute(update(Person).where(Person.person_id.in_(ids), Person.erased_at.is_(None)).values(erased_at=at))
    theirs = select(Invitation.id).where(Invitation.person_id.in_(ids)).order_by(Invitation.id).with_for_update()
    invitation_ids = list(await tx.scalars(theirs))
    await tx.execute(update(Reply).where(Reply.invitation_id.in_(invitation_ids)).values(number=None))
    about = update(Invitation).where(Invitation.id.in_(invitation_ids))
    await tx.execute(about.where(Invitation.status == "open").values(status="cancelled"))
    await tx.execute(about.values(person_id=None))


def _family(people: Iterable[UUID]) -> ColumnElement[bool]:
    """Return the condition on rows that mean one of `people`, who are nobody's alias."""
    people = list(people)
    return or_(Person.person_id.in_(people), Person.merged_into.in_(people))


async def _meant(tx: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, UUID]:
    found = await tx.execute(select(Person.person_id, _MEANT).where(Person.person_id.in_(ids)))
    return {person_id: meant for person_id, meant in found}  # noqa: C416  (rows are no pairs to mypy)
