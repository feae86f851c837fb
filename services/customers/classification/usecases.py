"""Classifying the customers to whom something happened, or whom the passing of time has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.classification import sql
from services.customers.classification.rules import History, Rules, Verdict, classify
from shared import outbox
from shared.contracts.customers import CustomerClassified, CustomerStageChanged
from shared.db import driver

RECHECK: Final = timedelta(days=1)
"""At the latest after this a customer is looked at again, so that changed rules reach everybody."""


async def classify_due(tx: AsyncSession, rules: Rules, *, now: datetime, most: int = 1_000) -> list[UUID]:
    """Classify a batch of customers who are due; return who was.

    Whom only time has changed is judged at the instant of that change, so that what is published does not depend on
    when the clock came round.
    """
    connection = driver(tx)
    due = {row["person_id"]: row for row in await connection.fetch(sql.DUE, now, most)}
    if not due:
        return []
    instants = {person_id: row["due_at"] or now for person_id, row in due.items()}
    verdicts = {
        person_id: classify(history, instants[person_id], rules)
        for person_id, history in (await _histories(connection, instants, rules)).items()
    }
    for person_id, verdict in verdicts.items():
        _publish(tx, person_id, due[person_id], verdict, at=instants[person_id])
    await _keep(connection, verdicts, instants, now)
    await _drop(connection, due.keys() - verdicts.keys())
    return list(due)


async def _histories(
    connection: asyncpg.Connection, instants: Mapping[UUID, datetime], rules: Rules
) -> dict[UUID, History]:
    rows = await connection.fetch(sql.HISTORIES, list(instants), list(instants.values()), rules.regular_purchases)
    fields = History.__dataclass_fields__
    return {row["person_id"]: History(**{name: row[name] for name in fields}) for row in rows}


def _publish(tx: AsyncSession, person_id: UUID, before: asyncpg.Record, verdict: Verdict, *, at: datetime) -> None:
    if set(before["types"]) != set(verdict.types):
        outbox.add(
            tx,
            CustomerClassified(
                person_id=person_id,
                before=tuple(before["types"]),
                after=verdict.types,
                reasons=verdict.reasons,
                occurred_at=at,
            ),
        )
    if before["stage"] != verdict.stage:
        outbox.add(
            tx,
            CustomerStageChanged(
                person_id=person_id,
                before=before["stage"],
                after=verdict.stage,
                reason=verdict.stage_reason,
                occurred_at=at,
            ),
        )


async def _keep(
    connection: asyncpg.Connection,
    verdicts: Mapping[UUID, Verdict],
    instants: Mapping[UUID, datetime],
    now: datetime,
) -> None:
    rows: list[tuple[Any, ...]] = [
        (
            person_id,
            ",".join(verdict.types),
            orjson.dumps(verdict.reasons).decode(),
            verdict.stage,
            verdict.stage_reason,
            instants[person_id],
            min(verdict.changes_at or now + RECHECK, now + RECHECK),
        )
        for person_id, verdict in verdicts.items()
    ]
    if rows:
        await connection.execute(sql.KEEP, *(list(column) for column in zip(*rows, strict=True)))


async def _drop(connection: asyncpg.Connection, person_ids: Sequence[UUID] | set[UUID]) -> None:
    """Forget marks of those who are no customers any more."""
    if person_ids:
        await connection.execute("DELETE FROM classifications WHERE person_id = ANY($1::uuid[])", list(person_ids))
