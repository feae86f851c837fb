"""What a text from a person means. Pure rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from shared.persian.text import fold

OPT_OUT: Final = frozenset({"11", "لغو", "لغو11"})
REJOIN: Final = frozenset({"12"})
NUMBER_WORDS: Final = {
    "صفر": 0, "یک": 1, "دو": 2, "سه": 3, "چهار": 4, "پنج": 5, "شش": 6, "هفت": 7, "هشت": 8, "ده": 10,
}  # fmt: skip
"""Without «نه», which is nine and no."""

KEYWORDS: Final = {"بله": "yes", "اری": "yes", "yes": "yes", "خیر": "no", "no": "no"}
"""Words that answers are read by, folded. Anything else may be a name or a sentence, and stays here."""

LONGEST_NUMBER: Final = 4

_AROUND: Final = re.compile(r"[\s.,،؛;:!؟?\"'«»()\[\]*#_]+")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a text says: an opt-out from its line, its withdrawal, or a reply, with the number or word in it."""

    kind: Literal["reply", "opt_out", "rejoin"]
    number: int | None = None
    keyword: str | None = None


def read(text: str) -> Meaning:
    """Read a text, in any script's digits, with or without spaces and punctuation around them."""
    bare = _AROUND.sub("", fold(text))
    if bare in OPT_OUT:
        return Meaning("opt_out")
    if bare in REJOIN:
        return Meaning("rejoin")
    if bare.isascii() and bare.isdecimal() and len(bare) <= LONGEST_NUMBER:
        return Meaning("reply", number=int(bare))
    return Meaning("reply", number=NUMBER_WORDS.get(bare), keyword=KEYWORDS.get(bare))
