"""The surveys service: who is asked, what they answer, and whether bad answers are mended."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from services.surveys.clocks import CLOCKS
from services.surveys.consumers import consumer
from services.surveys.orm import metadata
from services.surveys.settings import Settings
from shared.service import Service


def routers() -> tuple[APIRouter, ...]:
    """Load what answers requests."""
    from services.surveys.routers import ROUTERS  # noqa: PLC0415  (a worker answers none, and need not hold them)

    return ROUTERS


SERVICE = Service(
    name="surveys",
    title="Peyvand: surveys",
    description="Surveys, sampling and fatigue, invitations, answers, and the loop that a bad answer opens.",
    settings=Settings,
    metadata=metadata,
    migrations=Path(__file__).parent / "migrations",
    routers=routers,
    consumer=consumer,
    clocks=CLOCKS,
)
