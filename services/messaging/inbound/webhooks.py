"""Webhooks of panels: deliveries and inbound messages, in whatever shape a panel sends them. Pure reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.messaging.providers.numbers import line_of, number_of
from services.messaging.providers.protocol import InboundSms
from services.messaging.providers.times import time_of
from shared.errors import FieldError, Invalid
from shared.persian.digits import numeral, to_latin

USUAL_FIELDS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "delivery": {
        "id": ("messageId", "messageid", "message_id", "MessageSid", "recId", "id"),
        "status": ("deliveryState", "status", "deliverystate", "MessageStatus"),
    },
    "inbound": {
        "id": ("receiveReturnId", "messageid", "messageId", "MessageSid", "id"),
        "from": ("mobile", "from", "From", "sender"),
        "to": ("number", "to", "To", "line"),
        "text": ("messageText", "message", "body", "text", "Body"),
        "at": ("receivedDateTime", "received_at", "time", "date"),
    },
}
"""What panels call the fields (PROVIDERS.md); an account's configuration comes before."""


LONGEST: Final = 200
MOST: Final = 1_000


class WebhookNotUnderstood(Invalid):
    """A webhook lacks a field that it needs."""

    code = "webhook_not_understood"

    def __init__(self, field: str, names: Sequence[str]) -> None:
        super().__init__(
            f"The webhook has no {field!r}; it is looked for as {', '.join(names)}. "
            "Set the account's `fields` if the panel calls it otherwise.",
            fa=f"فیلد {field} در درخواست نیست؛ نام آن را در تنظیم fields حساب بنویسید.",
            errors=[FieldError(f"/{field}", "missing", f"One of {', '.join(names)}.")],
        )


class WebhookUnreadable(Invalid):
    """A webhook's JSON cannot be read, or is neither an object nor a list of so many."""

    code = "webhook_unreadable"

    def __init__(self) -> None:
        super().__init__(
            f"The body is no JSON that is understood; send an object, or a list of at most {MOST:,} objects.",
            fa=f"بدنهٔ درخواست JSON درستی نیست؛ یک شیء یا فهرستی از حداکثر {numeral(MOST)} شیء بفرستید.",
        )


class WebhookFieldTooLong(Invalid):
    """A webhook says more in a field than a number, an id or a time takes."""

    code = "webhook_field_too_long"

    def __init__(self, field: str, length: int) -> None:
        super().__init__(
            f"The webhook's {field!r} has {length} characters; at most {LONGEST} are read.",
            fa=f"فیلد {field} بیش از {numeral(LONGEST)} نویسه دارد.",
            errors=[FieldError(f"/{field}", "too_long", f"At most {LONGEST} characters.")],
        )


def read_delivery(said: Mapping[str, Any], fields: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Return a message's id as the provider has it, and its delivery code."""
    return _needed(said, "delivery", "id", fields), _needed(said, "delivery", "status", fields)


def read_inbound(said: Mapping[str, Any], fields: Mapping[str, Mapping[str, str]], now: datetime) -> InboundSms:
    """Return what somebody wrote; without a time that can be read, it was now or a moment ago."""
    told = _found(said, "inbound", "at", fields)
    at = time_of(told, now) if told is not None else None
    return InboundSms(
        line=line_of(_needed(said, "inbound", "to", fields)),
        sender=number_of(_needed(said, "inbound", "from", fields)),
        text=_text(said, fields),
        received_at=at or now,
        provider_id=_found(said, "inbound", "id", fields),
        exact=at is not None,
    )


def _needed(said: Mapping[str, Any], kind: str, field: str, fields: Mapping[str, Mapping[str, str]]) -> str:
    value = _found(said, kind, field, fields)
    if value is None:
        raise WebhookNotUnderstood(field, _names(kind, field, fields))
    return value


def _text(said: Mapping[str, Any], fields: Mapping[str, Mapping[str, str]]) -> str:
    """Return what was written, which may be nothing."""
    empty = any(said.get(name) == "" for name in _names("inbound", "text", fields))
    return _found(said, "inbound", "text", fields) or ("" if empty else _needed(said, "inbound", "text", fields))


def _found(said: Mapping[str, Any], kind: str, field: str, fields: Mapping[str, Mapping[str, str]]) -> str | None:
    for name in _names(kind, field, fields):
        value = said.get(name)
        if isinstance(value, str | int) and (read := _read(field, str(value))):
            return read
    return None


def _read(field: str, value: str) -> str:
    """Return a value, its digits as Latin ones; only a text may be long, and is cut where it is stored."""
    if field == "text":
        return value
    if len(value) > LONGEST:
        raise WebhookFieldTooLong(field, len(value))
    return to_latin(value).strip()


def _names(kind: str, field: str, fields: Mapping[str, Mapping[str, str]]) -> Sequence[str]:
    own = fields.get(kind, {}).get(field)
    return (own,) if own else USUAL_FIELDS[kind][field]
