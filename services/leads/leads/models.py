"""A lead: a chance of a sale to a person. It decides what may happen to it, and returns the events that say so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from services.leads.leads.errors import (
    LeadAlreadyConverted,
    LeadAlreadyDisqualified,
    LeadAlreadyQualified,
    LeadIsDisqualified,
    LeadIsMerged,
    LeadIsOpen,
)
from services.leads.leads.response import Direction, Question, waits_for_answer
from services.leads.leads.rules import Awareness, Chance, FunnelStage, Kind, LeadStatus, Reason
from services.leads.leads.touches import Touch
from services.leads.tables import Base
from shared.contracts import Event
from shared.contracts.customers import PurchaseRecorded
from shared.contracts.leads import (
    LeadConverted,
    LeadDisqualified,
    LeadMerged,
    LeadQualified,
    LeadRecaptured,
    LeadReopened,
    LeadResponseOverdue,
    LeadSource,
    LeadTouched,
    LeadUpdated,
)
from shared.ids import derived_id

Instant = DateTime(timezone=True)
IS_OPEN = text("status IN ('new', 'working', 'qualified')")


class Lead(Chance, Base):
    """A chance of a sale. While `question_asked_at` is set somebody waits for an answer until `response_due_at`.

    `overdue_at` is when that question was published as overdue. `slot` is what, with the person, makes two captures
    the same lead: the product, or nothing. `answered_at` and what follows it speak of the first answer. `merged_into`
    is the lead that this one turned out to be, which has its touches.
    """

    __tablename__ = "leads"
    __table_args__ = (
        CheckConstraint("status IN ('new', 'working', 'qualified', 'converted', 'disqualified')", name="status"),
        CheckConstraint("funnel_stage IN ('awareness', 'consideration', 'decision')", name="funnel_stage"),
        CheckConstraint("(question_asked_at IS NULL) = (response_due_at IS NULL)", name="question"),
        CheckConstraint("overdue_at IS NULL OR response_due_at IS NOT NULL", name="overdue"),
        Index("uq_leads_open", "person_id", "slot", unique=True, postgresql_where=IS_OPEN),
        Index("ix_leads_person_id", "person_id"),
        Index("ix_leads_captured_at", "captured_at", "id"),
        Index("ix_leads_status", "status", "captured_at", "id"),
        Index("ix_leads_agent_id", "agent_id", "captured_at", "id"),
        Index("ix_leads_source", "source", "captured_at", "id"),
        Index("ix_leads_product", "product", "captured_at", "id"),
        Index("ix_leads_overdue", "captured_at", "id", postgresql_where=text("overdue_at IS NOT NULL")),
        Index(
            "ix_leads_due",
            "response_due_at",
            postgresql_where=text("question_asked_at IS NOT NULL AND overdue_at IS NULL"),
        ),
        Index("ix_leads_open", "agent_id", "captured_at", postgresql_where=IS_OPEN),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("persons.id"))
    slot: Mapped[str] = mapped_column(Text, server_default="", default="")
    status: Mapped[LeadStatus] = mapped_column(Text, server_default="new", default=LeadStatus.NEW)
    funnel_stage: Mapped[FunnelStage] = mapped_column(Text, server_default="awareness", default=FunnelStage.AWARENESS)
    kind: Mapped[Kind] = mapped_column(Text)
    source: Mapped[LeadSource] = mapped_column(Text)
    direction: Mapped[Direction] = mapped_column(Text)
    awareness: Mapped[Awareness | None] = mapped_column(Text)
    campaign: Mapped[str | None] = mapped_column(Text)
    product: Mapped[str | None] = mapped_column(Text)
    cost_minor: Mapped[int | None] = mapped_column(BigInteger)
    expected_amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text, server_default="IRR", default="IRR")
    note: Mapped[str | None] = mapped_column(Text)
    referrer_person_id: Mapped[UUID | None] = mapped_column(Uuid)
    possible_duplicate_of: Mapped[UUID | None] = mapped_column(Uuid)
    agent_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("agents.id"))
    captured_at: Mapped[datetime] = mapped_column(Instant)
    recaptures: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    question_asked_at: Mapped[datetime | None] = mapped_column(Instant)
    response_due_at: Mapped[datetime | None] = mapped_column(Instant)
    overdue_at: Mapped[datetime | None] = mapped_column(Instant)
    answered_at: Mapped[datetime | None] = mapped_column(Instant)
    response_s: Mapped[int | None]
    answered_in_time: Mapped[bool | None]
    qualified_at: Mapped[datetime | None] = mapped_column(Instant)
    converted_at: Mapped[datetime | None] = mapped_column(Instant)
    converted_by: Mapped[Literal["hand", "purchase"] | None] = mapped_column(Text)
    disqualified_at: Mapped[datetime | None] = mapped_column(Instant)
    reason: Mapped[Reason | None] = mapped_column("disqualified_for", Text)
    competitor: Mapped[str | None] = mapped_column(Text)
    merged_into: Mapped[UUID | None] = mapped_column(Uuid)
    version: Mapped[int] = mapped_column(server_default=text("1"), default=1)
    updated_at: Mapped[datetime] = mapped_column(Instant)

    __mapper_args__ = {"version_id_col": version}

    def recapture(self, touch: Touch, question: Question, *, product: str | None) -> LeadRecaptured:
        """Take in that the person came again; if that `asks` something, the clock starts unless it runs already."""
        self.recaptures += 1
        self.updated_at = touch.recorded_at
        if touch.asks:
            self.ask(question)
        return LeadRecaptured(
            lead_id=self.id,
            person_id=self.person_id,
            occurred_at=touch.occurred_at,
            touch_id=touch.id,
            source=touch.source or self.source,
            campaign=touch.campaign,
            product=product,
            response_due_at=self.response_due_at,
        )

    def meet(self, touch: Touch, *, response: timedelta | None) -> list[Event]:
        """Take in that the person stands before us; that answers what waits, if anything, after `response`."""
        if response is not None:
            self._answer(touch, response)
        if self.status == LeadStatus.NEW:
            self.status = LeadStatus.WORKING
        answered = [self._touched(touch)] if touch.answers else []
        return [*answered, *self._advance(FunnelStage.CONSIDERATION, "walk_in", touch.recorded_at)]

    def touched(self, touch: Touch, *, question: Question, response: timedelta | None) -> list[Event]:
        """Take in a touch; `response` is the working time it took, where it answers the question that waits.

        One that asks something starts the clock with `question`, unless it runs already.
        """
        self.updated_at = touch.recorded_at
        if response is not None:
            self._answer(touch, response)
        if touch.asks and self.ask(question):
            touch.question_asked_at, touch.response_due_at = question.asked_at, question.due_at
        tried = touch.by == "human" and touch.direction == "outbound"
        if (tried or touch.answers) and self.status == LeadStatus.NEW:
            self.status = LeadStatus.WORKING
        engaged = "answered" if touch.answers else "engaged" if touch.by == "person" else None
        moved = self._advance(FunnelStage.CONSIDERATION, engaged, touch.recorded_at) if engaged else []
        return [self._touched(touch), *moved]

    def fall_due(self, *, at: datetime, owner_id: UUID | None, manager_id: UUID | None) -> LeadResponseOverdue:
        """Mark the question that waits as overdue, and say whom of the staff to tell."""
        if self.question_asked_at is None or self.response_due_at is None:
            raise AssertionError(f"Nothing of lead {self.id} waits.")
        self.overdue_at = self.updated_at = at
        return LeadResponseOverdue(
            lead_id=self.id,
            person_id=self.person_id,
            occurred_at=self.response_due_at,
            due_at=self.response_due_at,
            question_asked_at=self.question_asked_at,
            agent_id=owner_id,
            manager_id=manager_id,
        )

    def updated(self, fields: tuple[str, ...], *, province: str | None) -> LeadUpdated:
        """Say that `fields` were changed, and what figures are split by now."""
        return LeadUpdated(
            lead_id=self.id,
            person_id=self.person_id,
            occurred_at=self.updated_at,
            fields=fields,
            kind=self.kind,
            awareness=self.awareness,
            campaign=self.campaign,
            product=self.product,
            province=province,
            expected_amount_minor=self.expected_amount_minor,
            cost_minor=self.cost_minor,
            currency=self.currency,
        )

    def qualify(self, *, at: datetime) -> list[Event]:
        """Record that they can buy and want to."""
        self._must_be_open()
        if self.status == LeadStatus.QUALIFIED:
            raise LeadAlreadyQualified(self.id)
        self.status, self.qualified_at, self.updated_at = LeadStatus.QUALIFIED, at, at
        qualified = LeadQualified(lead_id=self.id, person_id=self.person_id, occurred_at=at, agent_id=self.agent_id)
        return [qualified, *self._advance(FunnelStage.DECISION, "qualified", at)]

    def convert(self, *, at: datetime, by: Literal["hand", "purchase"] = "hand") -> list[Event]:
        """Record that they buy; once only."""
        self._must_be_open()
        self._close(LeadStatus.CONVERTED, at)
        self.converted_at, self.converted_by = at, by
        converted = LeadConverted(
            lead_id=self.id,
            person_id=self.person_id,
            occurred_at=at,
            by=by,
            source=self.source,
            campaign=self.campaign,
            product=self.product,
            agent_id=self.agent_id,
        )
        return [*self._advance(FunnelStage.DECISION, "converted", at), converted]

    def is_settled_by(self, purchase: PurchaseRecorded) -> bool:
        """Tell whether a purchase of its person converts this lead.

        It comes after the capture and is of the product wanted, as far as both are known. A person who had never
        bought converts by whatever they buy first.
        """
        if not self.is_open or purchase.occurred_at < self.captured_at:
            return False
        bought = {line.product for line in purchase.lines}
        return self.kind == "new" or self.product is None or not bought or self.product in bought

    def is_settled_by_any(self, bought_at: datetime) -> bool:
        """Tell whether whatever its person bought at an instant converts this lead."""
        wants_anything = self.kind == "new" or self.product is None
        return self.is_open and wants_anything and bought_at >= self.captured_at

    def disqualify(self, reason: Reason, *, competitor: str | None = None, at: datetime) -> LeadDisqualified:
        """Record that nothing comes of it, and why."""
        self.refuse_if_merged()
        if self.status == LeadStatus.DISQUALIFIED:
            raise LeadAlreadyDisqualified(self.id)
        self._must_be_open()
        self._close(LeadStatus.DISQUALIFIED, at)
        self.disqualified_at, self.reason, self.competitor = at, reason, competitor
        return LeadDisqualified(
            lead_id=self.id,
            person_id=self.person_id,
            occurred_at=at,
            reason=reason,
            competitor=competitor,
            agent_id=self.agent_id,
        )

    def reopen(self, question: Question, *, at: datetime) -> LeadReopened:
        """Take up a disqualified lead again; one that came by itself and was never answered waits anew."""
        if self.status == LeadStatus.CONVERTED:
            raise LeadAlreadyConverted(self.id)
        if self.is_open:
            raise LeadIsOpen(self.id)
        self.refuse_if_merged()
        self.status = LeadStatus.NEW if self.answered_at is None else LeadStatus.WORKING
        self.disqualified_at = self.reason = self.competitor = None
        self.updated_at = at
        if self.answered_at is None and waits_for_answer(self.direction, self.source):
            self.ask(question)
        return LeadReopened(
            lead_id=self.id, person_id=self.person_id, occurred_at=at, response_due_at=self.response_due_at
        )

    def settle(self, touch: Touch, response: timedelta) -> bool:
        """Let a touch of a lead that turns out to be this one answer what waits; tell whether it had not answered that.

        One that answers what had been asked before stays the answer to that: while it waited nothing was asked anew.
        """
        asked_at, answered = self.question_asked_at, touch.question_asked_at
        if asked_at is not None and answered is not None and answered <= asked_at:
            self._stop_waiting()
            return False
        self._answer(touch, response)
        return True

    def absorb(self, other: Lead, answer: Touch | None, *, at: datetime) -> list[Event]:
        """Go on as one with a later open lead of the same person: as if that one had been a recapture of this one.

        `answer` is the touch of either that has turned out to answer the other's question. Of what waits in both still,
        what is due first goes on waiting; this one is as far as the further of them.
        """
        self._take_question(other)
        status = other.status
        self.recaptures += 1 + other.recaptures
        self.updated_at = at
        if self.answered_at is None:
            self.answered_at, self.response_s = other.answered_at, other.response_s
            self.answered_in_time = other.answered_in_time
        events: list[Event] = [other.become(self, at=at)]
        if answer is not None:
            again = derived_id(answer.id, "merged", str(self.id))
            events.append(self._touched(answer, touch_id=again))
            events += self._advance(FunnelStage.CONSIDERATION, "answered", at)
        if self.agent_id is None and other.agent_id is not None:
            events.append(self.assign(other.agent_id, at=at))
        return [*events, *self._come_as_far_as(status, FunnelStage(other.funnel_stage), at)]

    def become(self, other: Lead | None, *, at: datetime) -> LeadMerged:
        """End as a lead of its own: it is `other`, or one of a person of whom this one must not tell."""
        if self.is_open:
            self._close(LeadStatus.DISQUALIFIED, at)
            self.disqualified_at, self.reason = at, "other"
        self.merged_into = other.id if other is not None else None
        return LeadMerged(
            lead_id=self.id,
            person_id=self.person_id,
            occurred_at=at,
            into_lead_id=self.merged_into,
            agent_id=self.agent_id,
        )

    def _take_question(self, other: Lead) -> None:
        if other.response_due_at is None:
            return
        if self.response_due_at is None or other.response_due_at < self.response_due_at:
            self.question_asked_at, self.response_due_at = other.question_asked_at, other.response_due_at
            self.overdue_at = other.overdue_at

    def _come_as_far_as(self, status: LeadStatus, stage: FunnelStage, at: datetime) -> list[Event]:
        if status == LeadStatus.QUALIFIED != self.status:
            return self.qualify(at=at)
        if status == LeadStatus.WORKING and self.status == LeadStatus.NEW:
            self.status = LeadStatus.WORKING
        return self._advance(stage, "merged", at)

    def _answer(self, touch: Touch, response: timedelta) -> None:
        """Let `touch` answer the question that waits, and note the first answer on the lead itself."""
        if self.question_asked_at is None or self.response_due_at is None:
            raise AssertionError(f"Nothing of lead {self.id} waits.")
        touch.answer(asked_at=self.question_asked_at, due_at=self.response_due_at, response=response)
        if self.answered_at is None:
            self.answered_at, self.response_s = touch.recorded_at, touch.response_s
            self.answered_in_time = touch.in_time
        self._stop_waiting()

    def _touched(self, touch: Touch, *, touch_id: UUID | None = None) -> LeadTouched:
        return LeadTouched(
            lead_id=self.id,
            person_id=self.person_id,
            occurred_at=touch.occurred_at,
            touch_id=touch_id or touch.id,
            direction=touch.direction,
            channel=touch.channel,
            by=touch.by,
            agent_id=touch.agent_id,
            reached=touch.reached,
            answers=touch.answers,
            question_asked_at=touch.question_asked_at,
            response_due_at=touch.response_due_at,
            response_s=touch.response_s,
            in_time=touch.in_time,
        )

    def refuse_if_merged(self) -> None:
        """Raise if the lead goes on as another one: what is done with it is to be done with that."""
        if self.merged_into is not None:
            raise LeadIsMerged(self.id, self.merged_into)

    def _must_be_open(self) -> None:
        self.refuse_if_merged()
        if self.status == LeadStatus.CONVERTED:
            raise LeadAlreadyConverted(self.id)
        if self.status == LeadStatus.DISQUALIFIED:
            raise LeadIsDisqualified(self.id)

    def _close(self, status: LeadStatus, at: datetime) -> None:
        self.status, self.updated_at = status, at
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        self.question_asked_at = self.response_due_at = self.overdue_at = None
