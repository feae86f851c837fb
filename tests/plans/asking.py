"""Asking a list by each filter and by pairs of them, for what is usual, rare and long past; both of its ends."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Final

import httpx
import orjson

from tests.plans.walking import Json, Question, Statement, by_filter

UNKNOWN_SORT: Final = "no such sort"
"""Asked for to hear by what a list can be sorted."""


def codes(name: str) -> tuple[str, ...]:
    return f"{name}-0", f"{name}-3", f"{name}-old", f"{name}-rare", "of-nobody"


def person(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012x}"


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def made_up() -> Mapping[str, Sequence[str]]:
    """Return values of filters that `millions` has much of, little, and none but long ago."""
    lately = days_ago(1), days_ago(1_000)
    return {
        "person_id": (person(1), person(777)),
        "agent_id": (person(1), person(998), person(999), person(5_000)),
        "name": ("name", "name0", "name4999 family8", "of nobody"),
        **{name: codes(name) for name in ("template", "automation", "province", "product", "survey", "touchpoint")},
        "reason": ("fatigue", "old", "of-nobody"),
        **dict.fromkeys(("since", "until", "from", "to"), lately),
    }


def questions(description: Json) -> Iterator[Question]:
    """Yield every list, plain, by each value of each filter, and by each pair of values of two."""
    for path, filters in by_filter(description, made_up()):
        yield Question(path)
        for name, values in filters.items():
            yield from (Question(path, ((name, value),)) for value in values)
        for one, other in combinations(filters, 2):
            for first in filters[one]:
                yield from (Question(path, ((one, first), (other, second))) for second in filters[other])


@dataclass(frozen=True, slots=True)
class Page:
    """What was run for a page of a list."""

    question: Question
    statements: Sequence[Statement]


async def pages(http: httpx.AsyncClient, question: Question, statements: list[Statement]) -> AsyncIterator[Page]:
    """Ask for the first page by each sort, up and down, and for the last by a cursor that the other direction gave."""
    for sort in await _sorts(http, question):
        cursors = []
        for each in (sort, f"-{sort}"):
            asked = _with(question, sort=each)
            page, cursor = await _asked(http, asked, statements)
            yield page
            cursors.append((asked, cursor))
        (up, first), (down, last) = cursors
        if first and last:
            yield (await _asked(http, _with(up, cursor=_moved(first, last)), statements))[0]
            yield (await _asked(http, _with(down, cursor=_moved(last, first)), statements))[0]


async def _sorts(http: httpx.AsyncClient, question: Question) -> list[str]:
    refused = (await http.get(question.path, params={"sort": UNKNOWN_SORT})).json()
    said: str = refused["errors"][0]["message"].removeprefix("One of ").removesuffix(".")
    return [name for name in said.split(", ") if not name.startswith("-")]


def _with(question: Question, **more: str) -> Question:
    return replace(question, query=(*question.query, *more.items()))


async def _asked(http: httpx.AsyncClient, question: Question, seen: list[Statement]) -> tuple[Page, str | None]:
    seen.clear()
    reply = await http.get(question.path, params=question.query)
    assert reply.is_success, f"{question}: {reply.text}"
    run = list({(each.text, repr(each.values)): each for each in seen if each.is_explained}.values())
    seen.clear()
    return Page(question, run), reply.json()["next_cursor"]


def _moved(cursor: str, to: str) -> str:
    """Return a cursor for the list of `cursor` that stands where `to` does."""
    bound, *_ = _read(cursor)
    _, *place = _read(to)
    return base64.urlsafe_b64encode(orjson.dumps([bound, *place])).decode().rstrip("=")


def _read(cursor: str) -> list[object]:
    read: list[object] = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return read
