"""What is wrong with an item of a bulk request, in Persian, by what msgspec says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from shared.persian.digits import to_persian

KINDS: Final[Mapping[str, str]] = {
    "str": "متن",
    "int": "عدد صحیح",
    "float": "عدد",
    "bool": "true یا false",
    "array": "فهرست",
    "object": "شیء",
    "uuid": "شناسه",
    "datetime": "زمان",
    "date": "تاریخ",
}
SIGNS: Final[Mapping[str, str]] = {">=": "دست‌کم", ">": "بیش از", "<=": "حداکثر", "<": "کمتر از"}

ID = "این شناسه نیست؛ شناسه به شکل 019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11 است."
TIME = "این زمان با منطقهٔ زمانی نیست؛ مانند 2026-11-22T09:30:00Z بفرستید."
DATE = "این تاریخ نیست؛ مانند 2026-11-22 بفرستید."

RULES: Final = [
    (re.compile(pattern, re.DOTALL), template)
    for pattern, template in (
        (r"Object missing required field `.+`", "این فیلد نیامده است؛ باید فرستاده شود."),
        (r"Object contains unknown field `.+`", "چنین فیلدی نیست؛ آن را بردارید."),
        (r"Expected `str` of length (?P<sign>\S+) (?P<number>\d+)", "متن باید {sign} {number} نویسه داشته باشد."),
        (r"Expected `\w+` of length (?P<sign>\S+) (?P<number>\d+)", "اینجا باید {sign} {number} مورد باشد."),
        (r"Expected `\w+` (?P<sign>[<>]=?) (?P<number>\S+)", "این عدد باید {sign} {number} باشد."),
        (r"Expected `str` matching regex (?P<form>.+)", "این متن به شکل {form} نیست."),
        (r"Expected `(?P<wanted>[^`]+)`, got `(?P<given>[^`]+)`", "اینجا {wanted} لازم است، نه {given}."),
        (r"Invalid enum value (?P<form>.+)", "{form} هیچ‌یک از مقدارهای پذیرفته نیست."),
        (r"Invalid UUID", ID),
        (r"Invalid RFC3339 encoded datetime|Expected `datetime` with a timezone component", TIME),
        (r"Invalid RFC3339 encoded date", DATE),
        (r"Number out of range", "این عدد بیرون از بازهٔ پذیرفته است."),
    )
]


def in_persian(said: str) -> str:
    """Return what msgspec says of a value in Persian; what is not known of it is quoted."""
    for pattern, template in RULES:
        if found := pattern.fullmatch(said):
            return template.format(**{name: WORDS[name](text) for name, text in found.groupdict().items()})
    return f"مقدار این فیلد درست نیست ({said})."


def _kinds(names: str) -> str:
    return " یا ".join(KINDS.get(name, name) for name in names.split(" | "))


def _number(digits: str) -> str:
    return to_persian(digits).replace(".", "٫")


WORDS: Final[Mapping[str, Callable[[str], str]]] = {
    "sign": SIGNS.__getitem__,
    "number": _number,
    "form": str,
    "wanted": _kinds,
    "given": _kinds,
}
