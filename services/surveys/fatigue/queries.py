"""Reading how often people may be asked."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.fatigue.models import Fatigue


async def current_fatigue(tx: AsyncSession) -> Fatigue:
    """Return how often people may be asked."""
    return (await tx.scalars(select(Fatigue))).one()
