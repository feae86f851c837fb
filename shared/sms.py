"""How many parts an SMS has, and where it is divided.

GSM-7 where all characters are in its alphabet (3GPP TS 23.038; those of its extension table count two), else UCS-2.
Panels bill by other limits, so the limits are parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Encoding = Literal["gsm7", "ucs2"]

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
_ALPHABET = _BASIC | _EXTENSION
_LAST_OF_ONE_UNIT = 0xFFFF


@dataclass(frozen=True, slots=True)
class Parts:
    """The size of a text: `units` are septets of GSM-7 or 16-bit units of UCS-2."""

    encoding: Encoding
    units: int
    count: int


def encoding_of(text: str) -> Encoding:
    """Return what `text` is sent in; one letter outside the GSM alphabet makes all of it UCS-2."""
    return "gsm7" if _ALPHABET.issuperset(text) else "ucs2"


def parts(
    text: str, *, single_gsm: int = 160, multi_gsm: int = 153, single_ucs2: int = 70, multi_ucs2: int = 67
) -> Parts:
    """Return encoding, units and number of parts of `text`; an empty text has none."""
    encoding = encoding_of(text)
    divided = split(text, single_gsm=single_gsm, multi_gsm=multi_gsm, single_ucs2=single_ucs2, multi_ucs2=multi_ucs2)
    return Parts(encoding, units(text, encoding), len(divided))


def split(
    text: str, *, single_gsm: int = 160, multi_gsm: int = 153, single_ucs2: int = 70, multi_ucs2: int = 67
) -> list[str]:
    """Return the parts that `text` is sent in; joined they are the text.

    No part ends between the two halves of an escaped GSM character or of a surrogate pair, so a part can be a unit
    shorter than it might be, and a text of many such characters needs more parts than its units say.
    """
    encoding = encoding_of(text)
    single, multi = (single_gsm, multi_gsm) if encoding == "gsm7" else (single_ucs2, multi_ucs2)
    if min(single, multi) < 2:  # noqa: PLR2004
        raise ValueError(f"A part of {min(single, multi)} units cannot hold a character of two.")
    if units(text, encoding) <= single:
        return [text] if text else []
    return _divided(text, encoding, multi)


def units(text: str, encoding: Encoding) -> int:
    """Return the length of `text` in units of `encoding`."""
    return len(text) + sum(map(_is_double(encoding), text))


def _divided(text: str, encoding: Encoding, most: int) -> list[str]:
    double = _is_double(encoding)
    divided, start, used = [], 0, 0
    for place, character in enumerate(text):
        size = 2 if double(character) else 1
        if used + size > most:
            divided.append(text[start:place])
            start, used = place, 0
        used += size
    divided.append(text[start:])
    return divided


def _is_double(encoding: Encoding) -> Callable[[str], bool]:
    return _EXTENSION.__contains__ if encoding == "gsm7" else _beyond_one_unit


def _beyond_one_unit(character: str) -> bool:
    return ord(character) > _LAST_OF_ONE_UNIT
