"""What the API of the surveys service answers, in the order of its description."""

from __future__ import annotations

from services.surveys.answers.api import router as answers
from services.surveys.fatigue.api import router as fatigue
from services.surveys.invitations.api import router as invitations
from services.surveys.results.api import router as results
from services.surveys.surveys.api import router as surveys

ROUTERS = (fatigue, results, surveys, invitations, answers)
