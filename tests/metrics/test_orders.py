"""Figures and copies do not depend on how events come: between keys, in which batches, how often."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.leads.app import SERVICE as LEADS
from services.messaging.app import SERVICE as MESSAGING
from services.messaging.contacts import sql as contacts
from services.metrics.app import SERVICE as METRICS
from services.metrics.facts.withdrawals import KEPT_AS
from services.metrics.folder import audit
from services.surveys.app import SERVICE as SURVEYS
from shared.contracts import Event, Withdrawal, registry
from shared.contracts.customers import CustomerErased, CustomerMerged
from shared.outbox.rebuild import rebuild
from shared.outbox.topics import make_topics
from shared.service import Runtime, Service
from tests.conftest import MakeRuntime
from tests.metrics.facts import at, merge, named
from tests.metrics.test_laws import histories
from tests.support.events import event_id, turn
from tests.support.orders import PARTITIONS, begin_anew, hear_in_batches, in_some_order

ALL = ("ana", "bea", "cyr", "dan", "eda")
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


async def opened(make_runtime: MakeRuntime, service: Service) -> Runtime:
    runtime = await make_runtime(service, partitions=PARTITIONS)
    await make_topics(runtime.bus, partitions=PARTITIONS)
    return runtime


def withdrawal(of: Event) -> Withdrawal:
    """Return what is published of a fact that a restored database does not know."""
    kinds = {kind.topic: kind for kind in registry.values() if issubclass(kind, Withdrawal)}
    return kinds[of.topic](
        occurred_at=of.occurred_at,
        event_id=event_id(of),
        event_type=of.type,
        owner_id=of.key,
        subject_id=of.subject,
        part_id=getattr(of, of.part_field) if of.part_field else None,
    )


@st.composite
def histories_with_losses(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """Return a history with some of its facts withdrawn at the end, and the history without them."""
    told = draw(histories())
    can_be_lost = [event for event in told if event.type in KEPT_AS]
    lost = draw(st.lists(st.sampled_from(can_be_lost), max_size=4, unique_by=event_id))
    gone = {event_id(event) for event in lost}
    return [*told, *map(withdrawal, lost)], [event for event in told if event_id(event) not in gone]


async def kept(runtime: Runtime) -> set[tuple[Any, ...]]:
    async with runtime.db.connection() as connection:
        return {tuple(row) for row in await connection.fetch("SELECT * FROM kept_counts WHERE amount <> 0")}


@settings(max_examples=10, deadline=None, suppress_health_check=QUIET)
@given(histories=histories_with_losses(), seed=st.integers(0, 1 << 32), doubles=st.integers(0, 6))
async def test_any_order_batches_and_doubles_give_the_figures_of_a_rebuild_without_what_is_withdrawn(
    metrics: Runtime, histories: tuple[list[Event], list[Event]], seed: int, doubles: int
) -> None:
    chance = random.Random(seed)
    told, stands = histories
    await begin_anew(metrics, in_some_order(stands, random.Random(0)))
    await hear_in_batches(metrics, random.Random(0), most=1_000)
    await turn(metrics, "fold")
    in_good_order = await kept(metrics)

    await begin_anew(metrics, in_some_order(told, chance, doubles=doubles))
    await hear_in_batches(metrics, chance)
    await turn(metrics, "fold")
    assert await kept(metrics) == in_good_order
    assert (await audit(metrics)).differing == {}
    await rebuild(metrics)
    assert await kept(metrics) == in_good_order


@pytest.fixture
async def metrics(make_runtime: MakeRuntime) -> Runtime:
    return await opened(make_runtime, METRICS)


@st.composite
def identities(draw: st.DrawFn) -> list[Event]:
    """Merges as customers publishes them, each of two who still live; at the end one may be erased with all aliases."""
    living: dict[str, set[str]] = {who: {who} for who in ALL}
    events: list[Event] = []
    for _ in range(draw(st.integers(1, len(ALL) - 1))):
        merged, into = draw(st.permutations(sorted(living)))[:2]
        living[into] |= living.pop(merged)
        events.append(merge(into, merged))
    gone = draw(st.sampled_from([None, *sorted(living)]))
    if gone is not None:
        others = tuple(named(who) for who in sorted(living[gone] - {gone}))
        events.append(CustomerErased(person_id=named(gone), alias_ids=others, occurred_at=at("2026-12-02")))
    return events


def expected(events: list[Event]) -> tuple[set[frozenset[UUID]], set[UUID]]:
    """Return who is one person, and who is erased, by a plain loop."""
    groups = [{named(who)} for who in ALL]
    erased: set[UUID] = set()
    for event in events:
        if isinstance(event, CustomerMerged):
            one, other = (next(g for g in groups if each in g) for each in (event.person_id, event.merged_id))
            groups = [g for g in groups if g is not one and g is not other] + [one | other]
        elif isinstance(event, CustomerErased):
            erased |= {event.person_id, *event.alias_ids}
    return {frozenset(group) for group in groups}, erased


RESOLVED = {
    "messaging": contacts.RESOLVE,
    "surveys": """
        SELECT asked, coalesce(merged_into, asked) AS person_id
        FROM unnest($1::uuid[]) AS asked LEFT JOIN people ON people.person_id = asked
    """,
    "leads": """
        SELECT asked, coalesce(aliases.person_id, asked) AS person_id
        FROM unnest($1::uuid[]) AS asked LEFT JOIN aliases ON alias_id = asked
    """,
}
ERASED = {
    "messaging": "SELECT person_id FROM erased_people",
    "surveys": "SELECT person_id FROM people WHERE erased_at IS NOT NULL",
    "leads": "SELECT person_id FROM state.contacts WHERE erased",
}


async def known(runtime: Runtime) -> tuple[set[frozenset[UUID]], set[UUID]]:
    """Return who is one person to a service, and whom it knows to be erased."""
    name = runtime.service.name
    async with runtime.db.connection() as connection:
        rows = await connection.fetch(RESOLVED[name], [named(who) for who in ALL])
        erased = {row["person_id"] for row in await connection.fetch(ERASED[name])}
    return {
        frozenset(row["asked"] for row in rows if row["person_id"] == root)
        for root in {row["person_id"] for row in rows}
    }, erased


@pytest.fixture(params=[MESSAGING, LEADS, SURVEYS], ids=lambda service: str(service.name))
async def service(request: pytest.FixtureRequest, make_runtime: MakeRuntime) -> Runtime:
    return await opened(make_runtime, request.param)


@settings(max_examples=12, deadline=None, suppress_health_check=QUIET)
@given(told=identities(), seed=st.integers(0, 1 << 32), doubles=st.integers(0, 4))
async def test_who_is_who_is_the_same_in_whatever_order_merges_and_erasures_come(
    service: Runtime, told: list[Event], seed: int, doubles: int
) -> None:
    chance = random.Random(seed)
    await begin_anew(service, in_some_order(told, chance, doubles=doubles))
    await hear_in_batches(service, chance)

    assert await known(service) == expected(told)
