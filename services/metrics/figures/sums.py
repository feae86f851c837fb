"""Figures that are made of sums by day: what was bought, leads, answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Final

import asyncpg

from services.metrics.figures import kept
from services.metrics.figures.errors import ScalesNotPooled
from services.metrics.figures.formulas import difference_interval, mean, percent, percent_interval, whole
from services.metrics.figures.question import Number, Point, Question
from services.metrics.periods import Span

Amounts = Mapping[str, int]
FUNNEL_DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class Value:
    """What a figure makes of the sums of a span."""

    value: Number
    count: int
    parts: Mapping[str, Number]
    confidence: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The sums of one span, for one key of what is split by."""

    span: Span
    by: str | None
    amounts: Amounts


async def groups(
    connection: asyncpg.Connection, question: Question, measures: Sequence[str], scopes: Sequence[str], scope_name: str
) -> list[Group]:
    """Return the sums of every span, for each key that occurs in any of them; without `by`, of all as one."""
    by_scope = question.by == scope_name
    dimension = "" if by_scope else question.by or ""
    spans = [kept.summed_by(span, question.calendar) for span in question.spans]
    found = await kept.sums(connection, measures, scopes, dimension, spans)
    totals: dict[tuple[int, str], dict[str, int]] = {}
    for (place, scope, key), amounts in found.items():
        total = totals.setdefault((place, scope if by_scope else key), dict.fromkeys(measures, 0))
        for measure, amount in amounts.items():
            total[measure] += amount
    occurring = {key for (_, key), amounts in totals.items() if any(amounts.values())}
    keys = sorted(occurring) if question.by else [""]
    nothing = dict.fromkeys(measures, 0)
    return [
        Group(span, key if question.by else None, totals.get((place, key), nothing))
        for place, span in enumerate(question.spans)
        for key in keys
    ]


def points(found: Sequence[Group], evaluate: Callable[[Amounts], Value], *, settled_after_days: int = 0) -> list[Point]:
    """Return the points of groups; the key of what has no code is None."""
    made = ((group, evaluate(group.amounts)) for group in found)
    return [
        Point(
            group.span,
            value.value,
            value.count,
            value.parts,
            group.by or None,
            value.confidence,
            settled_after_days=settled_after_days,
        )
        for group, value in made
    ]


def of_money(measures: Sequence[str], evaluate: Callable[[Amounts], Value]) -> Read:
    """Return the reader of a figure in money: of one currency, or by currency."""

    async def read(connection: asyncpg.Connection, question: Question) -> list[Point]:
        by_currency = question.by == "currency"
        scopes = await kept.scopes_of(connection, measures[0]) if by_currency else [question.currency]
        return points(await groups(connection, question, measures, scopes, "currency"), evaluate)

    return read


async def purchases(connection: asyncpg.Connection, question: Question) -> list[Point]:
    """Count purchases, in whatever currency."""
    scopes = await kept.scopes_of(connection, "purchases")
    found = await groups(connection, question, ["purchases"], scopes, "currency")
    return points(found, lambda amounts: Value(amounts["purchases"], amounts["purchases"], {}))


def order_value(amounts: Amounts) -> Value:
    """Average order value: amount less discount, over the purchases that count."""
    net, count = amounts["net_minor"], amounts["purchases"]
    return Value(mean(net, count), count, {"value_minor": whole(net), "purchases": count})


def revenue(amounts: Amounts) -> Value:
    """Amount less discount and refunds."""
    net, refunded = amounts["net_minor"], amounts["refunded_minor"]
    parts = {"net_minor": whole(net), "refunded_minor": whole(refunded)}
    return Value(whole(net - refunded), amounts["purchases"], parts)


async def lifetime_value(connection: asyncpg.Connection, question: Question) -> list[Point]:
    """CLV, historical: the mean over those who bought before the end of the span, of all that they bought before it."""
    measures = ("net_minor", "refunded_minor", "new_customers")
    spans = [kept.summed_by(span, question.calendar) for span in question.spans]
    spans.insert(0, kept.all_before(question.first, question.calendar))
    found = await kept.sums(connection, measures, [question.currency], "", spans)
    by_span = [found.get((place, question.currency, ""), {}) for place in range(len(spans))]
    running = accumulate(([amounts.get(measure, 0) for measure in measures] for amounts in by_span), _added)
    margin = question.rules.margin
    made = []
    for span, (net, refunded, customers) in zip(question.spans, islice(running, 1, None), strict=True):
        parts: dict[str, Number] = {"value_minor": whole(net - refunded), "customers": customers, "margin": margin}
        made.append(Point(span, mean(net - refunded, customers, margin), customers, parts))
    return made


