"""What the leads service is made of."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from services.leads.clocks import CLOCKS
from services.leads.consumers import consumer
from services.leads.leads.strangers import open_strangers
from services.leads.persons.cards import read_cards
from services.leads.persons.erasure import erase_again
from services.leads.restating import restate_agents, restate_leads
from services.leads.settings import Settings
from services.leads.tables import Base
from shared.contracts.cards import LEADS_CONTACTS
from shared.contracts.leads import LeadErased
from shared.service import Measure, Service


def routers() -> tuple[APIRouter, ...]:
    """Load what answers requests."""
    from services.leads.routers import ROUTERS  # noqa: PLC0415  (a worker answers none, and need not hold them)

    return ROUTERS


SERVICE = Service(
    name="leads",
    title="Peyvand: leads",
    description="Who may buy, who answers them, and by when.",
    settings=Settings,
    metadata=Base.metadata,
    migrations=Path(__file__).parent / "migrations",
    routers=routers,
    consumer=consumer,
    clocks=CLOCKS,
    resources=open_strangers,
    card_readers={LEADS_CONTACTS: read_cards},
    relearners={LeadErased: erase_again},
    restaters=(restate_leads, restate_agents),
    measures=(
        Measure(
            "peyvand_leads_answer_seconds",
            "How long it took until a lead was answered: the median of those that waited, among the last 1,000.",
            """SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY response_s), 0) FROM (
                SELECT response_s, source FROM leads ORDER BY captured_at DESC, id DESC LIMIT 1000
            ) AS latest WHERE source <> 'walk_in'""",
        ),
        Measure(
            "peyvand_leads_overdue",
            "Leads whose question waits beyond its time, counted up to 10,000.",
            "SELECT count(*) FROM (SELECT FROM leads WHERE overdue_at IS NOT NULL LIMIT 10000) AS overdue",
        ),
    ),
)
