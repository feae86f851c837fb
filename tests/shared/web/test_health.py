from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from shared.bus import BusUnavailable
from shared.clock import utcnow
from shared.service import Runtime
from shared.web.app import create_app, create_operational_app
from tests.shared.web.conftest import SCOPES
from tests.shared.web.notes import SERVICE
from tests.support.api import client as open_client


async def anonymous(app: FastAPI, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        return await http.get(path)


async def test_a_process_that_lives_says_so_without_a_token(app: FastAPI) -> None:
    answer = await anonymous(app, "/healthz")

    assert (answer.status_code, answer.json()) == (200, {"alive": True})


async def test_a_service_is_ready_when_each_part_is(app: FastAPI) -> None:
    answer = await anonymous(app, "/readyz")

    assert answer.status_code == 200, answer.text
    assert answer.json()["ready"] is True
    assert answer.json()["parts"] == {
        "database": {"ok": True},
        "broker": {"ok": True},
        "relay": {"ok": True},
        "consumer": {"ok": True},
    }


async def test_a_database_that_is_away_turns_readiness_and_not_life_red(
    runtime: Runtime, app: FastAPI, unused_tcp_port: int
) -> None:
    good, runtime.db = runtime.db, type(runtime.db)(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/nowhere")
    ready, alive = await anonymous(app, "/readyz"), await anonymous(app, "/healthz")
    await runtime.db.close()
    runtime.db = good

    assert (ready.status_code, alive.status_code) == (503, 200)
    parts = ready.json()["parts"]
    assert not parts["database"]["ok"]
    assert parts["relay"] == {"ok": False, "why": "unknown without the database"}
    assert "127.0.0.1" not in ready.text


async def test_a_broker_that_does_not_answer_is_named(
    runtime: Runtime, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> None:
        raise BusUnavailable("No broker answers.")

    monkeypatch.setattr(runtime.bus, "ping", refuse)
    answer = await anonymous(app, "/readyz")

    assert answer.status_code == 503
    assert answer.json()["parts"]["broker"] == {"ok": False, "why": "No broker answers."}
    assert answer.json()["parts"]["database"] == {"ok": True}


async def test_events_that_nobody_relays_turn_readiness_red_and_are_counted(runtime: Runtime, app: FastAPI) -> None:
    async with runtime.db.connection() as connection:
        await connection.execute(
            "INSERT INTO outbox (id, topic, type, key, subject, occurred_at, recorded_at) "
            "SELECT gen_random_uuid(), 't', 't', gen_random_uuid(), gen_random_uuid(), $1, $1 "
            "FROM generate_series(1, 7)",
            utcnow() - timedelta(minutes=5),
        )
    answer, figures = await anonymous(app, "/readyz"), await anonymous(app, "/metrics")

    assert answer.status_code == 503
    assert answer.json()["parts"]["relay"]["why"].startswith("7 events wait to be sent, the oldest for 30")
    assert "peyvand_relay_waiting_events 7.0" in figures.text
    assert 'peyvand_parked_events{state="dead"} 0.0' in figures.text


async def test_a_pool_without_a_free_connection_is_not_ready(
    make_runtime: Callable[..., Awaitable[Runtime]], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await make_runtime(SERVICE, pool_size=2)
    monkeypatch.setattr("shared.web.health.TIMEOUT_S", 0.1)
    async with runtime.db.connection(), runtime.db.connection():
        answer = await anonymous(create_app(runtime), "/readyz")

    assert answer.json()["parts"]["database"] == {"ok": False, "why": "no answer within 0.1 s"}


async def test_figures_of_requests_are_there_when_the_database_is_not(
    runtime: Runtime, app: FastAPI, unused_tcp_port: int
) -> None:
    good, runtime.db = runtime.db, type(runtime.db)(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/nowhere")
    await anonymous(app, "/healthz")
    figures = await anonymous(app, "/metrics")
    await runtime.db.close()
    runtime.db = good

    assert figures.status_code == 200
    assert 'route="/healthz"' in figures.text


async def test_requests_are_counted_by_route_and_not_by_address(runtime: Runtime, app: FastAPI) -> None:
    async with open_client(runtime, SCOPES, app=app) as client:
        for number in range(3):
            await client.patch(f"/v1/notes/01a203af-3b49-7420-9b13-dbb08f38ced{number}", json={"text": "a"})
            await client.get(f"/nowhere/{number}")
        await client.request("BREW", "/v1/notes")
        text = (await client.get("/metrics")).text

    samples = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "peyvand_http_requests_total"
    }
    assert samples == {
        ("PATCH", "/v1/notes/{note_id}", "404"): 3,
        ("GET", "(no such path)", "404"): 3,
        ("OTHER", "/v1/notes", "405"): 1,
    }
    assert re.search(r'peyvand_http_request_seconds_bucket\{le="0.025",method="PATCH"', text)


async def test_two_apps_in_one_process_count_apart(runtime: Runtime) -> None:
    one, two = create_app(runtime), create_app(runtime)
    await anonymous(one, "/healthz")

    assert 'route="/healthz"' in (await anonymous(one, "/metrics")).text
    assert 'route="/healthz"' not in (await anonymous(two, "/metrics")).text


async def test_a_worker_answers_for_its_health_and_nothing_else(runtime: Runtime) -> None:
    app = create_operational_app(runtime)

    assert (await anonymous(app, "/readyz")).status_code == 200
    assert (await anonymous(app, "/metrics")).status_code == 200
    assert (await anonymous(app, "/v1/notes")).status_code == 404


async def test_the_figures_say_how_many_connections_of_the_pool_are_in_use(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    async with runtime.db.connection():
        busy = (await client.get("/metrics")).text
    idle = (await client.get("/metrics")).text

    assert "peyvand_db_connections_taken 1.0\n" in busy
    assert "peyvand_db_connections_taken 0.0\n" in idle
    assert f"peyvand_db_connections_most {float(runtime.settings.pool_size)}\n" in idle
