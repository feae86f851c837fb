"""Routes that are asked for most: body and known dependencies are given to the endpoint without FastAPI's solver.

Whatever is out of the ordinary goes FastAPI's way instead, which says what is wrong with it; so there is one place
that does, and what a route takes and gives is declared as everywhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from shared.errors import PeyvandError
from shared.web.auth import authenticate
from shared.web.idempotency import attempt_of
from shared.web.transactions import SOLVED

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

KNOWN = SOLVED | {authenticate, attempt_of}
"""Dependencies that take the request and nothing else."""

_ANSWERS = (Response, "Response")


def direct(route: APIRoute, solver: Handler) -> Handler:
    """Return what answers `route`: not `solver`, where it takes a body and known dependencies and answers itself."""
    model = _model_of(route)
    calls = {each.name: each.call for each in route.dependant.dependencies}
    signature = inspect.signature(route.endpoint)
    if model is None or not KNOWN.issuperset(calls.values()) or signature.return_annotation not in _ANSWERS:
        return solver
    body, endpoint = route.dependant.body_params[0].name, route.endpoint
    needed = cast("dict[str, Callable[[Request], Awaitable[Any]]]", calls)
    if signature.parameters.keys() != {body, *needed}:
        return solver

    async def answer(request: Request) -> Response:
        given = await _read(request, model)
        if given is None:
            return await solver(request)
        values: dict[str, Any] = {name: await call(request) for name, call in needed.items()}
        return cast("Response", await endpoint(**values, **{body: given}))

    return answer


def _model_of(route: APIRoute) -> type[BaseModel] | None:
    """Return what a route takes as its body, where that is one model."""
    bodies = route.dependant.body_params
    model = bodies[0].field_info.annotation if bodies == [route.body_field] else None
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


async def _read(request: Request, model: type[BaseModel]) -> BaseModel | None:
    """Return the body as `model`, or None where something is wrong with it."""
    await request.body()
    if request.headers.get("content-type") != "application/json":
        return None
    try:
        return model.model_validate(await request.json())
    except (ValueError, PeyvandError):
        return None
