"""Complaints that bad answers lead to."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.tickets.agents import consumer as agents
from services.customers.tickets.usecases import complain_for
from shared.contracts import Received
from shared.contracts.surveys import SurveyAnswered
from shared.outbox.consumer import Consumer

consumer = Consumer("customers")
consumer.include(agents)


@consumer.own(SurveyAnswered)
async def open_complaint(tx: AsyncSession, received: Received[SurveyAnswered]) -> None:
    """Open a complaint for a manager when somebody answered badly."""
    await complain_for(tx, received.event)
