"""Events as tests tell them: people by name, times by the wall clock of Tehran."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import httpx

from shared.contracts.customers import CustomerMerged, PurchaseCancelled, PurchaseRecorded, PurchaseRefunded
from shared.contracts.leads import LeadCaptured, LeadDisqualified, LeadMerged, LeadReopened, LeadTouched
from shared.contracts.messaging import MessageDelivered
from shared.contracts.surveys import SurveyAnswered, SurveyInvited

TEHRAN = ZoneInfo("Asia/Tehran")
NAMESPACE = UUID("01890000-0000-7000-8000-000000000000")


def named(*name: object) -> UUID:
    """Return the id of whatever is called so."""
    return uuid5(NAMESPACE, ":".join(map(str, name)))


def at(text: str) -> datetime:
    """Read `2026-03-21` (noon) or `2026-03-21 00:00` or with seconds, in Tehran."""
    moment = datetime.fromisoformat(text)
    if len(text) == len("2026-03-21"):
        moment = moment.replace(hour=12)
    return moment.replace(tzinfo=TEHRAN).astimezone(UTC)


def purchase(who: str, when: str | datetime, amount: int = 100, *, number: int = 0, **more: Any) -> PurchaseRecorded:
    occurred_at = at(when) if isinstance(when, str) else when
    return PurchaseRecorded(
        occurred_at=occurred_at,
        person_id=named(who),
        purchase_id=named("purchase", who, occurred_at, number),
        amount_minor=amount,
        **more,
    )


def refund(of: PurchaseRecorded, amount: int, *, number: int = 0) -> PurchaseRefunded:
    return PurchaseRefunded(
        occurred_at=of.occurred_at + timedelta(days=1),
        person_id=of.person_id,
        purchase_id=of.purchase_id,
        refund_id=named("refund", of.purchase_id, number),
        amount_minor=amount,
        currency=of.currency,
        purchased_at=of.occurred_at,
    )


def cancellation(of: PurchaseRecorded) -> PurchaseCancelled:
    return PurchaseCancelled(
        occurred_at=of.occurred_at + timedelta(days=1),
        person_id=of.person_id,
        purchase_id=of.purchase_id,
        purchased_at=of.occurred_at,
    )


def merge(into: str, other: str) -> CustomerMerged:
    return CustomerMerged(occurred_at=at("2026-12-01"), person_id=named(into), merged_id=named(other))


def lead(who: str, when: str, *, due: str | None = None, **more: Any) -> LeadCaptured:
    more.setdefault("source", "website")
    return LeadCaptured(
        occurred_at=at(when),
        lead_id=named("lead", who, when),
        person_id=named(who),
        response_due_at=at(due) if due else None,
        **more,
    )


def answer_to(of: LeadCaptured, when: str, *, in_time: bool | None = None, **more: Any) -> LeadTouched:
    return LeadTouched(
        occurred_at=at(when),
        lead_id=of.lead_id,
        person_id=of.person_id,
        touch_id=named("touch", of.lead_id, when),
        direction="outbound",
        channel="call",
        by="human",
        answers=True,
        question_asked_at=of.occurred_at,
        response_due_at=of.response_due_at,
        in_time=in_time,
        **more,
    )


def given_up(of: LeadCaptured, when: str) -> LeadDisqualified:
    return LeadDisqualified(occurred_at=at(when), lead_id=of.lead_id, person_id=of.person_id, reason="other")


def reopened(of: LeadCaptured, when: str, *, due: str | None = None) -> LeadReopened:
    return LeadReopened(
        occurred_at=at(when), lead_id=of.lead_id, person_id=of.person_id, response_due_at=at(due) if due else None
    )


def merged_lead(of: LeadCaptured, when: str, *, into: LeadCaptured | None = None) -> LeadMerged:
    return LeadMerged(
        occurred_at=at(when), lead_id=of.lead_id, person_id=of.person_id, into_lead_id=into.lead_id if into else None
    )


def invitation(who: str, when: str, *, scale: str = "1-5", channel: Any = "sms", **more: Any) -> SurveyInvited:
    more.setdefault("survey", "after_purchase")
    return SurveyInvited(
        occurred_at=at(when),
        person_id=named(who),
        survey_id=named("survey", more["survey"]),
        kind="csat",
        scale=scale,
        invitation_id=named("invitation", who, when, more["survey"]),
        channel=channel,
        expires_at=at(when) + timedelta(days=14),
        **more,
    )


def delivery(of: SurveyInvited, when: str) -> MessageDelivered:
    return MessageDelivered(
        occurred_at=at(when),
        message_id=named("message", of.invitation_id),
        person_id=of.person_id,
        channel="sms",
        purpose="service",
        invitation_id=of.invitation_id,
    )


def answer(of: SurveyInvited, when: str, value: int, category: Any, *, revision: int = 1) -> SurveyAnswered:
    return SurveyAnswered(
        occurred_at=at(when),
        person_id=of.person_id,
        survey_id=of.survey_id,
        survey=of.survey,
        kind="csat",
        scale=of.scale,
        touchpoint=of.touchpoint,
        product=of.product,
        agent_id=of.agent_id,
        answer_id=named("answer", of.invitation_id),
        invitation_id=of.invitation_id,
        revision=revision,
        value=value,
        category=category,
        channel="sms",
    )


async def ask(client: httpx.AsyncClient, figure: str, **params: Any) -> Any:
    """Ask for a figure and return the whole answer."""
    query = {key.rstrip("_"): value for key, value in params.items()}
    reply = await client.get(f"/v1/metrics/{figure}", params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def points(client: httpx.AsyncClient, figure: str, **params: Any) -> list[Any]:
    """Ask for a figure and return its points."""
    answered: list[Any] = (await ask(client, figure, **params))["points"]
    return answered


async def values(client: httpx.AsyncClient, figure: str, **params: Any) -> list[Any]:
    return [point["value"] for point in await points(client, figure, **params)]
