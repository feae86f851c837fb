"""The statuses of a message and which may follow which. Pure rules."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

from shared.contracts.messaging import (
    MessageCancelled,
    MessageDelivered,
    MessageEvent,
    MessageFailed,
    MessageHeld,
    MessageQueued,
    MessageSent,
    MessageSuppressed,
    MessageUndelivered,
    MessageUnknown,
)


class Status(StrEnum):
    """How far a message has come."""

    QUEUED = "queued"
    HELD = "held"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Lane(IntEnum):
    """Which messages go first. Each lane has a sender of its own, so none waits for a lower one."""

    TRANSACTIONAL = 0
    SERVICE = 1
    PROMOTIONAL = 2


LANES: Final = {
    "transactional": Lane.TRANSACTIONAL,
    "service": Lane.SERVICE,
    "promotional": Lane.PROMOTIONAL,
}

WAITING: Final = frozenset({Status.QUEUED, Status.HELD})
"""Nothing was handed to a provider yet: can be cancelled."""

EVENTS: Final[dict[Status, type[MessageEvent]]] = {
    Status.QUEUED: MessageQueued,
    Status.HELD: MessageHeld,
    Status.SENT: MessageSent,
    Status.DELIVERED: MessageDelivered,
    Status.UNDELIVERED: MessageUndelivered,
    Status.FAILED: MessageFailed,
    Status.SUPPRESSED: MessageSuppressed,
    Status.CANCELLED: MessageCancelled,
    Status.UNKNOWN: MessageUnknown,
}
"""The event of each status; `sending` has none, it is ours alone."""

_REPORTABLE: Final = {
    Status.SENT: frozenset({Status.DELIVERED, Status.UNDELIVERED, Status.FAILED}),
    Status.UNDELIVERED: frozenset({Status.DELIVERED}),
    Status.FAILED: frozenset({Status.DELIVERED}),
}


def takes_report(present: Status, reported: Status) -> bool:
    """Say whether a delivery report changes a message.

    Reports come late, twice and in any order. A phone that got the message settles it, whatever was said before.
    """
    return reported in _REPORTABLE.get(present, frozenset())
