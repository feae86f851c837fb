"""How panels are reached: at addresses within reach only, with certificates that hold."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache

import httpx

from services.messaging.providers.addresses import Reach


@cache
def _authorities() -> ssl.SSLContext:
    """Return what checks certificates, for all accounts: each would hold every authority of the world by itself."""
    return httpx.create_ssl_context()


@cache
def _nobody() -> ssl.SSLContext:
    """Return what trusts no certificate, for accounts whose address has none."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class ReachTransport(httpx.AsyncHTTPTransport):
    """Connects to addresses within reach only. The name stays what is asked for, and what a certificate must name."""

    def __init__(self, reach: Reach, *, tls: bool, limits: httpx.Limits) -> None:
        super().__init__(verify=_authorities() if tls else _nobody(), limits=limits)
        self._reach = reach

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("connect")):
                address = await self._reach.find(url.host, port)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("The name was not resolved in time.", request=request) from error
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        request.url = url.copy_with(host=address)
        return await super().handle_async_request(request)
