"""Events as records on the wire (CloudEvents 1.0, binary mode), and records as handlers get them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from shared.bus import Record
from shared.contracts import Event, Received, registry
from shared.contracts.cards import CardVersion, ContactCard, ReceivedCard
from shared.outbox.writing import CARD_TYPE

TICK_TYPE = "log.tick"
"""Type of a record that says nothing: it makes a quiet partition of a compacted topic roll its segment."""

MACHINERY_TYPES = "log."
"""How the types of records begin that the machinery writes for itself: no contract knows them, and none has to."""

NEW_CODE = "Invalid enum value"
"""How the decoder's complaint begins where a field holds a code that its contract does not list."""

_cards = msgspec.json.Decoder(ContactCard)
_decoders: dict[type[Event], msgspec.json.Decoder[Any]] = {}


class NotKnownYet(Exception):
    """The running contracts do not know a type, or a code in a field: newer code wrote the event."""

    def __init__(self, kind: str, code: str = "") -> None:
        super().__init__(f"Waits for code that knows {kind}{f': {code}' if code else ''}.")


def known_types() -> list[str]:
    """Return every type that the running code can tell what to do with."""
    return [*registry, CARD_TYPE]


def is_known(kind: str) -> bool:
    """Tell whether the running code knows a type of record, wanted or not."""
    return kind in registry or kind == CARD_TYPE or kind.startswith(MACHINERY_TYPES)


def refuse_unknown(record: Record) -> None:
    """Raise `NotKnownYet` for a record of a type that the running contracts do not know."""
    if not is_known(type_of(record)):
        raise NotKnownYet(type_of(record))


def instant(at: datetime) -> str:
    """Return an instant as RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def record_of(
    row: asyncpg.Record | Mapping[str, Any],
    *,
    source: str,
    partition: int,
    position: int,
    body: bytes | None,
    card: CardVersion | None = None,
) -> Record:
    """Make the record of an outbox row; `position` is 0 on contact topics, where nobody compares it."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(row["id"]),
        "ce_source": source,
        "ce_type": row["type"],
        "ce_time": instant(row["occurred_at"]),
        "ce_subject": str(row["subject"]),
        "content-type": "application/json",
        "recorded_at": instant(row["recorded_at"]),
        "position": str(position),
        "version": str(row["seq"]),
    }
    if card is not None:
        headers["card"] = f"{card.topic}:{card.version}"
    if row["correlation_id"] is not None:
        headers["correlation_id"] = row["correlation_id"]
    if row["causation_id"] is not None:
        headers["causation_id"] = str(row["causation_id"])
    if row["traceparent"] is not None:
        headers["traceparent"] = row["traceparent"]
    return Record(row["topic"], partition, row["key"], headers, body)


def type_of(record: Record) -> str:
    """Return the type of event that a record carries."""
    return record.headers["ce_type"]


def is_card(record: Record) -> bool:
    """Tell a contact card or its tombstone from everything else."""
    return type_of(record) == CARD_TYPE


def position_of(record: Record) -> int:
    """Return a record's place in its producer's sequence of the partition, dense from 1; 0 where there is none."""
    return int(record.headers.get("position", "0"))


def received(record: Record, contract: type[Event]) -> Received[Any]:
    """Decode a record by its contract.

    Raises `msgspec.DecodeError` where it does not fit, `NotKnownYet` where it holds a code that is newer than we are.
    """
    decoder = _decoders.get(contract)
    if decoder is None:
        decoder = _decoders[contract] = msgspec.json.Decoder(contract)
    headers = record.headers
    causation = headers.get("causation_id")
    return Received(
        event=_decoded(decoder, record),
        id=UUID(headers["ce_id"]),
        type=headers["ce_type"],
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        position=position_of(record),
        version=int(headers["version"]),
        key=record.key,
        recorded_at=datetime.fromisoformat(headers["recorded_at"]),
        correlation_id=headers.get("correlation_id"),
        causation_id=UUID(causation) if causation else None,
        traceparent=headers.get("traceparent"),
        card=_card_version(headers.get("card")),
    )


def _decoded(decoder: msgspec.json.Decoder[Any], record: Record) -> Any:
    try:
        return decoder.decode(record.body or b"")
    except msgspec.ValidationError as error:
        if not str(error).startswith(NEW_CODE):
            raise
        raise NotKnownYet(type_of(record), "" if is_card(record) else str(error)) from error


def _card_version(header: str | None) -> CardVersion | None:
    topic, _, version = (header or "").rpartition(":")
    return CardVersion(topic, int(version)) if topic else None


def received_card(record: Record) -> ReceivedCard:
    """Decode a contact card; no body is a tombstone."""
    return ReceivedCard(
        key=record.key,
        card=_decoded(_cards, record) if record.body is not None else None,
        topic=record.topic,
        version=int(record.headers["version"]),
        recorded_at=datetime.fromisoformat(record.headers["recorded_at"]),
    )
