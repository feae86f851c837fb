"""Who an id means, under a lock; ids that are merged; ids that are erased."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.answers.models import Reply
from services.surveys.invitations.models import Invitation
from services.surveys.people.models import Person


@dataclass(frozen=True, slots=True)
class LockedPerson:
    """A person whose row is locked: no other transaction decides about them meanwhile. `ids` are all that mean them."""

    id: UUID
    ids: tuple[UUID, ...]
    erased: bool


async def lock_person(tx: AsyncSession, person_id: UUID) -> LockedPerson:
    """Lock whom `person_id` means until the end of the transaction, remembering the id if it is new."""
    await remember(tx, [person_id])
    person = await _canonical(tx, person_id)
    return LockedPerson(person.person_id, await ids_of(tx, person_id), person.erased_at is not None)


async def lock_known_person(tx: AsyncSession, person_id: UUID) -> LockedPerson | None:
    """Lock whom `person_id` means if anybody was ever asked or told about under it; None for one never seen."""
    if await tx.get(Person, person_id) is None:
        return None
    return await lock_person(tx, person_id)


async def lock_people(tx: AsyncSession, person_ids: Iterable[UUID]) -> None:
    """Lock those of `person_ids` that are known, and whom they mean, in the order in which everybody locks people."""
    ids = select(func.coalesce(Person.merged_into, Person.person_id)).where(Person.person_id.in_(set(person_ids)))
    rows = select(Person.person_id).where(Person.person_id.in_(ids)).order_by(Person.person_id)
    await tx.execute(rows.with_for_update())


async def remember(tx: AsyncSession, person_ids: Iterable[UUID]) -> None:
    """Keep the ids that are new, so that they can be locked."""
    rows = [{"person_id": person_id} for person_id in sorted(set(person_ids))]
    if rows:
        await tx.execute(insert(Person).values(rows).on_conflict_do_nothing())


async def ids_of(tx: AsyncSession, person_id: UUID) -> tuple[UUID, ...]:
    """Return every id that means the same person as `person_id`, itself included."""
    meant = select(func.coalesce(Person.merged_into, Person.person_id)).where(Person.person_id == person_id)
    same = or_(Person.person_id == meant.scalar_subquery(), Person.merged_into == meant.scalar_subquery())
    found = await tx.scalars(select(Person.person_id).where(same).order_by(Person.person_id))
    return tuple(found) or (person_id,)


async def merge_people(tx: AsyncSession, person_id: UUID, merged_id: UUID, *, at: datetime) -> None:
    """Let `merged_id`, with its own aliases, mean `person_id`; if one of them is erased, both are."""
    await remember(tx, [person_id, merged_id])
    kept, gone = await _lock_both(tx, person_id, merged_id)
    if kept.person_id == gone.person_id:
        return
    ids = await ids_of(tx, gone.person_id)
    await tx.execute(update(Person).where(Person.person_id.in_(ids)).values(merged_into=kept.person_id))
    if kept.erased_at is not None or gone.erased_at is not None:
        await erase_people(tx, [kept.person_id], at=at)


async def erase_people(tx: AsyncSession, person_ids: Sequence[UUID], *, at: datetime) -> None:
    """Forget whom the invitations of people were about, and what they sent; open invitations are closed.

    Answers go on counting in results, as nobody's.
    """
    await remember(tx, person_ids)
    await lock_people(tx, person_ids)
    ids = {one for person_id in person_ids for one in await ids_of(tx, person_id)}
    await tx.execute(update(Person).where(Person.person_id.in_(ids), Person.erased_at.is_(None)).values(erased_at=at))
    theirs = select(Invitation.id).where(Invitation.person_id.in_(ids)).with_for_update()
    invitation_ids = list(await tx.scalars(theirs))
    await tx.execute(update(Reply).where(Reply.invitation_id.in_(invitation_ids)).values(number=None))
    about = update(Invitation).where(Invitation.id.in_(invitation_ids))
    await tx.execute(about.where(Invitation.status == "open").values(status="cancelled"))
    await tx.execute(about.values(person_id=None))


async def _canonical(tx: AsyncSession, person_id: UUID) -> Person:
    """Return the locked row that `person_id` means; a merge that was committed while we waited is followed."""
    while True:
        person = await _locked(tx, person_id)
        if person.merged_into is None:
            return person
        person_id = person.merged_into


async def _lock_both(tx: AsyncSession, one: UUID, other: UUID) -> tuple[Person, Person]:
    """Lock what two ids mean, in the order of their ids, as everybody does who locks several."""
    while True:
        await lock_people(tx, [one, other])
        first, second = await _locked(tx, one), await _locked(tx, other)
        if first.merged_into is None and second.merged_into is None:
            return first, second
        one, other = first.merged_into or one, second.merged_into or other


async def _locked(tx: AsyncSession, person_id: UUID) -> Person:
    query = select(Person).where(Person.person_id == person_id).with_for_update()
    return (await tx.scalars(query, execution_options={"populate_existing": True})).one()
