"""Numbers as panels write them."""

from __future__ import annotations

from shared.errors import Invalid
from shared.persian.phone import line, mobile


def number_of(mobile_number: object) -> str:
    """Return a number as the panel writes it (without its 0) as E.164; what is none stays as it came."""
    try:
        return mobile(str(mobile_number))
    except Invalid:
        return str(mobile_number)


def line_of(line_number: object) -> str:
    """Return the digits of one of our lines as the panel writes it; what is none stays as it came."""
    try:
        return line(str(line_number))
    except Invalid:
        return str(line_number)
