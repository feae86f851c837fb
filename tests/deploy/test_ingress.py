"""The ingress as it is deployed, run by the real nginx before upstreams that say what reached them."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote
from uuid import UUID

import httpx
import pytest

from services.embedded import SERVICES
from services.local.ingress import NOBODY, TEMPLATE
from services.local.ports import unused
from services.local.programs import DRAIN_S
from shared.main import KEEP_ALIVE_S
from shared.routes import PREFIXES, SERVICE_NAMES
from shared.service import Service
from shared.settings import LONGEST_DEADLINE_S, ServiceSettings, SettingsError, load, variable
from shared.web.deadlines import GRACE_S, LOOK_EVERY_S
from shared.web.problems import Problem
from shared.web.sse import KEEP_ALIVE_S as STREAM_KEEP_ALIVE_S
from tests.support.eventually import eventually
from tests.support.ingress import ingress
from tests.support.logwatch import leaks

SETTINGS = {
    "database_url": "postgresql://nobody@nowhere/nothing",
    "kafka_bootstrap_servers": "nowhere:9092",
    "jwt_public_key": "none",
    "secret_key": "x" * 32,
}
"""What a service does not start without."""


@dataclass(slots=True)
class Upstream:
    """An HTTP server that answers with what it is called, and keeps what it is asked."""

    name: str
    asked: list[str] = field(default_factory=list)
    going_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                await reader.readexactly(int(length[1]) if length else 0)
                self.asked.append(head)
                await self._say(head.split()[1], writer)
        writer.close()

    async def _say(self, path: str, writer: asyncio.StreamWriter) -> None:
        if self.name == "dying":
            raise ConnectionError
        if path.endswith("/live"):
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n\r\ndata: 1\n\n"
            )
            await self.going_on.wait()
            raise ConnectionError
        body = self.name.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@asynccontextmanager
async def serving(upstream: Upstream) -> AsyncIterator[int]:
    server = await asyncio.start_server(upstream.answer, "127.0.0.1", 0, limit=1 << 25)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        upstream.going_on.set()
        server.close()


@asynccontextmanager
async def before(
    *upstreams: Upstream, away: bool = False, trusted: str = NOBODY, roomless: bool = False
) -> AsyncIterator[httpx.AsyncClient]:
    """Put nginx before `upstreams`, each an instance of every service; `away` adds one that nobody answers."""
    async with AsyncExitStack() as stack:
        instances = [await stack.enter_async_context(serving(upstream)) for upstream in upstreams]
        instances += [unused()] if away else []
        servers = dict.fromkeys((*SERVICE_NAMES, "sandbox"), instances)
        url = await stack.enter_async_context(ingress(servers, trusted=trusted, roomless=roomless))
        yield await stack.enter_async_context(httpx.AsyncClient(base_url=url))


async def test_every_path_of_the_table_reaches_its_service() -> None:
    async with AsyncExitStack() as stack:
        upstreams = {name: Upstream(name) for name in PREFIXES}
        servers = {name: [await stack.enter_async_context(serving(each))] for name, each in upstreams.items()}
        url = await stack.enter_async_context(ingress(servers))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url))

        for name, prefixes in PREFIXES.items():
            for prefix in prefixes:
                for path in (prefix, f"{prefix}/one/two?three=4", f"{prefix}/%D8%B3"):
                    assert (await client.get(path)).text == name, path
                    assert upstreams[name].asked[-1].startswith(f"GET {path} HTTP/1.1\r\n")
                assert (await client.get(f"{prefix}x")).status_code == 404, prefix
        for name in SERVICE_NAMES:
            assert (await client.get(f"/docs/{name}?asset=start.js")).text == name
            assert upstreams[name].asked[-1].startswith("GET /docs?asset=start.js ")
            assert (await client.get(f"/openapi/{name}.json")).text == name
            assert upstreams[name].asked[-1].startswith("GET /openapi.json ")


async def test_what_is_no_service_of_the_public_is_not_found() -> None:
    upstream = Upstream("any")
    async with before(upstream) as client:
        for path in ("/nowhere", "/readyz/leads", "/readyz", "/metrics/leads", "/metrics", "/v1", "/v1/nobodys"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "no_such_path"), path
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["x-request-id"] == answer.json()["request_id"]

    assert upstream.asked == []


TRICKS = (
    "/v1/leads/../../metrics", "/v1/leads/%2e%2e/%2e%2e/metrics", "/v1/leads%2f..%2f..%2fmetrics", "//metrics",
    "/v1/leads/..;/..;/metrics", "/v1/leads;/../../metrics", "/docs/leads/../../readyz", "/docs/leads%2f..%2freadyz",
    "/%6detrics", "/%256detrics", "/metrics%00", "/metrics/", "http://here/metrics", "/v1/leads#/../../metrics",
    "/v1/leads?/../../metrics", "/openapi/leads.json/../../metrics", "/\\metrics", "/./metrics",
)  # fmt: skip
"""Ways to write an address that one program may read as a service's, and the next as its `/metrics` or `/readyz`."""


