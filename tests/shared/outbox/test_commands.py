"""`peyvand dlq`, `rebuild`, `restate` and `topics`, as an operator types them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from services import cli_events
from services.leads.app import SERVICE as LEADS
from shared.ids import new_id
from shared.outbox.topics import all_topics
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.shared.outbox.echo import fetch

Type = Callable[..., Awaitable[Result]]

app = typer.Typer()
app.add_typer(cli_events.dlq, name="dlq")
app.add_typer(cli_events.topics, name="topics")
app.command("rebuild")(cli_events.rebuild)
app.command("restate")(cli_events.restate)


@pytest.fixture
async def leads(make_runtime: MakeRuntime) -> Runtime:
    return await make_runtime(LEADS)


@pytest.fixture
def type_in(leads: Runtime) -> Type:
    """Lend a function that runs a command with the settings of the test's own deployment in its environment."""
    settings = leads.settings
    environment = {
        "LEADS_DATABASE_URL": settings.database_url,
        "CUSTOMERS_DATABASE_URL": settings.database_url,
        "PEYVAND_BUS_DATABASE_URL": settings.bus_database_url,
        "PEYVAND_JWT_PUBLIC_KEY": settings.jwt_public_key,
        "PEYVAND_SECRET_KEY": settings.secret_key.get_secret_value(),
    }

    async def type_(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(words), env=environment)

    return type_


async def park(runtime: Runtime, state: str) -> None:
    async with runtime.db.connection() as connection:
        await connection.execute(
            """
            INSERT INTO parked (consumer, topic, partition, "offset", position, key, type, headers, body, state, error)
            VALUES ('leads', 'leads.events.v1', 3, 120, 1, $1, 'lead.touched', '{}', '{"number": 7}', $2,
                'Refused: No.')
            """,
            new_id(),
            state,
        )


async def test_dead_events_are_listed_shown_replayed_and_discarded(leads: Runtime, type_in: Type) -> None:
    assert (await type_in("dlq", "list", "leads")).output == "leads: no such events\n"
    await park(leads, "dead")
    listed = await type_in("dlq", "list", "leads", "--state", "dead")
    assert listed.output.startswith("leads.events.v1/3/120  dead, 0 tries: lead.touched of ")
    assert listed.output.endswith("\n    Refused: No.\n")
    shown = await type_in("dlq", "show", "leads", "leads.events.v1/3/120")
    assert 'body: {"number": 7}' in shown.output
    assert "error: Refused: No." in shown.output

    assert (await type_in("dlq", "replay", "leads")).output == "leads: 1 events are tried again\n"
    assert [row["state"] for row in await fetch(leads, "SELECT state FROM parked")] == ["parked"]
    discarded = await type_in("dlq", "discard", "leads", "leads.events.v1/3/120")
    assert discarded.output == "leads: leads.events.v1/3/120 is discarded\n"
    again = await type_in("dlq", "discard", "leads", "leads.events.v1/3/120")
    assert again.exit_code == 1
    assert "No event is parked or dead at leads.events.v1/3/120." in again.output


async def test_topics_are_missing_until_they_are_made(type_in: Type) -> None:
    unmade = await type_in("topics", "check")
    assert unmade.exit_code == 1
    assert "Topic leads.events.v1 does not exist." in unmade.output
    assert "leads.contacts.v1" in (await type_in("topics", "make")).output

    checked = await type_in("topics", "check")
    assert checked.output == f"topics: {len(all_topics())} are as they should be\n"


async def test_a_service_is_rebuilt_by_its_name(type_in: Type) -> None:
    await type_in("topics", "make")
    rebuilt = await type_in("rebuild", "leads")

    assert rebuilt.exit_code == 0
    assert rebuilt.output.endswith("leads: 0 records read; the new state answers.\n")


async def test_a_service_that_has_lost_nothing_has_nothing_to_restate(type_in: Type) -> None:
    await type_in("topics", "make")

    assert (await type_in("restate", "leads", "--dry-run")).output == "leads: 0 lost facts would be withdrawn\n"
    assert (await type_in("restate", "leads")).output == "leads: 0 lost facts are withdrawn\n"


async def test_a_wrong_setting_is_said_although_another_deployment_lies_in_the_data_folder(
    type_in: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "postgres").mkdir()
    monkeypatch.setenv("PEYVAND_TIME_ZONE", "Teheran")
    refused = await type_in("dlq", "list", "leads", "--data", str(tmp_path))

    assert refused.exit_code == 1
    assert "PEYVAND_TIME_ZONE is wrong: 'Teheran' is no time zone" in refused.output


async def test_an_unknown_service_is_refused_with_the_names_there_are(type_in: Type) -> None:
    refused = await type_in("rebuild", "lead")

    assert refused.exit_code == 1
    assert "'lead' is no service; one of customers, leads" in refused.output
