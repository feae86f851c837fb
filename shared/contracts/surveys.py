"""What the surveys service publishes."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from shared.contracts.envelope import Code, Event, Withdrawal

TOPIC = "surveys.events.v1"

SurveyKind = Literal["csat", "nps", "ces", "form"]
Category = Literal[
    "satisfied", "neutral", "unsatisfied", "promoter", "passive", "detractor", "easy", "hard", "uncategorised"
]


class SurveyEvent(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = TOPIC

    person_id: UUID
    survey_id: UUID
    survey: Code
    kind: SurveyKind
    scale: Code
    touchpoint: Code | None = None
    product: Code | None = None
    agent_id: UUID | None = None
    purchase_id: UUID | None = None
    request_id: UUID | None = None


class SurveyInvited(SurveyEvent, frozen=True, kw_only=True):
    """A person is to be asked. Messaging sends the question of template `template` over `channel`."""

    type: ClassVar[str] = "survey.invited"
    subject_field: ClassVar[str] = "invitation_id"

    invitation_id: UUID
    channel: Literal["sms", "email", "api"]
    template: Code | None = None
    expires_at: datetime


class SurveyRefused(SurveyEvent, frozen=True, kw_only=True):
    """A person was not asked, and why: `fatigue`, `survey_interval`, `not_sampled`, `erased`, `inactive`."""

    type: ClassVar[str] = "survey.refused"
    subject_field: ClassVar[str] = "survey_id"

    reason: Code


class SurveyAnswered(SurveyEvent, frozen=True, kw_only=True):
    """An answer. A second one to the same invitation replaces the first: same `invitation_id`, `revision` 2."""

    type: ClassVar[str] = "survey.answered"
    subject_field: ClassVar[str] = "answer_id"

    answer_id: UUID
    invitation_id: UUID
    revision: int = 1
    value: int | None
    category: Category
    channel: Code


class SurveyExpired(SurveyEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "survey.expired"
    subject_field: ClassVar[str] = "invitation_id"

    invitation_id: UUID


class LoopClosed(SurveyEvent, frozen=True, kw_only=True):
    """A customer who had answered badly has been answered; `after_s` is the time that took."""

    type: ClassVar[str] = "survey.loop_closed"
    subject_field: ClassVar[str] = "answer_id"

    answer_id: UUID
    ticket_id: UUID
    after_s: int


class SurveysWithdrawal(Withdrawal, frozen=True, kw_only=True):
    type: ClassVar[str] = "surveys.fact_withdrawn"
    topic: ClassVar[str] = TOPIC
