"""Events that begin automations, and those that they wait for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.automations.runs import answer_coupons, begin_runs
from services.messaging.automations.usecases import triggers
from services.messaging.contacts.cards import TOPIC_OF_PRODUCER
from services.messaging.messages.intents import Intent, queue
from services.messaging.templates.models import Template
from shared.clock import utcnow
from shared.contracts import Event, Received
from shared.contracts.customers import CouponIssued, CouponRefused
from shared.contracts.surveys import SurveyInvited
from shared.outbox.consumer import Consumer

consumer = Consumer("messaging")

TRIGGERS = tuple(triggers().values())
"""Any fact of the other services can trigger an automation: which one does is data."""

USUAL_SURVEY_TEMPLATE = "survey_csat"


@consumer.effect(*TRIGGERS, batch=True, due_at=None)
async def begin_automations(tx: AsyncSession, received: Sequence[Received[Event]]) -> None:
    """Begin what events trigger. Whether a step comes too late is asked when it is due, as it may lie days ahead."""
    await begin_runs(tx, received, utcnow())


@consumer.own(CouponIssued, batch=True)
async def take_coupons(tx: AsyncSession, received: Sequence[Received[CouponIssued]]) -> None:
    """Let the automations that asked for a coupon go on with it."""
    issued = [each.event for each in received if each.event.request_id is not None]
    answers = [
        (
            event.request_id,
            {
                "coupon_id": str(event.coupon_id),
                "coupon_code": event.code,
                "discount_percent": event.discount_percent or "",
                "coupon_valid_until": event.valid_until.date().isoformat(),
            },
        )
        for event in issued
    ]
    await answer_coupons(tx, answers, utcnow())


@consumer.own(CouponRefused, batch=True)
async def go_on_without_coupons(tx: AsyncSession, received: Sequence[Received[CouponRefused]]) -> None:
    """Let the automations that asked in vain go on without, or end."""
    await answer_coupons(tx, [(each.event.request_id, None) for each in received], utcnow())


@consumer.effect(SurveyInvited, batch=True)
async def ask_invited(tx: AsyncSession, received: Sequence[Received[SurveyInvited]]) -> None:
    """Send the question of a survey to whoever is invited over a channel of ours."""
    now = utcnow()
    invited = [each.event for each in received if each.event.channel != "api"]
    codes = {event.template or USUAL_SURVEY_TEMPLATE for event in invited}
    found = await tx.scalars(select(Template).where(Template.code.in_(codes)))
    templates = {template.code: template for template in found}
    questions = [_question(event, templates.get(event.template or USUAL_SURVEY_TEMPLATE)) for event in invited]
    await queue(tx, questions, now=now)


def _question(event: SurveyInvited, template: Template | None) -> Intent:
    """The question is worth asking until the invitation expires."""
    return Intent(
        key=f"invitation:{event.invitation_id}",
        person_id=event.person_id,
        channel=template.channel if template else event.channel,
        purpose=template.purpose if template else "service",
        template=event.template or USUAL_SURVEY_TEMPLATE,
        variables={"product": event.product} if event.product else {},
        invitation_id=event.invitation_id,
        needs_topic=TOPIC_OF_PRODUCER.get(event.topic),
        not_after=event.expires_at,
    )
