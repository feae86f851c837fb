from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from shared.clock import moved
from shared.service import Runtime
from shared.web.app import create_app
from tests.support.api import client as open_client
from tests.support.eventually import eventually

NOTE = {"text": "یادداشت نمونه"}


def key(value: str = "") -> dict[str, str]:
    return {"Idempotency-Key": value or str(uuid4())}


async def count(runtime: Runtime, table: str) -> int:
    """Count rows over a connection of its own: the pool's may have been cut by the test."""
    connection = await asyncpg.connect(runtime.settings.database_url)
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
    finally:
        await connection.close()


async def test_a_repeat_gets_the_first_answer_and_has_no_effect(client: httpx.AsyncClient, runtime: Runtime) -> None:
    headers = key()
    first = await client.post("/v1/notes", json=NOTE, headers=headers)
    second = await client.post("/v1/notes", json=NOTE, headers=headers)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["etag"] == '"1"'
    assert second.headers["content-type"] == first.headers["content-type"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert await count(runtime, "notes") == 1


async def test_a_hundred_equal_keys_at_once_have_one_effect(client: httpx.AsyncClient, runtime: Runtime) -> None:
    headers = key()
    answers = await asyncio.gather(*(client.post("/v1/notes", json=NOTE, headers=headers) for _ in range(100)))

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[201] >= 1
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"idempotency_key_in_flight"}
    assert await count(runtime, "notes") == 1
    assert await count(runtime, "idempotency_keys") == 1


async def test_a_hundred_keys_twice_at_once_have_an_effect_each(client: httpx.AsyncClient, runtime: Runtime) -> None:
    async def twice(number: int) -> set[int]:
        headers, note = key(f"key {number}"), {"text": f"note {number}"}
        answers = await asyncio.gather(*(client.post("/v1/notes", json=note, headers=headers) for _ in range(2)))
        return {answer.status_code for answer in answers}

    seen = await asyncio.gather(*(twice(number) for number in range(100)))

    assert all(201 in statuses and statuses <= {201, 409} for statuses in seen)
    assert await count(runtime, "notes") == 100


async def test_a_key_in_flight_is_answered_at_once(client: httpx.AsyncClient, app: FastAPI) -> None:
    started, go_on = app.state.gate = (asyncio.Event(), asyncio.Event())
    headers = key()
    first = asyncio.create_task(client.post("/v1/notes/slow", json=NOTE, headers=headers))
    await asyncio.wait_for(started.wait(), 5)

    second = await client.post("/v1/notes/slow", json=NOTE, headers=headers)
    go_on.set()

    assert (second.status_code, second.json()["code"]) == (409, "idempotency_key_in_flight")
    assert second.headers["retry-after"] == "1"
    assert (await first).status_code == 201
    third = await client.post("/v1/notes/slow", json=NOTE, headers=headers)
    assert third.headers["idempotent-replayed"] == "true"


async def test_of_equal_keys_at_work_in_two_processes_the_first_to_commit_has_the_effect_and_answers_both(
    runtime: Runtime,
) -> None:
    apps, headers, asked = [create_app(runtime) for _ in range(2)], key(), []
    for app in apps:
        started, _ = app.state.gate = (asyncio.Event(), asyncio.Event())
        asked.append(asyncio.create_task(_slow_note(runtime, app, headers)))
        await asyncio.wait_for(started.wait(), 5)
    answers = []
    for app, asking in zip(apps, asked, strict=True):
        app.state.gate[1].set()
        answers.append(await asking)

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert ["idempotent-replayed" in answer.headers for answer in answers] == [False, True]
    assert await count(runtime, "notes") == 1


async def _slow_note(runtime: Runtime, app: FastAPI, headers: dict[str, str]) -> httpx.Response:
    async with open_client(runtime, ["notes:write"], app=app) as http:
        return await http.post("/v1/notes/slow", json=NOTE, headers=headers)


