"""What holds for every service alike: migrations, settings, routes, scopes, and the API's description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.embedded import SERVICES
from services.settings_page import render
from shared.migrate import check
from shared.routes import OPERATIONAL, service_for
from shared.service import Service
from shared.web.app import create_app
from shared.web.auth import declared_scope
from shared.web.openapi import operations
from tests.conftest import MakeRuntime

ROOT = Path(__file__).resolve().parents[2]
services = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


@services
async def test_the_migrations_make_what_the_models_say(service: Service, make_runtime: MakeRuntime) -> None:
    runtime = await make_runtime(service)

    await check(service, runtime.settings.database_url)


@services
async def test_every_route_is_found_by_the_path_table_and_declares_a_scope(
    service: Service, make_runtime: MakeRuntime
) -> None:
    app = create_app(await make_runtime(service))

    for route in operations(app):
        known = route.path in OPERATIONAL or route.path == "/openapi.json"
        assert known or service_for(route.path) == service.name, route.path
        assert declared_scope(route), f"{route.path} declares no scope"


@services
async def test_every_operation_has_a_summary_and_examples(service: Service, make_runtime: MakeRuntime) -> None:
    description = create_app(await make_runtime(service)).openapi()

    assert description["openapi"].startswith("3.1")
    lacking = [
        operation["operationId"]
        for path in description["paths"].values()
        for method, operation in path.items()
        if method in {"get", "post", "patch", "put", "delete"}
        and not (operation.get("summary") and _has_examples(operation, description))
    ]
    assert lacking == []


def _has_examples(operation: dict[str, Any], description: dict[str, Any]) -> bool:
    bodies = [operation.get("requestBody")] if "requestBody" in operation else []
    bodies += [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    contents = [content for body in bodies for content in (body or {}).get("content", {}).values()]
    return all(_exemplified(content, description) for content in contents if content.get("schema"))


def _exemplified(content: dict[str, Any], description: dict[str, Any]) -> bool:
    if "example" in content or "examples" in content:
        return True
    schema = content["schema"]
    if "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return "example" in schema or "examples" in schema or schema.get("type") == "string"


@services
def test_every_setting_is_documented(service: Service) -> None:
    fields = service.settings.model_fields

    assert [name for name, field in fields.items() if not field.description] == []


def test_the_settings_page_is_what_the_code_says() -> None:
    page = ROOT / "docs" / "settings.md"

    assert page.read_text() == render(SERVICES), "Write it anew with `make settings`."
