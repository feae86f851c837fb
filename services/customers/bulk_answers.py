"""What came of the items of a bulk request, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import msgspec
from fastapi import Request, Response

from shared.errors import FieldError, PeyvandError
from shared.web.languages import PERSIAN, language, said_in
from shared.web.problems import persian_of

Status = Literal["created", "updated", "unchanged", "error"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one item."""

    index: int
    status: Status
    id: UUID | None = None
    errors: Sequence[FieldError] = ()


class Fault(msgspec.Struct):
    """A field of an item that does not fit, as it is answered."""

    pointer: str
    code: str
    message: str


class Result(msgspec.Struct, omit_defaults=True):
    """What came of one item, as it is answered."""

    index: int
    status: Status
    id: UUID | None = None
    errors: list[Fault] = []


class Outcomes(msgspec.Struct):
    """What came of all, and how often."""

    created: int
    updated: int
    unchanged: int
    errors: int
    results: Sequence[Result]


def refused(index: int, errors: Sequence[FieldError]) -> Outcome:
    """Return the outcome of an item whose fields do not fit."""
    return Outcome(index, "error", errors=errors)


def refused_by(index: int, error: PeyvandError, pointer: str = "") -> Outcome:
    """Return the outcome of an item that was refused; `pointer` is its field, where the refusal names none."""
    faults = [FieldError(each.pointer, each.code, each.message, fa=persian_of(each, error)) for each in error.errors]
    return refused(index, faults or [FieldError(pointer, error.code, error.detail, fa=error.detail_fa)])


def answer(request: Request, outcomes: Sequence[Outcome]) -> Response:
    """Return the answer to a bulk request. It is encoded by msgspec: pydantic would take longer than the database."""
    persian = language(request) == PERSIAN
    count = dict.fromkeys(("created", "updated", "unchanged", "error"), 0)
    for outcome in outcomes:
        count[outcome.status] += 1
    results = [_result(each, persian=persian) for each in outcomes]
    body = Outcomes(count["created"], count["updated"], count["unchanged"], count["error"], results)
    return Response(msgspec.json.encode(body), headers=said_in(request), media_type="application/json")


def _result(outcome: Outcome, *, persian: bool) -> Result:
    """Return an outcome as it is answered; pointers lead to the item's fields in the request."""
    place = f"/items/{outcome.index}"
    faults = [
        Fault(
            each.pointer if each.pointer.startswith(place) else place + each.pointer,
            each.code,
            (persian and each.fa) or each.message,
        )
        for each in outcome.errors
    ]
    return Result(outcome.index, outcome.status, outcome.id, faults)
