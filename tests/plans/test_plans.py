"""Lists, figures and clocks at a million rows: none reads a growing table whole, none sorts what grows with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from services.embedded import SERVICES
from services.metrics.folder import fold
from services.metrics.rules import Rules
from shared import clock
from shared.service import Runtime, Service
from shared.web.app import create_app
from tests.conftest import MakeRuntime
from tests.plans.filling import ROWS, fill
from tests.plans.walking import ID, Question, Statement, figures, lists, nodes, plan_of, statements_of
from tests.support.api import client

CALM: Final = {
    "agents", "automations", "calendar_days", "fatigue", "folded_under", "inbox", "provider_accounts",
    "provider_lines", "relay_batch", "relay_lease", "relay_positions", "surveys", "templates",
}  # fmt: skip
"""Tables that do not grow with people and what they do. Any other is taken to grow."""

SORTED: Final = 5_000
"""So many rows may be sorted: what one person, or one aggregate, has."""

NEARLY_ALL: Final = ROWS * 0.8
"""Whoever looks at so many of the rows that there are would look at most of a million, by whatever index."""

LONG_AGO: Final = timedelta(days=-30 * 365)
"""A clock that stands here finds nothing due, and looks all the same."""

WITHOUT_METRICS: Final = [service for service in SERVICES if service.name != "metrics"]
"""Metrics has no lists, and its folder works on all marks that there are, due or not."""

METRICS: Final = [service for service in SERVICES if service.name == "metrics"]
MONTHS: Final = (("from", "2025-01-01"), ("to", "2026-01-01"), ("interval", "month"))
KNOWN: Final = "UPDATE leads SET id = $1 WHERE id = (SELECT id FROM leads LIMIT 1)"
"""Lets a list of something of a lead be asked for."""

MARK_A_FEW: Final = """
TRUNCATE dirty, folded_under;
INSERT INTO folded_under (id, time_zone, activity_days, turn) VALUES (1, '{0.time_zone}', {0.activity_days}, 0);
INSERT INTO dirty (person_id) SELECT person_id FROM purchases ORDER BY purchase_id LIMIT 5;
DELETE FROM counted_purchases WHERE purchase_id IN (SELECT purchase_id FROM purchases JOIN dirty USING (person_id));
DELETE FROM counted_leads WHERE lead_id IN (SELECT lead_id FROM leads JOIN dirty USING (person_id));
DELETE FROM counted_invitations WHERE invitation_id IN
    (SELECT invitation_id FROM invitations JOIN dirty USING (person_id));
