"""Phone numbers as they are written in Iran, as E.164; panel lines and landlines are told from mobiles.

An Iranian mobile, in any of its five written forms and three sets of digits, is read here without asking anybody;
`phonenumbers` is asked for everything else, and only then imported.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import WithJsonSchema

from shared.errors import Invalid
from shared.persian.digits import TO_LATIN
from shared.persian.fields import read_by

_MOBILE: Final = re.compile(r"(?:\+98|0098|98|0)?(9[01239][0-9]{8})").fullmatch
"""The regulator opens ranges of 09 faster than any table follows, so whole leading digits are taken."""

_LINE: Final = re.compile(r"(?:\+98|0098|98)?((?:1000|2000|3000|5000|9000)[0-9]{1,10})").fullmatch
_DIGITS: Final = re.compile(r"\+?[0-9]{3,20}").fullmatch
_PRINTED: Final = {
    **TO_LATIN,
    **dict.fromkeys(map(ord, " -‐‑‒–—−.()/\t\u00a0\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
                             "\u2066\u2067\u2068\u2069\u202f\ufeff")),
    ord("＋"): "+",
}  # fmt: skip
"""What is printed around the digits: separators, and the marks that keep a number left to right."""

_SHORTEST_LINE, _LONGEST_LINE = 3, 15


class InvalidPhone(Invalid):
    """A text that cannot be the phone number which is asked for."""

    code = "not_a_phone"


class NotAPhone(InvalidPhone):
    """No phone number at all."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:40]!r} is not a phone number; 09990001234 or +989990001234 is.",
            fa=f"«{text[:40]}» شمارهٔ تلفن نیست؛ شماره مانند ۰۹۹۹۰۰۰۱۲۳۴ یا ۹۸۹۹۹۰۰۰۱۲۳۴+ نوشته می‌شود.",
        )


class Landline(InvalidPhone):
    """A landline, where a number that takes SMS is asked for."""

    code = "landline"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:40]!r} is a landline and takes no SMS; give a mobile number such as 09990001234.",
            fa=f"«{text[:40]}» تلفن ثابت است و پیامک نمی‌گیرد؛ شمارهٔ همراه بدهید، مانند ۰۹۹۹۰۰۰۱۲۳۴.",
        )


class LineNumber(InvalidPhone):
    """A panel's line, which sends SMS, where a person's number is asked for."""

    code = "line_number"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:40]!r} is the line of an SMS panel, not a person's number; 09990001234 would be one.",
            fa=f"«{text[:40]}» خط پنل پیامک است، نه شمارهٔ یک شخص؛ شمارهٔ شخص مانند ۰۹۹۹۰۰۰۱۲۳۴ است.",
        )


class NotALine(Invalid):
    """A text that cannot be the line of an SMS panel."""

    code = "not_a_line"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:40]!r} is not the line of an SMS panel; 30007732000000 is.",
            fa=f"«{text[:40]}» خط پنل پیامک نیست؛ خط مانند ۳۰۰۰۷۷۳۲۰۰۰۰۰۰ است.",
        )


def mobile(text: str) -> str:
    """Return a number that takes SMS as E.164; raises `NotAPhone`, `Landline` or `LineNumber`."""
    plain = _MOBILE(text) or _MOBILE(text.translate(_PRINTED))
    return f"+98{plain[1]}" if plain else _looked_up(text, landline_allowed=False)


def any_phone(text: str) -> str:
    """Return a number that can be called as E.164, landlines too; raises `NotAPhone` or `LineNumber`."""
    plain = _MOBILE(text) or _MOBILE(text.translate(_PRINTED))
    return f"+98{plain[1]}" if plain else _looked_up(text, landline_allowed=True)


def line(text: str) -> str:
    """Return the digits of a panel's line, without the country's code; raises `NotALine`, for mobiles too."""
    written = text.translate(_PRINTED)
    if not _DIGITS(written) or _MOBILE(written):
        raise NotALine(text)
    digits = re.sub(r"^(?:\+98|0098|98(?=[0-9]{5})|\+|0)", "", written)
    if not _SHORTEST_LINE <= len(digits) <= _LONGEST_LINE:
        raise NotALine(text)
    return digits


def local(e164: str) -> str:
    """Return an Iranian number as it is written at home (0999…), any other unchanged."""
    return f"0{e164[3:]}" if e164.startswith("+98") else e164


def _looked_up(text: str, *, landline_allowed: bool) -> str:
    written = text.translate(_PRINTED)
    if _LINE(written):
        raise LineNumber(text)
    if not _DIGITS(written):
        raise NotAPhone(text)
    import phonenumbers  # noqa: PLC0415  (its metadata would cost every start, for numbers that are rare)

    try:
        number = phonenumbers.parse(written, "IR")
    except phonenumbers.NumberParseException:
        raise NotAPhone(text) from None
    if not phonenumbers.is_valid_number(number):
        raise NotAPhone(text)
    takes_sms = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
    if not landline_allowed and phonenumbers.number_type(number) not in takes_sms:
        raise Landline(text)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


Mobile = Annotated[
    str,
    read_by(mobile),
    WithJsonSchema({"type": "string", "examples": ["09990001234"], "description": "A number that takes SMS."}),
]
"""A pydantic string: a number that takes SMS, as E.164."""

Phone = Annotated[
    str,
    read_by(any_phone),
    WithJsonSchema({"type": "string", "examples": ["09990001234"], "description": "A phone number."}),
]
"""A pydantic string: a number that can be called, as E.164."""

Line = Annotated[
    str,
    read_by(line),
    WithJsonSchema({"type": "string", "examples": ["30007732000000"], "description": "A line of an SMS panel."}),
]
"""A pydantic string: the digits of a panel's line."""
