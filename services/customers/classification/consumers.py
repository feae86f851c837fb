"""What people answered to surveys, as far as their type depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.classification import sql
from services.customers.classification.marking import mark_known
from services.customers.people.identity import resolve_many
from shared.contracts import Received
from shared.contracts.surveys import SurveyAnswered, SurveysWithdrawal
from shared.db import driver
from shared.outbox.consumer import Consumer

consumer = Consumer("customers")

ATTITUDE_KINDS: Final = frozenset({"nps", "csat"})


@consumer.state(SurveyAnswered, batch=True)
async def keep_attitudes(tx: AsyncSession, received: Sequence[Received[SurveyAnswered]]) -> None:
    """Keep the categories of people's answers to NPS and CSAT questions."""
    answers = [each for each in received if each.event.kind in ATTITUDE_KINDS]
    await driver(tx).execute(
        sql.KEEP_ATTITUDES,
        [each.id for each in answers],
        [each.event.person_id for each in answers],
        [each.event.category for each in answers],
        [each.event.occurred_at for each in answers],
        [each.version for each in answers],
    )


@consumer.state(SurveysWithdrawal, batch=True)
async def drop_withdrawn_attitudes(tx: AsyncSession, received: Sequence[Received[SurveysWithdrawal]]) -> None:
    """Drop the answers that the surveys service does not know any more."""
    await driver(tx).execute(sql.DROP_ATTITUDES, [each.event.event_id for each in received])


@consumer.own(SurveyAnswered, SurveysWithdrawal, batch=True)
async def classify_who_answered(
    tx: AsyncSession, received: Sequence[Received[SurveyAnswered | SurveysWithdrawal]]
) -> None:
    """Have those who answered classified anew, also where an answer is withdrawn."""
    connection = driver(tx)
    people, _ = await resolve_many(connection, {each.key for each in received})
    await mark_known(connection, people.values())
