"""Routes: who calls is known before the body is read, JSON is read strictly, a POST with a key is done once."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from enum import Enum
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute

from shared.errors import PayloadTooLarge
from shared.persian.digits import numeral
from shared.web import idempotency
from shared.web.auth import admit, declared_scopes, is_public, scope_of
from shared.web.direct import direct
from shared.web.queries import parameters_of, refuse_unknown
from shared.web.transactions import end_with
from shared.web.validation import Unreadable, refuse_unkeepable

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

MOST_JSON_BYTES = 512 * 1024
"""Room for the longest templates. To say of each of the fields in a larger body that there is none takes seconds, in
which nobody else is answered, and a hundred times its size in memory. Bulk routes read theirs otherwise."""


class StrictRequest(Request):
    """A request whose JSON is read strictly: valid UTF-8, no NaN, no half surrogate pair, no NUL."""

    async def json(self) -> Any:
        body = await self.body()
        if len(body) > MOST_JSON_BYTES:
            raise PayloadTooLarge(
                f"The body is larger than {MOST_JSON_BYTES} bytes, which is the most here.",
                fa=f"بدنهٔ درخواست از {numeral(MOST_JSON_BYTES)} بایت، که اینجا بیشترین اندازه است، بزرگ‌تر است.",
            )
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise json.JSONDecodeError(error.msg, "", error.pos) from error
        if b"\\u0000" in body:
            refuse_unkeepable(value)
        return value


class Route(APIRoute):
    """A route that admits its callers itself, before anything else is done, and on POST keeps `Idempotency-Key`.

    What `requires` and `public` declare is taken out of its dependencies: solving those costs more than the check.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[Depends] | None = None,
        **options: Any,
    ) -> None:
        declared = [(scope_of(each.dependency), each) for each in dependencies or ()]
        self.scopes = [scope for scope, _ in declared if scope is not None]
        others = [each for scope, each in declared if scope is None]
        options["summary"] = options.get("summary") or endpoint.__name__.replace("_", " ").capitalize()
        super().__init__(path, endpoint, dependencies=others, **options)

    def get_route_handler(self) -> Handler:
        answer = direct(self, super().get_route_handler())
        scopes = declared_scopes(self)
        parameters = None if is_public(scopes) else parameters_of(self.dependant)
        posts = "POST" in (self.methods or ())
        name = f"POST {self.path_format}"

        async def handle(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            principal = await admit(request, scopes, self.path_format)
            _refuse_nul_in_address(request)
            if parameters is not None:
                refuse_unknown(request, parameters)
            if posts and idempotency.HEADER in request.headers:
                return await idempotency.once(request, name, principal, answer)
            async with AsyncExitStack() as endings:
                end_with(request, endings)
                return await answer(request)

        return handle


def _refuse_nul_in_address(request: Request) -> None:
    if b"%00" in request.scope["query_string"] or "\x00" in request.scope["path"]:
        raise Unreadable.text()


def operation_id(route: APIRoute) -> str:
    """Return the stable id of an operation: the name of its function."""
    return route.name


def router_for(service: str, *, prefix: str = "", tags: Sequence[str | Enum] | None = None) -> APIRouter:
    """Return a router for a service's endpoints."""
    return APIRouter(
        prefix=prefix,
        tags=list(tags) if tags is not None else [service],
        route_class=Route,
        generate_unique_id_function=operation_id,
    )
