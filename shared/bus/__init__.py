"""Transports for events: Kafka, and the local bus that keeps the log in PostgreSQL. One protocol, one set of rules."""

from shared.bus.protocol import EventBus, Record, TopicPartition

__all__ = ["EventBus", "Record", "TopicPartition"]
