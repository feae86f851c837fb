"""What a condition can ask about: typed SQL expressions, and the values that fit each type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, Final, Literal
from uuid import UUID

from shared.errors import Invalid
from shared.persian.calendar import parse_date, to_gregorian
from shared.persian.digits import ARABIC, LATIN, PERSIAN, numeral
from shared.persian.text import LETTERS
from shared.quoting import quoted, quoted_fa

FieldType = Literal["text", "number", "boolean", "timestamp", "date", "uuid", "list"]
Op = Literal["eq", "ne", "in", "not_in", "lt", "lte", "gt", "gte", "is_null", "contains"]

LONGEST_TEXT = 1000

_ORDERED: Final[frozenset[Op]] = frozenset({"eq", "ne", "in", "not_in", "lt", "lte", "gt", "gte", "is_null"})
OPS: Final[Mapping[FieldType, frozenset[Op]]] = {
    "text": frozenset({"eq", "ne", "in", "not_in", "contains", "is_null"}),
    "number": _ORDERED,
    "boolean": frozenset({"eq", "ne", "is_null"}),
    "timestamp": _ORDERED,
    "date": _ORDERED,
    "uuid": frozenset({"eq", "ne", "in", "not_in", "is_null"}),
    "list": frozenset({"contains", "is_null"}),
}
"""The comparisons that each type has; of a list one asks whether it contains a text."""

SQL_TYPES: Final[Mapping[FieldType, str]] = {
    "text": "text",
    "number": "numeric",
    "boolean": "boolean",
    "timestamp": "timestamptz",
    "date": "date",
    "uuid": "uuid",
    "list": "text",
}
"""The type that a value of each field is given to PostgreSQL as."""

_LETTERS_FROM = "".join(LETTERS.values()) + "\u200c" + PERSIAN + ARABIC
_LETTERS_TO = "".join(letter * len(others) for letter, others in LETTERS.items()) + " " + LATIN * 2
_MARKS = "\u0300-\u036f\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u200b\u200d-\u200f"


@dataclass(frozen=True, slots=True)
class Field:
    """A typed SQL expression. Written by us, never by who sends a condition.

    `within` is the expression where a condition says `within_days`: `{since}` in it becomes the instant from which
    on things count. `choices` are all values that a text can have.
    """

    sql: str
    type: FieldType
    within: str | None = None
    choices: frozenset[str] | None = None


def folded(sql: str) -> str:
    """Return an expression that folds a text in the database, for Persian and Latin, as `shared.persian.text.fold`."""
    plain = f"translate(lower(normalize({sql}, NFKD) COLLATE pg_c_utf8), '{_LETTERS_FROM}', '{_LETTERS_TO}')"
    return rf"btrim(regexp_replace(regexp_replace({plain}, '[{_MARKS}]', '', 'g'), '\s+', ' ', 'g'))"


class WrongValue(ValueError):
    """A value that does not fit its field; the message says what would be right, and `fa` does in Persian."""

    def __init__(self, message: str, *, fa: str) -> None:
        super().__init__(message)
        self.fa = fa


def read_value(field: Field, value: object) -> object:
    """Return `value` as the driver takes it for `field`; raises `WrongValue`."""
    read = _READERS[field.type](value)
    if field.choices is not None and read not in field.choices:
        choices = ", ".join(sorted(field.choices))
        raise WrongValue(
            f"{quoted(value)} is none of {choices}.", fa=f"{quoted_fa(value)} هیچ‌یک از این‌ها نیست: {choices}."
        )
    return read


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable():
        raise WrongValue(
            f"{quoted(value)} is not a text of at most {LONGEST_TEXT} printable characters.",
            fa=f"{quoted_fa(value)} متنی با حداکثر {numeral(LONGEST_TEXT)} نویسهٔ چاپ‌پذیر نیست.",
        )
    return value


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise WrongValue(f"{quoted(value)} is not a number.", fa=f"{quoted_fa(value)} عدد نیست.")
    return Decimal(str(value))


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise WrongValue(f"{quoted(value)} is neither true nor false.", fa=f"{quoted_fa(value)} نه true است و نه false.")


def _timestamp(value: object) -> datetime:
    try:
        at = datetime.fromisoformat(_text(value))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise WrongValue(
            f"{quoted(value)} is not a time with its zone, such as 2026-11-22T08:30:00Z.",
            fa=f"{quoted_fa(value)} زمانی با منطقهٔ زمانی نیست؛ مانند 2026-11-22T08:30:00Z بنویسید.",
        )
    return at.astimezone(UTC)


def _date(value: object) -> date:
    try:
        return to_gregorian(parse_date(_text(value)))
    except (ValueError, Invalid) as error:
        raise WrongValue(
            f"{quoted(value)} is not a date, such as 2026-11-22 or 1405-09-01.",
            fa=f"{quoted_fa(value)} تاریخ نیست؛ مانند 1405-09-01 یا 2026-11-22 بنویسید.",
        ) from error


def _uuid(value: object) -> UUID:
    try:
        return UUID(_text(value))
    except ValueError:
        raise WrongValue(f"{quoted(value)} is not an id.", fa=f"{quoted_fa(value)} شناسه نیست.") from None


_READERS: Final[Mapping[FieldType, Callable[[object], Any]]] = {
    "text": _text,
    "number": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "date": _date,
    "uuid": _uuid,
    "list": _text,
}
