"""`/v1/surveys`: the surveys themselves."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from sqlalchemy import select

from services.surveys.scales import Kind
from services.surveys.surveys.errors import ScaleDoesNotFit, SurveyCodeTaken, SurveyNotFound, TemplateMissing
from services.surveys.surveys.models import Survey
from services.surveys.surveys.schemas import SurveyCreate, SurveyOut, SurveyPage, SurveyPatch
from services.surveys.surveys.usecases import change_survey, get_survey, lock_survey, open_survey
from shared.clock import utcnow
from shared.errors import PreconditionFailed
from shared.web import Keyset, PageDep, Tx, check_if_match, equal_to, etag, page_of, problems, requires, router_for

router = router_for("surveys", prefix="/v1/surveys", tags=["surveys"])

KEYSET = Keyset(sorts={"created_at": Survey.created_at, "code": Survey.code}, id=Survey.id, default="-created_at")


@router.post(
    "",
    status_code=201,
    summary="Make a survey",
    response_model=SurveyOut,
    dependencies=[requires("surveys:admin")],
    responses=problems(SurveyCodeTaken, ScaleDoesNotFit, TemplateMissing),
)
async def create_survey(body: SurveyCreate, tx: Tx, response: Response) -> Survey:
    """Make a survey; whoever is asked by it later is chosen by its sampling and its interval."""
    survey = await open_survey(tx, body, at=utcnow())
    response.headers["ETag"] = etag(survey.version)
    return survey


@router.get("", summary="List surveys", response_model=SurveyPage, dependencies=[requires("surveys:read")])
async def list_surveys(
    tx: Tx,
    page: PageDep,
    code: Annotated[str | None, Query(max_length=64, description="The survey with this code.")] = None,
    kind: Annotated[Kind | None, Query(description="Surveys of this kind.")] = None,
    active: Annotated[bool | None, Query(description="Surveys that ask, or that do not.")] = None,
) -> dict[str, object]:
    """List surveys, the newest first."""
    filters = {"code": code, "kind": kind, "active": active}
    rows, cursor = await page_of(tx, select(Survey).where(*equal_to(Survey, filters)), KEYSET, page, filters)
    return {"items": rows, "next_cursor": cursor}


@router.get(
    "/{survey_id}",
    summary="Read a survey",
    response_model=SurveyOut,
    dependencies=[requires("surveys:read")],
    responses=problems(SurveyNotFound),
)
async def read_survey(survey_id: UUID, tx: Tx, response: Response) -> Survey:
    """Read a survey, by its id."""
    survey = await get_survey(tx, survey_id)
    response.headers["ETag"] = etag(survey.version)
    return survey


@router.patch(
    "/{survey_id}",
    summary="Change a survey",
    response_model=SurveyOut,
    dependencies=[requires("surveys:admin")],
    responses=problems(SurveyNotFound, TemplateMissing, PreconditionFailed),
)
async def patch_survey(survey_id: UUID, body: SurveyPatch, request: Request, tx: Tx, response: Response) -> Survey:
    """Change a survey; kind, scale and code stay. With `If-Match` only the version that it names."""
    survey = await lock_survey(tx, survey_id)
    check_if_match(request, survey.version)
    change_survey(survey, body.changes(), at=utcnow())
    response.headers["ETag"] = etag(survey.version)
    return survey