DELETE FROM counted_answers WHERE invitation_id IN (SELECT invitation_id FROM answers JOIN dirty USING (person_id));
"""
"""What is counted of those who are marked is cleared away: made-up rows count them for others."""
READ_WHOLE: Final = """
SELECT relname, seq_scan FROM pg_stat_user_tables
WHERE relname = ANY($1) AND relname <> 'dirty' AND schemaname = 'state' AND seq_scan > 0
"""
"""The marks are a queue, short but for the moments after an import."""


@dataclass(slots=True)
class Filled:
    """A service whose tables are full."""

    runtime: Runtime
    app: FastAPI
    http: httpx.AsyncClient
    growing: Collection[str]
    explaining: asyncpg.Connection
    statements: list[Statement]


@pytest.fixture
async def filled(request: pytest.FixtureRequest, make_runtime: MakeRuntime) -> AsyncIterator[Filled]:
    service: Service = request.param
    runtime = await make_runtime(service)
    explaining = await asyncpg.connect(runtime.db.url, server_settings={"search_path": "public,state"})
    growing = await fill(explaining, CALM)
    if service.name == "leads":
        await explaining.execute(KNOWN, UUID(ID))
    app = create_app(runtime)
    async with client(runtime, app=app) as http:
        with statements_of(runtime.db) as statements:
            async with runtime.db.connection() as connection:  # what the first one is asked first goes unheard
                await connection.execute("SELECT")
            yield Filled(runtime, app, http, growing, explaining, statements)
    await explaining.close()


def named(service: Service) -> str:
    return service.name


@pytest.mark.parametrize("filled", WITHOUT_METRICS, indirect=True, ids=named)
async def test_no_list_reads_or_sorts_a_growing_table_whole_whatever_it_is_filtered_by(filled: Filled) -> None:
    questions = list(lists(filled.app.openapi()))
    assert questions
    refused = [f"{question}: {fault}" for question in questions for fault in await faults_of_list(filled, question)]

    assert not refused, "\n".join(refused)


@pytest.mark.parametrize("filled", WITHOUT_METRICS, indirect=True, ids=named)
async def test_no_clock_that_finds_nothing_due_reads_a_growing_table_whole(filled: Filled) -> None:
    refused = []
    for each in filled.runtime.service.clocks:
        with clock.moved(LONG_AGO):
            await each.turn(filled.runtime)
        refused += [f"{each.name}: {fault}" for fault in await faults(filled)]

    assert not refused, "\n".join(refused)


@pytest.mark.parametrize("filled", METRICS, indirect=True, ids=named)
async def test_no_figure_of_whole_periods_reads_or_sorts_a_growing_table_whole(filled: Filled) -> None:
    refused = []
    definitions = (await filled.http.get("/v1/metrics")).json()["figures"]
    for question in figures(filled.app.openapi(), definitions, [MONTHS]):
        reply = await filled.http.get(question.path, params=question.query)
        assert reply.status_code != httpx.codes.UNPROCESSABLE_ENTITY, f"{question}: {reply.text}"
        if not (reply.is_success and reply.json().get("computed") == "on_demand"):
            refused += [f"{question}: {fault}" for fault in await faults(filled)]
        filled.statements.clear()

    assert not refused, "\n".join(refused)


@pytest.mark.parametrize("filled", METRICS, indirect=True, ids=named)
async def test_folding_a_few_people_reads_no_growing_table_whole(filled: Filled) -> None:
    await filled.explaining.execute(MARK_A_FEW.format(Rules.of(filled.runtime.settings)))
    before = await read_whole(filled)

    await fold(filled.runtime)
    await filled.runtime.db.engine.dispose()

    assert not await filled.explaining.fetchval("SELECT EXISTS (SELECT FROM dirty)")
    assert await read_whole(filled) == before


async def read_whole(filled: Filled) -> dict[str, int]:
    """Return how often each growing table was read whole, as far as those who did so have gone, or have said so."""
    await filled.explaining.execute("SELECT pg_stat_force_next_flush()")
    await filled.explaining.execute("SELECT pg_stat_clear_snapshot()")
    return {row["relname"]: row["seq_scan"] for row in await filled.explaining.fetch(READ_WHOLE, filled.growing)}


async def faults_of_list(filled: Filled, question: Question) -> list[str]:
    """Ask for the first page and the one behind it; rows are made up, so it may be that a page cannot be shown."""
    first = await filled.http.get(question.path, params=question.query)
    assert first.status_code not in {404, 422}, f"{question}: {first.text}"
    assert any(each.is_explained for each in filled.statements), f"{question}: the database was not heard to be asked"
    if first.is_success and (cursor := first.json()["next_cursor"]):
        await filled.http.get(question.path, params=(*question.query, ("cursor", cursor)))
    return await faults(filled)


async def faults(filled: Filled) -> list[str]:
    """Return what is wrong with the plans of the statements that ran since this was asked last."""
    found: dict[str, None] = {}
    statements = [statement for statement in filled.statements if statement.is_explained]
    filled.statements.clear()
    for statement in statements:
        plan = await plan_of(filled.explaining, statement)
        found.update(dict.fromkeys(faults_of_plan(plan, filled.growing)))
    return list(found)


def faults_of_plan(plan: Mapping[str, Any], growing: Collection[str]) -> Iterator[str]:
    for node in nodes(plan):
        if node.get("Relation Name") in growing and (node["Node Type"] == "Seq Scan" or rows_read(node) > NEARLY_ALL):
            where = node.get("Index Name", node["Node Type"])
            yield f"reads all of {node['Relation Name']} by {where} {node.get('Filter', '')}"
        if node["Node Type"] == "Sort" and node["Plans"][0]["Plan Rows"] > SORTED:
            yield f"sorts {node['Plans'][0]['Plan Rows']} rows by {node['Sort Key']}"


def rows_read(node: Mapping[str, Any]) -> float:
    """Return how many rows a scan that was run looked at, those that its filter refused among them."""
    seen: float = (node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)) * node.get("Actual Loops", 0)
    return seen
