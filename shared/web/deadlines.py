"""How long a request may take: to send its body, and to be answered.

What runs longer is broken off, which rolls its own transaction back, and answered: 408 where the caller was slow, 503
where we were. A deadline ends where the answer begins, so streams live on. Pure ASGI, and one timer for all requests.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import structlog
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import PeyvandError, Unavailable
from shared.persian.digits import numeral
from shared.settings import ServiceSettings
from shared.web.problems import render

SLOWEST_BYTES_PER_S = 16 * 1024
"""A caller who sends at least as fast as this is never too slow, however large the body is."""

GRACE_S = 2.0
"""How long what was broken off may take to roll back before the caller is answered all the same."""

LOOK_EVERY_S = 0.25
"""How often running requests are looked at; a timer of its own would cost each of them as much as all else here."""

_DEADLINE = "peyvand.deadline"

log = structlog.get_logger(__name__)


class BodyTooSlow(PeyvandError):
    """The body did not arrive in time."""

    status = 408
    code = "body_too_slow"
    title = "The body did not arrive in time"
    title_fa = "بدنهٔ درخواست به‌موقع نرسید"
    headers = {"Connection": "close"}

    def __init__(self) -> None:
        super().__init__(
            f"The body came slower than {SLOWEST_BYTES_PER_S} bytes a second; send it again over a better line.",
            fa="بدنهٔ درخواست بسیار کند رسید؛ با اتصال بهتری دوباره بفرستید.",
        )


class DeadlinePassed(Unavailable):
    """The request took too long and was broken off."""

    code = "deadline_passed"
    title = "The request took too long"
    title_fa = "درخواست بیش از اندازه طول کشید"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The request was broken off after {seconds:g} s. Send it again, with the Idempotency-Key that it had.",
            fa=f"درخواست پس از {numeral(seconds)} ثانیه متوقف شد. دوباره با همان Idempotency-Key بفرستید.",
        )


def extend(request: Request, seconds: float) -> None:
    """Let a request take up to `seconds`, for endpoints that do a great deal at once."""
    deadline: _Deadline | None = request.scope.get(_DEADLINE)
    if deadline is not None:
        deadline.answer_s = seconds


class Deadlines:
    """Gives every request its deadline."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._answer_s = settings.request_deadline_s
        self._body_s = settings.body_deadline_s
        self._every_s = min(LOOK_EVERY_S, self._answer_s / 4, self._body_s / 4)
        self._running: set[_Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        deadline = scope[_DEADLINE] = _Deadline(scope, receive, send, self._answer_s, self._body_s)
        self._running.add(deadline)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._every_s, self._look)
        try:
            await self._app(scope, deadline.receive, deadline.send)
        except asyncio.CancelledError:
            if not deadline.cancelled():
                raise
            await deadline.refuse()
        finally:
            self._running.discard(deadline)

    def _look(self) -> None:
        now = time.monotonic()
        for deadline in self._running:
            deadline.look(now)
        again = asyncio.get_running_loop().call_later(self._every_s, self._look) if self._running else None
        self._timer = again


class _Deadline:
    """One request's deadline, and what is known of how far the request is."""

    __slots__ = (
        "__weakref__", "_answered", "_began", "_body_s", "_broken_off_at", "_read_at", "_reading", "_receive",
        "_received", "_refusal", "_refusing", "_scope", "_send", "_task", "answer_s",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send, answer_s: float, body_s: float) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self.answer_s, self._body_s = answer_s, body_s
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._began = self._read_at = time.monotonic()
        self._received = 0
        self._reading = self._answered = False
        self._broken_off_at = 0.0
        self._refusal: PeyvandError | None = None
        self._refusing: asyncio.Task[None] | bool = False

    async def receive(self) -> Message:
        self._reading = True
        message = await self._receive()
        self._reading = False
        self._read_at = time.monotonic()
        self._received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if not self._refusing:
            self._answered = True
            await self._send(message)

    def look(self, now: float) -> None:
        """Break the request off where it is over its time; answer where it does not end for all that."""
        if self._answered or self._refusing:
            return
        if self._refusal is None:
            if now > self._due():
                self._break_off(now)
        elif now > self._broken_off_at + GRACE_S:
            log.warning("request_does_not_end", after_s=GRACE_S)
            self._refusing = asyncio.get_running_loop().create_task(self._say_why())

    def _due(self) -> float:
        if self._reading:
            return self._began + self._body_s + self._received / SLOWEST_BYTES_PER_S
        return self._read_at + self.answer_s

    def _break_off(self, now: float) -> None:
        self._refusal = BodyTooSlow() if self._reading else DeadlinePassed(self.answer_s)
        self._broken_off_at = now
        self._task.cancel()

    def cancelled(self) -> bool:
        """Tell whether it was the deadline, and nobody else, that cancelled the request."""
        return self._refusal is not None and self._task.uncancel() == 0

    async def refuse(self) -> None:
        """Answer that the deadline has passed, unless an answer was begun."""
        if not self._answered and not self._refusing:
            self._refusing = True
            await self._say_why()

    async def _say_why(self) -> None:
        assert self._refusal is not None  # noqa: S101  (what was broken off)
        await render(Request(self._scope), self._refusal)(self._scope, self._receive, self._send)
