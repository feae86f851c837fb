"""What an adapter does for the sender, and the four ways in which a request can end.

answered        a `Result` for each message, by position
`Refused`       nothing was sent: the call's own fault (permanent), the account's, or one that passes
`Ambiguous`     the request was written and nobody knows what became of it: reconciled, never blindly sent again
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Fate(StrEnum):
    """What became of one message of a call."""

    ACCEPTED = "accepted"
    BLACKLISTED = "blacklisted"
    INVALID = "invalid_number"
    FAILED = "failed"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message as a provider needs it."""

    message_id: UUID
    line: str
    address: str
    text: str
    subject: str | None = None
    html: str | None = None
    locale: str = "fa"
    unsubscribe_url: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a provider answered about one message."""

    fate: Fate
    provider_id: str | None = None
    pack_id: str | None = None
    cost: Decimal | None = None
    reason: str | None = None


class Scope(StrEnum):
    """How far a refusal reaches: to what is in the call, to the account, or to all that is asked now.

    `BROKEN` is a call that the provider broke down over: one of its messages may be at fault, or all calls may be.
    """

    MESSAGE = "message"
    BROKEN = "broken"
    ACCOUNT = "account"
    LATER = "later"


class Refused(Exception):
    """The provider took none of the call."""

    def __init__(self, scope: Scope, reason: str) -> None:
        super().__init__(reason)
        self.scope = scope
        self.reason = reason


class Ambiguous(Exception):
    """The request was written and not answered: it may have been carried out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says of a message that it has; `sent_at`, line, mobile and text serve reconciliation."""

    provider_id: str
    code: str
    line: str = ""
    address: str = ""
    text: str = ""
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class InboundSms:
    """What somebody wrote to a line; `provider_id` where the provider gives one, `exact` if it told the time."""

    line: str
    sender: str
    text: str
    received_at: datetime
    provider_id: str | None = None
    exact: bool = True


class Provider(Protocol):
    """Sends messages of one account. Adapters hold connections, never state about messages."""

    most: int

    def groups(self, messages: Sequence[Outgoing]) -> list[list[Outgoing]]:
        """Divide messages into calls."""
        ...

    async def send(self, messages: Sequence[Outgoing]) -> list[Result]:
        """Make one call, for one of the `groups`; raises `Refused` or `Ambiguous`."""
        ...

    async def close(self) -> None: ...


class SmsProvider(Provider, Protocol):
    """A provider of SMS: it can also be asked what it has sent and what was written to its lines."""

    async def pack(self, pack_id: str) -> list[Report]:
        """Return reports of the messages that were accepted together."""
        ...

    async def report(self, provider_id: str) -> Report | None:
        """Return the report of one message; None if the provider does not know it."""
        ...

    def sends(self, since: datetime) -> AsyncIterator[Report]:
        """Walk through what was sent from `since` on."""
        ...

    async def inbound(self) -> list[InboundSms]:
        """Fetch what was written since the last time; each is given once."""
        ...

    async def inbox(self) -> list[InboundSms]:
        """Return the newest of what was written today, also what was fetched before."""
        ...

    async def credit(self) -> Decimal: ...
