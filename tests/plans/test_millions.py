"""Every list at a real million rows of each table: what it reads to show fifty, whatever was asked before."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Final

import asyncpg
import pytest

from services.embedded import SERVICES
from shared.service import Service
from shared.web.app import create_app
from tests.conftest import MakeRuntime
from tests.plans.asking import Page, pages, questions
from tests.plans.millions import COUNT, SEEDS, fill
from tests.plans.proportion import MOST_BUFFERS, Cost, by_text, cost_after, cost_of
from tests.plans.walking import Statement, statements_of
from tests.support.api import client

LISTED: Final = [service for service in SERVICES if service.name in {"customers", "leads", "messaging", "surveys"}]

LEFT: Final[Mapping[str, Collection[str]]] = {
    "/v1/customers": {"name"},  # names sort by themselves, not by when somebody was opened
    "/v1/leads": {"name"},  # of a name five thousand are looked up first
}
"""Filters whose lists go by time past what they do not show, where that is not among the newest: not mended yet."""

TIMES: Final = 4
"""So much more than a plan for its own values may one cost that was settled while others were asked for."""


def named(service: Service) -> str:
    return service.name


@pytest.mark.plans_long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("service", LISTED, ids=named)
async def test_no_list_reads_out_of_proportion_to_what_it_shows(make_runtime: MakeRuntime, service: Service) -> None:
    runtime = await make_runtime(service)
    explaining = await asyncpg.connect(runtime.db.url, server_settings={"search_path": "public,state"})
    try:
        await fill(explaining, SEEDS[service.name])
        app = create_app(runtime)
        asked: Counter[str] = Counter()
        found: dict[str, Cost] = {}
        seen: list[Statement] = []
        async with client(runtime, app=app) as http:
            with statements_of(runtime.db) as statements:
                for question in questions(app.openapi()):
                    async for page in pages(http, question, statements):
                        asked[question.path] += 1
                        seen += page.statements
                        found.update([each async for each in costs(explaining, page)])
        found.update([each async for each in settled(explaining, seen)])
    finally:
        await explaining.close()

    print(f"\n{service.name}: {asked.total()} pages of {len(asked)} lists at {COUNT:,} rows")  # noqa: T201
    refused = [f"{what}: {'; '.join(faults)}" for what, cost in found.items() if (faults := list(wrong(what, cost)))]
    assert not refused, "\n".join(refused)


async def costs(connection: asyncpg.Connection, page: Page) -> AsyncIterator[tuple[str, Cost]]:
    for statement in page.statements:
        yield f"{page.question} {short(statement)}", await cost_of(connection, statement)


async def settled(connection: asyncpg.Connection, seen: Sequence[Statement]) -> AsyncIterator[tuple[str, Cost]]:
    """Ask again for what is asked for last and first among equal statements, each after six times the other."""
    for same in by_text(seen).values():
        if len(same) > 1 and same[0].is_read:
            for before, after in ((same[0], same[-1]), (same[-1], same[0])):
                own, cost = await cost_of(connection, after), await cost_after(connection, after, before.values)
                if cost.buffers > MOST_BUFFERS + TIMES * own.buffers:
                    yield f"{after.values} after {before.values}: {short(after)}", cost


def short(statement: Statement) -> str:
    return " ".join(statement.text.split())[:60]


def wrong(what: str, cost: Cost) -> Iterator[str]:
    """Yield what is out of proportion; two filters may go past what fits one of them, but not read a table."""
    path, _, query = what.partition("?")
    if any(f"{name}=" in query for name in LEFT.get(path, ())):
        return
    is_pair = query.partition("&sort=")[0].count("=") > 1
    if not is_pair or cost.whole:
        yield from cost.faults()
