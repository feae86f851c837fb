"""What a service does with the events it listens to: handlers by type, each of a declared kind.

*state* keeps copies and figures and is run again by a rebuild. *own* changes the service's own aggregates and may
publish; it is never stale and never in a rebuild. *effect* reaches a person or an outside system: never late, never
in a rebuild. All handlers of a batch run in one transaction with the inbox position; the state handlers first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts import Event, Received
from shared.contracts.cards import ReceivedCard


class Kind(StrEnum):
    """What a handler does, and so when it may run."""

    STATE = "state"
    OWN = "own"
    EFFECT = "effect"


CardsHandler = Callable[[AsyncSession, Sequence[ReceivedCard]], Awaitable[None]]
DueAt = Callable[[Received[Any]], datetime]
H = TypeVar("H", bound=Callable[..., Awaitable[None]])


def occurred_at(received: Received[Any]) -> datetime:
    """Return when an effect is due unless its handler says otherwise: when the fact happened."""
    instant: datetime = received.event.occurred_at
    return instant


@dataclass(frozen=True, slots=True)
class Handler:
    """A function, the types it takes, and how it takes them."""

    name: str
    kind: Kind
    run: Callable[..., Awaitable[None]]
    types: frozenset[str]
    batch: bool = False
    due_at: DueAt | None = None


@dataclass(frozen=True, slots=True)
class CardHandler:
    """A function that takes the newest contact cards of a topic, in batches."""

    name: str
    kind: Kind
    run: CardsHandler
    topic: str


@dataclass(slots=True)
class Consumer:
    """A service's handlers, in the order in which they were declared.

    Of one kind, handlers that take batches come first and get all their events of a batch at once, so what one writes
    may not hang on the order of its events and another's. The others get event by event, in the order of the log.
    """

    service: str
    handlers: list[Handler] = field(default_factory=list)
    card_handlers: list[CardHandler] = field(default_factory=list)
    by_type: dict[str, type[Event]] = field(default_factory=dict)

    def state(self, *events: type[Event], batch: bool = False) -> Callable[[H], H]:
        """Declare a handler of copies or figures: `(tx, received)`, or `(tx, [received, …])` with `batch`."""
        return self._declare(Kind.STATE, events, batch=batch)

    def own(self, *events: type[Event], batch: bool = False) -> Callable[[H], H]:
        """Declare a handler that changes what this service owns, and may publish."""
        return self._declare(Kind.OWN, events, batch=batch)

    def effect(self, *events: type[Event], batch: bool = False, due_at: DueAt | None = occurred_at) -> Callable[[H], H]:
        """Declare a handler that reaches a person or an outside system.

        It does not see events whose `due_at` is over `stale_effect_hours` past: they are recorded as skipped. With
        `due_at=None` the handler sees all, and keeps this rule itself.
        """
        return self._declare(Kind.EFFECT, events, batch=batch, due_at=due_at)

    def cards(self, *topics: str, kind: Kind = Kind.STATE) -> Callable[[H], H]:
        """Declare a handler of contact cards: `(tx, [ReceivedCard, …])`, a card None where it was erased.

        It must compare versions: of a key's cards the higher version wins, whatever comes last.
        """

        def declare(run: H) -> H:
            for topic in topics:
                self.card_handlers.append(CardHandler(run.__name__, kind, run, topic))
            return run

        return declare

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics to subscribe to, in a fixed order."""
        facts = {event.topic for event in self.by_type.values()}
        return tuple(sorted(facts | {handler.topic for handler in self.card_handlers}))

    @property
    def takes_batches(self) -> bool:
        """Tell whether no handler goes event by event, and so locks what it finds in the order of the log."""
        return all(handler.batch for handler in self.handlers)

    def hears_cards(self, topic: str) -> bool:
        """Tell whether a topic is one of contact cards that somebody listens to."""
        return any(handler.topic == topic for handler in self.card_handlers)

    def include(self, *others: Consumer) -> None:
        """Take over the handlers of other modules' consumers of the same service."""
        for other in others:
            self.handlers.extend(other.handlers)
            self.card_handlers.extend(other.card_handlers)
            self.by_type.update(other.by_type)

    def _declare(
        self, kind: Kind, events: Iterable[type[Event]], *, batch: bool, due_at: DueAt | None = None
    ) -> Callable[[H], H]:
        events = tuple(events)

        def declare(run: H) -> H:
            types = frozenset(event.type for event in events)
            self.handlers.append(Handler(run.__name__, kind, run, types, batch, due_at))
            self.by_type.update({event.type: event for event in events})
            return run

        return declare
