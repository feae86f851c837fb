"""Fields that requests of all services have, taken as the API's description says and in no other way."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import AwareDatetime, BeforeValidator, Field, StrictBool, StringConstraints
from pydantic_core import PydanticCustomError

from shared.errors import FieldError, Invalid
from shared.instants import past_instant
from shared.persian.fields import read_by

T = TypeVar("T")

_BEGINS_WITH_A_DATE = re.compile(r"\s*\d{4}-\d{2}-\d{2}").match


def _written_out(value: Any) -> Any:
    """Refuse a number: pydantic would take it for seconds since 1970, or for milliseconds where it is large."""
    if isinstance(value, datetime) or (isinstance(value, str) and _BEGINS_WITH_A_DATE(value)):
        return value
    raise PydanticCustomError("datetime_parsing", "not a time")


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""A time with its zone, as RFC 3339 writes it; for bodies and for the query."""

PastInstant = Annotated[Instant, read_by(past_instant)]
"""When something was that a request tells of."""

Code = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:\-]+$")]
"""A code such as `tehran`: Latin letters, digits, `_ . : -`."""

Whole = Annotated[int, Field(strict=True)]
"""A whole number in a body: neither a text nor `true`."""

Number = Annotated[float, Field(strict=True)]
"""A number in a body: neither a text nor `true`."""

MOST_MONEY: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps."""

Money = Annotated[int, Field(strict=True, ge=0, le=MOST_MONEY)]
"""Money in the smallest unit: an integer, which neither a text nor `true` is."""

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
"""The code of a currency, such as `IRR`."""

LONGEST_QUOTE: Final = 16


class UnknownCurrency(Invalid):
    """The currency is none of those that are configured."""

    code = "unknown_currency"

    def __init__(self, currency: str, configured: Collection[str]) -> None:
        given, known = currency[:LONGEST_QUOTE], sorted(configured)
        message = f"{given} is not taken here; configured are {', '.join(known)}."
        persian = f"ارز {given} پذیرفته نیست؛ این ارزها پذیرفته‌اند: {'، '.join(known)}."
        super().__init__(message, fa=persian, errors=[FieldError("/currency", self.code, message, fa=persian)])


def refuse_unknown_currency(currency: str, configured: Collection[str]) -> None:
    """Raise `UnknownCurrency` unless the deployment takes a currency."""
    if currency not in configured:
        raise UnknownCurrency(currency, configured)


Flag = StrictBool
"""`true` or `false` in a body: neither a text nor a number."""


def not_null(value: T | None) -> T:
    """Refuse null for a field that can be changed, but not emptied; for use as a validator."""
    if value is None:
        raise PydanticCustomError(
            "not_null",
            "{detail}",
            {
                "detail": "This cannot be emptied; leave it out to keep it.",
                "fa": "این را نمی‌توان تهی کرد؛ برای نگه‌داشتن آن را نفرستید.",
            },
        )
    return value
