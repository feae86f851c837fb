"""What all events have in common: the base struct, the register of types, and an event as a consumer receives it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec

from shared.contracts.cards import CardVersion
from shared.ids import read_id

Code = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[A-Za-z0-9_.:\-]*$")]
"""A code: what figures are split by and machines compare. Latin letters, digits, `_ . : -`; never free text."""

Money = Annotated[int, msgspec.Meta(description="Minor units of the currency; whole rials for IRR.")]

registry: dict[str, type[Event]] = {}
"""Every event type that the running code knows, by its dotted name."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that happened. Subclasses say `type`, `topic` and which field is the `key`.

    `part_field` names the id of what is recorded within the subject, where facts of one subject differ by that.
    """

    type: ClassVar[str] = ""
    topic: ClassVar[str] = ""
    key_field: ClassVar[str] = "person_id"
    subject_field: ClassVar[str] = "person_id"
    part_field: ClassVar[str | None] = None

    occurred_at: datetime

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.type:
            if cls.type in registry and registry[cls.type].__qualname__ != cls.__qualname__:
                raise TypeError(f"Two events are called {cls.type!r}.")
            registry[cls.type] = cls

    @property
    def key(self) -> UUID:
        """Return the id whose events keep their order: the person's, or the aggregate's where there is no person."""
        person: UUID | None = getattr(self, self.key_field)
        return person if person is not None else self.subject

    @property
    def subject(self) -> UUID:
        """Return the id of what the event is about."""
        subject: UUID = getattr(self, self.subject_field)
        return subject


class Withdrawal(Event, frozen=True, kw_only=True):
    """The fact `event_id` was published by a database that was restored from an older copy, and never knew it again.

    Whoever keeps something of that fact drops it. `owner_id`, `subject_id` and `event_type` are the fact's; `part_id`
    is the id of what it recorded within its subject (a refund, a touch), where it recorded one.
    """

    key_field: ClassVar[str] = "owner_id"
    subject_field: ClassVar[str] = "subject_id"

    event_id: UUID
    event_type: Code
    owner_id: UUID
    subject_id: UUID
    part_id: UUID | None = None


E_co = TypeVar("E_co", bound=Event, covariant=True)


class Received(msgspec.Struct, Generic[E_co], frozen=True):
    """An event as a handler gets it: the contract's `event`, the `key` that ordered it, and its envelope's `headers`.

    What the envelope says is read when it is asked for: most handlers ask for little of it, of thousands at once.
    """

    event: E_co
    key: UUID
    headers: Mapping[str, str]

    @property
    def id(self) -> UUID:
        return read_id(self.headers["ce_id"])

    @property
    def type(self) -> str:
        return self.headers["ce_type"]

    @property
    def version(self) -> int:
        """Return the producer's outbox sequence: of an aggregate's events the later one has the higher version."""
        return int(self.headers["version"])

    @property
    def recorded_at(self) -> datetime:
        return datetime.fromisoformat(self.headers["recorded_at"])

    @property
    def correlation_id(self) -> str | None:
        return self.headers.get("correlation_id")

    @property
    def causation_id(self) -> UUID | None:
        """Return the id of the event that led to this one."""
        causation = self.headers.get("causation_id")
        return read_id(causation) if causation else None

    @property
    def traceparent(self) -> str | None:
        return self.headers.get("traceparent")

    @property
    def card(self) -> CardVersion | None:
        """Return the contact card that the event goes with."""
        topic, _, version = self.headers.get("card", "").rpartition(":")
        return CardVersion(topic, int(version)) if topic else None
