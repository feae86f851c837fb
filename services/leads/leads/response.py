"""The first-response clock: what starts it, and what answers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from shared.contracts.leads import Channel, LeadSource

Direction = Literal["inbound", "outbound"]
By = Literal["human", "automatic", "person"]

BORN_ANSWERED: Final[frozenset[LeadSource]] = frozenset({"walk_in"})
NOBODY_WAITS: Final[frozenset[LeadSource]] = BORN_ANSWERED | {"import"}
"""Sources whose leads wait for no answer: they stand before us, or stand in a list."""

SPOKEN: Final[frozenset[Channel]] = frozenset({"call", "visit"})
CHANNEL_OF: Final[dict[LeadSource, Channel]] = {
    "website": "web",
    "call": "call",
    "social": "social",
    "chat": "chat",
    "sms": "sms",
    "walk_in": "visit",
    "advertisement": "web",
    "event": "visit",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What a lead waits to be answered, and by when."""

    asked_at: datetime
    due_at: datetime


def waits_for_answer(direction: Direction, source: LeadSource) -> bool:
    """Tell whether a capture starts the clock: the lead came by itself, and nobody spoke to it as it came."""
    return direction == "inbound" and source not in NOBODY_WAITS


def meets(direction: Direction, source: LeadSource) -> bool:
    """Tell whether a capture is an answer itself: the person stands before somebody of ours."""
    return direction == "inbound" and source in BORN_ANSWERED


def asks(direction: Direction, channel: Channel, *, reached: bool) -> bool:
    """Tell whether a touch is a question that waits: written to us, or a call from them that we missed."""
    return direction == "inbound" and (channel not in SPOKEN or not reached)


def answers(direction: Direction, channel: Channel, by: By, *, reached: bool, unreached_counts: bool) -> bool:
    """Tell whether a touch is an attempt of a human to answer, or a visit; automatic acknowledgements are none."""
    if direction == "inbound":
        return channel == "visit" and reached
    return by == "human" and (reached or unreached_counts)


def channel_of(source: LeadSource) -> Channel:
    """Return the channel that a lead of `source` came over."""
    return CHANNEL_OF.get(source, "other")
