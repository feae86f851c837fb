"""The topics that all services together need."""

from __future__ import annotations

import importlib
import pkgutil

import shared.contracts
from shared.bus import EventBus
from shared.contracts import registry
from shared.contracts.cards import CUSTOMERS_CONTACTS, LEADS_CONTACTS


def all_topics() -> dict[str, bool]:
    """Return every topic that a contract names, and whether it is compacted."""
    for module in pkgutil.iter_modules(shared.contracts.__path__):
        importlib.import_module(f"shared.contracts.{module.name}")
    facts = sorted({event.topic for event in registry.values() if event.__module__.startswith("shared.contracts.")})
    return dict.fromkeys(facts, False) | {LEADS_CONTACTS: True, CUSTOMERS_CONTACTS: True}


async def make_topics(bus: EventBus, *, partitions: int) -> None:
    """Make the topics that do not exist yet."""
    await bus.create_topics(all_topics(), partitions=partitions)
