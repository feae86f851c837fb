"""What a list is asked for of one person: what is kept under any of their ids."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.contacts.queries import all_ids
from shared.db import driver
from shared.web import LeadingFilter


async def of_person(
    tx: AsyncSession, column: Any, person_id: UUID | None
) -> tuple[list[ColumnElement[bool]], LeadingFilter | None]:
    """Return the conditions of the rows of a person, and what leads the list: their id, where they have but one."""
    if person_id is None:
        return [], None
    ids = sorted(await all_ids(driver(tx), [person_id]))
    return ([], LeadingFilter(column, ids[0])) if len(ids) == 1 else ([column.in_(ids)], None)
