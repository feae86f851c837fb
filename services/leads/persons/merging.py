"""Two ids that mean one person: the one that lives on is what the other resolves to, chains at once."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.persons import sql
from services.leads.persons.identity import hold_person
from services.leads.persons.models import Alias, Person
from shared.db import driver


async def merge_persons(tx: AsyncSession, merged: UUID, *, into: UUID) -> None:
    """Resolve `merged`, and what resolved to it, to the person that `into` means; leads keep their published id.

    Both are held until `tx` ends, so that no capture opens a lead for one that the other has.
    """
    survivor = await tx.get(Alias, into)
    target = survivor.person_id if survivor is not None else into
    if target == merged:
        return
    for person_id in sorted((merged, target)):
        await hold_person(tx, person_id)
    await driver(tx).execute(sql.STORE_ALIAS, merged, target)
    await tx.execute(update(Person).where(Person.id == merged).values(identifies=False))
