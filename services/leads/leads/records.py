"""A lead as a capture writes it: a plain record, as mapped objects cost more than the statements (docs/adr/0006)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.leads.leads.response import Direction
from services.leads.leads.rules import Awareness, Chance, FunnelStage, Kind, LeadStatus
from shared.contracts.leads import LeadSource


@dataclass(slots=True, kw_only=True)
class NewLead(Chance):
    """A lead as it is when it was captured, with all that is shown of one."""

    id: UUID
    person_id: UUID
    slot: str
    kind: Kind
    source: LeadSource
    direction: Direction
    awareness: Awareness | None
    campaign: str | None
    product: str | None
    cost_minor: int | None
    expected_amount_minor: int | None
    currency: str
    note: str | None
    referrer_person_id: UUID | None
    possible_duplicate_of: UUID | None
    captured_at: datetime
    updated_at: datetime
    status: LeadStatus = LeadStatus.NEW
    funnel_stage: FunnelStage = FunnelStage.AWARENESS
    agent_id: UUID | None = None
    recaptures: int = 0
    question_asked_at: datetime | None = None
    response_due_at: datetime | None = None
    overdue_at: None = None
    answered_at: datetime | None = None
    response_s: int | None = None
    answered_in_time: bool | None = None
    qualified_at: None = None
    converted_at: None = None
    converted_by: None = None
    disqualified_at: None = None
    reason: None = None
    competitor: None = None
    merged_into: None = None
    version: int = 1
