"""Events as records on the wire (CloudEvents 1.0, binary mode), and records as handlers get them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from shared.bus import Record, TopicPartition
from shared.clock import utcnow
from shared.contracts import Event, Received, registry
from shared.contracts.cards import CardVersion, ContactCard, ReceivedCard
from shared.ids import new_id, read_id
from shared.outbox.writing import CARD_TYPE

TICK_TYPE = "log.tick"
"""Type of a record that says nothing: it makes a quiet partition of a compacted topic roll its segment."""

GAP_TYPE = "log.gap"
"""Type of a record that stands for all positions from `missing_from` to its own, which the log has lost."""

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
    cards_epoch: int = 0,
) -> Record:
    """Make the record of an outbox row; `position` is 0 on contact topics, where nobody compares it.

    A fact names the `card` that it goes with; a card says when all of them were last sent anew, if ever.
    """
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
    if cards_epoch and row["type"] == CARD_TYPE:
        headers["cards_epoch"] = str(cards_epoch)
    if row["correlation_id"] is not None:
        headers["correlation_id"] = row["correlation_id"]
    if row["causation_id"] is not None:
        headers["causation_id"] = str(row["causation_id"])
    if row["traceparent"] is not None:
        headers["traceparent"] = row["traceparent"]
    return Record(row["topic"], partition, row["key"], headers, body)


def record_of_machinery(
    kind: str,
    service: str,
    partition: TopicPartition,
    *,
    position: int = 0,
    missing_from: int | None = None,
    cards_epoch: int = 0,
) -> Record:
    """Make a record that no contract knows; always of the same key, so that compaction keeps one of its kind."""
    key, now = UUID(int=partition.partition), instant(utcnow())
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(new_id()),
        "ce_source": f"/peyvand/{service}",
        "ce_type": kind,
        "ce_time": now,
        "ce_subject": str(key),
        "content-type": "application/json",
        "recorded_at": now,
        "position": str(position),
        "version": "0",
    }
    if missing_from is not None:
        headers["missing_from"] = str(missing_from)
    if cards_epoch:
        headers["cards_epoch"] = str(cards_epoch)
    return Record(*partition, key, headers, b"{}")


def type_of(record: Record) -> str:
    """Return the type of event that a record carries."""
    return record.headers["ce_type"]


def is_card(record: Record) -> bool:
    """Tell a contact card or its tombstone from everything else."""
    return type_of(record) == CARD_TYPE


def is_gap(record: Record) -> bool:
    """Tell whether a record stands for positions that the log has lost."""
    return type_of(record) == GAP_TYPE


def missing_from(record: Record) -> int:
    """Return the first position that a record stands for: its own, unless it is a gap."""
    return int(record.headers.get("missing_from", "0")) or position_of(record)


def cards_epoch_of(record: Record) -> int:
    """Return when, as Unix time, all cards of the topic had been sent anew before this one; 0 for never."""
    return int(record.headers.get("cards_epoch", "0"))


def id_of(record: Record) -> UUID:
    """Return the id of the event that a record carries."""
    return read_id(record.headers["ce_id"])


def version_of(record: Record) -> int:
    """Return the outbox's number of the event that a record carries; 0 for the machinery's own."""
    return int(record.headers["version"])


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
    return Received(_decoded(decoder, record), record.key, record.headers)


def _decoded(decoder: msgspec.json.Decoder[Any], record: Record) -> Any:
    try:
        return decoder.decode(record.body or b"")
    except msgspec.ValidationError as error:
        if not str(error).startswith(NEW_CODE):
            raise
        raise NotKnownYet(type_of(record), "" if is_card(record) else str(error)) from error


def received_card(record: Record) -> ReceivedCard:
    """Decode a contact card; no body is a tombstone."""
    return ReceivedCard(
        key=record.key,
        card=_decoded(_cards, record) if record.body is not None else None,
        topic=record.topic,
        version=int(record.headers["version"]),
        recorded_at=datetime.fromisoformat(record.headers["recorded_at"]),
    )
