"""The settings that figures depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from zoneinfo import ZoneInfo

from services.metrics.settings import Settings


@dataclass(frozen=True, slots=True)
class Rules:
    """Zone of periods, days (of 24 hours) that a purchase makes active, and the margin in CLV."""

    time_zone: str
    activity_days: int
    margin: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what a process is to count by."""
        return cls(settings.time_zone, settings.activity_days, settings.margin)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)
