"""Which line carries a message. Pure rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

CHANNEL_OF_KIND: Mapping[str, str] = {"smsir": "sms", "smtp": "email"}


@dataclass(frozen=True, slots=True)
class Route:
    """A line of an account, in the order of preference."""

    account_id: UUID
    kind: str
    line: str
    purposes: frozenset[str]
    hours: Mapping[str, Sequence[str]] = field(default_factory=dict)
    paused: bool = False

    @property
    def channel(self) -> str:
        return CHANNEL_OF_KIND[self.kind]


def routes_for(routes: Iterable[Route], *, channel: str, purpose: str) -> list[Route]:
    """Return the lines that may carry `purpose` over `channel`, also those of paused accounts."""
    return [route for route in routes if route.channel == channel and purpose in route.purposes]


def tried_last(routes: Iterable[Route], account_id: UUID | None) -> list[Route]:
    """Return the lines in their order, but those of the account that has just refused a message come last."""
    return sorted(routes, key=lambda route: route.account_id == account_id)


def without_suppressed(routes: Iterable[Route], lines: Collection[str]) -> list[Route]:
    """Leave out the lines that the receiver has opted out of."""
    return [route for route in routes if route.line not in lines]
