"""The lease that lets one relay a service work at a time: a row with owner and end, by the database's clock."""

from __future__ import annotations

from uuid import UUID

import asyncpg

LEASE_S = 10.0

_MAKE = "INSERT INTO relay_lease (service) VALUES ($1) ON CONFLICT DO NOTHING"
_TAKE = """
UPDATE relay_lease SET owner = $2, until = clock_timestamp() + $3 * interval '1 second'
WHERE service = $1 AND (owner = $2 OR until < clock_timestamp()) RETURNING true
"""
_RELEASE = "UPDATE relay_lease SET until = clock_timestamp() - interval '1 second' WHERE service = $1 AND owner = $2"
_OWNED = "SELECT EXISTS (SELECT FROM relay_lease WHERE service = $1 AND owner = $2 AND until >= clock_timestamp())"


class LeaseLost(Exception):
    """Another relay of this service is at work."""


async def hold(connection: asyncpg.Connection, service: str, owner: UUID, lease_s: float) -> None:
    """Take or prolong the lease, and lock its row to the transaction's end; raise `LeaseLost` if another has it."""
    if await connection.fetchval(_TAKE, service, owner, lease_s):
        return
    await connection.execute(_MAKE, service)
    if not await connection.fetchval(_TAKE, service, owner, lease_s):
        raise LeaseLost(service)


async def release(connection: asyncpg.Connection, service: str, owner: UUID) -> None:
    """Give the lease up, so that another need not wait for its end."""
    await connection.execute(_RELEASE, service, owner)


async def owned(connection: asyncpg.Connection, service: str, owner: UUID) -> bool:
    """Tell whether `owner` holds the lease at present."""
    return bool(await connection.fetchval(_OWNED, service, owner))
