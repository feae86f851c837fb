"""The adapter for sms.ir, version 1 of its REST API."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import httpx

from services.messaging.providers.addresses import Reach
from services.messaging.providers.numbers import line_of, number_of
from services.messaging.providers.protocol import Ambiguous, Fate, InboundSms, Outgoing, Refused, Report, Result, Scope
from services.messaging.providers.smsir_codes import BLACKLISTED, refusal
from services.messaging.providers.times import PANEL_ZONE
from services.messaging.providers.transport import ReachTransport
from shared import sms
from shared.clock import utcnow
from shared.persian.phone import local

PAGE: Final = 100
MOST_PAGES: Final = 600
MOST_BYTES: Final = 4 * 1024 * 1024
"""More than any page of a hundred has; what is packed may come out a thousand times as large as it was sent."""

OK: Final = 1
NOT_FOUND: Final = frozenset({"smsir_111", "smsir_112", "http_404"})

_NEVER_WRITTEN: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_PASSING_HTTP: Final = {429: Scope.LATER, 500: Scope.BROKEN, 503: Scope.LATER}


class SmsIr:
    """One account at sms.ir, with a client that keeps its connections open."""

    most = 100

    def __init__(self, base_url: str, api_key: str, *, timeout_s: float = 10, reach: Reach | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"X-API-KEY": api_key, "Accept": "application/json"},
            timeout=timeout_s,
            transport=ReachTransport(
                reach or Reach(),
                tls=httpx.URL(base_url).scheme == "https",
                limits=httpx.Limits(max_connections=16, keepalive_expiry=20),
            ),
            follow_redirects=False,
        )

    def groups(self, messages: Sequence[Outgoing]) -> list[list[Outgoing]]:
        """Divide by line, equal texts together; texts that only one gets share calls of their own."""
        by_text: dict[tuple[str, str], list[Outgoing]] = defaultdict(list)
        for message in messages:
            by_text[message.line, message.text].append(message)
        single: dict[str, list[Outgoing]] = defaultdict(list)
        groups = []
        for (line, _), equal in by_text.items():
            if len(equal) == 1:
                single[line].extend(equal)
            else:
                groups.extend(self._chunks(equal))
        for different in single.values():
            groups.extend(self._chunks(different))
        return groups

    def _chunks(self, messages: list[Outgoing]) -> list[list[Outgoing]]:
        return [messages[start : start + self.most] for start in range(0, len(messages), self.most)]

    async def send(self, messages: Sequence[Outgoing]) -> list[Result]:
        """Send one group: in one call of equal texts, or of one text a number."""
        mobiles = [local(message.address) for message in messages]
        line, texts = int(messages[0].line), [message.text for message in messages]
        if len(set(texts)) == 1:
            data = await self._post("send/bulk", {"lineNumber": line, "messageText": texts[0], "mobiles": mobiles})
        else:
            body = {"lineNumber": line, "messageTexts": texts, "mobiles": mobiles}
            data = await self._post("send/likeToLike", body)
        return _results(data, texts)

    async def pack(self, pack_id: str) -> list[Report]:
        """Return the reports of the messages accepted in one call."""
        return [_report(item) for item in await self._find(f"send/pack/{pack_id}") or ()]

    async def report(self, provider_id: str) -> Report | None:
        """Return the report of one message."""
        item = await self._find(f"send/{provider_id}")
        return _report(item) if item else None

    async def sends(self, since: datetime) -> AsyncIterator[Report]:
        """Walk through today's sends, and through the archive where `since` lies before today."""
        first = since.astimezone(PANEL_ZONE).date()
        today = utcnow().astimezone(PANEL_ZONE).date()
        async for item in self._pages("send/live", {}, since):
            yield item
        if first < today:
            async for item in self._pages("send/archive", _days(first, today), since):
                yield item

    async def inbound(self) -> list[InboundSms]:
        """Fetch up to 100 unread messages; the panel gives each of them once."""
        return [_inbound(item) for item in await self._get("receive/latest", {"count": PAGE}) or ()]

    async def inbox(self) -> list[InboundSms]:
        """Return the newest of today's messages; this does not count as fetching them."""
        query = {"pageSize": PAGE, "pageNumber": 1, "sortByNewest": "true"}
        return [_inbound(item) for item in await self._get("receive/live", query) or ()]

    async def credit(self) -> Decimal:
        """Return how many messages the account has left."""
        said = await self._get("credit")
        try:
            return Decimal(str(said))
        except InvalidOperation as error:
            raise Refused(Scope.LATER, "answer_not_understood") from error

    async def close(self) -> None:
        await self._http.aclose()

    async def _pages(self, path: str, query: Mapping[str, Any], since: datetime) -> AsyncIterator[Report]:
        """Walk pages to their end; sooner where they are newest first and have gone past `since`.

        Raises `Refused` where the end is too far away: what was not looked through says nothing.
        """
        for number in range(1, MOST_PAGES + 1):
            items = await self._get(path, {**query, "pageSize": PAGE, "pageNumber": number}) or ()
            reports = [_report(item) for item in items]
            for report in reports:
                if report.sent_at is None or report.sent_at >= since:
                    yield report
            if len(reports) < PAGE or _gone_past(reports, since):
                return
        raise Refused(Scope.LATER, "reports_too_long")

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        try:
            answer = await self._asked("POST", path, json=body)
        except _NEVER_WRITTEN as error:
            raise Refused(Scope.LATER, "unreachable") from error
        except httpx.TimeoutException as error:
            raise Ambiguous("timeout") from error
        except httpx.HTTPError as error:
            raise Ambiguous("connection_lost") from error
        return _opened(answer)

    async def _asked(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Return an answer that was read to its end; raises `httpx.HTTPError` where that is too far away."""
        read = bytearray()
        async with self._http.stream(method, path, **given) as answer:
            async for part in answer.aiter_bytes():
                read += part
                if len(read) > MOST_BYTES:
                    raise httpx.DecodingError(f"The answer is larger than {MOST_BYTES} bytes.", request=answer.request)
        return httpx.Response(answer.status_code, content=bytes(read))

    async def _find(self, path: str) -> Any:
        """Ask for something that the panel may not know; None then."""
        try:
            return await self._get(path)
        except Refused as refused:
            if refused.reason in NOT_FOUND:
                return None
            raise

    async def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Ask for something; whatever goes wrong, asking again does no harm."""
        try:
            return _opened(await self._asked("GET", path, params=query))
        except (httpx.HTTPError, Ambiguous) as error:
            raise Refused(Scope.LATER, "unreachable") from error


def _opened(answer: httpx.Response) -> Any:
    """Take the data out of an answer. The body's status says more than HTTP's, where there is one."""
    try:
        body = answer.json()
        status = int(body["status"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise _without_a_body(answer) from error
    if status == OK and answer.is_success:
        return body.get("data")
    scope = _PASSING_HTTP.get(answer.status_code) or refusal(status)
    raise Refused(scope, "blacklisted" if status == BLACKLISTED else f"smsir_{status}")


def _without_a_body(answer: httpx.Response) -> Refused | Ambiguous:
    code = answer.status_code
    if code in _PASSING_HTTP:
        return Refused(_PASSING_HTTP[code], f"http_{code}")
    if code in {401, 403}:
        return Refused(Scope.ACCOUNT, f"http_{code}")
    if 400 <= code < 500:  # noqa: PLR2004
        return Refused(Scope.MESSAGE, f"http_{code}")
    return Ambiguous(f"http_{code}")


def _results(data: Any, texts: Sequence[str]) -> list[Result]:
    """Read the ids by position; an answer of another shape says nothing about what was sent.

    The price is of the call: what was accepted shares it by its parts, which are what panels bill.
    """
    ids = data.get("messageIds") if isinstance(data, dict) else None
    if not isinstance(ids, list) or len(ids) != len(texts):
        raise Ambiguous("answer_not_understood")
    pack = str(data["packId"]) if data.get("packId") else None
    cost = Decimal(str(data["cost"])) if data.get("cost") else None
    parts = [sms.parts(text).count if each else 0 for each, text in zip(ids, texts, strict=True)]
    billed = sum(parts)
    return [
        _result(each, pack, cost * count / billed if cost and count else None)
        for each, count in zip(ids, parts, strict=True)
    ]


def _result(provider_id: Any, pack: str | None, cost: Decimal | None) -> Result:
    if provider_id is None:
        return Result(Fate.INVALID, reason="invalid_number")
    if provider_id == 0:
        return Result(Fate.BLACKLISTED, reason="blacklisted")
    return Result(Fate.ACCEPTED, str(provider_id), pack, cost)


def _report(item: Mapping[str, Any]) -> Report:
    state = item.get("deliveryState")
    sent_at = item.get("sendDateTime")
    return Report(
        provider_id=str(item["messageId"]),
        code="8" if state is None else str(state),
        line=line_of(item.get("lineNumber") or ""),
        address=number_of(item.get("mobile")),
        text=str(item.get("messageText") or ""),
        sent_at=datetime.fromtimestamp(sent_at, UTC) if sent_at else None,
    )


def _inbound(item: Mapping[str, Any]) -> InboundSms:
    return InboundSms(
        line=line_of(item["number"]),
        sender=number_of(item["mobile"]),
        text=str(item["messageText"]),
        received_at=datetime.fromtimestamp(item["receivedDateTime"], UTC),
        provider_id=str(item["receiveReturnId"]) if item.get("receiveReturnId") else None,
    )


def _gone_past(reports: Sequence[Report], since: datetime) -> bool:
    times = [report.sent_at for report in reports if report.sent_at is not None]
    return bool(times) and times[0] >= times[-1] and times[-1] < since and times[0] != times[-1]


def _days(first: date, last: date) -> dict[str, int]:
    return {
        "fromDate": int(datetime(first.year, first.month, first.day, tzinfo=PANEL_ZONE).timestamp()),
        "toDate": int(datetime(last.year, last.month, last.day, tzinfo=PANEL_ZONE).timestamp()),
    }
