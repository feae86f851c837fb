"""What surrounds every request: ids, cause, headers, measure and access log; and the limit of its size.

Pure ASGI: each `BaseHTTPMiddleware` would cost a route most of its speed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

import structlog
from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import PayloadTooLarge, PeyvandError
from shared.ids import new_id
from shared.outbox import caused_by
from shared.outbox.writing import Cause
from shared.persian.digits import numeral
from shared.telemetry import looks_personal
from shared.web.metrics import RequestMetrics, template
from shared.web.problems import REQUEST_ID, render

log = structlog.get_logger("peyvand.access")

GIVEN_ID = re.compile(r"[A-Za-z0-9_.\-]{8,64}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"cache-control", b"no-store"),
)
DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    b"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
"""Pages may run scripts of their own origin only; a page that needs other rules says its own."""


class Requests:
    """Gives every request its id and its cause, and every answer its headers; counts, times and logs it."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = scope[REQUEST_ID] = accepted_id(headers.get("x-request-id")) or str(new_id())
        answer = _Answer(scope, send, request_id)
        began = time.perf_counter()
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            caused_by(_cause(headers, request_id)),
        ):
            try:
                await self._app(scope, receive, answer.send)
            except ClientDisconnect:
                log.debug("client_went_away", route=template(scope))
            except Exception:
                log.exception("request_failed", method=scope["method"], route=template(scope))
                if answer.status is not None:
                    raise
                await render(Request(scope), _broken())(scope, receive, answer.send)
            finally:
                self._record(scope, answer, time.perf_counter() - began)

    def _record(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        status = answer.status or 499  # the client went away before an answer
        self._metrics.observe(scope, status, seconds)
        log.info("request", method=scope["method"], route=template(scope), status=status, ms=round(seconds * 1000, 1))


class _Answer:
    """The way back to the client; puts the headers that every answer carries on it."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = completed(message.get("headers", ()), self._request_id)
        await self._send(message)


def completed(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers with those that every answer carries; what the answer says itself stays."""
    own = dict(headers)
    added = [(name, value) for name, value in SECURITY_HEADERS if name not in own]
    if b"content-security-policy" not in own:
        page = own.get(b"content-type", b"").startswith(b"text/html")
        added.append((b"content-security-policy", PAGE_POLICY if page else DATA_POLICY))
    return [*headers, *added, (b"x-request-id", request_id.encode())]


class SizeLimit:
    """Refuses bodies above `most` bytes with 413: those that say so, and those that turn out so as they are read."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self._most:
            await render(Request(scope), self._refusal())(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most:
                raise self._refusal()
            return message

        await self._app(scope, counted, send)

    def _refusal(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"The body is larger than {self._most} bytes; send it in parts.",
            fa=f"بدنهٔ درخواست از {numeral(self._most)} بایت بزرگ‌تر است؛ آن را در چند بخش بفرستید.",
        )


def accepted_id(given: str | None) -> str | None:
    """Return an id that a caller gave, unless it has no form of an id or may be a number to call."""
    if given is None or not GIVEN_ID.fullmatch(given) or looks_personal(given):
        return None
    return given


def _cause(headers: Headers, request_id: str) -> Cause:
    traceparent = headers.get("traceparent")
    return Cause(
        correlation_id=accepted_id(headers.get("x-correlation-id")) or request_id,
        traceparent=traceparent if traceparent and TRACEPARENT.fullmatch(traceparent) else None,
    )


def _broken() -> PeyvandError:
    return PeyvandError(
        "Something went wrong on our side; nothing of this request was kept. Name the request id to ask for help.",
        fa="خطایی در سامانه رخ داد و از این درخواست چیزی ثبت نشد. برای پیگیری شناسهٔ درخواست را بگویید.",
    )
