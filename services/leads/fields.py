"""Fields that the payloads of this service share: names, numbers and addresses as they are typed, codes, money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.clock import utcnow
from shared.persian.fields import read_by
from shared.persian.phone import mobile
from shared.persian.text import clean, line, lines
from shared.web.fields import Code, Instant

NAME_LENGTH, NOTE_LENGTH = 100, 5000
CLOCK_SKEW: Final = timedelta(seconds=5)
"""How far a caller's clock may be ahead of ours before its `occurred_at` counts as the future."""


def _mobile_as_typed(text: str) -> str:
    mobile(text)
    return clean(text)


def _not_in_the_future(at: datetime) -> datetime:
    now = utcnow()
    if at > now + CLOCK_SKEW:
        raise PydanticCustomError(
            "in_the_future",
            "{detail}",
            {
                "detail": f"{at.isoformat()} lies in the future; it is {now.isoformat(timespec='seconds')} now.",
                "fa": f"{at.isoformat()} در آینده است؛ اکنون {now.isoformat(timespec='seconds')} است.",
            },
        )
    return min(at.astimezone(UTC), now)


Name = Annotated[str, Field(max_length=NAME_LENGTH), read_by(line)]
Note = Annotated[str, Field(max_length=NOTE_LENGTH), read_by(lines)]
MobileAsTyped = Annotated[
    str,
    Field(max_length=40),
    read_by(_mobile_as_typed),
    WithJsonSchema(
        {"type": "string", "maxLength": 40, "description": "A mobile number, written in any of the usual ways."}
    ),
]
CodeText = Code
"""A code that figures are split by."""

PastInstant = Annotated[Instant, AfterValidator(_not_in_the_future)]
