"""Facts about surveys: who was asked, whom the question reached, and what they answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.metrics.facts import sql
from services.metrics.facts.writing import store, store_first_deliveries, within_calendars
from shared.contracts import Received
from shared.contracts.messaging import MessageDelivered
from shared.contracts.surveys import SurveyAnswered, SurveyEvent, SurveyInvited
from shared.outbox.consumer import Consumer

consumer = Consumer("metrics")


@consumer.state(SurveyInvited, batch=True)
async def store_invitations(tx: AsyncSession, batch: Sequence[Received[SurveyInvited]]) -> None:
    events = [received.event for received in batch]
    rows = (
        (event.invitation_id, event.person_id, within_calendars(event.occurred_at), event.channel, *_asked(event))
        for event in events
    )
    await store(tx, sql.INVITATIONS, rows, *(event.person_id for event in events))


@consumer.state(MessageDelivered, batch=True)
async def store_deliveries(tx: AsyncSession, batch: Sequence[Received[MessageDelivered]]) -> None:
    events = [received.event for received in batch if received.event.invitation_id is not None]
    rows = ((event.invitation_id, within_calendars(event.occurred_at)) for event in events)
    await store_first_deliveries(tx, rows, *(event.person_id for event in events))


@consumer.state(SurveyAnswered, batch=True)
async def store_answers(tx: AsyncSession, batch: Sequence[Received[SurveyAnswered]]) -> None:
    rows = (
        (
            received.id,
            received.event.invitation_id,
            received.event.person_id,
            within_calendars(received.event.occurred_at),
            received.event.revision,
            received.version,
            *_asked(received.event),
            received.event.value,
            received.event.category,
        )
        for received in batch
    )
    await store(tx, sql.ANSWERS, rows, *(received.event.person_id for received in batch))


def _asked(event: SurveyEvent) -> tuple[Any, ...]:
    return event.kind, event.scale, event.survey, event.touchpoint, event.product, event.agent_id
