"""Values that were given, as a message says them: a text as it was typed, anything else as JSON has it."""

from __future__ import annotations

from typing import Final

from shared.persian.digits import to_persian

LONGEST: Final = 60


def quoted(value: object) -> str:
    """Return a value as an English sentence quotes it."""
    return _cut(_written(value))


def quoted_fa(value: object, *, number: bool = False) -> str:
    """Return a value as a Persian sentence quotes it; one that is a `number`, also as a text, in Persian digits."""
    text = _written(value)
    if number or (isinstance(value, int | float) and not isinstance(value, bool)):
        text = to_persian(text).replace(".", "٫")
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _written(value: object) -> str:
    match value:
        case str():
            return f"«{value}»"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict():
            return "{ … }"
        case list():
            return "[ … ]"
        case _:
            return repr(value)
