"""`/v1/surveys/{id}/results`: what the answers to a survey say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.surveys.results.queries import Dimension, count_survey
from services.surveys.results.schemas import ResultPoint, ResultsOut
from services.surveys.surveys.errors import SurveyNotFound
from services.surveys.surveys.usecases import get_survey
from shared.persian.calendar import InvalidDate, instant, to_gregorian
from shared.service import Runtime
from shared.web import RuntimeDep, Tx, problems, requires, router_for
from shared.web.figures import EmptySpan, read_day

router = router_for("surveys", prefix="/v1/surveys", tags=["surveys"])

Moment = Annotated[
    str | None,
    Query(
        max_length=40,
        description="A day in either calendar, beginning in the deployment's zone, or an instant in RFC 3339.",
        examples=["2026-11-22"],
    ),
]


@router.get(
    "/{survey_id}/results",
    summary="Read what the answers say",
    response_model=ResultsOut,
    dependencies=[requires("surveys:read")],
    responses=problems(SurveyNotFound, InvalidDate, EmptySpan),
)
async def read_results(
    survey_id: UUID,
    tx: Tx,
    runtime: RuntimeDep,
    since: Annotated[Moment, Query(alias="from")] = None,
    until: Annotated[Moment, Query(alias="to")] = None,
    by: Annotated[
        Dimension | None, Query(description="One point for each touchpoint, product, agent or channel.")
    ] = None,
) -> ResultsOut:
    """Read the figure of a survey over `[from, to)`, with its 95 % interval, and the response rate."""
    survey = await get_survey(tx, survey_id)
    start, end = _moment(since, "from", runtime), _moment(until, "to", runtime)
    if start is not None and end is not None and start >= end:
        raise EmptySpan(str(since), str(until))
    counted = await count_survey(tx, survey_id, by, start, end)
    points = [ResultPoint.of(survey, key, counted[key]) for key in sorted(counted, key=lambda key: (key is None, key))]
    return ResultsOut(figure=survey.kind, survey=survey.code, scale=survey.scale, since=start, until=end, points=points)


def _moment(text: str | None, name: str, runtime: Runtime) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text) if "T" in text else None
    except ValueError:
        at = None
    if at is not None and at.tzinfo is not None:
        return at.astimezone(UTC)
    return instant(to_gregorian(read_day(name, text)), runtime.settings.zone)
