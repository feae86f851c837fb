"""What the leads service publishes."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from shared.contracts.envelope import Code, Event, Money, Withdrawal

TOPIC = "leads.events.v1"

Channel = Literal["call", "sms", "email", "chat", "social", "letter", "visit", "web", "other"]
LeadSource = Literal[
    "website", "call", "social", "chat", "referral", "sms", "walk_in", "advertisement", "event", "import", "other"
]


class LeadEvent(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = TOPIC
    subject_field: ClassVar[str] = "lead_id"

    lead_id: UUID
    person_id: UUID


class LeadCaptured(LeadEvent, frozen=True, kw_only=True):
    """A chance of a sale was recorded. `response_due_at` is set where somebody has to answer."""

    type: ClassVar[str] = "lead.captured"

    kind: Literal["new", "returning", "cross_sell", "up_sell"] = "new"
    source: LeadSource
    direction: Literal["inbound", "outbound"] = "inbound"
    awareness: Literal["unaware", "comparing", "returning"] | None = None
    campaign: Code | None = None
    product: Code | None = None
    province: Code | None = None
    agent_id: UUID | None = None
    expected_amount_minor: Money | None = None
    cost_minor: Money | None = None
    currency: Code = "IRR"
    response_due_at: datetime | None = None
    born_answered: bool = False


class LeadRecaptured(LeadEvent, frozen=True, kw_only=True):
    """The same person asked again while the lead was open; `response_due_at` is the clock now running, if any."""

    type: ClassVar[str] = "lead.recaptured"

    touch_id: UUID
    source: LeadSource
    campaign: Code | None = None
    product: Code | None = None
    response_due_at: datetime | None = None


class LeadUpdated(LeadEvent, frozen=True, kw_only=True):
    """What is known of a lead was changed by hand; `fields` names what; the dimensions are as they are now."""

    type: ClassVar[str] = "lead.updated"

    fields: tuple[Code, ...]
    kind: Literal["new", "returning", "cross_sell", "up_sell"] = "new"
    awareness: Literal["unaware", "comparing", "returning"] | None = None
    campaign: Code | None = None
    product: Code | None = None
    province: Code | None = None
    expected_amount_minor: Money | None = None
    cost_minor: Money | None = None
    currency: Code = "IRR"


class LeadAssigned(LeadEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "lead.assigned"

    agent_id: UUID | None
    previous_agent_id: UUID | None = None


class LeadTouched(LeadEvent, frozen=True, kw_only=True):
    """Somebody spoke to the lead, or tried to, or it to us. `answers` the question asked at `question_asked_at`.

    `response_s` is the time from that question to the recording of this touch in working seconds. A touch that does
    not answer, and has `question_asked_at`, asked that question itself. One that turns out to answer what another lead
    had asked, as that is merged with its own, is told again of the lead that goes on, with another `touch_id`.
    """

    type: ClassVar[str] = "lead.touched"
    part_field: ClassVar[str | None] = "touch_id"

    touch_id: UUID
    direction: Literal["inbound", "outbound"]
    channel: Channel
    by: Literal["human", "automatic", "person"]
    agent_id: UUID | None = None
    reached: bool = True
    answers: bool = False
    question_asked_at: datetime | None = None
    response_due_at: datetime | None = None
    response_s: int | None = None
    in_time: bool | None = None


class LeadResponseOverdue(LeadEvent, frozen=True, kw_only=True):
    """A question fell due unanswered; its owner and the owner's manager are to be told."""

    type: ClassVar[str] = "lead.response_overdue"

    due_at: datetime
    question_asked_at: datetime
    agent_id: UUID | None = None
    manager_id: UUID | None = None


class LeadStageChanged(LeadEvent, frozen=True, kw_only=True):
    """The funnel stage moved."""

    type: ClassVar[str] = "lead.stage_changed"

    before: Literal["awareness", "consideration", "decision"]
    after: Literal["awareness", "consideration", "decision"]
    reason: Code


class LeadQualified(LeadEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "lead.qualified"

    agent_id: UUID | None = None


class LeadDisqualified(LeadEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "lead.disqualified"

    reason: Literal["price", "variety", "staff", "competitor", "timing", "unreachable", "other"]
    competitor: Code | None = None
    agent_id: UUID | None = None


class LeadMerged(LeadEvent, frozen=True, kw_only=True):
    """The lead goes on as `into_lead_id`, an earlier one of the same person, and counts no more by itself.

    Without `into_lead_id` its person had been erased before it was captured, so that it is a stranger's.
    """

    type: ClassVar[str] = "lead.merged"

    into_lead_id: UUID | None = None
    agent_id: UUID | None = None


class LeadReopened(LeadEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "lead.reopened"

    response_due_at: datetime | None = None


class LeadConverted(LeadEvent, frozen=True, kw_only=True):
    """Agreed, by hand or by the person's first purchase or contract."""

    type: ClassVar[str] = "lead.converted"

    by: Literal["hand", "purchase"] = "hand"
    source: LeadSource
    campaign: Code | None = None
    product: Code | None = None
    agent_id: UUID | None = None


class LeadErased(Event, frozen=True, kw_only=True):
    """A person who is no customer was erased, with every id that meant them."""

    type: ClassVar[str] = "lead.erased"
    topic: ClassVar[str] = TOPIC

    person_id: UUID
    alias_ids: tuple[UUID, ...] = ()


class AgentEvent(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = TOPIC
    key_field: ClassVar[str] = "agent_id"
    subject_field: ClassVar[str] = "agent_id"

    agent_id: UUID


class AgentAdded(AgentEvent, frozen=True, kw_only=True):
    """A member of staff joined; their name and number travel as a card on the contact topic."""

    type: ClassVar[str] = "agent.added"

    role: Literal["agent", "manager"] = "agent"
    team: Code | None = None
    manager_id: UUID | None = None
    on_duty: bool = True


class AgentUpdated(AgentEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "agent.updated"

    role: Literal["agent", "manager"] = "agent"
    team: Code | None = None
    manager_id: UUID | None = None
    on_duty: bool = True
    active: bool = True


class LeadsWithdrawal(Withdrawal, frozen=True, kw_only=True):
    type: ClassVar[str] = "leads.fact_withdrawn"
    topic: ClassVar[str] = TOPIC
