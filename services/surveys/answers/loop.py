"""Closing the loop: whoever answered badly has been answered."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.answers.models import Answer
from services.surveys.invitations.models import Invitation
from services.surveys.surveys.models import Survey
from shared import outbox


async def close_loop(tx: AsyncSession, answer_id: UUID, ticket_id: UUID, *, at: datetime) -> None:
    """Close the loop of an answer, once; an answer that is not known, or whose person is erased, has none."""
    query = (
        select(Answer, Invitation, Survey)
        .join(Invitation, Invitation.id == Answer.invitation_id)
        .join(Survey, Survey.id == Answer.survey_id)
        .where(Answer.id == answer_id, Invitation.person_id.is_not(None))
        .with_for_update(of=Answer)
    )
    found = (await tx.execute(query, execution_options={"populate_existing": True})).one_or_none()
    if found is None:
        return
    answer, invitation, survey = found
    closed = answer.close_loop(ticket_id, invitation, survey, at=at)
    if closed is not None:
        outbox.add(tx, closed)