def _added(total: list[int], more: list[int]) -> list[int]:
    return [one + other for one, other in zip(total, more, strict=True)]


def of_answers(kind: str, categories: Sequence[str], evaluate: Callable[[Amounts], Value]) -> Read:
    """Return the reader of a figure of the answers to surveys of a kind, on one scale or by scale."""
    measures = ("answers", *(f"answers_{category}" for category in categories))

    async def read(connection: asyncpg.Connection, question: Question) -> list[Point]:
        found = await groups(connection, question, measures, await _scales(connection, question, kind), "scale")
        return points([_without_kind(group, question) for group in found], evaluate)

    return read


CSAT_CATEGORIES: Final = ("satisfied", "neutral", "unsatisfied")
NPS_CATEGORIES: Final = ("promoter", "passive", "detractor")


def satisfaction(amounts: Amounts) -> Value:
    """CSAT: the share satisfied."""
    satisfied, answers = amounts["answers_satisfied"], amounts["answers"]
    parts = {name: amounts[f"answers_{name}"] for name in CSAT_CATEGORIES}
    return Value(percent(satisfied, answers), answers, parts, percent_interval(satisfied, answers))


def recommendation(amounts: Amounts) -> Value:
    """NPS: the share of promoters less that of detractors."""
    parts = {name: amounts[f"answers_{name}"] for name in NPS_CATEGORIES}
    promoters, detractors, answers = parts["promoter"], parts["detractor"], amounts["answers"]
    interval = difference_interval(promoters, detractors, answers)
    return Value(percent(promoters - detractors, answers), answers, parts, interval)


async def _scales(connection: asyncpg.Connection, question: Question, kind: str) -> list[str]:
    """Return the scopes to count: one scale, or all of them where they are told apart."""
    scopes = await kept.scopes_of(connection, "answers", f"{kind}:")
    if question.scale is not None:
        return [f"{kind}:{question.scale}"]
    if len(scopes) > 1 and question.by != "scale":
        raise ScalesNotPooled(scope.removeprefix(f"{kind}:") for scope in scopes)
    return scopes


def _without_kind(group: Group, question: Question) -> Group:
    if question.by != "scale" or group.by is None:
        return group
    return Group(group.span, group.by.partition(":")[2], group.amounts)


async def responses(connection: asyncpg.Connection, question: Question) -> list[Point]:
    """Response rate: answered, of the invitations delivered in the span; on all scales, or on the one asked for."""
    scopes = await kept.scopes_of(connection, "invitations")
    if question.scale is not None:
        scopes = [scope for scope in scopes if scope.partition(":")[2] == question.scale]
    measures = ("invitations", "invitations_answered")
    return points(await groups(connection, question, measures, scopes, "scale"), _answered)


def _answered(amounts: Amounts) -> Value:
    answered, delivered = amounts["invitations_answered"], amounts["invitations"]
    parts = {"delivered": delivered, "answered": answered}
    return Value(percent(answered, delivered), delivered, parts, percent_interval(answered, delivered))


async def funnel(connection: asyncpg.Connection, question: Question) -> list[Point]:
    """Of the leads captured in the span: how many reached each stage, and bought within 30 and 90 days."""
    stages = ("qualified", "won", "bought_30d", "bought_90d")
    measures = ("leads", *(f"leads_{stage}" for stage in stages))

    def evaluate(amounts: Amounts) -> Value:
        captured = amounts["leads"]
        parts: dict[str, Number] = {"captured": captured, **{stage: amounts[f"leads_{stage}"] for stage in stages}}
        bought = amounts["leads_bought_90d"]
        return Value(percent(bought, captured), captured, parts, percent_interval(bought, captured))

    return points(await groups(connection, question, measures, [""], ""), evaluate, settled_after_days=FUNNEL_DAYS)


Read = Callable[[asyncpg.Connection, Question], Awaitable[list[Point]]]
