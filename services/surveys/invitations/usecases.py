"""Deciding whom to ask: in one transaction, under the person's lock, each request once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.fatigue.models import Fatigue
from services.surveys.fatigue.queries import current_fatigue
from services.surveys.fatigue.rules import Asked, Limits, Refusal, draw_of, refusal
from services.surveys.invitations.models import Invitation
from services.surveys.people.identity import LockedPerson, lock_person
from services.surveys.surveys.models import Survey
from services.surveys.surveys.usecases import survey_by_code
from shared import outbox
from shared.contracts.surveys import SurveyRefused
from shared.ids import derived_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Somebody wants a person asked. `request_id` names the request, so that it is decided once."""

    request_id: UUID
    person_id: UUID
    survey: str
    channel: str | None = None
    touchpoint: str | None = None
    product: str | None = None
    agent_id: UUID | None = None
    purchase_id: UUID | None = None
    at: datetime


async def invite(tx: AsyncSession, request: Request) -> Invitation:
    """Decide a request: an open invitation and `survey.invited`, or a refused one and `survey.refused`.

    A request that was decided before keeps its decision.
    """
    person = await lock_person(tx, request.person_id)
    known = await tx.scalar(select(Invitation).where(Invitation.request_id == request.request_id))
    if known is not None:
        return known
    survey = await survey_by_code(tx, request.survey)
    if survey is None:
        return _refuse_unknown(tx, request)
    fatigue = await current_fatigue(tx)
    invitation = _invitation(request, survey)
    reason = await _refusal(tx, invitation, survey, fatigue, person)
    _decide(tx, invitation, survey, reason)
    return invitation


async def _refusal(
    tx: AsyncSession, invitation: Invitation, survey: Survey, fatigue: Fatigue, person: LockedPerson
) -> Refusal | None:
    if person.erased:
        return "erased"
    if not survey.active:
        return "inactive"
    limits = Limits(
        days=fatigue.days,
        survey_id=survey.id,
        interval_days=survey.interval_days,
        sampling_percent=survey.sampling_percent,
        exempt=invitation.touchpoint in fatigue.exempt_touchpoints,
    )
    asked = await _asked(tx, person, invitation.requested_at, days=max(fatigue.days, survey.interval_days or 0))
    return refusal(
        limits, invitation.requested_at, asked, draw=draw_of(invitation.request_id or invitation.id, survey.id)
    )


async def _asked(tx: AsyncSession, person: LockedPerson, at: datetime, *, days: int) -> list[Asked]:
    around = timedelta(days=days)
    query = select(Invitation.survey_id, Invitation.requested_at).where(
        Invitation.person_id.in_(person.ids),
        Invitation.status != "refused",
        Invitation.requested_at.between(at - around, at + around),
    )
    return [Asked(survey_id, asked_at) for survey_id, asked_at in await tx.execute(query) if survey_id is not None]


def _decide(tx: AsyncSession, invitation: Invitation, survey: Survey, reason: Refusal | None) -> None:
    tx.add(invitation)
    if reason is not None:
        invitation.status, invitation.reason = "refused", reason
        outbox.add(tx, invitation.refused(survey, reason))
        if reason == "erased":
            invitation.person_id = None
        return
    expires_at = invitation.requested_at + timedelta(days=survey.valid_days)
    invitation.status, invitation.expires_at = "open", expires_at
    if invitation.channel == "api":
        invitation.delivered_at = invitation.requested_at
    outbox.add(tx, invitation.invited(survey, expires_at))


def _refuse_unknown(tx: AsyncSession, request: Request) -> Invitation:
    """Refuse to ask what nobody has: the event names the code, with an id that stands for the code alone."""
    facts: dict[str, Any] = {
        "person_id": request.person_id,
        "survey": request.survey,
        "touchpoint": request.touchpoint,
        "product": request.product,
        "agent_id": request.agent_id,
        "purchase_id": request.purchase_id,
        "request_id": request.request_id,
    }
    refused = Invitation(
        id=_id_for(request), status="refused", reason="unknown_survey", channel="api", requested_at=request.at, **facts
    )
    tx.add(refused)
    survey_id = derived_id(request.request_id, request.survey)
    outbox.add(
        tx,
        SurveyRefused(
            occurred_at=request.at, survey_id=survey_id, kind="form", scale="", reason="unknown_survey", **facts
        ),
    )
    return refused


def _id_for(request: Request) -> UUID:
    """Return the id of the invitation that a request leads to: the same when it is read again after a restore."""
    return derived_id(request.request_id, "invitation")


def _invitation(request: Request, survey: Survey) -> Invitation:
    return Invitation(
        id=_id_for(request),
        survey_id=survey.id,
        survey=survey.code,
        person_id=request.person_id,
        request_id=request.request_id,
        channel=request.channel or survey.channel,
        touchpoint=request.touchpoint or survey.touchpoint,
        product=request.product,
        agent_id=request.agent_id,
        purchase_id=request.purchase_id,
        requested_at=request.at,
    )
