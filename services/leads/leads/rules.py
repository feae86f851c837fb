"""What a lead is from its capture on, whether it is a mapped object or the record that a capture writes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from services.leads.leads.response import Question
from shared.contracts import Event
from shared.contracts.leads import LeadAssigned, LeadCaptured, LeadStageChanged

Kind = Literal["new", "returning", "cross_sell", "up_sell"]
Awareness = Literal["unaware", "comparing", "returning"]
Reason = Literal["price", "variety", "staff", "competitor", "timing", "unreachable", "other"]


class LeadStatus(StrEnum):
    NEW = "new"
    WORKING = "working"
    QUALIFIED = "qualified"
    CONVERTED = "converted"
    DISQUALIFIED = "disqualified"


class FunnelStage(StrEnum):
    AWARENESS = "awareness"
    CONSIDERATION = "consideration"
    DECISION = "decision"


OPEN = (LeadStatus.NEW, LeadStatus.WORKING, LeadStatus.QUALIFIED)
STAGES = tuple(FunnelStage)


class Chance:
    """The rules of a lead that hold from its capture on; what keeps its values is up to who is one."""

    if TYPE_CHECKING:  # columns of `Lead`, fields of `NewLead`
        id: Any
        person_id: Any
        status: Any
        funnel_stage: Any
        kind: Any
        source: Any
        direction: Any
        awareness: Any
        campaign: Any
        product: Any
        cost_minor: Any
        expected_amount_minor: Any
        currency: Any
        agent_id: Any
        captured_at: Any
        question_asked_at: Any
        response_due_at: Any
        overdue_at: Any
        answered_at: Any
        response_s: Any
        answered_in_time: Any
        updated_at: Any

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def overdue(self) -> bool:
        """Tell whether a question was published as overdue, and still waits."""
        return self.overdue_at is not None

    def captured(self, province: str | None) -> LeadCaptured:
        """Say that this lead was captured."""
        return LeadCaptured(
            lead_id=self.id,
            person_id=self.person_id,
            occurred_at=self.captured_at,
            kind=self.kind,
            source=self.source,
            direction=self.direction,
            awareness=self.awareness,
            campaign=self.campaign,
            product=self.product,
            province=province,
            agent_id=self.agent_id,
            expected_amount_minor=self.expected_amount_minor,
            cost_minor=self.cost_minor,
            currency=self.currency,
            response_due_at=self.response_due_at,
            born_answered=self.answered_at is not None,
        )

    def ask(self, question: Question) -> bool:
        """Start the clock, unless the lead is closed or something is unanswered; tell whether it started."""
        if not self.is_open or self.question_asked_at is not None:
            return False
        self.question_asked_at, self.response_due_at = question.asked_at, question.due_at
        return True

    def born_answered(self, at: datetime) -> list[Event]:
        """Take in that somebody spoke to this person as they came."""
        self.status, self.answered_at, self.response_s, self.answered_in_time = LeadStatus.WORKING, at, 0, True
        return self._advance(FunnelStage.CONSIDERATION, "walk_in", at)

    def assign(self, agent_id: UUID | None, *, at: datetime) -> LeadAssigned:
        """Hand the lead to an agent; a lead that is captured has none before."""
        previous, self.agent_id, self.updated_at = self.agent_id, agent_id, at
        return LeadAssigned(
            lead_id=self.id,
            person_id=self.person_id,
            occurred_at=at,
            agent_id=agent_id,
            previous_agent_id=previous,
        )

    def _advance(self, stage: FunnelStage, reason: str, at: datetime) -> list[Event]:
        """Move the funnel stage forward; never back."""
        before = FunnelStage(self.funnel_stage)
        if STAGES.index(before) >= STAGES.index(stage):
            return []
        self.funnel_stage = stage
        moved = LeadStageChanged(
            lead_id=self.id,
            person_id=self.person_id,
            occurred_at=at,
            before=before.value,
            after=stage.value,
            reason=reason,
        )
        return [moved]
