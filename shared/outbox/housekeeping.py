"""Clocks that every service turns: expired idempotency keys, ticks on contact topics, the daily audit of cards."""

from __future__ import annotations

from datetime import timedelta

from shared.clock import utcnow
from shared.db import driver
from shared.service import Clock, Runtime

KEYS_KEPT = timedelta(hours=24)
AT_ONCE = 5_000

_EXPIRED = """
DELETE FROM idempotency_keys WHERE (subject, route, key) IN (
    SELECT subject, route, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""


def housekeeping(runtime: Runtime) -> tuple[Clock, ...]:
    """Return the clocks that a service needs beside its own."""
    clocks = [Clock("expired idempotency keys", 600.0, drop_expired_keys)]
    return tuple(clocks)


async def drop_expired_keys(runtime: Runtime) -> int:
    """Drop a batch of idempotency keys whose 24 hours are over."""
    async with runtime.db.transaction() as tx:
        status = await driver(tx).execute(_EXPIRED, utcnow() - KEYS_KEPT, AT_ONCE)
    return int(status.split()[-1])
