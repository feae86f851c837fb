"""Refusals as `application/problem+json` (RFC 9457), in English or Persian."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from shared.errors import FieldError, PeyvandError
from shared.web.languages import PERSIAN, language, said_in

MEDIA_TYPE = "application/problem+json"
REQUEST_ID = "peyvand.request_id"
RETRY_AFTER_S = 1


class ProblemField(BaseModel):
    """One part of the request that does not fit."""

    pointer: str = Field(
        description="JSON pointer into the body; `/query/…`, `/path/…` and `/header/…` for what is not in the body.",
        examples=["/phone"],
    )
    code: str = Field(examples=["landline"])
    message: str = Field(examples=["+982188880000 is a landline; SMS needs a mobile number such as 09990001234."])


class Problem(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:peyvand:problem:invalid",
                    "title": "The request does not fit",
                    "status": 422,
                    "code": "invalid",
                    "detail": "1 field does not fit.",
                    "errors": [{"pointer": "/phone", "code": "missing", "message": "phone is missing."}],
                    "request_id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11",
                }
            ]
        }
    )

    type: str = Field(description="`urn:peyvand:problem:` and the code.")
    title: str = Field(description="What kind of problem it is; the same for every occurrence.")
    status: int = Field(description="The HTTP status.", examples=[409])
    code: str = Field(description="Stable, for programs.", examples=["lead_already_converted"])
    detail: str = Field(description="What was wrong with which value, and what would be right.")
    errors: list[ProblemField] = Field(default_factory=list, description="The fields that do not fit.")
    request_id: str | None = Field(None, description="Name it when you ask for help.")


def problems(*errors: type[PeyvandError]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an operation that can refuse with `errors`."""
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = documented.setdefault(error.status, problem_response(error.status))
        entry["content"][MEDIA_TYPE]["examples"][error.code] = {"value": _example(error)}
    return documented


def problem_response(status: int) -> dict[str, Any]:
    """Return an OpenAPI response of a problem without an example yet."""
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
    }


def _example(error: type[PeyvandError]) -> dict[str, Any]:
    return {
        "type": f"urn:peyvand:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": (error.__doc__ or error.title).strip().splitlines()[0],
        "errors": [],
        "request_id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11",
    }


def render(request: Request, error: PeyvandError) -> Response:
    """Return the answer that says `error` in the request's language."""
    persian = language(request) == PERSIAN
    return problem(
        request,
        status=error.status,
        code=error.code,
        title=error.title_fa if persian else error.title,
        detail=(persian and error.detail_fa) or error.detail,
        errors=[_as_json(field, persian_of(field, error) if persian else None) for field in error.errors],
        headers=_headers(error),
    )


def problem(
    request: Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: list[dict[str, str]],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem answer made of its parts."""
    body = {
        "type": f"urn:peyvand:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": printable(detail),
        "errors": errors,
        "request_id": request.scope.get(REQUEST_ID),
    }
    said = {**said_in(request), **(headers or {})}
    return Response(orjson.dumps(body), status_code=status, headers=said, media_type=MEDIA_TYPE)


def printable(text: str) -> str:
    """Return `text` without what cannot be sent as UTF-8: a message may quote a lone surrogate."""
    return text.encode("utf-8", "replace").decode("utf-8")


def persian_of(field: FieldError, error: PeyvandError) -> str | None:
    """Return what is said of a field in Persian: its own text, or the refusal's where that is about nothing else."""
    about_one = len({each.message for each in error.errors}) == 1
    return field.fa or (error.detail_fa if about_one else None)


def _as_json(field: FieldError, message: str | None) -> dict[str, str]:
    return {"pointer": printable(field.pointer), "code": field.code, "message": printable(message or field.message)}


def _headers(error: PeyvandError) -> dict[str, str]:
    if error.status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    passes = error.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
    wait_s = getattr(error, "retry_after_s", RETRY_AFTER_S if passes else None)
    return {**error.headers, **({"Retry-After": str(wait_s)} if wait_s is not None else {})}
