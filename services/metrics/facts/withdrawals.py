"""Facts that are withdrawn: a service whose database was restored does not know them, so no figure counts them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.metrics.facts import sql
from services.metrics.facts.writing import mark
from shared.contracts import Received
from shared.contracts.customers import CustomersWithdrawal
from shared.contracts.leads import LeadsWithdrawal
from shared.contracts.messaging import MessagingWithdrawal
from shared.contracts.surveys import SurveysWithdrawal
from shared.db import driver
from shared.outbox.consumer import Consumer

consumer = Consumer("metrics")

AnyWithdrawal = CustomersWithdrawal | LeadsWithdrawal | MessagingWithdrawal | SurveysWithdrawal

KEPT_AS = {
    "purchase.recorded": ("purchases", "purchase_id", "subject_id"),
    "purchase.refunded": ("refunds", "refund_id", "part_id"),
    "purchase.cancelled": ("cancellations", "purchase_id", "subject_id"),
    "lead.captured": ("leads", "lead_id", "subject_id"),
    "lead.touched": ("lead_answers", "touch_id", "part_id"),
    "lead.assigned": ("lead_owners", "event_id", "event_id"),
    "lead.updated": ("lead_updates", "event_id", "event_id"),
    "lead.qualified": ("lead_outcomes", "event_id", "event_id"),
    "lead.disqualified": ("lead_outcomes", "event_id", "event_id"),
    "lead.converted": ("lead_outcomes", "event_id", "event_id"),
    "lead.merged": ("lead_outcomes", "event_id", "event_id"),
    "lead.reopened": ("lead_reopenings", "event_id", "event_id"),
    "survey.invited": ("invitations", "invitation_id", "subject_id"),
    "survey.answered": ("answers", "event_id", "event_id"),
    "message.delivered": ("deliveries", "invitation_id", "part_id"),
}
"""What is kept of a fact: the table, its id there, and which id of the withdrawal that is."""


@consumer.state(CustomersWithdrawal, LeadsWithdrawal, MessagingWithdrawal, SurveysWithdrawal, batch=True)
async def drop_withdrawn(tx: AsyncSession, batch: Sequence[Received[AnyWithdrawal]]) -> None:
    """Drop the facts, and have those they are about counted anew.

    Declared after the handlers that store facts, as a batch may hold a fact and its withdrawal. A fact comes before
    its withdrawal, under the same key, and none comes again under a withdrawn id.
    """
    ids: defaultdict[tuple[str, str], list[UUID]] = defaultdict(list)
    for received in batch:
        if kept := KEPT_AS.get(received.event.event_type):
            table, column, name = kept
            ids[table, column].append(getattr(received.event, name))
    for (table, column), gone in sorted(ids.items()):
        await driver(tx).execute(sql.DROP.format(table=table, column=column), gone)
    await mark(tx, *(received.event.owner_id for received in batch))
