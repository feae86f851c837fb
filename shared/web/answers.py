"""Answers made straight from rows, for lists that are asked for often."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Response


def answer_of(content: Any) -> Response:
    """Return `content` as JSON in the form that the schemas give: ids as text, times in UTC with `Z`.

    The route's `response_model` documents it, and nothing checks it here: a test has to.
    """
    return Response(orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z), media_type="application/json")
