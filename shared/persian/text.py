"""Text as people type it: `fold` for comparing and searching, `clean` for what is kept and shown."""

from __future__ import annotations

import re
import unicodedata

from shared.errors import Invalid
from shared.persian.digits import TO_LATIN, numeral

LETTERS = {"ی": "يىې", "ک": "كڪ", "ه": "ةەہھۃ"}
"""Letters of Persian, and those of other alphabets and keyboards that are written in their place."""

_LETTERS = str.maketrans({written: letter for letter, others in LETTERS.items() for written in others})
_FOLDED = {**TO_LATIN, **_LETTERS, ord("\u0640"): None, ord("\u200c"): " "}
"""Letters and digits as one form each, no tatweel, and a ZWNJ as the space that others type in its place."""

_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Embeddings, overrides and isolates can make a text show as something else; the marks LRM and RLM cannot."""

_BREAKS = frozenset("\t\n\v\f\r\x85\u2028\u2029")
_EDGES = " \t\n\u00a0\u200b\u200c\u200d\u200e\u200f"

_ODD = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{''.join(sorted(_OVERRIDES))}]").search
"""Finds what is not simply kept; hardly any text has it, and to look at each character takes ten times as long."""


class NotText(Invalid):
    """A text holds what is no character; a database could not keep it."""

    code = "not_text"


class EmptyText(Invalid):
    """Nothing is left of a text; leave the field out instead."""

    code = "empty"

    def __init__(self) -> None:
        super().__init__(
            "Nothing is left of this text; leave the field out instead.", fa="این متن تهی است؛ آن را نفرستید."
        )


def fold(text: str) -> str:
    """Return the form in which two spellings of the same thing are equal; folding it again changes nothing.

    Arabic ي and ى are ی, ك is ک, digits are Latin, letters are lower case without diacritics (آ is ا), and spaces
    and ZWNJ are one space. Compatibility forms, such as the ligatures of old fonts, are their plain letters.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.casefold().split())
    return " ".join(_plain(unicodedata.normalize("NFKD", text).casefold()).split())


def clean(text: str, *, lines: bool = False) -> str:
    """Return `text` as it is kept for showing: NFC, trimmed, without control and bidi-override characters.

    Line breaks and tabs are spaces unless `lines`. Raises `NotText` for NUL and for halves of surrogate pairs.
    """
    if _ODD(text):
        _refuse_what_is_no_text(text)
        text = "".join(_shown(one, lines=lines) for one in text.replace("\r\n", "\n"))
    return unicodedata.normalize("NFC", text).strip(_EDGES)


def line(text: str) -> str:
    """Return `text` cleaned, as one line; raises `EmptyText` where nothing is left."""
    return _filled(clean(text))


def lines(text: str) -> str:
    """Return `text` cleaned, its lines kept; raises `EmptyText` where nothing is left."""
    return _filled(clean(text, lines=True))


def _filled(text: str) -> str:
    if not text:
        raise EmptyText
    return text


def _plain(text: str) -> str:
    kept = (_kept(character) for character in unicodedata.normalize("NFKD", text).translate(_FOLDED))
    return unicodedata.normalize("NFC", "".join(kept)).translate(_FOLDED)


def _kept(character: str) -> str:
    match unicodedata.category(character):
        case "Mn" | "Cf":
            return ""
        case "Cc":
            return " " if character in _BREAKS else ""
        case _:
            return character


def _shown(character: str, *, lines: bool) -> str:
    if character in _BREAKS:
        if not lines:
            return " "
        return character if character in "\n\t" else "\n"
    return "" if character in _OVERRIDES or unicodedata.category(character) == "Cc" else character


def _refuse_what_is_no_text(text: str) -> None:
    for place, character in enumerate(text):
        if character == "\0" or unicodedata.category(character) == "Cs":
            raise NotText(
                f"The character U+{ord(character):04X} at position {place + 1} is no text; leave it out.",
                fa=f"نویسهٔ U+{ord(character):04X} در جایگاه {numeral(place + 1)} متن نیست؛ آن را بردارید.",
            )
