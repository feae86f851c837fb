"""Answers made straight from rows and records, for what is asked for often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Response


def answer_of(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return `content` as JSON in the form that the schemas give: ids as text, times in UTC with `Z`.

    The route's `response_model` documents it, and nothing checks it here: a test has to.
    """
    body = orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z)
    return Response(body, status, headers, media_type="application/json")