async def test_a_key_with_another_body_is_refused(client: httpx.AsyncClient, runtime: Runtime) -> None:
    headers = key()
    await client.post("/v1/notes", json=NOTE, headers=headers)
    answer = await client.post("/v1/notes", json={"text": "another"}, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await count(runtime, "notes") == 1


async def test_the_same_key_of_another_subject_or_route_is_another_key(runtime: Runtime) -> None:
    headers = key()
    async with open_client(runtime, ["notes:write"], subject="one") as one:
        await one.post("/v1/notes", json={"text": "one"}, headers=headers)
        elsewhere = await one.post("/v1/notes/open", json={"text": "one, elsewhere"}, headers=headers)
    async with open_client(runtime, ["notes:write"], subject="two") as two:
        other = await two.post("/v1/notes", json={"text": "two"}, headers=headers)

    assert (elsewhere.status_code, other.status_code) == (200, 201)
    assert await count(runtime, "notes") == 3


async def test_a_replay_does_not_show_more_than_the_token_may_see(runtime: Runtime) -> None:
    headers = key()
    async with open_client(runtime, ["notes:write", "pii:read"]) as seeing:
        await seeing.post("/v1/notes", json=NOTE, headers=headers)
    async with open_client(runtime, ["notes:write"]) as blind:
        masked = await blind.post("/v1/notes", json=NOTE, headers=headers)
    async with open_client(runtime, ["notes:read"]) as reader:
        refused = await reader.post("/v1/notes", json=NOTE, headers=headers)

    assert masked.json()["code"] == "idempotency_key_reused"
    assert refused.status_code == 403


async def test_a_refusal_is_not_kept(client: httpx.AsyncClient, runtime: Runtime) -> None:
    headers = key()
    refused = await client.post("/v1/notes/refused", json=NOTE, headers=headers)
    invalid = await client.post("/v1/notes", json={}, headers=headers)
    done = await client.post("/v1/notes", json=NOTE, headers=headers)

    assert (refused.status_code, invalid.status_code, done.status_code) == (409, 422, 201)
    assert await count(runtime, "idempotency_keys") == 1
    assert await count(runtime, "notes") == 1


async def test_a_commit_that_fails_keeps_neither_effect_nor_key(client: httpx.AsyncClient, runtime: Runtime) -> None:
    await client.post("/v1/notes", json=NOTE)
    answer = await client.post("/v1/notes", json=NOTE, headers=key())

    assert answer.status_code == 500
    assert await count(runtime, "notes") == 1
    assert await count(runtime, "idempotency_keys") == 0


async def test_a_connection_lost_before_the_commit_leaves_no_record(
    client: httpx.AsyncClient, app: FastAPI, runtime: Runtime
) -> None:
    started, go_on = app.state.gate = (asyncio.Event(), asyncio.Event())
    headers = key()
    first = asyncio.create_task(client.post("/v1/notes/slow", json=NOTE, headers=headers))
    await asyncio.wait_for(started.wait(), 5)
    async with runtime.db.connection() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND state = 'idle in transaction'"
        )
    go_on.set()

    assert (await first).status_code == 503
    assert await count(runtime, "notes") == 0
    assert await count(runtime, "idempotency_keys") == 0

    async def again() -> bool:
        return (await client.post("/v1/notes/slow", json=NOTE, headers=headers)).status_code == 201

    await eventually(again)
    assert await count(runtime, "notes") == 1


async def test_a_request_that_is_cancelled_leaves_no_record(
    client: httpx.AsyncClient, app: FastAPI, runtime: Runtime
) -> None:
    started, _ = app.state.gate = (asyncio.Event(), asyncio.Event())
    first = asyncio.create_task(client.post("/v1/notes/slow", json=NOTE, headers=key()))
    await asyncio.wait_for(started.wait(), 5)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    assert await count(runtime, "notes") == 0
    assert await count(runtime, "idempotency_keys") == 0


