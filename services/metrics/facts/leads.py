"""Facts about leads: captured, owned, answered, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.metrics.facts import sql
from services.metrics.facts.writing import store, within_calendars
from shared.contracts import Received
from shared.contracts.leads import (
    LeadAssigned,
    LeadCaptured,
    LeadConverted,
    LeadDisqualified,
    LeadMerged,
    LeadQualified,
    LeadReopened,
    LeadTouched,
    LeadUpdated,
)
from shared.outbox.consumer import Consumer

consumer = Consumer("metrics")

Outcome = LeadQualified | LeadDisqualified | LeadConverted | LeadMerged


@consumer.state(LeadCaptured, batch=True)
async def store_leads(tx: AsyncSession, batch: Sequence[Received[LeadCaptured]]) -> None:
    events = [received.event for received in batch]
    rows = (
        (
            event.lead_id,
            event.person_id,
            within_calendars(event.occurred_at),
            event.source,
            event.campaign,
            event.product,
            event.awareness,
            event.agent_id,
            event.response_due_at,
            event.born_answered,
        )
        for event in events
    )
    await store(tx, sql.LEADS, rows, *(event.person_id for event in events))


@consumer.state(LeadTouched, batch=True)
async def store_lead_answers(tx: AsyncSession, batch: Sequence[Received[LeadTouched]]) -> None:
    answering = [received for received in batch if received.event.answers]
    rows = (
        (
            received.event.touch_id,
            received.event.lead_id,
            received.event.question_asked_at or received.event.occurred_at,
            received.recorded_at,
            received.event.in_time,
            received.event.agent_id,
            received.version,
        )
        for received in answering
    )
    await store(tx, sql.LEAD_ANSWERS, rows, *(received.event.person_id for received in answering))


@consumer.state(LeadAssigned, batch=True)
async def store_lead_owners(tx: AsyncSession, batch: Sequence[Received[LeadAssigned]]) -> None:
    rows = ((received.id, received.event.lead_id, received.event.agent_id, received.version) for received in batch)
    await store(tx, sql.LEAD_OWNERS, rows, *(received.event.person_id for received in batch))


@consumer.state(LeadUpdated, batch=True)
async def store_lead_updates(tx: AsyncSession, batch: Sequence[Received[LeadUpdated]]) -> None:
    rows = (
        (
            received.id,
            received.event.lead_id,
            received.event.campaign,
            received.event.product,
            received.event.awareness,
            received.version,
        )
        for received in batch
    )
    await store(tx, sql.LEAD_UPDATES, rows, *(received.event.person_id for received in batch))


@consumer.state(LeadQualified, LeadDisqualified, LeadConverted, LeadMerged, batch=True)
async def store_lead_outcomes(tx: AsyncSession, batch: Sequence[Received[Outcome]]) -> None:
    rows = (
        (received.id, received.event.lead_id, received.event.type.removeprefix("lead."), received.event.occurred_at)
        for received in batch
    )
    await store(tx, sql.LEAD_OUTCOMES, rows, *(received.event.person_id for received in batch))


@consumer.state(LeadReopened, batch=True)
async def store_lead_reopenings(tx: AsyncSession, batch: Sequence[Received[LeadReopened]]) -> None:
    asking = [received for received in batch if received.event.response_due_at is not None]
    rows = (
        (received.id, received.event.lead_id, received.event.occurred_at, received.event.response_due_at)
        for received in asking
    )
    await store(tx, sql.LEAD_REOPENINGS, rows, *(received.event.person_id for received in asking))
