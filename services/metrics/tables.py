"""Tables of the metrics service: facts, what of them is in the figures, and the counts that figures are read from.

Everything that a rebuild makes anew lies in the schema `state`. Facts have no foreign keys to each other: they come
in any order.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import TSTZRANGE

from shared.db import STATE_SCHEMA, new_metadata
from shared.outbox.tables import declare

metadata = new_metadata()
declare(metadata)


def _state(name: str, *columns: Any, comment: str) -> Table:
    return Table(name, metadata, *columns, schema=STATE_SCHEMA, comment=comment)


def _id(name: str) -> Column[Any]:
    return Column(name, Uuid, primary_key=True)


def _uuid(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Uuid, nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _code(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable)


def _money(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False)


def _flag(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Boolean, nullable=nullable)


_state(
    "purchases",
    _id("purchase_id"),
    _uuid("person_id"),
    _time("occurred_at"),
    _money("amount_minor"),
    _money("discount_minor"),
    _code("currency"),
    _code("channel", nullable=True),
    Index("ix_purchases_person_id", "person_id"),
    comment="purchase.recorded",
)
_state(
    "refunds",
    _id("refund_id"),
    _uuid("purchase_id"),
    _money("amount_minor"),
    _code("currency"),
    Index("ix_refunds_purchase_id", "purchase_id"),
    comment="purchase.refunded; may come before its purchase",
)
_state("cancellations", _id("purchase_id"), comment="purchase.cancelled; may come before its purchase")
_state(
    "merges",
    _id("person_id"),
    _id("other_id"),
    comment="customer.merged, a row for either direction: whoever is linked, however far, is one person",
)
_state(
    "leads",
    _id("lead_id"),
    _uuid("person_id"),
    _time("captured_at"),
    _code("source"),
    _code("campaign", nullable=True),
    _code("product", nullable=True),
    _code("awareness", nullable=True),
    _uuid("agent_id", nullable=True),
    _time("due_at", nullable=True),
    _flag("born_answered"),
    Index("ix_leads_person_id", "person_id"),
    comment="lead.captured",
)
_state(
    "lead_answers",
    _id("touch_id"),
    _uuid("lead_id"),
    _time("asked_at"),
    _time("recorded_at"),
    _flag("in_time", nullable=True),
    _uuid("agent_id", nullable=True),
    Column("version", BigInteger, nullable=False),
    Index("ix_lead_answers_lead_id", "lead_id"),
    comment="lead.touched, where it answered a question",
)
_state(
    "lead_owners",
    _id("event_id"),
    _uuid("lead_id"),
    _uuid("agent_id", nullable=True),
    Column("version", BigInteger, nullable=False),
    Index("ix_lead_owners_lead_id", "lead_id"),
    comment="lead.assigned; the highest version is the owner",
)
_state(
    "lead_updates",
    _id("event_id"),
    _uuid("lead_id"),
    _code("campaign", nullable=True),
    _code("product", nullable=True),
    _code("awareness", nullable=True),
    Column("version", BigInteger, nullable=False),
    Index("ix_lead_updates_lead_id", "lead_id"),
    comment="lead.updated; the highest version says what the dimensions are",
)
_state(
    "lead_outcomes",
    _id("event_id"),
    _uuid("lead_id"),
    _code("outcome"),
    _time("occurred_at"),
    Index("ix_lead_outcomes_lead_id", "lead_id"),
    comment="lead.qualified, lead.disqualified, lead.converted, lead.merged",
)
_state(
    "lead_reopenings",
    _id("event_id"),
    _uuid("lead_id"),
    _time("asked_at"),
    _time("due_at"),
    Index("ix_lead_reopenings_lead_id", "lead_id"),
    comment="lead.reopened, where somebody waits for an answer anew",
)


def _asked() -> tuple[Column[Any], ...]:
    """Return the columns of what was asked, and about what."""
    return (
        _code("kind"),
        _code("scale"),
        _code("survey"),
        _code("touchpoint", nullable=True),
        _code("product", nullable=True),
        _uuid("agent_id", nullable=True),
    )


_state(
    "invitations",
    _id("invitation_id"),
    _uuid("person_id"),
    _time("invited_at"),
    _code("channel"),
    *_asked(),
    Index("ix_invitations_person_id", "person_id"),
    comment="survey.invited",
)
_state(
    "deliveries",
    _id("invitation_id"),
    _time("delivered_at"),
    comment="message.delivered of an invitation, the first; may come before its invitation",
)
_state(
    "answers",
    _id("event_id"),
    _uuid("invitation_id"),
    _uuid("person_id"),
    _time("occurred_at"),
    Column("revision", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    *_asked(),
    Column("value", Integer),
    _code("category"),
    Index("ix_answers_person_id", "person_id"),
    Index("ix_answers_invitation_id", "invitation_id"),
    comment="survey.answered; of one invitation the highest revision counts",
)
_state(
    "dirty",
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    _uuid("person_id"),
    comment="Whom facts came in about that are not in the figures yet; written with the facts, emptied by the folder.",
)
_state(
    "folded_under",
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    _code("time_zone"),
    Column("activity_days", Integer, nullable=False),
    Column("turn", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
    comment="The settings that the counts were made with. Its row lock lets one folder work at a time.",
)
_state(
    "calendar_days",
    Column("day", Date, primary_key=True),
    _time("starts_at"),
    *(
        Column(name, Integer, nullable=False)
        for name in (
            "day_number",
            "week_gregorian",
            "week_jalali",
            "month_gregorian",
            "month_jalali",
            "quarter_gregorian",
            "quarter_jalali",
            "year_gregorian",
            "year_jalali",
        )
    ),
    Index("ix_calendar_days_starts_at", "starts_at", unique=True),
    comment="When each day begins in the deployment's zone, and the number of every period that it lies in.",
)
_state(
    "counted_purchases",
    _id("purchase_id"),
    _uuid("person_id"),
    _time("occurred_at"),
    Column("day", Date, nullable=False),
    _money("net_minor"),
    _money("refunded_minor"),
    _code("currency"),
    _code("channel"),
    Index("ix_counted_purchases_person_id", "person_id", "occurred_at"),
    Index("ix_counted_purchases_occurred_at_person_id", "occurred_at", "person_id"),
    comment="Purchases as they are in the figures: of the person after merges, less discount, cancelled ones left out.",
)
_state(
    "purchase_gaps",
    _id("purchase_id"),
    _time("occurred_at"),
    _time("previous_at", nullable=True),
    _time("before_at", nullable=True),
    Index("ix_purchase_gaps_occurred_at_previous_at_before_at", "occurred_at", "previous_at", "before_at"),
    comment="Purchases in the figures, each with the times of the same person's last one and of the one before that.",
)
_state(
    "activity_spans",
    _id("person_id"),
    Column("span", TSTZRANGE, primary_key=True),
    Index("ix_activity_spans_span_person_id", "span", "person_id"),
    comment="When each person was active; spans of one person neither touch nor overlap.",
)
_state(
    "counted_leads",
    _id("lead_id"),
    _uuid("person_id"),
    Column("day", Date, nullable=False),
    _code("source"),
    _code("campaign"),
    _code("product"),
    _code("awareness"),
    _code("agent"),
    _time("due_at", nullable=True),
    _code("response"),
    _flag("qualified"),
    _flag("won"),
    _flag("bought_30d"),
    _flag("bought_90d"),
    Index("ix_counted_leads_person_id", "person_id"),
    Index("ix_counted_leads_due_at", "due_at", postgresql_where="response = 'unanswered'"),
    comment="Leads as they are in the figures.",
)


def _dimensions() -> tuple[Column[Any], ...]:
    return (_code("scope"), _code("survey"), _code("touchpoint"), _code("product"), _code("agent"))


_state(
    "counted_invitations",
    _id("invitation_id"),
    _uuid("person_id"),
    Column("day", Date, nullable=False),
    *_dimensions(),
    _flag("answered"),
    Index("ix_counted_invitations_person_id", "person_id"),
    comment="Delivered invitations as they are in the figures.",
)
_state(
    "counted_answers",
    _id("invitation_id"),
    _uuid("person_id"),
    Column("day", Date, nullable=False),
    *_dimensions(),
    _code("category"),
    Column("value", Integer),
    Index("ix_counted_answers_person_id", "person_id"),
    comment="Answers as they are in the figures, the last one of each invitation.",
)
_state(
    "kept_counts",
    *(Column(name, Text, primary_key=True) for name in ("measure", "scope", "grid", "dimension")),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("amount", Numeric, nullable=False),
    comment="Every kept figure is a sum of these: measures within what may be pooled (scope), by period and dimension.",
)
