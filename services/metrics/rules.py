"""The settings that figures depend on, kept in the database so that a rebuild counts by the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from zoneinfo import ZoneInfo

import asyncpg

from services.metrics.settings import Settings

_READ = "SELECT time_zone, activity_days, margin FROM figure_rules"
_KEEP = """
INSERT INTO figure_rules (id, time_zone, activity_days, margin) VALUES (1, $1, $2, $3)
ON CONFLICT (id) DO UPDATE
SET time_zone = EXCLUDED.time_zone, activity_days = EXCLUDED.activity_days, margin = EXCLUDED.margin
"""


@dataclass(frozen=True, slots=True)
class Rules:
    """Zone of periods, days (of 24 hours) that a purchase makes active, and the margin in CLV."""

    time_zone: str = "Asia/Tehran"
    activity_days: int = 90
    margin: float = 1.0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what a process is to count by."""
        return cls(settings.time_zone, settings.activity_days, settings.margin)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


async def read_rules(connection: asyncpg.Connection) -> Rules:
    """Return what the deployment last counted by; the defaults where it never has."""
    row = await connection.fetchrow(_READ)
    return Rules(*row) if row else Rules()


async def keep_rules(connection: asyncpg.Connection, rules: Rules) -> None:
    """Remember `rules` if they are not what the deployment last counted by."""
    row = await connection.fetchrow(_READ)
    if row is None or Rules(*row) != rules:
        await connection.execute(_KEEP, rules.time_zone, rules.activity_days, rules.margin)
