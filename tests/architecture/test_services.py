"""What holds for every service alike: migrations, settings, routes, scopes, and the API's description."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import jsonschema_rs
import pytest
from fastapi import FastAPI

from services.customers.app import SERVICE as CUSTOMERS
from services.customers.settings import Settings as CustomersSettings
from services.embedded import SERVICES
from services.metrics.app import SERVICE as METRICS
from services.metrics.rules import Rules
from services.metrics.settings import Settings as MetricsSettings
from services.sandbox.settings import Settings as SandboxSettings
from services.settings_page import render, written_default
from shared.bus import EventBus
from shared.db import Database
from shared.errors import PeyvandError
from shared.migrate import check
from shared.routes import OPERATIONAL, service_for
from shared.service import Runtime, Service
from shared.settings import ServiceSettings, load, variable
from shared.web.app import create_app
from shared.web.auth import declared_scope
from shared.web.openapi import operations
from tests.conftest import MakeRuntime
from tests.support.api import keys
from tests.support.runtimes import SECRET

ROOT = Path(__file__).resolve().parents[2]
services = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


@services
async def test_the_migrations_make_what_the_models_say(service: Service, make_runtime: MakeRuntime) -> None:
    runtime = await make_runtime(service)

    await check(service, runtime.settings.database_url)


def app_of(service: Service) -> FastAPI:
    """Make the app of a service that answers nobody, and so needs no database."""
    return create_app(Runtime(service, settings_of(service), cast("Database", None), cast("EventBus", None)))


def settings_of(service: Service) -> ServiceSettings:
    return load(
        service.settings,
        database_url="postgresql://nowhere/at_all",
        bus_database_url="postgresql://nowhere/at_all",
        jwt_public_key=keys().public_pem,
        secret_key=SECRET,
    )


@services
def test_every_route_is_found_by_the_path_table_and_declares_a_scope(service: Service) -> None:
    for route in operations(app_of(service)):
        known = route.path in OPERATIONAL or route.path == "/openapi.json"
        assert known or service_for(route.path) == service.name, route.path
        assert declared_scope(route), f"{route.path} declares no scope"


@services
def test_every_operation_has_a_summary_and_examples(service: Service) -> None:
    description = app_of(service).openapi()

    assert description["openapi"].startswith("3.1")
    lacking = [
        operation["operationId"]
        for path in description["paths"].values()
        for method, operation in path.items()
        if method in {"get", "post", "patch", "put", "delete"}
        and not (operation.get("summary") and _has_examples(operation, description))
    ]
    assert lacking == []


@services
def test_an_api_is_described_and_named_as_those_of_the_other_services(service: Service) -> None:
    description = app_of(service).openapi()
    told = [
        (operation["operationId"], method, path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]

    assert description["info"]["title"] == f"Peyvand: {service.name}"
    assert [f"{name}: {each['name']}" for name, _, _, operation in told for each in unexplained(operation)] == []
    assert [name for name, schema in description["components"]["schemas"].items() if undescribed(schema)] == []
    assert [name for name, method, path, _ in told if not name.startswith(verbs(method, path))] == []


def unexplained(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what may be said beside the path and the body, and is not explained."""
    given = operation.get("parameters", ())
    return [each for each in given if each["in"] != "path" and not each.get("description")]


def undescribed(schema: dict[str, Any]) -> bool:
    return "properties" in schema and not schema.get("description")


def verbs(method: str, path: str) -> tuple[str, ...]:
    """Return what the name of an operation on a resource begins with."""
    if method == "get" and path.startswith("/v1/") and path.endswith("}"):
        return ("read_",)
    return {"patch": ("patch_",), "delete": ("delete_", "erase_")}.get(method, ("",))


@services
def test_what_can_be_changed_says_its_version_and_a_change_can_be_bound_to_it(service: Service) -> None:
    for path, methods in app_of(service).openapi()["paths"].items():
        if "patch" in methods:
            named = {parameter["name"] for parameter in methods["patch"]["parameters"]}
            assert "If-Match" in named, path
            assert "ETag" in methods["get"]["responses"]["200"]["headers"], path


@services
def test_an_example_is_an_answer_that_the_schema_has_with_its_nulls(service: Service) -> None:
    description = app_of(service).openapi()
    wrong = []
    for name, schema in description["components"]["schemas"].items():
        examples = [*schema.get("examples", ()), *([schema["example"]] if "example" in schema else ())]
        if examples:
            validator = jsonschema_rs.validator_for({**schema, "components": description["components"]})
            wrong += [f"{name}: {fault.message}" for each in examples for fault in validator.iter_errors(each)]

    assert wrong == []


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


def test_a_code_of_a_refusal_means_one_status_in_all_services() -> None:
    for service in SERVICES:
        app_of(service)
    statuses: dict[str, set[int]] = {}
    for refusal in refusals(PeyvandError):
        statuses.setdefault(refusal.code, set()).add(refusal.status)

    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}
    assert statuses["person_erased"] == {410}


def refusals(of: type[PeyvandError]) -> Iterator[type[PeyvandError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from refusals(kind)


@services
def test_every_setting_is_documented(service: Service) -> None:
    fields = service.settings.model_fields

    assert [name for name, field in fields.items() if not field.description] == []


@services
def test_a_default_can_be_written_as_the_settings_page_says_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = service.settings.model_fields
    written = {name: text for name, field in fields.items() if (text := written_default(field))}
    for name, text in written.items():
        monkeypatch.setenv(variable(service.settings, name), text)
    read = settings_of(service)

    assert {name: getattr(read, name) for name in written} == {name: fields[name].default for name in written}


def test_customers_and_metrics_call_active_whom_one_setting_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEYVAND_ACTIVITY_DAYS", "30")
    customers, metrics = (settings_of(service) for service in (CUSTOMERS, METRICS))

    assert isinstance(customers, CustomersSettings)
    assert isinstance(metrics, MetricsSettings)
    assert customers.rules.active_for == timedelta(days=30)
    assert Rules.of(metrics).activity_days == 30


def test_the_settings_page_is_what_the_code_says() -> None:
    page = ROOT / "docs" / "settings.md"

    assert page.read_text() == render(SERVICES, SandboxSettings), "Write it anew with `make settings`."
