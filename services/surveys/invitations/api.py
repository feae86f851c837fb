"""`/v1/invitations`: who was asked, who was not, and why."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import select

from services.surveys.answers.models import Reply
from services.surveys.invitations.errors import InvitationNotFound
from services.surveys.invitations.models import Invitation
from services.surveys.invitations.schemas import (
    InvitationCreate,
    InvitationDetail,
    InvitationOut,
    InvitationPage,
    ReplyOut,
    Status,
)
from services.surveys.invitations.usecases import Request, invite
from services.surveys.people.identity import ids_of
from services.surveys.surveys.errors import SurveyNotFound
from services.surveys.surveys.usecases import survey_by_code
from shared.clock import utcnow
from shared.ids import new_id
from shared.web import Keyset, LeadingFilter, PageDep, Tx, equal_to, page_of, problems, requires, router_for
from shared.web.fields import Instant
from shared.web.idempotency import about

router = router_for("surveys", prefix="/v1/invitations", tags=["invitations"])

KEYSET = Keyset(sorts={"requested_at": Invitation.requested_at}, id=Invitation.id, default="-requested_at")


@router.post(
    "",
    status_code=201,
    summary="Ask a person",
    response_model=InvitationOut,
    dependencies=[requires("surveys:write")],
    responses=problems(SurveyNotFound),
)
async def create_invitation(body: InvitationCreate, tx: Tx) -> Invitation:
    """Invite a person. One who may not be asked now gives an invitation of status `refused`, with the reason."""
    if await survey_by_code(tx, body.survey) is None:
        raise SurveyNotFound(body.survey)
    about(tx, body.person_id)
    return await invite(tx, Request(request_id=new_id(), at=utcnow(), **body.model_dump()))


@router.get("", summary="List invitations", response_model=InvitationPage, dependencies=[requires("surveys:read")])
async def list_invitations(
    tx: Tx,
    page: PageDep,
    survey: Annotated[str | None, Query(max_length=64, description="Code of the survey.")] = None,
    person_id: Annotated[UUID | None, Query(description="The person, by any id that means them.")] = None,
    status: Annotated[Status | None, Query(description="What became of it.")] = None,
    reason: Annotated[str | None, Query(max_length=64, description="Why it was refused.")] = None,
    since: Annotated[Instant | None, Query(alias="from", description="Requested then or later.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Requested before.")] = None,
) -> dict[str, object]:
    """List the requests to ask people, refused ones too, the newest first."""
    filters = {"survey": survey, "status": status, "reason": reason}
    leading = LeadingFilter.of(Invitation, filters, "reason", "survey", "status") if person_id is None else None
    query = select(Invitation).where(*equal_to(Invitation, filters, leading))
    if person_id is not None:
        query = query.where(Invitation.person_id.in_(await ids_of(tx, person_id)))
    bound = {**filters, "person": person_id, "since": since, "until": until}
    rows, cursor = await page_of(tx, query, KEYSET, page, bound, leading, (since, until))
    return {"items": rows, "next_cursor": cursor}


@router.get(
    "/{invitation_id}",
    summary="Read an invitation",
    response_model=InvitationDetail,
    dependencies=[requires("surveys:read")],
    responses=problems(InvitationNotFound),
)
async def read_invitation(invitation_id: UUID, tx: Tx) -> InvitationDetail:
    """Read an invitation, with the replies that came by SMS."""
    invitation = await tx.get(Invitation, invitation_id)
    if invitation is None:
        raise InvitationNotFound(invitation_id)
    sent = select(Reply).where(Reply.invitation_id == invitation_id)
    replies = await tx.scalars(sent.order_by(Reply.received_at, Reply.reply_id))
    return InvitationDetail(
        **InvitationOut.model_validate(invitation).model_dump(),
        replies=[ReplyOut.model_validate(reply) for reply in replies],
    )
