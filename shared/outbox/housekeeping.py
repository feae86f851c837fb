"""Clocks that every service turns beside its own: expired keys, what is parked, and the order of its contact topics."""

from __future__ import annotations

from datetime import timedelta

from shared.clock import utcnow
from shared.db import driver
from shared.outbox.cards_audit import audit_cards, tick
from shared.outbox.drain import order_parked
from shared.service import Clock, Runtime

KEYS_KEPT = timedelta(hours=24)
AT_ONCE = 5_000

_EXPIRED = """
DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
"""
"""By their places: by their keys, the planner would rather read all keys than look so many up."""


FIRST_WITHIN_S = {"card audit": 86_400.0}
"""Clocks whose first turn comes at any time of the day, so that a restart does not repeat what is dear."""


def housekeeping(runtime: Runtime) -> tuple[Clock, ...]:
    """Return the clocks that a service needs beside its own."""
    clocks = [Clock("expired idempotency keys", 600.0, drop_expired_keys), Clock("parked keys", 3_600.0, order_parked)]
    if runtime.service.card_readers:
        clocks += [Clock("contact topics tick", 3_600.0, tick), Clock("card audit", 86_400.0, audit_cards)]
    return tuple(clocks)


async def drop_expired_keys(runtime: Runtime) -> int:
    """Drop a batch of idempotency keys whose 24 hours are over."""
    async with runtime.db.transaction() as tx:
        status = await driver(tx).execute(_EXPIRED, utcnow() - KEYS_KEPT, AT_ONCE)
    return int(status.split()[-1])
