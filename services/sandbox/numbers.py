"""Numbers as the panel reads them. Its own reading, not Peyvand's: the sandbox must not share the caller's mistakes."""

from __future__ import annotations

import re
import unicodedata

_MOBILE = re.compile(r"(?:\+98|0098|98|0)?(9\d{9})")
_SEPARATORS = re.compile(r"[\s\u200c\u200e\u200f()\-]+")


def digits(text: str) -> str:
    """Return `text` with the decimal digits of every script as Latin ones."""
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)


def mobile(text: object) -> int | None:
    """Return a mobile number as the panel keeps it, a number without its 0; None if it is none."""
    match = _MOBILE.fullmatch(_SEPARATORS.sub("", digits(str(text))))
    return int(match[1]) if match else None


def local(number: int) -> str:
    """Return a mobile number as it is dialled, with its 0."""
    return f"0{number}"
