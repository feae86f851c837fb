"""What the leads service is made of."""

from __future__ import annotations

from pathlib import Path

from services.leads.agents.api import router as agents
from services.leads.clocks import CLOCKS
from services.leads.consumers import consumer
from services.leads.leads.api import router as leads
from services.leads.leads.progress_api import router as progress
from services.leads.persons.cards import read_cards
from services.leads.persons.erasure import erase_again
from services.leads.restating import restate_agents, restate_leads
from services.leads.settings import Settings
from services.leads.tables import Base
from shared.contracts.cards import LEADS_CONTACTS
from shared.contracts.leads import LeadErased
from shared.service import Measure, Service

SERVICE = Service(
    name="leads",
    title="Leads",
    description="Who may buy, who answers them, and by when.",
    settings=Settings,
    metadata=Base.metadata,
    migrations=Path(__file__).parent / "migrations",
    routers=(leads, progress, agents),
    consumer=consumer,
    clocks=CLOCKS,
    card_readers={LEADS_CONTACTS: read_cards},
    relearners={LeadErased: erase_again},
    restaters=(restate_leads, restate_agents),
    measures=(
        Measure(
            "peyvand_leads_answer_seconds",
            "How long it took until a lead was answered: the median of those answered among the last 1,000.",
            """SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY response_s), 0) FROM (
                SELECT response_s FROM leads ORDER BY captured_at DESC, id DESC LIMIT 1000
            ) AS latest""",
        ),
        Measure(
            "peyvand_leads_overdue",
            "Leads whose question waits beyond its time, counted up to 10,000.",
            "SELECT count(*) FROM (SELECT FROM leads WHERE overdue_at IS NOT NULL LIMIT 10000) AS overdue",
        ),
    ),
)
