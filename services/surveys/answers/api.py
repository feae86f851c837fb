"""`/v1/answers`: what people answered."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from services.surveys.answers.errors import AnswerNotFound, OffScale
from services.surveys.answers.models import Answer
from services.surveys.answers.schemas import AnswerCreate, AnswerOut, AnswerPage, Loop
from services.surveys.answers.usecases import answer_invitation
from services.surveys.invitations.errors import (
    InvitationClosed,
    InvitationExpired,
    InvitationNotFound,
    InvitationOfErased,
)
from services.surveys.invitations.models import Invitation
from services.surveys.people.identity import ids_of
from services.surveys.surveys.usecases import survey_by_code
from shared.clock import utcnow
from shared.contracts.surveys import Category
from shared.web import Keyset, LeadingFilter, PageDep, Tx, equal_to, page_of, problems, requires, router_for
from shared.web.fields import Instant
from shared.web.idempotency import about

router = router_for("surveys", prefix="/v1/answers", tags=["answers"])

KEYSET = Keyset(sorts={"answered_at": Answer.answered_at}, id=Answer.id, default="-answered_at")

LEADING_FILTERS = ("product", "agent_id", "touchpoint", "survey_id", "category")
"""Those that fit fewer answers first, as they usually do."""


@router.post(
    "",
    status_code=201,
    summary="Answer an invitation",
    response_model=AnswerOut,
    dependencies=[requires("surveys:write")],
    responses=problems(InvitationNotFound, InvitationClosed, InvitationExpired, InvitationOfErased, OffScale),
)
async def create_answer(body: AnswerCreate, tx: Tx) -> AnswerOut:
    """Record an answer. A second one to the same invitation replaces the first."""
    answer = await answer_invitation(tx, body.invitation_id, body.value, at=utcnow())
    invitation = await tx.get_one(Invitation, answer.invitation_id)
    if invitation.person_id is not None:
        about(tx, invitation.person_id)
    return AnswerOut.of(answer, invitation)


@router.get("", summary="List answers", response_model=AnswerPage, dependencies=[requires("surveys:read")])
async def list_answers(
    tx: Tx,
    page: PageDep,
    survey: Annotated[str | None, Query(max_length=64, description="Code of the survey.")] = None,
    category: Annotated[Category | None, Query(description="What the answer means.")] = None,
    person_id: Annotated[UUID | None, Query(description="The person, by any id that means them.")] = None,
    loop: Annotated[Loop | None, Query(description="`open`: answered badly, and not yet answered.")] = None,
    touchpoint: Annotated[str | None, Query(max_length=64, description="Where it was asked.")] = None,
    product: Annotated[str | None, Query(max_length=64, description="What it was asked about.")] = None,
    agent_id: Annotated[UUID | None, Query(description="Whom it was asked about.")] = None,
    since: Annotated[Instant | None, Query(alias="from", description="Answered then or later.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Answered before.")] = None,
) -> dict[str, object]:
    """List answers, the newest first."""
    filters = {
        "touchpoint": touchpoint,
        "product": product,
        "agent_id": agent_id,
        "survey_id": await _id_of(tx, survey),
        "category": category,
    }
    few = loop is not None or person_id is not None
    leading = LeadingFilter.of(Answer, filters, *LEADING_FILTERS) if not few else None
    query = select(Answer).join(Answer.invitation).options(contains_eager(Answer.invitation))
    query = query.where(*equal_to(Answer, filters, leading), *_in_loop(loop))
    if person_id is not None:
        query = query.where(Invitation.person_id.in_(await ids_of(tx, person_id)))
    bound = {**filters, "person": person_id, "loop": loop, "since": since, "until": until}
    rows, cursor = await page_of(tx, query, KEYSET, page, bound, leading, (since, until))
    return {"items": [AnswerOut.of(answer, answer.invitation) for answer in rows], "next_cursor": cursor}


@router.get(
    "/{answer_id}",
    summary="Read an answer",
    response_model=AnswerOut,
    dependencies=[requires("surveys:read")],
    responses=problems(AnswerNotFound),
)
async def read_answer(answer_id: UUID, tx: Tx) -> AnswerOut:
    """Read an answer, and whether one who answered badly has been answered."""
    answer = await tx.get(Answer, answer_id)
    if answer is None:
        raise AnswerNotFound(answer_id)
    return AnswerOut.of(answer, await tx.get_one(Invitation, answer.invitation_id))


async def _id_of(tx: AsyncSession, survey: str | None) -> UUID | None:
    """Return the id of the survey with a code; that of none, where there is none."""
    if survey is None:
        return None
    found = await survey_by_code(tx, survey)
    return found.id if found is not None else UUID(int=0)


def _in_loop(loop: Loop | None) -> list[ColumnElement[bool]]:
    if loop is None:
        return []
    closed = Answer.loop_closed_at.is_not(None) if loop == "closed" else Answer.loop_closed_at.is_(None)
    return [Answer.loop_opened_at.is_not(None), closed]
