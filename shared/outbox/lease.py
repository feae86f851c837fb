"""The lease that lets one relay a service work at a time: a row with owner and end, by the database's clock."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import asyncpg

LEASE_S = 10.0
LEAST_IDLE_S = 1.0
"""For how long a transaction under the lease may rest at least: a busy process is not a stopped one."""

MOST_LEASES = 6.0
"""For how many times as long a transaction under the lease may take in all: a slow database is no stopped process."""

_MAKE = "INSERT INTO relay_lease (service) VALUES ($1) ON CONFLICT DO NOTHING"
_LOCK = """
SELECT owner, until < clock_timestamp() AS over, stopped, cards_epoch,
    set_config('idle_in_transaction_session_timeout', $2, true), set_config('transaction_timeout', $3, true)
FROM relay_lease WHERE service = $1 FOR UPDATE
"""
_TAKE = "UPDATE relay_lease SET owner = $2, until = clock_timestamp() + $3 * interval '1 second' WHERE service = $1"
_RELEASE = "UPDATE relay_lease SET until = clock_timestamp() - interval '1 second' WHERE service = $1 AND owner = $2"
_SAY = "UPDATE relay_lease SET stopped = $2 WHERE service = $1"


class LeaseLost(Exception):
    """Another relay of this service is at work."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease as it was taken or prolonged: whether another relay had it before, and what stands in its row."""

    taken_over: bool
    stopped: str | None
    cards_epoch: int


async def hold(connection: asyncpg.Connection, service: str, owner: UUID, lease_s: float) -> Lease:
    """Take or prolong the lease, and lock its row to the transaction's end; raise `LeaseLost` if another has it.

    The server breaks the transaction off that idles for longer than the lease: a process that was stopped in the midst
    of it would keep the row from all others. One that was stopped between preparing a statement and asking it is not
    idle to the server, nor is its statement timed; so the transaction as a whole is.
    """
    idle_s = max(lease_s, LEAST_IDLE_S)
    wanted = service, _ms(idle_s), _ms(idle_s * MOST_LEASES)
    row = await connection.fetchrow(_LOCK, *wanted) or await _made(connection, *wanted)
    mine = row["owner"] == owner
    if not (mine or row["over"] or row["owner"] is None):
        raise LeaseLost(service)
    await connection.execute(_TAKE, service, owner, lease_s)
    return Lease(not mine, row["stopped"], row["cards_epoch"])


async def _made(connection: asyncpg.Connection, service: str, idle_ms: str, most_ms: str) -> asyncpg.Record:
    await connection.execute(_MAKE, service)
    return (await connection.fetch(_LOCK, service, idle_ms, most_ms))[0]


def _ms(seconds: float) -> str:
    return str(int(seconds * 1000))


async def release(connection: asyncpg.Connection, service: str, owner: UUID) -> None:
    """Give the lease up, so that another need not wait for its end."""
    await connection.execute(_RELEASE, service, owner)


async def say_why(connection: asyncpg.Connection, service: str, stopped: str | None) -> None:
    """Record why the relay stands still, for readiness; None where it works."""
    await connection.execute(_SAY, service, stopped)
