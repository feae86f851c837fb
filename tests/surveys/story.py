"""What other services say in these tests, and what is looked up after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.customers import TicketAnswered, TicketResolved
from shared.contracts.messaging import MessageDelivered, ReplyReceived, SurveyRequested
from shared.contracts.surveys import SurveyInvited
from shared.ids import new_id
from shared.service import Runtime
from tests.support.events import deliver, published

START = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
SHIPPED = "csat_purchase"


def after(**span: float) -> datetime:
    return START + timedelta(**span)


def requested(person_id: UUID, *, survey: str = SHIPPED, at: datetime = START, **given: Any) -> SurveyRequested:
    return SurveyRequested(occurred_at=at, request_id=new_id(), person_id=person_id, survey=survey, **given)


def replied(person_id: UUID, number: int | None, *, at: datetime | None = None, **given: Any) -> ReplyReceived:
    return ReplyReceived(
        occurred_at=at or after(hours=1), reply_id=new_id(), person_id=person_id, number=number, **given
    )


def delivered(invitation: SurveyInvited, *, at: datetime | None = None) -> MessageDelivered:
    return MessageDelivered(
        occurred_at=at or after(minutes=1),
        message_id=new_id(),
        person_id=invitation.person_id,
        channel="sms",
        purpose="service",
        invitation_id=invitation.invitation_id,
    )


def ticket_answered(person_id: UUID, answer_id: UUID | None, *, at: datetime) -> TicketAnswered:
    return TicketAnswered(
        occurred_at=at,
        person_id=person_id,
        ticket_id=new_id(),
        kind="complaint",
        answer_id=answer_id,
        first=True,
        opened_at=START,
    )


def ticket_resolved(answered: TicketAnswered, *, at: datetime) -> TicketResolved:
    return TicketResolved(
        occurred_at=at,
        person_id=answered.person_id,
        ticket_id=answered.ticket_id,
        kind="complaint",
        answer_id=answered.answer_id,
        cause="delivery",
        opened_at=START,
    )


async def invited(runtime: Runtime, person_id: UUID, **given: Any) -> SurveyInvited:
    """Have a person asked, and return the event that sends the question."""
    await deliver(runtime, requested(person_id, **given))
    return (await published(runtime, SurveyInvited))[-1]


async def new_survey(client: httpx.AsyncClient, **given: Any) -> str:
    """Open a survey and return its code."""
    survey = {"code": f"s_{new_id().hex}", "kind": "csat", "scale": "1-5", "title": "آزمایش", "template": "survey_csat"}
    answer = await client.post("/v1/surveys", json=survey | given)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["code"])


async def items(client: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def survey_id(client: httpx.AsyncClient, code: str) -> str:
    (survey,) = await items(client, "/v1/surveys", code=code)
    return str(survey["id"])


def pointers(answer: httpx.Response) -> list[str]:
    return [fault["pointer"] for fault in answer.json()["errors"]]
