"""What answers are about, kept beside them for the lists: as their invitations say, whoever wrote them or is asked."""

from __future__ import annotations

import runpy
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from services.surveys.app import SERVICE
from shared.contracts.customers import CustomerErased, CustomerMerged
from shared.ids import new_id
from shared.migrate import migrate
from shared.service import Runtime
from tests.support.events import deliver
from tests.support.postgres import TestServer
from tests.support.revisions import revisions
from tests.surveys.story import START, after, invited, items, replied

AGENT = new_id()

BEFORE = """
WITH asked AS (
    INSERT INTO invitations (id, survey_id, survey, person_id, status, channel, product, agent_id, requested_at,
                             expires_at)
    SELECT gen_random_uuid(), id, code, gen_random_uuid(), 'answered', 'sms', (ARRAY['tea', NULL])[1 + i % 2],
           CASE WHEN i % 3 > 0 THEN gen_random_uuid() END, $1, $1
    FROM surveys, generate_series(1, $2) AS i WHERE code = 'csat_purchase'
    RETURNING id, survey_id
)
INSERT INTO answers (id, invitation_id, survey_id, value, category, channel, answered_at)
SELECT gen_random_uuid(), id, survey_id, 5, 'satisfied', 'sms', $1 FROM asked
"""
"""As the version before wrote invitations and their answers."""

WITHOUT_TRIGGER = "DROP TRIGGER tell_what_answer_is_about ON answers"
"""It is there for the version before alone."""

UNTOLD = """
SELECT count(*) FROM answers JOIN invitations AS asked ON asked.id = answers.invitation_id
WHERE (answers.touchpoint, answers.product, answers.agent_id)
      IS DISTINCT FROM (asked.touchpoint, asked.product, asked.agent_id)
"""


@pytest.mark.parametrize(
    ("about", "other"),
    [
        ({"touchpoint": "shop"}, {"touchpoint": "support"}),
        ({"product": "kilim"}, {"product": "tea"}),
        ({"agent_id": AGENT}, {"agent_id": new_id()}),
    ],
)
async def test_answers_are_listed_by_what_they_are_about_also_when_their_person_is_merged_answers_anew_or_is_erased(
    runtime: Runtime, client: httpx.AsyncClient, about: dict[str, Any], other: dict[str, Any]
) -> None:
    async with runtime.db.transaction() as tx:
        await tx.execute(text(WITHOUT_TRIGGER))
    person_id, kept = new_id(), new_id()
    await invited(runtime, person_id, **about)
    await invited(runtime, new_id(), **other)

    async def values() -> list[int]:
        assert await items(client, "/v1/answers", **other) == []
        return [answer["value"] for answer in await items(client, "/v1/answers", **about)]

    await deliver(runtime, replied(person_id, 2))
    assert await values() == [2]
    await deliver(runtime, CustomerMerged(occurred_at=after(hours=2), person_id=kept, merged_id=person_id))
    await deliver(runtime, replied(kept, 4, at=after(hours=3)))
    assert await values() == [4]
    await deliver(runtime, CustomerErased(occurred_at=after(hours=4), person_id=kept, alias_ids=(person_id,)))
    assert await values() == [4]


async def test_answers_that_the_version_before_writes_tell_what_they_are_about_before_and_after_the_migration(
    server: TestServer,
) -> None:
    async with server.database("template_empty", leave_empty) as url:
        await migrate(SERVICE, url, "surveys_0003")
        connection = await asyncpg.connect(url)
        await connection.execute(BEFORE, START, 2_500)
        await migrate(SERVICE, url)
        untold_of_before = await connection.fetchval(UNTOLD)
        await connection.execute(BEFORE, START, 6)
        untold_of_after = await connection.fetchval(UNTOLD)
        answers = await connection.fetchval("SELECT count(*) FROM answers WHERE product = 'tea'")
        await connection.close()

    assert (untold_of_before, untold_of_after, answers) == (0, 0, 1_253)


async def test_a_page_of_the_migration_waits_for_nobody_who_may_wait_for_the_rest_of_it(runtime: Runtime) -> None:
    [file] = [each.file for each in revisions(SERVICE) if each.id == "surveys_0004"]
    migration = runpy.run_path(str(file))
    writer, filling = [await asyncpg.connect(runtime.db.url) for _ in range(2)]
    await writer.execute(BEFORE, START, 12)
    await writer.execute("UPDATE answers SET product = NULL, agent_id = NULL")
    untold = await filling.fetchval(UNTOLD)

    async with writer.transaction():
        held = await writer.fetchval(f"{migration['LEFT_OUT']} ORDER BY answers.id DESC LIMIT 1")
        await writer.execute("SELECT FROM answers WHERE id = $1 FOR UPDATE", held)
        await filling.execute("SET lock_timeout = '1s'")
        await filling.fetch(migration["FILL_PAGE"].replace(":last", "$1"), UUID(int=0))
        left_out = await filling.fetch(migration["LEFT_OUT"])
    await filling.execute(migration["FILL_ONE"].replace(":id", "$1"), held)

    assert untold > len(left_out)
    assert [each["id"] for each in left_out] == [held]
    assert await filling.fetchval(UNTOLD) == 0
    await writer.close()
    await filling.close()


async def leave_empty(_url: str) -> None:
    """Make nothing: the migrations do."""
