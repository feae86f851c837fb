"""Digits of the three scripts that are typed in Iran: Latin, Persian (۰–۹) and Arabic-Indic (٠–٩)."""

from __future__ import annotations

LATIN = "0123456789"
PERSIAN = "۰۱۲۳۴۵۶۷۸۹"
ARABIC = "٠١٢٣٤٥٦٧٨٩"

TO_LATIN = str.maketrans(PERSIAN + ARABIC, LATIN * 2)
TO_PERSIAN = str.maketrans(LATIN + ARABIC, PERSIAN * 2)


def to_latin(text: str) -> str:
    """Return `text` with its Persian and Arabic-Indic digits as Latin ones."""
    return text.translate(TO_LATIN)


def numeral(number: float) -> str:
    """Return a number as a Persian sentence has it. What is typed as it stands, such as a code, keeps its digits."""
    return to_persian(f"{number:g}" if isinstance(number, float) else str(number)).replace(".", "٫")


def to_persian(text: str) -> str:
    """Return `text` with its Latin and Arabic-Indic digits as Persian ones."""
    return text.translate(TO_PERSIAN)
