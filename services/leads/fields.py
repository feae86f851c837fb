"""Fields that the payloads of this service share: names, numbers and addresses as they are typed, codes, money."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema

from shared.persian.fields import read_by
from shared.persian.phone import mobile
from shared.persian.text import clean, line, lines
from shared.web.fields import Code

NAME_LENGTH, NOTE_LENGTH = 100, 5000


def _mobile_as_typed(text: str) -> str:
    mobile(text)
    return clean(text)


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
