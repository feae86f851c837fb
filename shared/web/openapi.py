"""The API's description: OpenAPI 3.1 with problems, the bearer scheme, and what each operation asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.web.auth import declared_scopes, is_public
from shared.web.idempotency import AnswerErased, IdempotencyKeyInFlight, IdempotencyKeyReused
from shared.web.problems import Problem, ProblemField, problem_response, problems
from shared.web.routing import Route

KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes the request safe to send again: its first answer is given again for 24 hours.",
    "schema": {"type": "string", "maxLength": 255},
    "example": "5f3a1c1e-6d0e-4a52-9a55-5f6d0a6a2b01",
}


class UndeclaredRoute(Exception):
    """A route says neither what scope it asks for nor that it is public, or shares its name with another."""


def operations(app: FastAPI) -> Iterator[Any]:
    """Yield the routes of an app that a request can reach, with the path that it has there."""
    for route in iter_route_contexts(app.routes):
        if route.methods is not None and getattr(route, "dependant", None) is not None:
            yield route


def check(app: FastAPI) -> None:
    """Raise `UndeclaredRoute` unless every route is ours, declares a scope and has a name of its own."""
    routes = list(operations(app))
    foreign = [route.path for route in routes if not isinstance(route.original_route, Route)]
    if foreign:
        raise UndeclaredRoute(f"These routes do not come from router_for(): {foreign}.")
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
        _add_components(document)
        for route in operations(app):
            if route.include_in_schema:
                for method in route.methods:
                    _complete(document["paths"][route.path_format][method.lower()], method, declared_scopes(route))
        app.openapi_schema = document
    return app.openapi_schema


def _add_components(document: dict[str, Any]) -> None:
    add_problems(document)
    _exemplify_pages(document["components"]["schemas"])
    document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}


def add_problems(document: dict[str, Any]) -> None:
    """Describe our problems in place of the framework's own answer to what does not fit."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    kinds: list[tuple[type[BaseModel], Literal["serialization"]]] = [
        (Problem, "serialization"),
        (ProblemField, "serialization"),
    ]
    _, made = models_json_schema(kinds, ref_template="#/components/schemas/{model}")
    schemas.update(made["$defs"])


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
        responses["422"] = problem_response(422)
    if not is_public(scopes):
        operation["security"] = [{"bearer": scopes}]
        for status in (401, 403):
            responses.setdefault(str(status), problem_response(status))
    if method == "POST":
        operation.setdefault("parameters", []).append(KEY_PARAMETER)
        for code, response in problems(IdempotencyKeyInFlight, IdempotencyKeyReused, AnswerErased).items():
            _merge(responses, str(code), response)


def _merge(responses: dict[str, Any], status: str, response: dict[str, Any]) -> None:
    present = responses.setdefault(status, response)
    for media, content in response["content"].items():
        kept = present.setdefault("content", {}).setdefault(media, content)
        kept.setdefault("examples", {}).update(content["examples"])
