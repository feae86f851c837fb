"""Saying that something happened to people, so that they are classified anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import asyncpg

MARK: Final = """
INSERT INTO classifications (person_id, opened_at)
SELECT id, coalesce(created_at, 'infinity') FROM unnest($1::uuid[]) AS touched(id) LEFT JOIN customers USING (id)
ORDER BY id
ON CONFLICT (person_id) DO UPDATE SET due_at = '-infinity'
"""
"""Writes also where a mark stands already: it has to wait for a turn of the clock that is at work on the row, which
does not see this transaction, and would take the mark away."""

MARK_KNOWN: Final = """
UPDATE classifications SET due_at = '-infinity'
WHERE person_id IN (SELECT person_id FROM classifications WHERE person_id = ANY($1::uuid[]) ORDER BY 1 FOR UPDATE)
"""


async def mark(connection: asyncpg.Connection, person_ids: Iterable[UUID]) -> None:
    """Have customers classified by the next turn of the clock."""
    await connection.execute(MARK, list(set(person_ids)))


async def mark_known(connection: asyncpg.Connection, person_ids: Iterable[UUID]) -> None:
    """Have those of these people classified who are customers."""
    await connection.execute(MARK_KNOWN, list(set(person_ids)))
