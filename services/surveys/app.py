"""The surveys service: who is asked, what they answer, and whether bad answers are mended."""

from __future__ import annotations

from pathlib import Path

from services.surveys.answers.api import router as answers
from services.surveys.clocks import CLOCKS
from services.surveys.consumers import consumer
from services.surveys.fatigue.api import router as fatigue
from services.surveys.invitations.api import router as invitations
from services.surveys.orm import metadata
from services.surveys.results.api import router as results
from services.surveys.settings import Settings
from services.surveys.surveys.api import router as surveys
from shared.service import Service

SERVICE = Service(
    name="surveys",
    title="Peyvand: surveys",
    description="Surveys, sampling and fatigue, invitations, answers, and the loop that a bad answer opens.",
    settings=Settings,
    metadata=metadata,
    migrations=Path(__file__).parent / "migrations",
    routers=(fatigue, results, surveys, invitations, answers),
    consumer=consumer,
    clocks=CLOCKS,
)
