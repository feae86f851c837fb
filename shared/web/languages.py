"""The language of what an answer says to people: English, or Persian for `Accept-Language: fa`."""

from __future__ import annotations

from fastapi import Request

PERSIAN = "fa"
ENGLISH = "en"


def language(request: Request) -> str:
    """Return the language that the request prefers of the two that we speak."""
    header = request.headers.get("accept-language")
    if not header:
        return ENGLISH
    wishes = {PERSIAN: 0.0, ENGLISH: 0.0, "*": 0.0}
    for part in header.lower().split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        primary = tag.strip().partition("-")[0]
        if primary in wishes:
            wishes[primary] = max(wishes[primary], _quality(parameter))
    return PERSIAN if wishes[PERSIAN] > max(wishes[ENGLISH], 0.0) else ENGLISH


def said_in(request: Request) -> dict[str, str]:
    """Return the headers of an answer that says something in the request's language."""
    return {"Content-Language": language(request), "Vary": "Accept-Language"}


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
