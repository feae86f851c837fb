"""What a text must have and must not have before it leaves. Pure rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from shared import sms
from shared.persian.text import fold

_LINK: Final = re.compile(
    r"https?://|www\.|\b[\w-]+\.(?:ir|com|org|net|link|app|me)\b|\b[a-z0-9-]+\.[a-z]{2,24}/\S", re.IGNORECASE
).search
_WORDS: Final = re.compile(r"\w+").findall


@dataclass(frozen=True, slots=True)
class LintRules:
    """The deployment's rules for SMS."""

    longest: int
    opt_out_text: str
    filtered_words: Sequence[str] = ()
    links_allowed: bool = True
    part_units: tuple[int, int, int, int] = (160, 153, 70, 67)
    """What fits in the only part and in one of several: in GSM-7, then in UCS-2."""


def lint(text: str, *, channel: str, purpose: str, rules: LintRules) -> str | None:
    """Return why `text` may not be sent, or None.

    `empty`, `too_long`, `opt_out_text_missing`, `filtered_word` or `link`.
    """
    if not text.strip():
        return "empty"
    if channel != "sms":
        return None
    if len(text) > rules.longest:
        return "too_long"
    if purpose == "promotional" and _squeezed(rules.opt_out_text) not in _squeezed(text):
        return "opt_out_text_missing"
    if any(_has_word(text, word) for word in rules.filtered_words):
        return "filtered_word"
    return "link" if not rules.links_allowed and _LINK(text) else None


def size(text: str, rules: LintRules) -> sms.Parts:
    """Return the parts that the deployment's panels bill a text as."""
    single_gsm, multi_gsm, single_ucs2, multi_ucs2 = rules.part_units
    return sms.parts(text, single_gsm=single_gsm, multi_gsm=multi_gsm, single_ucs2=single_ucs2, multi_ucs2=multi_ucs2)


def _has_word(text: str, word: str) -> bool:
    """Tell whether a text has a word or several, whatever stands between their letters, but not as pieces of others."""
    words, sought = _WORDS(fold(text)), "".join(_WORDS(fold(word)))
    ends = set(accumulate(map(len, words), initial=0))
    places = (found.start() for found in re.finditer(f"(?={re.escape(sought)})", "".join(words)))
    return bool(sought) and any(place in ends and place + len(sought) in ends for place in places)


def _squeezed(text: str) -> str:
    return fold(text).replace(" ", "")
