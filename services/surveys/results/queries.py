"""Counting the answers and the invitations of a survey."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func, null, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from services.surveys.answers.models import Answer
from services.surveys.invitations.models import Invitation
from services.surveys.results.figures import Tally

Dimension = Literal["touchpoint", "product", "agent", "channel"]

_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "touchpoint": Invitation.touchpoint,
    "product": Invitation.product,
    "agent": Invitation.agent_id,
    "channel": Invitation.channel,
}


@dataclass(slots=True)
class Counted:
    """What was counted for one value of a dimension: answers given, and invitations delivered, in the period."""

    tallies: list[Tally] = field(default_factory=list)
    delivered: int = 0
    responded: int = 0


async def count_survey(
    tx: AsyncSession, survey_id: UUID, by: Dimension | None, since: datetime | None, until: datetime | None
) -> dict[str | None, Counted]:
    """Return the counts of `[since, until)` by dimension; without one, all under None."""
    counted: dict[str | None, Counted] = defaultdict(Counted)
    if by is None:
        counted[None] = Counted()
    key: ColumnElement[Any] | InstrumentedAttribute[Any] = _COLUMNS[by] if by is not None else null()
    given = (
        select(key.label("by"), Answer.value, Answer.category, func.count())
        .join(Invitation, Invitation.id == Answer.invitation_id)
        .where(Answer.survey_id == survey_id, *_within(Answer.answered_at, since, until))
        .group_by("by", Answer.value, Answer.category)
    )
    for value_of, value, category, count in await tx.execute(given):
        counted[_code(value_of)].tallies.append(Tally(value, category, count))
    delivered = (
        select(key.label("by"), func.count(), func.count().filter(Invitation.status == "answered"))
        .where(Invitation.survey_id == survey_id, Invitation.delivered_at.is_not(None))
        .where(*_within(Invitation.delivered_at, since, until))
        .group_by("by")
    )
    for value_of, count, responded in await tx.execute(delivered):
        counted[_code(value_of)].delivered, counted[_code(value_of)].responded = count, responded
    return counted


def _within(column: Any, since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions.append(column >= since)
    if until is not None:
        conditions.append(column < until)
    return conditions


def _code(value: object) -> str | None:
    return None if value is None else str(value)
