"""What surrounds every request: ids, cause, headers, measure and access log; and the limit of its size.

Pure ASGI: each `BaseHTTPMiddleware` would cost a route most of its speed.
"""

from __future__ import annotations

import re
import time

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import PayloadTooLarge, PeyvandError
from shared.ids import new_id
from shared.outbox import caused_by
from shared.outbox.writing import Cause
from shared.telemetry import looks_personal
from shared.web.metrics import RequestMetrics, template
from shared.web.problems import REQUEST_ID, render

log = structlog.get_logger("peyvand.access")

GIVEN_ID = re.compile(r"[A-Za-z0-9_.\-]{8,64}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
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
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            for name, value in SECURITY_HEADERS:
                headers.setdefault(name, value)
            page = headers.get("content-type", "").startswith("text/html")
            headers.setdefault("Content-Security-Policy", PAGE_POLICY if page else DATA_POLICY)
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


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
            fa=f"بدنهٔ درخواست از {self._most} بایت بزرگ‌تر است؛ آن را در چند بخش بفرستید.",
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
