"""Whether a person may be asked. Pure: no database and no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

Refusal = Literal["erased", "inactive", "unknown_survey", "survey_interval", "fatigue", "not_sampled"]

_GRAIN = 10_000


class Asked(NamedTuple):
    """A question that was put to the person, of whichever survey."""

    survey_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """How often a person may be asked: at all, and the survey in question; `exempt` from the first of the two."""

    days: int
    survey_id: UUID
    interval_days: int | None
    sampling_percent: int
    exempt: bool


def refusal(limits: Limits, at: datetime, asked: Sequence[Asked], *, draw: int) -> Refusal | None:
    """Return why a person is not asked at `at`, or None.

    An interval is free of questions on both sides, so that two requests come out with one question in whichever
    order they arrive. `draw` is the request's place among `_GRAIN` in the sampling.
    """
    same = [question.at for question in asked if question.survey_id == limits.survey_id]
    if limits.interval_days is not None and _within(limits.interval_days, at, same):
        return "survey_interval"
    if not limits.exempt and _within(limits.days, at, [question.at for question in asked]):
        return "fatigue"
    return "not_sampled" if draw >= limits.sampling_percent * _GRAIN // 100 else None


def draw_of(request_id: UUID, survey_id: UUID) -> int:
    """Return a request's place in the sampling: evenly spread, and the same whenever it is asked for."""
    digest = hashlib.blake2b(request_id.bytes + survey_id.bytes, digest_size=8).digest()
    return int.from_bytes(digest) % _GRAIN


def _within(days: int, at: datetime, others: Collection[datetime]) -> bool:
    return any(abs(other - at) < timedelta(days=days) for other in others)
