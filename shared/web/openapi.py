"""The API's description: OpenAPI 3.1 with problems, the bearer scheme, and what each operation asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.errors import BadToken, Forbidden, Invalid, PayloadTooLarge, PeyvandError, Unauthorized, Unavailable
from shared.web.auth import declared_scopes, is_public
from shared.web.deadlines import BodyTooSlow, DeadlinePassed
from shared.web.idempotency import AnswerErased, IdempotencyKeyInFlight, IdempotencyKeyReused
from shared.web.limits import AskedTooOften
from shared.web.problems import MEDIA_TYPE, Problem, ProblemField, problem_response, problems
from shared.web.routing import Route

KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes the request safe to send again: its first answer is given again for 24 hours.",
    "schema": {"type": "string", "maxLength": 255},
    "example": "5f3a1c1e-6d0e-4a52-9a55-5f6d0a6a2b01",
}

MATCH_PARAMETER = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` that was read before: refused with 412 where somebody else has changed it meanwhile.",
    "schema": {"type": "string"},
    "example": '"1"',
}

HEADERS = {
    "ETag": {
        "description": "The version of what is answered, for `If-Match`.",
        "required": True,
        "schema": {"type": "string"},
        "example": '"1"',
    },
    "RetryAfter": {
        "description": "After how many seconds to ask again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 1,
    },
    "Challenge": {
        "description": "How to sign in: with a bearer token.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
        "example": "Bearer",
    },
}
SAID_WITH = {
    401: {"WWW-Authenticate": "Challenge"},
    429: {"Retry-After": "RetryAfter"},
    503: {"Retry-After": "RetryAfter"},
}
"""Headers that every answer of a status carries, by their names in the document."""

MACHINERYS: Mapping[int, tuple[str, tuple[type[PeyvandError], ...]]] = {
    401: ("Unauthorized", (Unauthorized, BadToken)),
    403: ("Forbidden", (Forbidden,)),
    408: ("BodyTooSlow", (BodyTooSlow,)),
    413: ("PayloadTooLarge", (PayloadTooLarge,)),
    422: ("Invalid", (Invalid,)),
    429: ("AskedTooOften", (AskedTooOften,)),
    500: ("InternalError", ()),
    503: ("Unavailable", (Unavailable, DeadlinePassed)),
}
"""What the machinery refuses for every operation, by its name in the document, and the kinds that there are of it."""

REFERENCE = "#/components/schemas/{model}"
EVERYWHERE = (422, 429, 500, 503)
OF_TOKENS = (401, 403)
OF_BODIES = (408, 413)


class UndeclaredRoute(Exception):
    """A route says neither what scope it asks for nor that it is public, or shares its name with another."""


def operations(app: FastAPI) -> Iterator[Any]:
    """Yield the routes of an app that a request can reach, with the path that it has there."""
    for route in iter_route_contexts(app.routes):
        if route.methods is not None and getattr(route, "dependant", None) is not None:
            yield route


def check(app: FastAPI) -> None:
    """Raise `UndeclaredRoute` unless every route is ours, declares a scope and has a name of its own.

    Ours is no route of Starlette's own, no socket and no mounted app: those can declare nothing.
    """
    foreign = [route.path for route in iter_route_contexts(app.routes) if not isinstance(route.original_route, Route)]
    if foreign:
        raise UndeclaredRoute(f"These routes do not come from router_for(): {foreign}.")
    routes = list(operations(app))
    undeclared = [route.path for route in routes if not declared_scopes(route)]
    if undeclared:
        raise UndeclaredRoute(f"These routes declare no scope by requires() or public(): {undeclared}.")
    doubled = [name for name, count in Counter(route.unique_id for route in routes).items() if count > 1]
    if doubled:
        raise UndeclaredRoute(f"Several routes have the same operation id: {doubled}.")


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the app's OpenAPI document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        _restore_examples(document, app)
        _add_components(document)
        for route in operations(app):
            if route.include_in_schema:
                for method in route.methods:
                    _complete(document["paths"][route.path_format][method.lower()], method, declared_scopes(route))
        _add_versions(document)
        _share_examples(document)
        app.openapi_schema = document
    return app.openapi_schema


def _restore_examples(document: dict[str, Any], app: FastAPI) -> None:
    """Put the examples of requests and answers back as they were written: FastAPI drops from them what is null."""
    routes = [route.original_route for route in operations(app) if route.include_in_schema]
    answers = {route.response_model for route in routes}
    bodies = {route.body_field.field_info.annotation for route in routes if route.body_field is not None}
    written = _schemas_of(answers, "serialization") | _schemas_of(bodies, "validation")
    for name, shown in document["components"]["schemas"].items():
        of_its_model = written.get(name, {})
        shown.update({key: of_its_model[key] for key in ("example", "examples") if key in of_its_model})


def _schemas_of(models: Iterable[Any], mode: Literal["serialization", "validation"]) -> dict[str, Any]:
    kinds = [(model, mode) for model in models if isinstance(model, type) and issubclass(model, BaseModel)]
    _, made = models_json_schema(kinds, ref_template=REFERENCE)
    schemas: dict[str, Any] = made.get("$defs", {})
    return schemas


def _add_components(document: dict[str, Any]) -> None:
    add_problems(document)
    _exemplify_pages(document["components"]["schemas"])
    document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    document["components"]["headers"] = HEADERS
    document["components"]["responses"] = {
        name: _with_headers(status, problems(*kinds).get(status, problem_response(status)))
        for status, (name, kinds) in MACHINERYS.items()
    }


def _with_headers(status: int, response: dict[str, Any]) -> dict[str, Any]:
    said = {name: {"$ref": f"#/components/headers/{header}"} for name, header in SAID_WITH.get(status, {}).items()}
    return {**response, "headers": said} if said else response


def add_problems(document: dict[str, Any]) -> None:
    """Describe our problems in place of the framework's own answer to what does not fit."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas.update(_schemas_of([Problem, ProblemField], "serialization"))


