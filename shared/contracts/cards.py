"""Contact cards: what is needed to reach a person, on the compacted topics. The only event data that is personal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

LEADS_CONTACTS = "leads.contacts.v1"
CUSTOMERS_CONTACTS = "customers.contacts.v1"

CardKind = Literal["lead", "agent", "customer"]


class CalendarDate(msgspec.Struct, frozen=True, kw_only=True):
    """A date of a person in the calendar that it was given in, as `year-month-day` of that calendar."""

    calendar: Literal["gregorian", "jalali"]
    date: str


class ContactCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to reach a person. Phones are E.164, emails lower case; `shared_phones` belong to a family or an office.

    `person_id` is the agent's id on an agent's card. `accepts_*` are consents: one's own customers and leads may
    get `service` messages unless they said no; `promotional` needs a yes. `aliases` are ids merged into this one.
    """

    person_id: UUID
    kind: CardKind
    first_name: str | None = None
    last_name: str | None = None
    phones: tuple[str, ...] = ()
    shared_phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    locale: str = "fa"
    time_zone: str = "Asia/Tehran"
    province: str | None = None
    city: str | None = None
    birth_date: CalendarDate | None = None
    accepts_service: bool = True
    accepts_promotional: bool = False
    aliases: tuple[UUID, ...] = ()


class CardVersion(NamedTuple):
    """A card that a fact goes with: a message that the fact leads to waits until the copy of it is as new."""

    topic: str
    version: int


@dataclass(frozen=True, slots=True)
class ReceivedCard:
    """The newest card of a key in a batch, or its tombstone (`card` is None: erased)."""

    key: UUID
    card: ContactCard | None
    topic: str
    version: int
    recorded_at: datetime
