"""What all events have in common: the base struct, the register of types, and an event as a consumer receives it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec

from shared.contracts.cards import CardVersion

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


@dataclass(frozen=True, slots=True)
class Received(Generic[E_co]):
    """An event as a handler gets it: the contract's `event`, and what its envelope says.

    `version` is the producer's outbox sequence: of two events of one aggregate the later one has the higher version.
    """

    event: E_co
    id: UUID
    type: str
    topic: str
    partition: int
    offset: int
    position: int
    version: int
    key: UUID
    recorded_at: datetime
    correlation_id: str | None = None
    causation_id: UUID | None = None
    traceparent: str | None = None
    card: CardVersion | None = None
