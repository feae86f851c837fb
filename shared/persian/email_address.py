"""Email addresses in the one form that all services compare, so that one address identifies one person."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import Field, WithJsonSchema

from shared.errors import Invalid
from shared.persian.digits import to_latin
from shared.persian.fields import read_by
from shared.persian.text import clean

LONGEST = 254
_ADDRESS: Final = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[\w-]{1,63}\.)+[\w-]{2,63}").fullmatch


class NotAnEmail(Invalid):
    """A text that cannot be an email address."""

    code = "not_an_email"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:60]!r} is not an email address; sara@example.com is.",
            fa=f"«{text[:60]}» نشانی ایمیل نیست؛ نشانی مانند sara@example.com نوشته می‌شود.",
        )


def email_address(text: str) -> str:
    """Return an address as it is compared: lower case, Latin digits. Raises `NotAnEmail`."""
    address = to_latin(clean(text)).lower()
    if not _ADDRESS(address) or ".." in address or address.startswith("."):
        raise NotAnEmail(text)
    return address


Email = Annotated[
    str,
    Field(max_length=LONGEST),
    read_by(email_address),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": LONGEST, "examples": ["sara@example.com"]}),
]
"""A pydantic string: an email address as it is compared."""