async def test_the_answer_outlives_the_process(client: httpx.AsyncClient, runtime: Runtime) -> None:
    headers = key()
    first = await client.post("/v1/notes", json=NOTE, headers=headers)
    async with open_client(runtime, ["notes:admin", "pii:read"], app=create_app(runtime)) as restarted:
        second = await restarted.post("/v1/notes", json=NOTE, headers=headers)

    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"


async def test_a_key_is_free_again_after_24_hours(client: httpx.AsyncClient, runtime: Runtime) -> None:
    headers = key()
    await client.post("/v1/notes", json=NOTE, headers=headers)
    with moved(timedelta(hours=23, minutes=59)):
        kept = await client.post("/v1/notes", json=NOTE, headers=headers)
    with moved(timedelta(hours=24, minutes=1)):
        done = await client.post("/v1/notes", json={"text": "the day after"}, headers=headers)
        again = await client.post("/v1/notes", json={"text": "the day after"}, headers=headers)

    assert kept.headers["idempotent-replayed"] == "true"
    assert done.status_code == 201
    assert "idempotent-replayed" not in done.headers
    assert again.json() == done.json()
    assert await count(runtime, "notes") == 2


async def test_the_answer_about_an_erased_person_is_gone(client: httpx.AsyncClient, runtime: Runtime) -> None:
    headers = key()
    note_id = UUID((await client.post("/v1/notes", json=NOTE, headers=headers)).json()["id"])
    await client.delete(f"/v1/notes/{note_id}")
    answer = await client.post("/v1/notes", json=NOTE, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (410, "answer_erased")
    async with runtime.db.connection() as connection:
        assert await connection.fetchval("SELECT body IS NULL AND headers IS NULL FROM idempotency_keys")
    assert await count(runtime, "notes") == 0


async def test_a_bulk_request_keeps_its_hash_and_is_done_again(client: httpx.AsyncClient, runtime: Runtime) -> None:
    headers, body = key(), {"items": [{"external_id": "1", "text": "one"}]}
    first = await client.post("/v1/notes/bulk", json=body, headers=headers)
    second = await client.post("/v1/notes/bulk", json=body, headers=headers)
    other = await client.post("/v1/notes/bulk", json={"items": []}, headers=headers)

    assert first.json() == second.json() == {"read": 1, "errors": []}
    assert "idempotent-replayed" not in second.headers
    assert other.json()["code"] == "idempotency_key_reused"
    assert await count(runtime, "notes") == 1
    async with runtime.db.connection() as connection:
        assert await connection.fetchval(
            "SELECT body IS NULL AND octet_length(request_hash) = 32 FROM idempotency_keys"
        )


async def test_a_public_route_keeps_keys_too(runtime: Runtime) -> None:
    headers = key()
    async with open_client(runtime) as http:
        del http.headers["authorization"]
        first = await http.post("/v1/notes/open", json=NOTE, headers=headers)
        second = await http.post("/v1/notes/open", json=NOTE, headers=headers)

    assert first.json() == second.json() == {"notes": 1}


async def test_a_key_that_is_none_is_refused(client: httpx.AsyncClient, runtime: Runtime) -> None:
    for bad in ("", " ", "k" * 256, "tab\tinside", "é"):
        headers = {b"Idempotency-Key": bad.encode("latin-1")}
        answer = await client.post("/v1/notes", json=NOTE, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (422, "bad_idempotency_key")
    persian = await client.post("/v1/notes", json=NOTE, headers={"Idempotency-Key": "", "Accept-Language": "fa"})
    assert "۱ تا ۲۵۵ نویسه" in persian.json()["detail"]
    assert await count(runtime, "notes") == 0


async def test_without_a_key_two_requests_have_two_effects(client: httpx.AsyncClient, runtime: Runtime) -> None:
    for number in range(2):
        assert (await client.post("/v1/notes", json={"text": str(number)})).status_code == 201

    assert await count(runtime, "notes") == 2
    assert await count(runtime, "idempotency_keys") == 0
