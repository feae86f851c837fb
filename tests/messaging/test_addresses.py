"""Where an account that somebody made may lead: never inside, whatever a host is written as or resolves to."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from typing import Any

import httpx
import pytest

from services.messaging.providers.addresses import LOOPBACK, Reach
from services.messaging.providers.protocol import Outgoing, Refused, Scope
from services.messaging.providers.smsir import SmsIr
from services.messaging.providers.smtp import Smtp
from services.messaging.settings import Settings
from shared.ids import new_id
from shared.service import Runtime
from shared.settings import SettingsError, load
from tests.conftest import MakeRuntime
from tests.messaging.test_providers import ACCOUNT
from tests.support.api import client as open_client

INSIDE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
    "255.255.255.255", "224.0.0.1", "192.0.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::80ff:fffe", "fec0::1", "::7f00:1",
    "64:ff9b:1::7f00:1", "::ffff:0:127.0.0.1", "4000::1",
]  # fmt: skip
ODD = ["127.0.0.1", "127.1", "2130706433", "0177.0.0.1", "0x7f000001", "0x7f.1", "169.254.169.254", "10.0.0.1"]
"""Loopback and other inner addresses as they can be written in a URL."""


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_inside_is_in_reach(address: str) -> None:
    assert not Reach().includes(ip_address(address))


@pytest.mark.parametrize("address", ["185.55.227.1", "8.8.8.8", "2a00:1450:4001::1", "::ffff:8.8.8.8"])
def test_a_public_address_is_in_reach(address: str) -> None:
    assert Reach().includes(ip_address(address))


def test_a_network_that_the_operator_names_is_in_reach_and_no_other() -> None:
    reach = Reach([ip_network("10.1.0.0/16")])

    assert reach.includes(ip_address("10.1.2.3"))
    assert reach.includes(ip_address("::ffff:10.1.2.3"))
    assert not reach.includes(ip_address("10.2.0.1"))


@pytest.fixture
async def strict(make_runtime: MakeRuntime, runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """Lend a client of a deployment that is not embedded."""
    settings = runtime.settings.model_copy(update={"mode": "distributed"})
    runtime.settings = settings
    async with open_client(runtime) as http:
        yield http


@pytest.mark.parametrize("host", ODD)
async def test_an_account_that_leads_inside_is_refused_however_its_host_is_written(
    strict: httpx.AsyncClient, host: str
) -> None:
    panel = await strict.post("/v1/providers", json={**ACCOUNT, "base_url": f"http://{host}/v1"})
    mail = {**ACCOUNT, "kind": "smtp", "base_url": f"{host}:25"}
    mail["lines"] = [{"number": "news@example.com", "purposes": ["service"]}]

    for refused in (panel, await strict.post("/v1/providers", json=mail)):
        assert (refused.status_code, refused.json()["code"]) == (422, "address_not_public")


async def test_an_account_is_not_changed_to_lead_inside(strict: httpx.AsyncClient) -> None:
    made = (await strict.post("/v1/providers", json=ACCOUNT)).json()
    refused = await strict.patch(f"/v1/providers/{made['id']}", json={"base_url": "http://10.0.0.1"})

    assert (refused.status_code, refused.json()["code"]) == (422, "address_not_public")


def test_a_network_that_is_none_is_said_at_start() -> None:
    with pytest.raises(SettingsError, match=r"MESSAGING_PRIVATE_NETWORKS is wrong: '10\.1' is no network"):
        load(Settings, private_networks="10.1", database_url="postgresql://nowhere")


@asynccontextmanager
async def listening(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Run a server on loopback that says `answer` to whatever it is asked; lends its port, and what it was asked."""
    asked: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have names resolve to one list of addresses after the other; returns the names that were looked up."""
    asked: list[str] = []
    left = list(answers)

    async def look_up(_loop: object, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(0, 0, 0, "", (address, port)) for address in (left.pop(0) if len(left) > 1 else left[0])]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", look_up)
    return asked


async def refused_by(call: Callable[[], Any]) -> Refused:
    with pytest.raises(Refused) as refused:
        await call()
    return refused.value


MAIL = Outgoing(message_id=new_id(), line="a@example.com", address="b@example.com", text="سلام", subject="سلام")


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.1"]])
async def test_a_name_that_leads_inside_is_never_connected_to(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    async with listening(b"") as (port, asked):
        names(monkeypatch, addresses)
        panel = SmsIr(f"http://panel.invalid:{port}/v1", "key")
        by_panel = await refused_by(panel.credit)
        by_mail = await refused_by(lambda: Smtp("mail.invalid", port, security="none").send([MAIL]))
        await panel.close()

    assert {(each.scope, each.reason) for each in (by_panel, by_mail)} == {(Scope.ACCOUNT, "private_address")}
    assert asked == []


async def test_a_name_is_looked_up_once_and_what_was_looked_at_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means the permitted address at the first look, and another one at the second, gains nothing."""
    body = b'{"status": 1, "data": 5}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with listening(answer) as (port, asked):
        looked_up = names(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
        panel = SmsIr(f"http://panel.invalid:{port}/v1", "key", reach=Reach(LOOPBACK))
        assert await panel.credit() == 5
        moved = await refused_by(panel.credit)
        await panel.close()

    assert moved.reason == "private_address"
    assert looked_up == ["panel.invalid", "panel.invalid"]
    assert len(asked) == 1
    assert f"Host: panel.invalid:{port}".encode().lower() in asked[0].lower()


async def test_a_redirect_is_not_followed() -> None:
    async with (
        listening(b"") as (inner, asked_inside),
        listening(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % inner) as (
            port,
            asked,
        ),
    ):
        panel = SmsIr(f"http://127.0.0.1:{port}/v1", "key", reach=Reach(LOOPBACK))
        await refused_by(panel.credit)
        await panel.close()

    assert len(asked) == 1
    assert asked_inside == []


@pytest.mark.parametrize(
    "said",
    [b'{"status": 1, "data": 5}' + b" " * 50_000_000, b"[" * 100_000, b'{"status": Infinity, "data": 5}'],
    ids=["endless", "deep", "no number"],
)
async def test_a_panel_that_answers_more_than_can_be_read_is_not_believed(said: bytes) -> None:
    body = gzip.compress(said, compresslevel=1)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with listening(head + body) as (port, _):
        panel = SmsIr(f"http://127.0.0.1:{port}/v1", "key", reach=Reach(LOOPBACK))
        refused = await refused_by(panel.credit)
        await panel.close()

    assert (refused.scope, refused.reason) == (Scope.LATER, "unreachable")


@pytest.mark.parametrize("said", [b'"much"', b"[]", b"null"])
async def test_a_credit_that_is_no_number_is_asked_for_again(said: bytes) -> None:
    body = b'{"status": 1, "data": %b}' % said
    async with listening(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body) as (port, _):
        panel = SmsIr(f"http://127.0.0.1:{port}/v1", "key", reach=Reach(LOOPBACK))
        refused = await refused_by(panel.credit)
        await panel.close()

    assert (refused.scope, refused.reason) == (Scope.LATER, "answer_not_understood")


async def test_a_name_that_nobody_knows_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", unknown)
    panel = SmsIr("http://panel.invalid", "key")
    by_panel = await refused_by(panel.credit)
    by_mail = await refused_by(lambda: Smtp("mail.invalid", 25, security="none").send([MAIL]))
    await panel.close()

    assert {(each.scope, each.reason) for each in (by_panel, by_mail)} == {(Scope.LATER, "unreachable")}


@pytest.mark.parametrize("host", ["panel..ir", f"{'a' * 64}.ir", "."])
async def test_a_host_that_can_be_no_name_is_one_that_is_not_reached(host: str) -> None:
    panel = SmsIr(f"http://{host}/v1", "key")
    by_panel = await refused_by(panel.credit)
    by_mail = await refused_by(lambda: Smtp(host, 25, security="none").send([MAIL]))
    await panel.close()

    assert {(each.scope, each.reason) for each in (by_panel, by_mail)} == {(Scope.LATER, "unreachable")}


async def test_a_name_that_is_looked_up_for_too_long_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", silent)
    panel = SmsIr("http://panel.invalid", "key", timeout_s=0.05)
    text = Outgoing(message_id=new_id(), line="30007732000000", address="+989990000001", text="سلام")
    async with asyncio.timeout(5):
        refused = await refused_by(lambda: panel.send([text]))
    await panel.close()

    assert (refused.scope, refused.reason) == (Scope.LATER, "unreachable")


async def test_accounts_share_what_checks_certificates_and_those_without_trust_none() -> None:
    first, second = (SmsIr(f"https://{host}/v1", "key") for host in ("one.invalid", "two.invalid"))
    plain = SmsIr("http://panel.invalid/v1", "key")

    contexts = [context_of(panel) for panel in (first, second, plain)]
    for panel in (first, second, plain):
        await panel.close()

    assert contexts[0] is contexts[1]
    assert [context.verify_mode for context in contexts] == [ssl.CERT_REQUIRED] * 3
    assert [bool(context.get_ca_certs()) for context in contexts] == [True, True, False]


def context_of(panel: SmsIr) -> ssl.SSLContext:
    transport: Any = panel._http._transport
    found: ssl.SSLContext = transport._pool._ssl_context
    return found