async def test_no_way_to_write_an_address_reaches_what_is_for_operators() -> None:
    upstream = Upstream("leads")
    async with before(upstream) as client:
        for trick in TRICKS:
            reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
            writer.write(f"GET {trick} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
            assert (await reader.read()).startswith(b"HTTP/1.1 "), trick
            writer.close()
    reached = {unquote(head.split()[1].partition("?")[0]) for head in upstream.asked}

    assert "/v1/leads" in reached
    assert reached.isdisjoint({"/metrics", "/readyz", "/healthz"})


UNREADABLE = {
    b"GARBAGE\r\n\r\n": (400, "bad_request"),
    b"GET /v1/leads HTTP/1.1\r\n\r\n": (400, "bad_request"),
    b"TRACE /v1/leads HTTP/1.1\r\nHost: here\r\n\r\n": (405, "method_not_allowed"),
    b'GET /healthz HTTP/1.1\r\nHost: here\r\nIf-Match: "1"\r\n\r\n': (412, "precondition_failed"),
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: here\r\n\r\n": (414, "address_too_long"),
    b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"a" * 20_000 + b"\r\n\r\n": (431, "headers_too_large"),
    b"POST /v1/leads HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: x\r\n\r\n": (501, "not_implemented"),
    b"POST /v1/leads HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET": (
        400,
        "bad_request",
    ),
    b"GET / HTTP/3.1\r\nHost: here\r\n\r\n": (505, "http_version_not_supported"),
}
"""Requests that no service can be asked, and what the ingress says to each."""


async def test_what_cannot_be_passed_on_is_refused_with_a_problem() -> None:
    async with before(Upstream("leads")) as client:
        for asked, (status, code) in UNREADABLE.items():
            reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
            writer.write(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
            said = json.loads(body)
            assert (head.split()[1], said["status"], said["code"]) == (str(status), status, code), asked[:40]
            assert "\r\nContent-Type: application/problem+json\r\n" in head
            assert said.keys() == Problem.model_fields.keys()
            writer.close()


async def test_a_service_that_nobody_answers_for_is_said_to_be_away() -> None:
    async with before(away=True) as client:
        answer = await client.get("/v1/leads")

    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (503, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_a_service_that_does_not_take_the_connection_in_time_has_not_answered() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, socket.create_connection(deaf.getsockname()):
        async with ingress({"leads": [deaf.getsockname()[1]]}) as url, httpx.AsyncClient(timeout=10) as client:
            answer = await client.post(f"{url}/v1/leads", json={})

    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (504, 504, "no_answer")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_that_there_is_no_room_for_may_be_sent_again() -> None:
    upstream = Upstream("leads")
    async with before(upstream, roomless=True) as client:
        assert (await client.post("/v1/leads", content=bytes(100_000))).status_code == 200
        answer = await client.post("/v1/leads", content=bytes(1_000_000))

    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "1", "unavailable")
    assert len(upstream.asked) == 1


async def test_no_log_names_a_person_or_a_secret_also_where_a_request_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret = f"/webhooks/{UUID(int=1)}/kP3vAb12_Qx/delivery"
    referer = {"Referer": "http://here/v1/customers/lookup?phone=09990001234"}
    async with before(away=True) as client:
        for path in (secret, "/v1/leads?phone=09990001234", "/nowhere/sara@example.com"):
            assert (await client.get(path, headers=referer)).status_code in {404, 503}
    async with before(Upstream("messaging"), roomless=True) as client:
        assert (await client.post(secret, content=bytes(1_000_000))).status_code == 503
        assert (await client.post(secret, content=bytes(17_000_000))).status_code == 413
    logged = capsys.readouterr().err

    assert [line["path"] for line in map(json.loads, logged.splitlines())] == [
        "/webhooks", "/v1/leads", "/nowhere", "/webhooks", "/webhooks"
    ]  # fmt: skip
    assert list(leaks(logged)) == []


async def test_an_address_has_so_many_requests_under_way_and_no_more() -> None:
    most = int(re.findall(r"limit_conn callers (\d+);", TEMPLATE.read_text())[0])
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(before(Upstream("metrics")))
        elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        other = await stack.enter_async_context(httpx.AsyncClient(base_url=client.base_url, transport=elsewhere))
        streams = [await open_stream(client.base_url.port) for _ in range(most)]
        refused = await client.get("/v1/leads")
        assert (await other.get("/v1/leads")).status_code == 200
        for stream in streams[:2]:
            stream.close()
        await eventually(lambda: is_answered(client))
        for stream in streams[2:]:
            stream.close()

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["code"] == "too_many_at_once"
    assert f"More than {most} requests" in refused.json()["detail"]


async def open_stream(port: int | None) -> asyncio.StreamWriter:
    """Ask for a live stream, and return the way to close it once it has begun."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/metrics/live HTTP/1.1\r\nHost: here\r\n\r\n")
    assert b" 200 " in await reader.readline()
    return writer


async def is_answered(client: httpx.AsyncClient) -> bool:
    return (await client.get("/v1/leads")).status_code == 200


async def test_a_caller_is_who_they_are_and_not_who_they_say() -> None:
    upstream = Upstream("leads")
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Forwarded": "for=203.0.113.9"}
    async with before(upstream) as client:
        await client.get("/v1/leads", headers=forged)

    assert "X-Forwarded-For: 127.0.0.1\r\n" in upstream.asked[0]
    assert "X-Forwarded-Proto: http\r\n" in upstream.asked[0]
    assert "203.0.113.9" not in upstream.asked[0]


async def test_a_trusted_terminator_says_who_calls_and_by_what() -> None:
    upstream = Upstream("leads")
    said = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    async with before(upstream, trusted="127.0.0.1") as client:
        await client.get("/v1/leads", headers=said)

    assert "X-Forwarded-For: 203.0.113.9\r\n" in upstream.asked[0]
    assert "X-Forwarded-Proto: https\r\n" in upstream.asked[0]


async def test_a_request_keeps_an_id_that_has_the_form_of_one_and_else_gets_its_own() -> None:
    upstream = Upstream("leads")
    async with before(upstream) as client:
        for given in ("form-17.a_b", "x", "ساده", "a" * 65):
            await client.get("/v1/leads", headers=[(b"X-Request-ID", given.encode())])

    passed = [found[1] for head in upstream.asked if (found := re.search("X-Request-ID: (.*)\r\n", head))]
    assert passed[0] == "form-17.a_b"
    assert [len(own) for own in passed[1:] if re.fullmatch("[0-9a-f]{32}", own)] == [32, 32, 32]


async def test_a_body_above_the_services_limit_is_refused_before_it_reaches_one() -> None:
    upstream = Upstream("leads")
    most = ServiceSettings.model_fields["max_request_bytes"].default
    async with before(upstream) as client:
        assert (await client.post("/v1/leads", content=bytes(most))).status_code == 200
        answer = await client.post("/v1/leads", content=bytes(most + 1))

    assert (answer.status_code, answer.json()["code"], len(upstream.asked)) == (413, "payload_too_large", 1)


async def test_a_live_stream_arrives_as_it_is_written() -> None:
    async with before(Upstream("metrics")) as client, client.stream("GET", "/v1/metrics/live") as stream:
        async with asyncio.timeout(5):
            assert await anext(stream.aiter_lines()) == "data: 1"


async def test_a_body_that_is_not_sent_to_its_end_takes_no_connection_of_a_service() -> None:
    upstream = Upstream("leads")
    async with before(upstream) as client:
        _, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"POST /v1/leads HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        assert (await client.get("/v1/leads")).status_code == 200
        writer.close()

    assert [head.split()[0] for head in upstream.asked] == ["GET"]


async def test_no_request_is_lost_where_an_instance_does_not_answer_the_door() -> None:
    upstream = Upstream("leads")
    async with before(upstream, away=True) as client:
        answers = [await client.post("/v1/leads", json={"number": number}) for number in range(8)]

    assert [answer.status_code for answer in answers] == [200] * 8
    assert len(upstream.asked) == 8


async def test_a_post_that_was_sent_is_never_sent_again_and_a_get_is() -> None:
    dying, well = Upstream("dying"), Upstream("leads")
    async with before(dying, well) as client:
        posted = [await client.post("/v1/leads", json={}) for _ in range(6)]
        sent = len(dying.asked) + len(well.asked)
        read = [await client.get("/v1/leads") for _ in range(6)]

    assert sent == 6
    lost = next(answer for answer in posted if answer.status_code != 200)
    assert (lost.status_code, lost.headers["retry-after"], lost.json()["code"]) == (503, "1", "unavailable")
    assert [answer.status_code for answer in read] == [200] * 6


def test_its_times_fit_those_of_the_services() -> None:
    said = {name: int(value) for name, value in re.findall(r"^\s+(\w+) (\d+)s;", TEMPLATE.read_text(), re.MULTILINE)}

    assert said["proxy_read_timeout"] > LONGEST_DEADLINE_S + GRACE_S + LOOK_EVERY_S
    assert said["proxy_read_timeout"] > STREAM_KEEP_ALIVE_S
    assert said["client_body_timeout"] <= ServiceSettings.model_fields["body_deadline_s"].default
    upstreams = re.findall(r"keepalive_timeout (\d+)s;\n    }", TEMPLATE.read_text())
    assert len(upstreams) == len(PREFIXES)
    assert max(map(int, upstreams)) < min(DRAIN_S, KEEP_ALIVE_S)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_no_service_starts_with_a_deadline_that_the_ingress_does_not_wait_for(service: Service) -> None:
    deadlines = [field for field in service.settings.model_fields if field.endswith("_deadline_s")]
    answering = [
        field for field in deadlines if field != "body_deadline_s"
    ]  # which has passed before a service is asked

    assert len(answering) == 2
    for name in answering:
        with pytest.raises(
            SettingsError, match=f"^{variable(service.settings, name)} is wrong: .* {LONGEST_DEADLINE_S}"
        ):
            load(service.settings, **SETTINGS, **{name: LONGEST_DEADLINE_S + 0.1})
        load(service.settings, **SETTINGS, **{name: LONGEST_DEADLINE_S})
