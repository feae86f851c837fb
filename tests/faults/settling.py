"""Waiting until a deployment has nothing left to do: everything sent, read, handled, delivered and counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from services.embedded import SERVICES
from shared.bus import EventBus
from shared.bus.protocol import BusUnavailable
from tests.support.eventually import eventually

_UNSENT = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM relay_batch)"
_INBOX = "SELECT topic, partition, next_offset FROM inbox"
_PARKED = "SELECT count(*) FROM parked WHERE state = 'parked'"
_OPEN = {
    "messages not ended": ("messaging", "SELECT count(*) FROM messages WHERE ended_at IS NULL"),
    "reports not applied": ("messaging", "SELECT count(*) FROM delivery_reports"),
    "runs not ended": (
        "messaging",
        "SELECT count(*) FROM automation_runs WHERE status IN ('running', 'waiting') AND due_at < now() + '1 hour'",
    ),
    "people not counted": ("metrics", "SELECT count(*) FROM state.dirty"),
    "calls not made": ("sandbox", "SELECT count(*) FROM call WHERE due_at IS NOT NULL"),
    "texts not delivered": ("sandbox", "SELECT count(*) FROM message WHERE due_at IS NOT NULL"),
}

AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, BusUnavailable)

Connections = Mapping[str, asyncpg.Connection]


@asynccontextmanager
async def connected(databases: Mapping[str, str]) -> AsyncIterator[Connections]:
    """Lend a connection to each database."""
    async with AsyncExitStack() as stack:
        connections = {}
        for name, url in databases.items():
            connections[name] = await asyncpg.connect(url)
            stack.push_async_callback(connections[name].close)
        yield connections


async def settle(
    databases: Mapping[str, str], bus: EventBus, *, within: float, say: Callable[[str], None] = lambda _line: None
) -> None:
    """Return once nothing is left to do, seen twice; fail with what is left where that takes too long."""
    told: list[str] = []

    async def quiet() -> bool:
        for _ in range(2):
            try:
                async with connected(databases) as connections:
                    left = await unfinished(connections, bus)
            except AWAY as error:
                left = {f"{type(error).__name__}: {error}": 1}
            if left and list(left) != told:
                told[:] = left
                say(f"left to do: {left}")
            assert not left, f"left to do: {left}"
        return True

    await eventually(quiet, within=within, every=0.5)


async def unfinished(connections: Connections, bus: EventBus) -> dict[str, int]:
    """Return what is left to do, and how much of it."""
    left: dict[str, int] = {}
    for service in SERVICES:
        connection = connections[service.name]
        left[f"{service.name}: not sent"] = await connection.fetchval(_UNSENT)
        left[f"{service.name}: parked"] = await connection.fetchval(_PARKED)
        bounds = await bus.bounds(service.consumer.topics)
        rows = {(row["topic"], row["partition"]): row["next_offset"] for row in await connection.fetch(_INBOX)}
        behind = sum(end - rows.get(place, first) for place, (first, end) in bounds.items())
        left[f"{service.name}: not read"] = behind
    for what, (name, query) in _OPEN.items():
        left[what] = await connections[name].fetchval(query)
    return {what: count for what, count in left.items() if count}
