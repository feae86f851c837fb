"""Taking answers: by API to an invitation, by SMS to the newest question that the number can answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from services.surveys.answers.errors import OffScale
from services.surveys.answers.models import Answer, Reply
from services.surveys.invitations.errors import (
    InvitationClosed,
    InvitationExpired,
    InvitationNotFound,
    InvitationOfErased,
)
from services.surveys.invitations.models import Invitation
from services.surveys.people.identity import lock_known_person
from services.surveys.surveys.models import Survey
from services.surveys.surveys.usecases import get_survey
from shared import outbox
from shared.contracts.messaging import ReplyReceived

TAKING = ("open", "answered")
"""The states in which an invitation takes an answer; a second one replaces the first."""

COARSENESS = timedelta(minutes=2)
"""How far before the truth a reply's time may lie: panels cut it to the minute, and their clocks differ from ours."""


async def answer_invitation(tx: AsyncSession, invitation_id: UUID, value: int, *, at: datetime) -> Answer:
    """Take an answer given through the API.

    Raises `InvitationNotFound`, `InvitationClosed`, `InvitationOfErased`, `InvitationExpired` or `OffScale`.
    """
    invitation = await _lock_invitation(tx, invitation_id)
    if invitation.status in ("refused", "cancelled") or invitation.survey_id is None or invitation.expires_at is None:
        raise InvitationClosed(invitation_id, invitation.status)
    if invitation.person_id is None:
        raise InvitationOfErased(invitation_id)
    if invitation.status == "expired" or invitation.expires_at <= at:
        raise InvitationExpired(invitation_id, invitation.expires_at)
    survey = await get_survey(tx, invitation.survey_id)
    if not survey.rule.holds(value):
        raise OffScale(value, survey.rule)
    known = await _answer_to(tx, invitation)
    return _take(tx, known, invitation, survey, value=value, channel="api", at=at)


async def answer_by_reply(tx: AsyncSession, reply: ReplyReceived) -> Answer | None:
    """Take an SMS reply as the answer to the person's newest open SMS question that its number can answer.

    A number that answers none of them, comes too late, or was sent before the answer that is there, is ignored and
    recorded with the newest question. A reply of somebody who was never asked is none of ours.
    """
    if reply.number is None:
        return None
    person = await lock_known_person(tx, reply.person_id)
    if person is None or await tx.get(Reply, reply.reply_id) is not None:
        return None
    asked = await _sms_questions(tx, person.ids, reply.occurred_at)
    in_time = [one for one in asked if one.expires_at is not None and reply.occurred_at < one.expires_at]
    meant = next((one for one in in_time if one.asks and one.asks.rule.holds(reply.number)), None)
    if meant is None or meant.asks is None:
        for newest in (in_time or asked)[:1]:
            _record(tx, reply, newest, "off_scale" if in_time else "late")
        return None
    known = await _answer_to(tx, meant)
    older = known is not None and reply.occurred_at + COARSENESS <= known.answered_at
    _record(tx, reply, meant, "older" if older else "answered")
    if older:
        return None
    at = max(reply.occurred_at, known.answered_at if known is not None else meant.requested_at)
    return _take(tx, known, meant, meant.asks, value=reply.number, channel="sms", at=at)


def _take(
    tx: AsyncSession,
    known: Answer | None,
    invitation: Invitation,
    survey: Survey,
    *,
    value: int,
    channel: str,
    at: datetime,
) -> Answer:
    if known is None:
        answer = Answer.to(invitation, survey)
        tx.add(answer)
    else:
        answer = known
        answer.revision += 1
    answer.give(value, survey=survey, channel=channel, at=at)
    invitation.status, invitation.delivered_at = "answered", invitation.delivered_at or at
    outbox.add(tx, answer.answered(invitation, survey))
    return answer


def _record(tx: AsyncSession, reply: ReplyReceived, invitation: Invitation, outcome: str) -> None:
    tx.add(
        Reply(
            reply_id=reply.reply_id,
            invitation_id=invitation.id,
            number=str(reply.number),
            outcome=outcome,
            received_at=reply.occurred_at,
        )
    )


async def _sms_questions(tx: AsyncSession, person_ids: tuple[UUID, ...], at: datetime) -> list[Invitation]:
    """Return what a person was asked by SMS before `at`, locked, the newest first."""
    query = (
        select(Invitation)
        .where(
            Invitation.person_id.in_(person_ids),
            Invitation.channel == "sms",
            Invitation.status.in_((*TAKING, "expired")),
            Invitation.requested_at < at + COARSENESS,
        )
        .order_by(Invitation.requested_at.desc(), Invitation.id.desc())
        .limit(20)
        .options(joinedload(Invitation.asks))
        .with_for_update(of=Invitation)
    )
    return list(await tx.scalars(query, execution_options={"populate_existing": True}))


async def _lock_invitation(tx: AsyncSession, invitation_id: UUID) -> Invitation:
    """Return an invitation with its person locked first, as everybody does who decides about them."""
    person_id = await tx.scalar(select(Invitation.person_id).where(Invitation.id == invitation_id))
    if person_id is not None:
        await lock_known_person(tx, person_id)
    invitation = await tx.get(Invitation, invitation_id, with_for_update=True, populate_existing=True)
    if invitation is None:
        raise InvitationNotFound(invitation_id)
    return invitation


async def _answer_to(tx: AsyncSession, invitation: Invitation) -> Answer | None:
    query = select(Answer).where(Answer.invitation_id == invitation.id).with_for_update()
    return (await tx.scalars(query, execution_options={"populate_existing": True})).one_or_none()
