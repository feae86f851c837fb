"""The figures over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, get_args

from fastapi import Depends, Path, Query

from services.metrics.figures.catalogue import FIGURES, Figure, figure_named
from services.metrics.figures.cohorts import cohorts
from services.metrics.figures.errors import (
    CountingTookTooLong,
    ScalesNotPooled,
    TooManyPeriods,
    UnknownDimension,
    UnknownFigure,
)
from services.metrics.figures.question import Point, Question, span_of
from services.metrics.figures.schemas import (
    AuditOut,
    CohortOut,
    CohortsOut,
    DefinitionOut,
    DefinitionsOut,
    FigureOut,
    PointOut,
)
from services.metrics.folder import audit
from services.metrics.rules import Rules
from shared.clock import utcnow
from shared.db import driver
from shared.persian.calendar import Calendar, Interval, InvalidDate
from shared.service import Runtime
from shared.web import RuntimeDep, Tx, problems, requires, router_for
from shared.web.figures import ConfidenceIntervalOut, EmptySpan

EXAMPLES_SHOWN = 20

router = router_for("metrics", prefix="/v1/metrics", tags=["figures"])

From = Annotated[
    str | None,
    Query(
        alias="from",
        description="First day, in either calendar; by default the first of twelve months.",
        examples=["1405-01-01"],
    ),
]
To = Annotated[
    str | None,
    Query(
        description="First day that no longer counts; by default the end of the present month.", examples=["1406-01-01"]
    ),
]
InCalendar = Annotated[
    Calendar | None,
    Query(description="Calendar of the periods; by default the one that `from` is written in.", examples=["jalali"]),
]
ByInterval = Annotated[
    Interval | None, Query(description="Length of the periods; one for all without it.", examples=["month"])
]


def _question(
    runtime: Runtime,
    from_: str | None,
    to: str | None,
    calendar: Calendar | None,
    interval: Interval | None = None,
    *,
    by: str | None = None,
    currency: str | None = None,
    scale: str | None = None,
) -> Question:
    now, rules = utcnow(), Rules.of(runtime.settings)
    first, after, known = span_of(from_, to, calendar, now.astimezone(rules.zone).date())
    return Question(
        first,
        after,
        known,
        interval,
        now,
        rules,
        by,
        currency or runtime.settings.currency,
        scale,
        runtime.settings.on_demand_timeout_s,
    )


async def _asked(
    runtime: RuntimeDep,
    from_: From = None,
    to: To = None,
    calendar: InCalendar = None,
    interval: ByInterval = None,
    by: Annotated[
        str | None, Query(description="Dimension to split by; the list of figures names them.", examples=["source"])
    ] = None,
    currency: Annotated[
        str | None,
        Query(pattern="^[A-Z]{3}$", description="Of figures in money; the deployment's by default.", examples=["IRR"]),
    ] = None,
    scale: Annotated[str | None, Query(description="Scale of survey answers.", examples=["1-5"])] = None,
) -> Question:
    return _question(runtime, from_, to, calendar, interval, by=by, currency=currency, scale=scale)


@router.get("", summary="List the figures", response_model=DefinitionsOut, dependencies=[requires("metrics:read")])
async def list_figures(runtime: RuntimeDep) -> DefinitionsOut:
    """Say which figures there are, what they mean, and what they can be split by."""
    rules = Rules.of(runtime.settings)
    return DefinitionsOut(
        figures=[_definition(figure) for figure in FIGURES.values()],
        time_zone=rules.time_zone,
        activity_days=rules.activity_days,
        margin=rules.margin,
    )


def _definition(figure: Figure) -> DefinitionOut:
    return DefinitionOut(
        figure=figure.name,
        title=figure.title,
        title_fa=figure.title_fa,
        unit=figure.unit,
        definition=figure.definition,
        dimensions=list(figure.dimensions),
        intervals=list(get_args(Interval)),
    )


@router.get(
    "/cohorts",
    summary="Read cohorts by month of first purchase",
    response_model=CohortsOut,
    dependencies=[requires("metrics:read")],
    responses=problems(InvalidDate, EmptySpan),
)
async def read_cohorts(
    tx: Tx, runtime: RuntimeDep, from_: From = None, to: To = None, calendar: InCalendar = None
) -> CohortsOut:
    """Tell, of those who first bought in each month, how many bought in the months after and how many were active."""
    question = _question(runtime, from_, to, calendar)
    found = await cohorts(driver(tx), question)
    return CohortsOut(
        first=question.written(question.first),
        after=question.written(question.after),
        calendar=question.calendar,
        computed="kept",
        cohorts=[CohortOut.model_validate(cohort) for cohort in found],
    )


@router.get(
    "/audit",
    summary="Compare kept counts with a full recomputation",
    response_model=AuditOut,
    dependencies=[requires("metrics:admin")],
)
async def audit_figures(runtime: RuntimeDep) -> AuditOut:
    """Recompute every count from the facts beside the kept ones, and compare. Reads everything: for quiet hours."""
    found = await audit(runtime)
    shown = [
        f"{key}: kept {kept}, recomputed {made}" for key, (kept, made) in list(found.differing.items())[:EXAMPLES_SHOWN]
    ]
    return AuditOut(equal=not found.differing, compared=found.compared, differing=len(found.differing), examples=shown)


@router.get(
    "/{figure}",
    summary="Read a figure",
    response_model=FigureOut,
    dependencies=[requires("metrics:read")],
    responses=problems(
        UnknownFigure,
        UnknownDimension,
        InvalidDate,
        EmptySpan,
        TooManyPeriods,
        ScalesNotPooled,
        CountingTookTooLong,
    ),
)
async def read_figure(
    tx: Tx,
    figure: Annotated[str, Path(description="Name of the figure.", examples=["retention"])],
    question: Annotated[Question, Depends(_asked)],
) -> FigureOut:
    """Give a figure over `[from, to)`: one point for the whole of it, or one for each period and code."""
    known = figure_named(figure)
    known.check_dimension(question.by)
    found = await known.read(driver(tx), question)
    return FigureOut(
        figure=known.name,
        unit=known.unit,
        first=question.written(question.first),
        after=question.written(question.after),
        calendar=question.calendar,
        interval=question.interval,
        by=question.by,
        currency=question.currency if known.unit == "money" and question.by != "currency" else None,
        computed="kept" if all(point.kept for point in found) else "on_demand",
        points=[_point(point, question) for point in found],
    )


def _point(point: Point, question: Question) -> PointOut:
    starts_at, ends_at = point.span.instants(question.rules.zone)
    return PointOut(
        first=question.written(point.span.first),
        after=question.written(point.span.after),
        starts_at=starts_at,
        ends_at=ends_at,
        by=point.by,
        value=point.value,
        count=point.count,
        complete=ends_at + timedelta(days=point.settled_after_days) <= question.now,
        parts=dict(point.parts),
        confidence_interval=ConfidenceIntervalOut.of(point.confidence),
    )
