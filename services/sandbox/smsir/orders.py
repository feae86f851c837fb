"""What a request to send asks for, read and checked as the panel does. No database here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.sandbox.numbers import mobile
from services.sandbox.smsir.answers import Refusal

MOST_RECIPIENTS = 100
MOST_CHARACTERS = 900
LONGEST_VALUE = 25
SOONEST, LATEST = timedelta(hours=1), timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Order:
    """Texts for recipients, position by position; None is a number or a text that the panel does not take."""

    line: int
    texts: Sequence[str]
    mobiles: Sequence[int | None]
    send_at: datetime


def read_bulk(body: Mapping[str, Any], lines: Sequence[int], *, now: datetime) -> Order:
    """Read one text for up to 100 numbers."""
    text, mobiles = body.get("messageText"), _mobiles(body)
    line = _line(body, lines)
    if not isinstance(text, str) or not text.strip():
        raise Refusal(103)
    texts = [text] * len(mobiles)
    return Order(line, texts, _positions(texts, mobiles), _send_at(body, now))


def read_like_to_like(body: Mapping[str, Any], lines: Sequence[int], *, now: datetime) -> Order:
    """Read up to 100 texts, one a number."""
    texts, mobiles = body.get("messageTexts"), _mobiles(body)
    line = _line(body, lines)
    if not isinstance(texts, list) or not texts:
        raise Refusal(108)
    if len(texts) > MOST_RECIPIENTS:
        raise Refusal(106)
    if len(texts) != len(mobiles):
        raise Refusal(110)
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise Refusal(103)
    return Order(line, texts, _positions(texts, mobiles), _send_at(body, now))


def read_verify(body: Mapping[str, Any], template: str | None, *, line: int, now: datetime) -> Order:
    """Read a pattern message: `template` with its `#NAME#`s replaced, to one number."""
    number = mobile(body.get("mobile"))
    if template is None:
        raise Refusal(113)
    if number is None:
        raise Refusal(104)
    return Order(line, [_filled(template, body.get("parameters") or [])], [number], now)


def template_id(body: Mapping[str, Any]) -> int | None:
    """Return the template that a pattern message names."""
    given = body.get("templateId")
    return int(given) if isinstance(given, int | str) and str(given).isdecimal() else None


def _line(body: Mapping[str, Any], lines: Sequence[int]) -> int:
    given = str(body.get("lineNumber"))
    if not given.isdecimal() or int(given) not in lines:
        raise Refusal(101)
    return int(given)


def _mobiles(body: Mapping[str, Any]) -> list[object]:
    mobiles = body.get("mobiles")
    if not isinstance(mobiles, list) or not mobiles:
        raise Refusal(107)
    if len(mobiles) > MOST_RECIPIENTS:
        raise Refusal(105)
    return mobiles


def _positions(texts: Sequence[str], mobiles: Sequence[object]) -> list[int | None]:
    return [
        mobile(number) if len(text) <= MOST_CHARACTERS and "\0" not in text else None
        for text, number in zip(texts, mobiles, strict=True)
    ]


def _send_at(body: Mapping[str, Any], now: datetime) -> datetime:
    given = body.get("sendDateTime")
    if given is None:
        return now
    if not isinstance(given, int) or not SOONEST <= timedelta(seconds=given - now.timestamp()) <= LATEST:
        raise Refusal(109)
    return datetime.fromtimestamp(given, UTC)


def _filled(template: str, parameters: Any) -> str:
    if not isinstance(parameters, list) or not all(isinstance(each, dict) for each in parameters):
        raise Refusal(116)
    for each in parameters:
        name, value = str(each.get("name") or "").strip("#"), str(each.get("value") or "")
        if not name:
            raise Refusal(116)
        if len(value) > LONGEST_VALUE:
            raise Refusal(114)
        template = template.replace(f"#{name}#", value).replace(f"#{name.upper()}#", value)
    return template
