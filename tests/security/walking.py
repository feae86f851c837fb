"""The routes of the services as the tests of security walk them: read from the routers, so that a new one is among
them by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from services.embedded import SERVICES
from shared.db import Database
from shared.service import Runtime, Service
from shared.settings import load
from shared.web.app import create_app
from shared.web.auth import declared_scopes, is_public
from shared.web.openapi import operations
from tests.support.api import keys
from tests.support.runtimes import SECRET

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
PARAMETER = re.compile(r"\{(\w+)\}")
_APPS: dict[str, FastAPI] = {}
SOME_ID = "01a203af-3b49-7420-9b13-dbb08f38cede"


@dataclass(frozen=True, slots=True)
class Walked:
    """A route, by one of its methods."""

    service: str
    method: str
    path: str
    scopes: tuple[str, ...]
    example: Any = None
    """An example of its body."""

    @property
    def is_public(self) -> bool:
        return is_public(self.scopes)

    @property
    def is_preview(self) -> bool:
        """Tell whether it only shows the caller what they have given."""
        return self.path.endswith("/preview")

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.path)

    @property
    def listed(self) -> str:
        """Return the path of the list that what it is about is in."""
        return self.path.partition("/{")[0]

    def at(self, values: Mapping[str, str]) -> str:
        """Return its path with `values` for its parameters, by default an id that nothing has."""
        return PARAMETER.sub(lambda found: values.get(found[1], SOME_ID), self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def walk(app: FastAPI, service: str) -> Iterator[Walked]:
    """Yield the routes of an app."""
    described = app.openapi()["paths"]
    for route in operations(app):
        for method in sorted(route.methods):
            operation = described.get(route.path_format, {}).get(method.lower(), {})
            example = _example(operation, app.openapi())
            yield Walked(service, method, route.path_format, tuple(declared_scopes(route)), example)


def _example(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" in content:
        return content["example"]
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema.get("example") or next(iter(schema.get("examples", ())), None)


def without_database(service: Service) -> FastAPI:
    """Return a service's app that fails as soon as it asks its database for anything; one for all who ask."""
    return _APPS.get(service.name) or _APPS.setdefault(service.name, _app(service))


def _app(service: Service) -> FastAPI:
    settings = load(
        service.settings,
        database_url=NOWHERE,
        bus_database_url=NOWHERE,
        jwt_public_key=keys().public_pem,
        secret_key=SECRET,
        requests_per_s=0,
        public_requests_per_s=0,
    )
    return create_app(Runtime(service, settings, Database(NOWHERE), bus=None))  # type: ignore[arg-type]


def others(service: str) -> list[str]:
    """Return every scope but those of `service`."""
    return [f"{each.name}:admin" for each in SERVICES if each.name != service] + ["pii:read"]
