"""What the API of the leads service answers, in the order of its description."""

from __future__ import annotations

from services.leads.agents.api import router as agents
from services.leads.leads.api import router as leads
from services.leads.leads.progress_api import router as progress

ROUTERS = (leads, progress, agents)
