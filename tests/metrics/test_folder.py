"""The folder: alone at its work, never missing a fact, and the same in a rebuild's schema."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from services.metrics.app import SERVICE
from services.metrics.facts.withdrawals import KEPT_AS
from services.metrics.facts.writing import OutsideTheCalendars, within_calendars
from services.metrics.folder import audit, fold
from shared.contracts import Event, Withdrawal, registry
from shared.contracts.customers import CustomerMerged
from shared.service import Runtime
from tests.metrics.facts import answer, delivery, invitation, lead, merge, points, purchase, values
from tests.support.events import deliver, turn

YEAR = {"from_": "2026-01-01", "to": "2027-01-01"}


def _many(count: int, *, seed: int = 7) -> list[Event]:
    chance = random.Random(seed)
    return [
        purchase(
            f"person {chance.randrange(count // 3)}",
            datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(60 * 24 * 300)),
            chance.randrange(1000),
            number=number,
        )
        for number in range(count)
    ]


async def _counts(runtime: Runtime) -> set[tuple[Any, ...]]:
    async with runtime.db.connection() as connection:
        return {tuple(row) for row in await connection.fetch("SELECT * FROM kept_counts WHERE amount <> 0")}


async def test_folders_that_meet_count_nothing_twice(runtime: Runtime) -> None:
    events = _many(600)

    async def feed() -> None:
        for begin in range(0, len(events), 60):
            await deliver(runtime, *events[begin : begin + 60])

    async def keep_folding() -> None:
        for _ in range(25):
            await fold(runtime)
            await asyncio.sleep(0)

    await asyncio.gather(feed(), *(keep_folding() for _ in range(3)))
    await turn(runtime, "fold")

    found = await audit(runtime)
    assert found.differing == {}
    assert found.compared > 1000


async def test_facts_that_come_while_the_folder_works_are_folded_next(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await deliver(runtime, purchase("ana", "2026-04-01"))
    async with runtime.db.transaction():
        await asyncio.gather(fold(runtime), deliver(runtime, purchase("ana", "2026-04-02")))
    await turn(runtime, "fold")

    assert await values(client, "purchases", **YEAR) == [2]


async def test_a_folder_that_fails_half_way_leaves_the_marks(
    runtime: Runtime, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_connection: object) -> None:
        raise ConnectionResetError

    await deliver(runtime, purchase("ana", "2026-04-01"))
    with monkeypatch.context() as patched:
        patched.setattr("services.metrics.folder.fold_surveys", fails)
        with pytest.raises(ConnectionResetError):
            await fold(runtime)
    assert await values(client, "purchases", **YEAR) == [0]

    await turn(runtime, "fold")
    assert await values(client, "purchases", **YEAR) == [1]
    assert (await audit(runtime)).differing == {}


async def test_an_audit_finds_a_count_that_is_wrong_and_changes_nothing(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await deliver(runtime, *_many(60))
    await turn(runtime, "fold")
    async with runtime.db.connection() as connection:
        await connection.execute(
            "UPDATE kept_counts SET amount = amount + 1 WHERE measure = 'new' AND grid = 'year.jalali'"
        )
    before = await _counts(runtime)

    told = (await client.get("/v1/metrics/audit")).json()

    assert (told["equal"], told["differing"]) == (False, 1)
    assert "year.jalali" in told["examples"][0]
    assert await _counts(runtime) == before


async def test_a_fact_is_in_the_figures_within_a_second(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await deliver(runtime, *_many(3000))
    await turn(runtime, "fold")
    began = time.perf_counter()
    await deliver(runtime, purchase("newcomer", "2026-04-01"))
    await turn(runtime, "fold")
    took = time.perf_counter() - began

    [point] = await points(client, "purchases", **YEAR)
    assert point["value"] == 3001
    assert took + SERVICE.clocks[0].every_s < 1


async def test_people_merged_before_and_after_their_purchases_are_one(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """A chain and a star of ids, told in pieces: all five are one buyer who came again."""
    await deliver(runtime, merge("a", "b"), purchase("a", "2026-04-01"), purchase("c", "2026-04-02"))
    await turn(runtime, "fold")
    await deliver(runtime, merge("b", "c"), purchase("d", "2026-04-03"), merge("a", "e"))
    await turn(runtime, "fold")
    await deliver(runtime, merge("e", "d"))
    await turn(runtime, "fold")

    [point] = await points(client, "repeat_purchase_rate", **YEAR)
    assert point["parts"] == {"buyers": 1, "repeat_buyers": 1}
    assert (await audit(runtime)).differing == {}


@pytest.mark.parametrize("year", [1500, 1800, 2241, 9000])
def test_a_time_that_no_calendar_reaches_is_refused(year: int) -> None:
    with pytest.raises(OutsideTheCalendars, match=str(year)):
        within_calendars(datetime(year, 1, 1, tzinfo=UTC))


async def test_facts_at_the_ends_of_the_calendars_are_counted(runtime: Runtime, client: httpx.AsyncClient) -> None:
    early, late = datetime(1801, 1, 1, tzinfo=UTC), datetime(2240, 12, 31, 23, tzinfo=UTC)
    await deliver(runtime, purchase("old", early), purchase("new", late))
    await turn(runtime, "fold")

    assert sum(await values(client, "purchases", from_="1800-01-01", to="2245-01-01", interval="year")) == 2


async def test_the_folder_skips_its_turns_while_an_audit_is_at_work(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await deliver(runtime, purchase("ana", "2026-04-01"))
    await turn(runtime, "fold")
    await deliver(runtime, purchase("bea", "2026-04-01"))
    async with runtime.db.connection() as audits, audits.transaction():
        await audits.execute("LOCK TABLE folded_under IN EXCLUSIVE MODE")
        async with asyncio.timeout(2):
            assert await fold(runtime) == 0
    assert await values(client, "purchases", **YEAR) == [1]

    await turn(runtime, "fold")
    assert await values(client, "purchases", **YEAR) == [2]


async def test_other_settings_make_the_counts_anew(runtime: Runtime) -> None:
    """A process that starts with 30 days of activity throws away what was counted with 90, without any new fact."""
    await deliver(runtime, purchase("ana", "2026-04-01"))
    await turn(runtime, "fold")
    runtime.settings = runtime.settings.model_copy(update={"activity_days": 30})
    await turn(runtime, "fold")

    async with runtime.db.connection() as connection:
        [span] = await connection.fetch("SELECT upper(span) - lower(span) AS length FROM activity_spans")
    assert span["length"] == timedelta(days=30)
    assert (await audit(runtime)).differing == {}


async def test_other_settings_count_those_anew_who_never_bought(runtime: Runtime, client: httpx.AsyncClient) -> None:
    asked, found = invitation("ana", "2026-04-01"), lead("bea", "2026-04-01")
    await deliver(runtime, asked, answer(asked, "2026-04-02", 5, "satisfied"), found)
    await turn(runtime, "fold")
    runtime.settings = runtime.settings.model_copy(update={"activity_days": 30})
    await turn(runtime, "fold")

    assert [await values(client, figure, **YEAR) for figure in ("csat", "leads_captured")] == [[100], [1]]


async def test_people_of_whom_only_an_answer_is_known_are_counted_anew_too(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await deliver(runtime, answer(invitation("ana", "2026-04-01"), "2026-04-02", 5, "satisfied"))
    await turn(runtime, "fold")
    runtime.settings = runtime.settings.model_copy(update={"activity_days": 30})
    await turn(runtime, "fold")

    assert await values(client, "csat", **YEAR) == [100]


async def test_the_delivery_of_a_message_that_asks_nothing_is_no_fact(runtime: Runtime) -> None:
    await deliver(runtime, replace(delivery(invitation("ana", "2026-04-01"), "2026-04-01"), invitation_id=None))

    async with runtime.db.connection() as connection:
        assert not await connection.fetchval("SELECT EXISTS (SELECT FROM deliveries) OR EXISTS (SELECT FROM dirty)")


def test_whatever_is_kept_of_a_fact_can_be_withdrawn() -> None:
    """But merges: who is one person is taken over from the log by whoever forgot it."""
    heard = {name for handler in SERVICE.consumer.handlers for name in handler.types}
    withdrawals = {name for name, kind in registry.items() if issubclass(kind, Withdrawal)}

    assert heard - withdrawals - {CustomerMerged.type} == set(KEPT_AS)
