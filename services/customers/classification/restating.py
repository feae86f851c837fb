"""What customers are now, said again after a restore."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import any_, cast, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Uuid

from services.customers.classification.models import Classification
from shared.clock import utcnow
from shared.contracts import Event
from shared.contracts.customers import CustomerClassified, CustomerStageChanged


async def restate_customers(tx: AsyncSession, ids: Collection[UUID]) -> Sequence[Event]:
    """Say the types and the stage of those of `ids` that are customers, as they are kept."""
    asked = Classification.person_id == any_(cast(list(ids), ARRAY(Uuid)))
    rows = await tx.scalars(select(Classification).where(asked).order_by(Classification.person_id))
    return [event for row in rows for event in _restated(row)]


def _restated(row: Classification) -> tuple[Event, Event]:
    now, types = utcnow(), tuple(row.types)
    return (
        CustomerClassified(
            person_id=row.person_id,
            before=types,  # type: ignore[arg-type]
            after=types,  # type: ignore[arg-type]
            reasons=row.reasons,
            occurred_at=now,
        ),
        CustomerStageChanged(
            person_id=row.person_id,
            before=row.stage,  # type: ignore[arg-type]
            after=row.stage,  # type: ignore[arg-type]
            reason="restated",
            occurred_at=now,
        ),
    )
