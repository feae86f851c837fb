"""What routes declare of themselves, without which no app is made of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import APIRouter

from shared.service import Runtime, Service
from shared.web import public, requires, router_for
from shared.web.app import create_app
from shared.web.auth import declared_scope
from shared.web.openapi import UndeclaredRoute
from tests.shared.web.notes import SERVICE, router


def test_a_route_without_a_declared_scope_stops_the_app_from_being_made(runtime: Runtime) -> None:
    careless = router_for("notes", prefix="/v1/careless")

    @careless.get("")
    async def forgotten() -> None: ...

    bare = APIRouter()

    @bare.get("/v1/bare")
    async def bare_route() -> None: ...

    for faulty, path in ((careless, "/v1/careless"), (bare, "/v1/bare")):
        runtime.service = with_routers(faulty)
        with pytest.raises(UndeclaredRoute, match=path):
            create_app(runtime)


async def _anything(*_given: object) -> None: ...


@pytest.mark.parametrize(
    "add",
    [
        lambda router: router.add_route("/v1/bare", _anything),
        lambda router: router.add_websocket_route("/v1/bare", _anything),
        lambda router: router.add_api_websocket_route("/v1/bare", _anything),
        lambda router: router.mount("/v1/bare", _anything),
    ],
    ids=["a plain route", "a plain socket", "a socket", "a mounted app"],
)
def test_what_can_declare_no_scope_stops_the_app_from_being_made(
    runtime: Runtime, add: Callable[[APIRouter], None]
) -> None:
    bare = APIRouter()
    add(bare)
    runtime.service = with_routers(bare)

    with pytest.raises(UndeclaredRoute, match="/v1/bare"):
        create_app(runtime)


def test_two_operations_of_one_name_stop_the_app_from_being_made(runtime: Runtime) -> None:
    double = router_for("notes", prefix="/v1/double")

    @double.get("", dependencies=[public()])
    async def list_notes() -> None: ...

    runtime.service = with_routers(router, double)
    with pytest.raises(UndeclaredRoute, match="list_notes"):
        create_app(runtime)


def with_routers(*routers: APIRouter) -> Service:
    return Service(
        name="notes",
        title="Notes",
        description="",
        settings=SERVICE.settings,
        metadata=SERVICE.metadata,
        migrations=SERVICE.migrations,
        routers=lambda: routers,
        consumer=SERVICE.consumer,
    )


def test_what_a_route_declares_can_be_read_from_it() -> None:
    one = router_for("notes", prefix="/v1/one")

    @one.get("/open", dependencies=[public()])
    async def open_route() -> None: ...

    @one.get("/closed", dependencies=[requires("notes:read")])
    async def closed_route() -> None: ...

    assert [declared_scope(route) for route in one.routes] == ["public", "notes:read"]
