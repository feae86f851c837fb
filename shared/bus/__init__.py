"""Transports for events: Kafka, and the local bus that keeps the log in PostgreSQL. One protocol, one set of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.bus.protocol import BusUnavailable, EventBus, OffsetOutOfRange, Record, Subscription, TopicPartition

if TYPE_CHECKING:
    from shared.settings import ServiceSettings

EMBEDDED_POLL_S = 1.0

__all__ = [
    "BusUnavailable",
    "EventBus",
    "OffsetOutOfRange",
    "Record",
    "Subscription",
    "TopicPartition",
    "open_bus",
]


def open_bus(settings: ServiceSettings) -> EventBus:
    """Return the transport that the settings name: Kafka if there are brokers, else the local bus."""
    if settings.kafka_bootstrap_servers:
        from shared.bus.kafka import KafkaBus  # noqa: PLC0415  (embedded mode needs no Kafka client)

        return KafkaBus(settings.kafka_bootstrap_servers, prefix=settings.kafka_prefix)
    from shared.bus.local import LocalBus  # noqa: PLC0415

    if not settings.bus_database_url:
        raise ValueError("Neither brokers nor a database for the local bus are set.")
    if settings.mode == "embedded":  # all appends are of this process
        return LocalBus(settings.bus_database_url, poll_s=EMBEDDED_POLL_S)
    return LocalBus(settings.bus_database_url)
