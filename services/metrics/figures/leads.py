"""Figures of leads: captured, and answered in time.

Whether an unanswered lead is overdue depends on the time of reading. The few whose due time has not come are looked
up one by one, through an index that holds the unanswered only; all others that are unanswered were missed.
"""

from __future__ import annotations

from collections import Counter
from datetime import date

import asyncpg

from services.metrics.figures.formulas import percent, percent_interval
from services.metrics.figures.question import Point, Question
from services.metrics.figures.sums import Amounts, Group, Value, groups, points
from services.metrics.folding.leads import DIMENSIONS

_WAITING = """
SELECT day, {column} AS key, count(*) FROM counted_leads WHERE response = 'unanswered' AND due_at > $1 GROUP BY 1, 2
"""
_RESPONSES = ("in_time", "late", "unanswered", "born_answered")
_MEASURES = ("leads", *(f"leads_{response}" for response in _RESPONSES))


async def captured(connection: asyncpg.Connection, question: Question) -> list[Point]:
    """Count the leads captured."""
    found = await groups(connection, question, ["leads"], [""], "")
    return points(found, lambda amounts: Value(amounts["leads"], amounts["leads"], {}))


async def answered_in_time(connection: asyncpg.Connection, question: Question) -> list[Point]:
    """Share answered in time, of the leads that were answered or should have been by now."""
    waiting = await _waiting(connection, question)
    found = [_told_apart(group, waiting) for group in await groups(connection, question, _MEASURES, [""], "")]
    return points(found, _in_time)


async def _waiting(connection: asyncpg.Connection, question: Question) -> Counter[tuple[date, str | None]]:
    """Count the leads whose answer is not due yet, by day of capture and key."""
    if question.by is not None and question.by not in DIMENSIONS:
        raise ValueError(question.by)
    rows = await connection.fetch(_WAITING.format(column=question.by or "''"), question.now)
    counted: Counter[tuple[date, str | None]] = Counter()
    for day, key, count in rows:
        counted[day, key if question.by else None] += count
    return counted


def _told_apart(group: Group, waiting: Counter[tuple[date, str | None]]) -> Group:
    still = sum(
        count for (day, key), count in waiting.items() if key == group.by and group.span.first <= day < group.span.after
    )
    return Group(group.span, group.by, {**group.amounts, "waiting": still})


def _in_time(amounts: Amounts) -> Value:
    in_time, late, waiting = amounts["leads_in_time"], amounts["leads_late"], amounts["waiting"]
    missed = amounts["leads_unanswered"] - waiting
    due = in_time + late + missed
    parts = {
        "captured": amounts["leads"],
        "in_time": in_time,
        "late": late,
        "missed": missed,
        "waiting": waiting,
        "born_answered": amounts["leads_born_answered"],
    }
    return Value(percent(in_time, due), due, parts, percent_interval(in_time, due))
