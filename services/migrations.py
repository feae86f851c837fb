"""Writing migrations: on a throw-away server, the difference between the migrations so far and the models."""

from __future__ import annotations

import tempfile
from pathlib import Path

from services.postgres import THROWAWAY, EmbeddedPostgres
from shared.migrate import migrate, revise
from shared.service import Service


async def write_migration(service: Service, message: str) -> None:
    """Write a migration into the service's folder that takes its tables to what its models say."""
    with (
        tempfile.TemporaryDirectory(prefix="peyvand-") as folder,
        EmbeddedPostgres(Path(folder) / "postgres", THROWAWAY) as server,
    ):
        await server.ensure_databases(service.name)
        url = server.url(service.name)
        await migrate(service, url)
        await revise(service, url, message)
