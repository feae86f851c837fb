"""Figures of customers that are no sums of days: retention, churn, repeat purchases, purchase retention.

Whole periods are read from what is kept for them; a span that is no period of the calendar is counted on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import asyncpg

from services.metrics.figures import kept, on_demand
from services.metrics.figures.formulas import percent, percent_interval
from services.metrics.figures.question import Point, Question
from services.metrics.figures.sums import Read
from services.metrics.periods import Span, number_of

Parts = Mapping[str, int]
FLOWS = ("new", "won_back", "lost")
BUYERS = ("buyers", "repeat_buyers")
BOUGHT_AGAIN = ("buyers", "bought_again")


def of_retention(evaluate: Callable[[Parts], float | None]) -> Read:
    """Return the reader of retention or churn."""

    async def read(connection: asyncpg.Connection, question: Question) -> list[Point]:
        known = await _kept_by_grid(connection, question, FLOWS, _retention_parts)
        made = []
        for span in question.spans:
            parts = known.get(span) or await _retention_on_demand(connection, question, span)
            made.append(Point(span, evaluate(parts), parts["active_at_start"], parts, kept=span in known))
        return made

    return read


async def repeat_purchase_rate(connection: asyncpg.Connection, question: Question) -> list[Point]:
    """Of those who bought in the span, the share that bought in it more than once."""
    known = await _kept_by_grid(connection, question, BUYERS, _buyers_parts)
    made = []
    for span in question.spans:
        parts = known.get(span) or await _buyers_on_demand(connection, question, span)
        part, whole = parts["repeat_buyers"], parts["buyers"]
        made.append(Point(span, percent(part, whole), whole, parts, None, percent_interval(part, whole), span in known))
    return made


async def purchase_retention(connection: asyncpg.Connection, question: Question) -> list[Point]:
    """Of those who bought in the period before, the share that bought in this one too."""
    known = await _kept_by_grid(connection, question, BOUGHT_AGAIN, _bought_again_parts)
    made = []
    for span in question.spans:
        parts = known.get(span) or await _bought_again_on_demand(connection, question, span)
        part, whole = parts["bought_again"], parts["bought_before"]
        made.append(Point(span, percent(part, whole), whole, parts, None, percent_interval(part, whole), span in known))
    return made


async def time_between_purchases(connection: asyncpg.Connection, question: Question) -> list[Point]:
    """Median days between a person's consecutive purchases, of which the later lies in the span."""
    instants = [span.instants(question.rules.zone) for span in question.spans]
    async with on_demand.limited(connection, question.time_limit_s):
        found = await on_demand.gaps(connection, instants)
    return [
        Point(span, median, count, {}, kept=False) for span, (count, median) in zip(question.spans, found, strict=True)
    ]


Counts = Mapping[int, Mapping[str, int]]
PartsOf = Callable[[Counts, Sequence[int]], Iterator[Parts]]


async def _kept_by_grid(
    connection: asyncpg.Connection, question: Question, measures: Sequence[str], parts_of: PartsOf
) -> dict[Span, Parts]:
    """Return the parts of every span that is a whole period; all of a question's are of one grid."""
    whole = [span for span in question.spans if span.grid is not None]
    if not whole or whole[0].grid is None:
        return {}
    grid = whole[0].grid
    numbers = [number_of(grid, span.first) for span in whole]
    counts = await kept.by_period(connection, measures, grid, numbers[0] - 1, numbers[-1] + 1)
    return dict(zip(whole, parts_of(counts, numbers), strict=True))


def _retention_parts(counts: Counts, numbers: Sequence[int]) -> Iterator[Parts]:
    """Give S, E and N of consecutive periods: who is active is who came less who was lost, since the beginning."""
    active = sum(_gain(flows) for number, flows in counts.items() if number < numbers[0])
    for number in numbers:
        flows = counts.get(number, {})
        yield {
            "active_at_start": active,
            "active_at_end": active + _gain(flows),
            "new": flows.get("new", 0),
            "won_back": flows.get("won_back", 0),
        }
        active += _gain(flows)


def _gain(flows: Mapping[str, int]) -> int:
    return flows.get("new", 0) + flows.get("won_back", 0) - flows.get("lost", 0)


def _buyers_parts(counts: Counts, numbers: Sequence[int]) -> Iterator[Parts]:
    for number in numbers:
        amounts = counts.get(number, {})
        yield {"buyers": amounts.get("buyers", 0), "repeat_buyers": amounts.get("repeat_buyers", 0)}


def _bought_again_parts(counts: Counts, numbers: Sequence[int]) -> Iterator[Parts]:
    for number in numbers:
        yield {
            "bought_before": counts.get(number - 1, {}).get("buyers", 0),
            "bought_again": counts.get(number, {}).get("bought_again", 0),
        }


async def _retention_on_demand(connection: asyncpg.Connection, question: Question, span: Span) -> Parts:
    async with on_demand.limited(connection, question.time_limit_s):
        return await on_demand.retention(connection, span, question.rules)


async def _buyers_on_demand(connection: asyncpg.Connection, question: Question, span: Span) -> Parts:
    first, after = span.instants(question.rules.zone)
    async with on_demand.limited(connection, question.time_limit_s):
        return await on_demand.buyers(connection, first, after)


async def _bought_again_on_demand(connection: asyncpg.Connection, question: Question, span: Span) -> Parts:
    """Count against the span of as many days that lies before this one."""
    before = Span(span.first - (span.after - span.first), span.first, None)
    first, after = span.instants(question.rules.zone)
    async with on_demand.limited(connection, question.time_limit_s):
        return await on_demand.bought_again(connection, before.instants(question.rules.zone)[0], first, after)
