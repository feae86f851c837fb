"""What customers keeps does not depend on how facts come: between keys, in which batches, how often."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.customers.app import SERVICE
from shared.contracts import Event
from shared.contracts.leads import LeadConverted, LeadErased
from shared.contracts.surveys import Category, SurveyAnswered, SurveysWithdrawal
from shared.ids import derived_id
from shared.outbox.topics import make_topics
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.support.events import event_id, turn
from tests.support.orders import PARTITIONS, begin_anew, hear_in_batches, in_some_order

ROOT = UUID(int=1)
PEOPLE = [derived_id(ROOT, "person", number) for number in range(3)]
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORIES: tuple[Category, ...] = ("promoter", "passive", "detractor")
KEPT = """
SELECT 'customer' AS what, id, lead_id::text, source, engaged::text FROM customers
UNION ALL SELECT 'stage', person_id, stage, array_to_string(types, ','), stage_reason FROM classifications
UNION ALL SELECT 'attitude', person_id, event_id::text, category, '' FROM attitudes_by_answer
UNION ALL SELECT 'ticket', person_id, invitation_id::text, kind, status FROM tickets
"""

people = st.sampled_from(PEOPLE)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Leads that become customers, once or twice; answers, some changed or withdrawn; at the end one may be erased."""
    events: list[Event] = [
        LeadConverted(
            person_id=draw(people), lead_id=derived_id(ROOT, "lead", number), source="website",
            occurred_at=BEGINNING + timedelta(hours=number),
        )
        for number in range(draw(st.integers(1, 4)))
    ]  # fmt: skip
    for number in range(draw(st.integers(1, 4))):
        answers = _answers(draw, number)
        events += [*answers, *(map(_withdrawal, answers[-1:]) if draw(st.booleans()) else ())]
    if (gone := draw(st.sampled_from([None, *PEOPLE]))) is not None:
        events.append(LeadErased(person_id=gone, occurred_at=BEGINNING + timedelta(days=30)))
    return events


def _answers(draw: st.DrawFn, number: int) -> list[SurveyAnswered]:
    """Return an answer, perhaps with a second one that replaces it."""
    person = draw(people)
    return [
        SurveyAnswered(
            person_id=person, survey_id=derived_id(ROOT, "survey", 0), survey="nps", kind="nps", scale="0-10",
            answer_id=derived_id(ROOT, "answer", number), revision=revision, value=5,
            invitation_id=derived_id(ROOT, "invitation", number), category=draw(st.sampled_from(CATEGORIES)),
            channel="sms", occurred_at=BEGINNING + timedelta(days=number, minutes=revision),
        )
        for revision in range(1, draw(st.integers(1, 2)) + 1)
    ]  # fmt: skip


def _withdrawal(answer: SurveyAnswered) -> SurveysWithdrawal:
    return SurveysWithdrawal(
        event_id=event_id(answer), event_type=answer.type, owner_id=answer.key, subject_id=answer.subject,
        occurred_at=BEGINNING + timedelta(days=20),
    )  # fmt: skip


@pytest.fixture
async def runtime(make_runtime: MakeRuntime) -> Runtime:
    runtime = await make_runtime(SERVICE, partitions=PARTITIONS)
    await make_topics(runtime.bus, partitions=PARTITIONS)
    return runtime


async def kept_after(runtime: Runtime, told: list[Event], chance: random.Random, **how: int) -> set[tuple[Any, ...]]:
    """Let the service hear a history in some order, and return what it keeps of it.

    But for complaints of who is erased: what they answered before opened one, what is heard after it opens none.
    """
    erased = {event.person_id for event in told if isinstance(event, LeadErased)}
    await begin_anew(runtime, in_some_order(told, chance, doubles=how.get("doubles", 0)))
    await hear_in_batches(runtime, chance, most=how.get("most", 7))
    while await turn(runtime, "classify customers"):
        pass
    async with runtime.db.connection() as connection:
        rows = await connection.fetch(KEPT)
    return {tuple(row) for row in rows if row["what"] != "ticket" or row["id"] not in erased}


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(told=histories(), seed=st.integers(0, 1 << 32), doubles=st.integers(0, 4))
async def test_any_order_batches_and_doubles_leave_the_same_customers_stages_attitudes_and_complaints(
    runtime: Runtime, told: list[Event], seed: int, doubles: int
) -> None:
    in_good_order = await kept_after(runtime, told, random.Random(0), most=1_000)

    assert await kept_after(runtime, told, random.Random(seed), doubles=doubles) == in_good_order
