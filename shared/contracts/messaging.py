"""What the messaging service publishes, also what it asks of other services."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from shared.contracts.envelope import Code, Event, Money, Withdrawal

TOPIC = "messaging.events.v1"

Purpose = Literal["transactional", "service", "promotional"]
MessageChannel = Literal["sms", "email"]


class MessageEvent(Event, frozen=True, kw_only=True):
    """A message reached a status. `person_id` is the receiver's, an agent's id for messages to staff."""

    topic: ClassVar[str] = TOPIC
    subject_field: ClassVar[str] = "message_id"

    message_id: UUID
    person_id: UUID
    channel: MessageChannel
    purpose: Purpose
    template: Code | None = None
    automation: Code | None = None
    invitation_id: UUID | None = None
    coupon_id: UUID | None = None
    lead_id: UUID | None = None
    reason: Code | None = None


class MessageQueued(MessageEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "message.queued"


class MessageHeld(MessageEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "message.held"

    held_until: datetime | None = None


class MessageSent(MessageEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "message.sent"

    parts: int | None = None


class MessageDelivered(MessageEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "message.delivered"
    part_field: ClassVar[str | None] = "invitation_id"


class MessageUndelivered(MessageEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "message.undelivered"


class MessageFailed(MessageEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "message.failed"


class MessageSuppressed(MessageEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "message.suppressed"


class MessageCancelled(MessageEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "message.cancelled"


class MessageUnknown(MessageEvent, frozen=True, kw_only=True):
    """The panel may or may not have it; it is being reconciled, and not sent again before that."""

    type: ClassVar[str] = "message.unknown"


class ReplyReceived(Event, frozen=True, kw_only=True):
    """A person answered by SMS. Carries the number or the keyword that was read in it; the text stays in messaging."""

    type: ClassVar[str] = "reply.received"
    topic: ClassVar[str] = TOPIC
    subject_field: ClassVar[str] = "reply_id"

    reply_id: UUID
    person_id: UUID
    channel: MessageChannel = "sms"
    line: Code | None = None
    number: int | None = None
    keyword: Code | None = None


class OptOutRecorded(Event, frozen=True, kw_only=True):
    """A person wants no more messages from `line` (all lines where None)."""

    type: ClassVar[str] = "opt_out.recorded"
    topic: ClassVar[str] = TOPIC

    person_id: UUID
    channel: MessageChannel
    line: Code | None = None
    source: Literal["reply", "api", "blacklist", "link"]


class OptOutWithdrawn(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "opt_out.withdrawn"
    topic: ClassVar[str] = TOPIC

    person_id: UUID
    channel: MessageChannel
    line: Code | None = None
    source: Literal["reply", "api"]


class CouponRequested(Event, frozen=True, kw_only=True):
    """An automation wants a coupon for a person; customers answers with `coupon.issued` or `coupon.refused`."""

    type: ClassVar[str] = "coupon.requested"
    topic: ClassVar[str] = TOPIC
    subject_field: ClassVar[str] = "request_id"

    request_id: UUID
    person_id: UUID
    discount_percent: int | None = None
    discount_minor: Money | None = None
    valid_days: int = 30
    reason: Code


class SurveyRequested(Event, frozen=True, kw_only=True):
    """An automation wants a person asked; surveys answers with `survey.invited` or `survey.refused`."""

    type: ClassVar[str] = "survey.requested"
    topic: ClassVar[str] = TOPIC
    subject_field: ClassVar[str] = "request_id"

    request_id: UUID
    person_id: UUID
    survey: Code
    touchpoint: Code | None = None
    product: Code | None = None
    agent_id: UUID | None = None
    purchase_id: UUID | None = None


class MessagingWithdrawal(Withdrawal, frozen=True, kw_only=True):
    type: ClassVar[str] = "messaging.fact_withdrawn"
    topic: ClassVar[str] = TOPIC