def _exemplify_pages(schemas: dict[str, Any]) -> None:
    """Make a page's example of the example of what it lists."""
    for schema in schemas.values():
        properties = schema.get("properties", {})
        listed = properties.get("items", {}).get("items", {}).get("$ref", "").rpartition("/")[2]
        examples = schemas.get(listed, {}).get("examples")
        if "next_cursor" in properties and examples and "examples" not in schema:
            schema["examples"] = [{"items": examples[:1], "next_cursor": None}]


def _complete(operation: dict[str, Any], method: str, scopes: list[str]) -> None:
    """Add to an operation what the machinery does for it."""
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
    if not is_public(scopes):
        operation["security"] = [{"bearer": scopes}]
    if method == "POST":
        operation.setdefault("parameters", []).append(KEY_PARAMETER)
        for code, response in problems(IdempotencyKeyInFlight, IdempotencyKeyReused, AnswerErased).items():
            _merge(responses, str(code), response)
    for status in _machinerys(operation, method, scopes):
        own = responses.get(str(status))
        shared = {"$ref": f"#/components/responses/{MACHINERYS[status][0]}"}
        responses[str(status)] = _with_headers(status, own) if own is not None else shared
    operation["responses"] = dict(sorted(responses.items()))


def _machinerys(operation: dict[str, Any], method: str, scopes: list[str]) -> tuple[int, ...]:
    """Return the statuses that the machinery may answer an operation with; of a POST it reads the body for its key."""
    of_tokens = () if is_public(scopes) else OF_TOKENS
    of_bodies = OF_BODIES if method == "POST" or "requestBody" in operation else ()
    return (*of_tokens, *of_bodies, *EVERYWHERE)


def _merge(responses: dict[str, Any], status: str, response: dict[str, Any]) -> None:
    present = responses.setdefault(status, response)
    for media, content in response["content"].items():
        kept = present.setdefault("content", {}).setdefault(media, content)
        kept.setdefault("examples", {}).update(content["examples"])


def _add_versions(document: dict[str, Any]) -> None:
    """Say which answers carry the version of what they show, and which changes can be bound to it."""
    for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
        if "412" in operation["responses"]:
            operation.setdefault("parameters", []).append(MATCH_PARAMETER)
        for answer in operation["responses"].values():
            schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
            shown = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
            if "version" in shown.get("properties", {}):
                answer["headers"] = {**answer.get("headers", {}), "ETag": {"$ref": "#/components/headers/ETag"}}


def _share_examples(document: dict[str, Any]) -> None:
    """Write each problem's example once, and refer to it where it is met; another one of the same code stays there."""
    shared: dict[str, Any] = document["components"].setdefault("examples", {})
    operations = (operation for methods in document["paths"].values() for operation in methods.values())
    answers = [answer for operation in operations for answer in operation["responses"].values()]
    for answer in (*answers, *document["components"]["responses"].values()):
        examples = answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
        for code, example in examples.items():
            if shared.setdefault(code, example) == example:
                examples[code] = {"$ref": f"#/components/examples/{code}"}
