"""The rate of an account: a token bucket in its row, shared by all senders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor
from uuid import UUID

import asyncpg

from services.messaging.providers.routing import CHANNEL_OF_KIND

LOCK = "SELECT rate_per_s, tokens, tokens_at FROM provider_accounts WHERE id = $1 FOR UPDATE"
IN_USE = """
SELECT kind, rate_per_s, tokens, tokens_at FROM provider_accounts account
WHERE active AND paused_at IS NULL
  AND EXISTS (SELECT FROM provider_lines WHERE account_id = account.id AND purposes @> ARRAY[$1::text])
"""
SPEND = "UPDATE provider_accounts SET tokens = $2, tokens_at = $3 WHERE id = $1"

BURST_S = 1.0
RESERVED_FOR_HIGHER_LANES = 0.2
"""Share of the bucket that promotion leaves alone, so that a code never finds it empty."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What an account may send at once, and how fast it fills."""

    rate_per_s: float
    tokens: float

    def take(self, wanted: int, *, reserve: float = 0.0) -> int:
        """Return how many of `wanted` may go now; at least a bucket of one fills, however slow the rate."""
        return max(0, min(wanted, floor(self.tokens - reserve * self.full)))

    @property
    def full(self) -> float:
        return max(1.0, self.rate_per_s * BURST_S)

    def wait(self, count: int, *, reserve: float = 0.0) -> timedelta:
        """Return how long it takes until `count` more may go."""
        missing = max(0.0, min(count, self.full) + reserve * self.full - self.tokens)
        return timedelta(seconds=max(0.05, missing / self.rate_per_s))


def filled(rate_per_s: float, tokens: float, since: datetime, now: datetime) -> Bucket:
    """Return the bucket as it is at `now`."""
    full = max(1.0, rate_per_s * BURST_S)
    elapsed = max(0.0, (now - since).total_seconds())
    return Bucket(rate_per_s, min(full, tokens + rate_per_s * elapsed))


async def available(
    connection: asyncpg.Connection, purpose: str, now: datetime, *, reserve: float = 0.0
) -> Mapping[str, int]:
    """Return how many messages of a purpose the accounts in use may send now over each channel that has any."""
    sendable: defaultdict[str, int] = defaultdict(int)
    for row in await connection.fetch(IN_USE, purpose):
        bucket = filled(row["rate_per_s"], row["tokens"], row["tokens_at"], now)
        sendable[CHANNEL_OF_KIND[row["kind"]]] += bucket.take(floor(bucket.full), reserve=_kept(bucket, reserve))
    return sendable


def _kept(bucket: Bucket, reserve: float) -> float:
    """Keep nothing back of a bucket so small that nothing would be left."""
    return reserve if bucket.full * reserve <= bucket.full - 1 else 0.0


async def spend(
    connection: asyncpg.Connection, account_id: UUID, wanted: int, now: datetime, *, reserve: float = 0.0
) -> tuple[int, timedelta]:
    """Take up to `wanted` tokens; return how many were granted, and when the rest may ask again."""
    [row] = await connection.fetch(LOCK, account_id)
    bucket = filled(row["rate_per_s"], row["tokens"], row["tokens_at"], now)
    reserve = _kept(bucket, reserve)
    granted = bucket.take(wanted, reserve=reserve)
    left = Bucket(bucket.rate_per_s, bucket.tokens - granted)
    await connection.execute(SPEND, account_id, left.tokens, now)
    return granted, left.wait(wanted - granted, reserve=reserve)
