"""Numbers as panels write them, and addresses as mail servers do."""

from __future__ import annotations

import re

from shared.errors import Invalid
from shared.persian.phone import line, mobile

is_mail_address = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}").fullmatch
"""Tell whether a text is an address and nothing besides, in the letters that every mail server takes."""


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
