"""sms.ir's codes: what a refusal means and what a delivery state means (PROVIDERS.md). Data."""

from __future__ import annotations

from typing import Final

from services.messaging.messages.statuses import Status
from services.messaging.providers.protocol import Scope

REFUSALS: Final[dict[int, Scope]] = {
    **dict.fromkeys((16, 103, 104, 105, 106, 107, 108, 109, 110, 113, 114, 115, 116, 117, 118), Scope.MESSAGE),
    **dict.fromkeys((10, 11, 12, 13, 14, 15, 101, 102, 119, 123, 124), Scope.ACCOUNT),
    0: Scope.BROKEN,
    20: Scope.LATER,
}

BLACKLISTED: Final = 115
NO_CREDIT: Final = 102

DELIVERY: Final[dict[str, Status]] = {
    "1": Status.DELIVERED,
    "2": Status.UNDELIVERED,
    "3": Status.SENT,
    "4": Status.FAILED,
    "5": Status.SENT,
    "6": Status.FAILED,
    "7": Status.FAILED,
    "8": Status.UNKNOWN,
}
"""A message reported as blacklisted (7) has failed, and its number is remembered."""

DELIVERY_BLACKLISTED: Final = "7"


def refusal(status: int) -> Scope:
    """Return how far a refusal reaches; a code that nobody documented is tried again."""
    return REFUSALS.get(status, Scope.LATER)
