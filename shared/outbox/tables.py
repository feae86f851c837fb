"""Tables of the event machinery, in every service's database."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

MAX_BODY_BYTES = 256 * 1024
"""Largest body of an event, so that a batch always fits into one request to the broker."""

RESTORED_UNTIL = "offset up to which a database that is gone had handled the partition: no effects before it"
UNKNOWN = "written by newer code than read it: waits, without tries, until the contracts know it"
BEHIND = "waits behind another event of its key, and is not due before it"

CARDS = "body IS NOT NULL AND topic LIKE '%.contacts.%'"
READY = "state = 'parked' AND NOT behind AND NOT unknown"
LEFT = "restated_at IS NULL AND remade_at IS NULL"


def declare(metadata: MetaData) -> None:
    """Add the machinery's tables to a service's metadata."""
    _declare_outbox(metadata)
    _declare_relay(metadata)
    _declare_lost_events(metadata)
    _declare_inbox(metadata)
    _declare_parked(metadata)
    _declare_skipped_effects(metadata)
    _declare_idempotency_keys(metadata)


def _declare_outbox(metadata: MetaData) -> None:
    """Events of committed changes that are not on the log yet."""
    Table(
        "outbox",
        metadata,
        Column("seq", BigInteger, Identity(always=True), primary_key=True),
        Column("id", Uuid, nullable=False),
        Column("topic", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("key", Uuid, nullable=False),
        Column("subject", Uuid, nullable=False),
        Column("body", LargeBinary, comment="JSON; null for a contact card, which the relay reads when it sends"),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
        Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        Column("correlation_id", Text),
        Column("causation_id", Uuid),
        Column("traceparent", Text),
        CheckConstraint(f"octet_length(body) <= {MAX_BODY_BYTES}", name="body_size"),
    )


def _declare_relay(metadata: MetaData) -> None:
    """Who relays, what is being sent, and how far each partition has come."""
    Table(
        "relay_lease",
        metadata,
        Column("service", Text, primary_key=True),
        Column("owner", Uuid),
        Column("until", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("stopped", Text, comment="why the relay stands still; null while it works"),
        Column(
            "cards_epoch",
            BigInteger,
            nullable=False,
            server_default="0",
            comment="when all cards were last sent anew, as Unix time",
        ),
    )
    Table(
        "relay_batch",
        metadata,
        Column("id", SmallInteger, primary_key=True, autoincrement=False),
        Column("seqs", ARRAY(BigInteger), nullable=False),
        Column("partitions", ARRAY(Integer), nullable=False),
        Column("positions", ARRAY(BigInteger), nullable=False),
        Column("stored_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        CheckConstraint("id = 1", name="one_at_a_time"),
    )
    Table(
        "relay_positions",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("position", BigInteger, nullable=False),
    )
    Table(
        "relay_cards",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("key", Uuid, primary_key=True),
        Column("version", BigInteger, nullable=False, comment="of the newest card or tombstone that was sent"),
    )


def _declare_lost_events(metadata: MetaData) -> None:
    """Events that the log holds and the database, restored from an older copy, does not know."""
    Table(
        "lost_events",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("key", Uuid, nullable=False),
        Column("subject", Uuid, nullable=False),
        Column("type", Text, nullable=False),
        Column("recorded_at", DateTime(timezone=True), nullable=False),
        Column("found_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("remade_at", DateTime(timezone=True), comment="when a handler made the event again, which was not sent"),
        Column("restated_at", DateTime(timezone=True), comment="when what is held for the key was published"),
        Index("ix_lost_events_left", "topic", "partition", "position", "event_id", postgresql_where=LEFT),
    )


def _declare_inbox(metadata: MetaData) -> None:
    """How far a consumer has come in each partition."""
    Table(
        "inbox",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("next_offset", BigInteger, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("careful_until", BigInteger, nullable=False, server_default="0"),
        Column("stopped", Text, comment="why the partition stands still; null while it flows"),
        Column("restored_until", BigInteger, nullable=False, server_default="0", comment=RESTORED_UNTIL),
        Column("moved_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )


def _declare_parked(metadata: MetaData) -> None:
    """Events that could not be handled, with what follows for their keys."""
    Table(
        "parked",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("offset", BigInteger, primary_key=True, autoincrement=False),
        Column("position", BigInteger, nullable=False),
        Column("key", Uuid, nullable=False),
        Column("type", Text, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("body", LargeBinary),
        Column("state", Text, nullable=False, server_default="parked"),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("next_attempt_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("error", Text),
        Column("unknown", Boolean, nullable=False, server_default="false", comment=UNKNOWN),
        Column("behind", Boolean, nullable=False, server_default="false", comment=BEHIND),
        Column("parked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        CheckConstraint("state in ('parked', 'dead', 'discarded')", name="state"),
        Index("ix_parked_key", "consumer", "topic", "partition", "key", "offset"),
        Index(
            "ix_parked_waiting",
            "consumer",
            "topic",
            "partition",
            "key",
            "offset",
            postgresql_include=["behind"],
            postgresql_where="state = 'parked'",
        ),
        Index("ix_parked_cards", "key", postgresql_where=CARDS),
        Index("ix_parked_ready", "consumer", "next_attempt_at", postgresql_where=READY),
        Index("ix_parked_state", "consumer", "state", "unknown", "type", "next_attempt_at"),
    )


def _declare_skipped_effects(metadata: MetaData) -> None:
    """Effects that were not to be, as they came too late or reach whom they reached before."""
    Table(
        "skipped_effects",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("handler", Text, primary_key=True),
        Column("event_id", Uuid, primary_key=True),
        Column("type", Text, nullable=False),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("reason", Text, nullable=False),
        Column("skipped_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )


def _declare_idempotency_keys(metadata: MetaData) -> None:
    """Answers to requests that may be sent again."""
    Table(
        "idempotency_keys",
        metadata,
        Column("subject", Text, primary_key=True),
        Column("route", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("request_hash", LargeBinary, nullable=False),
        Column("status", Integer),
        Column("headers", JSONB),
        Column("body", LargeBinary, comment="the stored answer; null once the person in it was erased"),
        Column("person_id", Uuid, comment="whom the answer is about, so that erasing them empties it"),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Index("ix_idempotency_keys_created_at", "created_at"),
        Index("ix_idempotency_keys_person_id", "person_id"),
    )
