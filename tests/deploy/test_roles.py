"""deploy/postgres: a role a service that works with its own tables and can change none, and one that owns them."""

from __future__ import annotations

import os
import subprocess

import asyncpg
import pytest

from services.metrics.app import SERVICE as METRICS
from services.postgres import programs
from shared.migrate import migrate
from shared.outbox.rebuild import rebuild
from shared.routes import SERVICE_NAMES
from shared.runtime import open_runtime
from shared.settings import load
from tests.support.api import keys
from tests.support.postgres import SOCKET_DIR, TestServer
from tests.support.processes import ROOT
from tests.support.runtimes import SECRET, migrate_bus

PASSWORDS = {
    f"{name.upper()}{kind}_PASSWORD": f"{name}{kind.lower()}-password"
    for name in (*SERVICE_NAMES, "sandbox")
    for kind in ("", "_MIGRATION")
}
REFUSED = [
    "CREATE TABLE more (id integer)",
    "CREATE TABLE state.more (id integer)",
    "CREATE SCHEMA more",
    "ALTER TABLE outbox ADD COLUMN more integer",
    "ALTER SCHEMA state RENAME TO other",
    "DROP TABLE outbox",
    "TRUNCATE outbox",
    "CREATE INDEX ON outbox (id)",
    "CREATE ROLE more",
    "COPY outbox TO PROGRAM 'true'",
]

LACKING = """
SELECT schemaname, tablename FROM pg_tables
WHERE schemaname IN ('public', 'state') AND NOT (
    has_table_privilege(format('%I.%I', schemaname, tablename), 'SELECT')
    AND has_table_privilege(format('%I.%I', schemaname, tablename), 'INSERT')
    AND has_table_privilege(format('%I.%I', schemaname, tablename), 'UPDATE')
    AND has_table_privilege(format('%I.%I', schemaname, tablename), 'DELETE')
)
"""
"""Tables of a service that its role cannot work with."""


def address(role: str, database: str) -> str:
    return f"postgresql://{role}@/{database}?host={os.environ[SOCKET_DIR]}"


@pytest.fixture
def roles(server: TestServer) -> None:
    """Make databases and roles, twice: a deployment does so at every start."""
    for _ in range(2):
        make_roles(PASSWORDS)


def make_roles(passwords: dict[str, str]) -> None:
    command = [programs() / "psql", "--no-psqlrc", "--quiet", "--file", ROOT / "deploy/postgres/roles.sql"]
    where = {"PGHOST": os.environ[SOCKET_DIR], "PGUSER": "postgres", "PGDATABASE": "postgres"}
    made = subprocess.run(
        list(map(str, command)), env=os.environ | where | passwords, capture_output=True, text=True, check=False
    )
    assert (made.returncode, made.stderr) == (0, "")


async def test_a_service_works_in_its_database_and_a_rebuild_leaves_it_what_it_needs(
    roles: None, server: TestServer
) -> None:
    await migrate(METRICS, address("metrics_migration", "metrics"))
    async with server.database("template_bus", migrate_bus) as bus_url:
        settings = load(
            METRICS.settings,
            database_url=address("metrics", "metrics"),
            migration_database_url=address("metrics_migration", "metrics"),
            bus_database_url=bus_url,
            jwt_public_key=keys().public_pem,
            secret_key=SECRET,
        )
        async with open_runtime(METRICS, settings) as runtime:
            await rebuild(runtime)
            for clock in METRICS.clocks:
                await clock.turn(runtime)
            async with runtime.db.connection() as connection:
                lacking = await connection.fetch(LACKING)
                assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'state'") > 10
                await connection.execute("CREATE TEMPORARY TABLE folded (id integer)")

    assert lacking == []


async def test_a_service_may_change_no_table_and_no_role(roles: None) -> None:
    await migrate(METRICS, address("metrics_migration", "metrics"))
    connection = await asyncpg.connect(address("metrics", "metrics"))
    allowed = []
    for statement in REFUSED:
        try:
            await connection.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            continue
        allowed.append(statement)
    await connection.close()

    assert allowed == []


async def test_nobody_gets_into_anothers_database(roles: None) -> None:
    for role in (f"{name}{kind}" for name in SERVICE_NAMES for kind in ("", "_migration")):
        for database in (*SERVICE_NAMES, "sandbox", "postgres"):
            if database != role.removesuffix("_migration"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
                    await asyncpg.connect(address(role, database))


async def test_without_a_password_the_sandbox_is_left_as_it_is(roles: None) -> None:
    """Compose hands an unset password on as an empty one."""
    connection = await asyncpg.connect(address("postgres", "postgres"))
    before = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'sandbox'")
    make_roles(PASSWORDS | {"SANDBOX_PASSWORD": ""})
    after = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'sandbox'")
    await connection.close()

    assert before is not None
    assert after == before
