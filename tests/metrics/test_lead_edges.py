"""Leads at the edges: at the very instants that windows and due times begin and end, and who has a lead at last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from msgspec.structs import replace

from shared.clock import utcnow
from shared.contracts.leads import LeadAssigned, LeadCaptured
from shared.service import Runtime
from tests.metrics.facts import answer_to, at, given_up, lead, named, points, purchase
from tests.support.events import deliver, turn

AVA, BEN = named("ava"), named("ben")
DAY = {"from_": "2026-04-02", "to": "2026-04-03"}
INSTANT = timedelta(microseconds=1)


def _lead(who: str = "l1", **more: Any) -> LeadCaptured:
    return lead(who, "2026-04-02 09:00", due="2026-04-02 09:05", **more)


def _assigned(of: LeadCaptured, agent_id: UUID | None) -> LeadAssigned:
    return LeadAssigned(occurred_at=of.occurred_at, lead_id=of.lead_id, person_id=of.person_id, agent_id=agent_id)


async def _folded(runtime: Runtime, client: httpx.AsyncClient, figure: str, **more: str) -> Any:
    await turn(runtime, "fold")
    [point] = await points(client, figure, **DAY, **more)
    return point


@pytest.mark.parametrize(
    ("later", "bought"),
    [
        (-INSTANT, (0, 0)),
        (timedelta(), (1, 1)),
        (timedelta(days=30) - INSTANT, (1, 1)),
        (timedelta(days=30), (0, 1)),
        (timedelta(days=90) - INSTANT, (0, 1)),
        (timedelta(days=90), (0, 0)),
    ],
)
async def test_a_purchase_counts_from_the_capture_until_before_the_end_of_its_days(
    runtime: Runtime, client: httpx.AsyncClient, later: timedelta, bought: tuple[int, int]
) -> None:
    captured = _lead()
    await deliver(runtime, captured, purchase("l1", captured.occurred_at + later))

    parts = (await _folded(runtime, client, "funnel"))["parts"]
    assert (parts["bought_30d"], parts["bought_90d"]) == bought


@pytest.mark.parametrize(("after_due", "in_time"), [(timedelta(), 1), (INSTANT, 0)])
async def test_an_answer_of_which_nobody_said_whether_it_was_in_time_is_when_it_was_told_of_by_then(
    runtime: Runtime,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    after_due: timedelta,
    in_time: int,
) -> None:
    asked = _lead()
    monkeypatch.setattr("tests.support.events.utcnow", lambda: at("2026-04-02 09:05") + after_due)
    await deliver(runtime, asked, answer_to(asked, "2026-04-02 09:03"))

    parts = (await _folded(runtime, client, "leads_answered_in_time"))["parts"]
    assert (parts["in_time"], parts["late"]) == (in_time, 1 - in_time)


async def test_a_lead_given_up_at_the_moment_of_its_capture_waits_for_nothing(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    asked = _lead()
    await deliver(runtime, asked, given_up(asked, "2026-04-02 09:00"))

    assert (await _folded(runtime, client, "leads_answered_in_time"))["count"] == 0


@pytest.mark.parametrize(
    ("told", "agent"),
    [
        ((), AVA),
        ((BEN,), BEN),
        ((BEN, AVA, BEN), BEN),
        ((BEN, None), None),
    ],
)
async def test_a_lead_is_of_whom_it_was_assigned_to_last(
    runtime: Runtime, client: httpx.AsyncClient, told: tuple[UUID | None, ...], agent: UUID | None
) -> None:
    captured = _lead(agent_id=AVA)
    await deliver(runtime, captured)
    for minute, agent_id in enumerate(told):
        one = _assigned(captured, agent_id)
        await deliver(runtime, replace(one, occurred_at=one.occurred_at + timedelta(minutes=minute)))

    assert (await _folded(runtime, client, "leads_captured", by="agent"))["by"] == (str(agent) if agent else None)


async def test_a_lead_is_of_whoever_answered_it_whoever_has_it(runtime: Runtime, client: httpx.AsyncClient) -> None:
    asked = _lead(agent_id=AVA)
    await deliver(runtime, asked, _assigned(asked, AVA), answer_to(asked, "2026-04-02 09:03", agent_id=BEN))

    assert (await _folded(runtime, client, "leads_captured", by="agent"))["by"] == str(BEN)


async def test_leads_that_wait_are_those_of_the_span(runtime: Runtime, client: httpx.AsyncClient) -> None:
    """One of the day before and one of the day after wait too, and are not of this day."""
    for number, day in enumerate(("2026-04-01", "2026-04-02", "2026-04-03")):
        asked = lead(f"l{number}", f"{day} 09:00", due=f"{day} 09:05")
        await deliver(runtime, replace(asked, response_due_at=utcnow() + timedelta(hours=1)))

    parts = (await _folded(runtime, client, "leads_answered_in_time"))["parts"]
    assert (parts["captured"], parts["waiting"], parts["missed"]) == (1, 1, 0)


@pytest.mark.parametrize(("before_due", "waiting"), [(INSTANT, 1), (timedelta(), 0)])
async def test_a_lead_is_missed_from_the_very_instant_at_which_its_answer_was_due(
    runtime: Runtime,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    before_due: timedelta,
    waiting: int,
) -> None:
    await deliver(runtime, _lead())
    monkeypatch.setattr("services.metrics.figures.api.utcnow", lambda: at("2026-04-02 09:05") - before_due)

    parts = (await _folded(runtime, client, "leads_answered_in_time"))["parts"]
    assert (parts["waiting"], parts["missed"]) == (waiting, 1 - waiting)
