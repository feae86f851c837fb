"""Opening and changing surveys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.scales import scales_of
from services.surveys.surveys.errors import ScaleDoesNotFit, SurveyCodeTaken, SurveyNotFound, TemplateMissing
from services.surveys.surveys.models import Survey
from services.surveys.surveys.schemas import SurveyCreate
from shared.ids import new_id


async def open_survey(tx: AsyncSession, wanted: SurveyCreate, *, at: datetime) -> Survey:
    """Open a survey; raises `ScaleDoesNotFit`, `TemplateMissing` or `SurveyCodeTaken`."""
    if wanted.scale not in scales_of(wanted.kind):
        raise ScaleDoesNotFit(wanted.kind, wanted.scale)
    _refuse_without_template(wanted.channel, wanted.template)
    values = {**wanted.model_dump(), "id": new_id(), "version": 1, "created_at": at, "updated_at": at}
    made = insert(Survey).values(values).on_conflict_do_nothing(index_elements=[Survey.code]).returning(Survey)
    survey = (await tx.scalars(made)).one_or_none()
    if survey is None:
        raise SurveyCodeTaken(wanted.code)
    return survey


def change_survey(survey: Survey, changes: dict[str, Any], *, at: datetime) -> None:
    """Change a survey whose row is locked; invitations already sent keep what they were sent with."""
    after = {**{name: getattr(survey, name) for name in ("channel", "template")}, **changes}
    _refuse_without_template(after["channel"], after["template"])
    for name, value in changes.items():
        setattr(survey, name, value)
    survey.version += 1
    survey.updated_at = at


async def lock_survey(tx: AsyncSession, survey_id: UUID) -> Survey:
    """Return a survey, locked; raises `SurveyNotFound`."""
    survey = await tx.get(Survey, survey_id, with_for_update=True)
    if survey is None:
        raise SurveyNotFound(survey_id)
    return survey


async def get_survey(tx: AsyncSession, survey_id: UUID) -> Survey:
    """Return a survey; raises `SurveyNotFound`."""
    survey = await tx.get(Survey, survey_id)
    if survey is None:
        raise SurveyNotFound(survey_id)
    return survey


async def survey_by_code(tx: AsyncSession, code: str) -> Survey | None:
    """Return the survey with a code."""
    return (await tx.scalars(select(Survey).where(Survey.code == code))).one_or_none()


def _refuse_without_template(channel: str, template: str | None) -> None:
    if channel != "api" and template is None:
        raise TemplateMissing(channel)
