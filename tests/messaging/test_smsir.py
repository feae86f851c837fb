"""What the adapter for sms.ir makes of answers and reports: codes by the table of its documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from services.messaging.messages.reconciliation import Sought, match
from services.messaging.messages.statuses import Status, takes_report
from services.messaging.providers.buckets import Bucket, filled
from services.messaging.providers.protocol import Ambiguous, Fate, Outgoing, Refused, Report, Scope
from services.messaging.providers.smsir import SmsIr
from services.messaging.providers.smsir_codes import DELIVERY
from shared.clock import utcnow
from shared.ids import new_id

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
ONE = Outgoing(new_id(), "30007732000000", "+989990001234", "سلام")
TWO = Outgoing(new_id(), "30007732000000", "+989990001235", "درود")

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
async def answering() -> AsyncIterator[Callable[[Handler], SmsIr]]:
    """Lend a function that makes an adapter whose panel answers as told."""
    opened: list[SmsIr] = []

    def make(handler: Handler) -> SmsIr:
        adapter = SmsIr("https://panel.invalid/v1", "key")
        adapter._http = httpx.AsyncClient(base_url="https://panel.invalid/v1", transport=httpx.MockTransport(handler))
        opened.append(adapter)
        return adapter

    yield make
    for adapter in opened:
        await adapter.close()


def body(status: int, data: Any = None, http: int = 200) -> Handler:
    return lambda _request: httpx.Response(http, json={"status": status, "message": "", "data": data})


@pytest.mark.parametrize(
    ("handler", "scope"),
    [
        *((body(code, http=400), Scope.MESSAGE) for code in (16, 103, 104, 105, 107, 109, 110, 113, 115, 118)),
        *((body(code, http=400), Scope.ACCOUNT) for code in (11, 12, 13, 14, 15, 101, 102, 119, 123, 124)),
        (body(10, http=401), Scope.ACCOUNT),
        (body(20, http=429), Scope.LATER),
        (body(0, http=500), Scope.BROKEN),
        (body(999, http=400), Scope.LATER),
        (body(102, http=200), Scope.ACCOUNT),
        (lambda _request: httpx.Response(429, text="slow down"), Scope.LATER),
        (lambda _request: httpx.Response(500, text="oops"), Scope.BROKEN),
        (lambda _request: httpx.Response(403, text="no"), Scope.ACCOUNT),
        (lambda _request: httpx.Response(413, text="large"), Scope.MESSAGE),
    ],
)
async def test_a_refusal_reaches_as_far_as_the_table_says(
    handler: Handler, scope: Scope, answering: Callable[[Handler], SmsIr]
) -> None:
    with pytest.raises(Refused) as refused:
        await answering(handler).send([ONE])

    assert refused.value.scope is scope


def _raising(error: Exception) -> Handler:
    def handle(_request: httpx.Request) -> httpx.Response:
        raise error

    return handle


@pytest.mark.parametrize(
    "handler",
    [
        _raising(httpx.ReadTimeout("")),
        _raising(httpx.WriteTimeout("")),
        _raising(httpx.ReadError("")),
        _raising(httpx.RemoteProtocolError("")),
        lambda _request: httpx.Response(200, text="<html>"),
        lambda _request: httpx.Response(504, text="gateway"),
        lambda _request: httpx.Response(502, text="gateway"),
        body(1, {"packId": "p"}),
        body(1, {"messageIds": []}),
        body(1, None),
    ],
)
async def test_an_end_that_does_not_say_whether_it_was_sent_is_ambiguous(
    handler: Handler, answering: Callable[[Handler], SmsIr]
) -> None:
    with pytest.raises(Ambiguous):
        await answering(handler).send([ONE])


@pytest.mark.parametrize("error", [httpx.ConnectError(""), httpx.ConnectTimeout(""), httpx.PoolTimeout("")])
async def test_a_request_that_was_never_written_is_tried_later(
    error: Exception, answering: Callable[[Handler], SmsIr]
) -> None:
    with pytest.raises(Refused) as refused:
        await answering(_raising(error)).send([ONE])

    assert refused.value.scope is Scope.LATER


async def test_ids_are_read_by_position_zero_blacklisted_and_null_invalid(
    answering: Callable[[Handler], SmsIr],
) -> None:
    data = {"packId": "p-1", "messageIds": [81, 0, None], "cost": 2}
    results = await answering(body(1, data)).send([ONE, TWO, TWO])

    assert [result.fate for result in results] == [Fate.ACCEPTED, Fate.BLACKLISTED, Fate.INVALID]
    assert (results[0].provider_id, results[0].pack_id, results[0].cost) == ("81", "p-1", Decimal(2))


async def test_a_calls_price_is_shared_by_the_parts_of_what_was_accepted(
    answering: Callable[[Handler], SmsIr],
) -> None:
    long = Outgoing(new_id(), "30007732000000", "+989990001236", "آ" * 140)
    said = {"packId": "p", "messageIds": [1, 0, 2], "cost": 4}
    results = await answering(body(1, said)).send([ONE, TWO, long])

    assert [result.cost for result in results] == [Decimal(1), None, Decimal(3)]


async def test_sends_are_looked_through_from_an_instant_on_also_those_of_before_midnight(
    answering: Callable[[Handler], SmsIr],
) -> None:
    since = utcnow() - timedelta(days=1)

    def handler(request: httpx.Request) -> httpx.Response:
        hours = {"older": -1, "yesterday": 1} if "archive" in request.url.path else {"today": 23}
        sends = [
            {"messageId": name, "sendDateTime": int((since + timedelta(hours=number)).timestamp())}
            for name, number in hours.items()
        ]
        return httpx.Response(200, json={"status": 1, "data": sends})

    assert [report.provider_id async for report in answering(handler).sends(since)] == ["today", "yesterday"]


def test_calls_hold_a_hundred_numbers_at_most_and_equal_texts_go_together() -> None:
    same = [Outgoing(new_id(), "30001", f"+98999{n:07}", "برای همه") for n in range(201)]
    own = [Outgoing(new_id(), "30001", f"+98999{n:07}", f"برای {n}") for n in range(101)]
    other_line = [Outgoing(new_id(), "30002", "+989990000001", "برای همه")]
    groups = SmsIr("https://panel.invalid", "key").groups([*same, *own, *other_line])

    assert sorted(map(len, groups)) == [1, 1, 1, 100, 100, 100]
    assert all(len({message.line for message in group}) == 1 for group in groups)


def test_delivery_codes_are_those_of_the_documents() -> None:
    expected = {"1": "delivered", "2": "undelivered", "3": "sent", "4": "failed", "5": "sent", "6": "failed"}

    assert {code: str(DELIVERY[code]) for code in expected} == expected
    assert DELIVERY["7"] is Status.FAILED
    assert DELIVERY["8"] is Status.UNKNOWN


@pytest.mark.parametrize(
    ("present", "reported", "takes"),
    [
        ("sent", "delivered", True),
        ("sent", "undelivered", True),
        ("sent", "failed", True),
        ("sent", "sent", False),
        ("sent", "unknown", False),
        ("delivered", "sent", False),
        ("delivered", "undelivered", False),
        ("undelivered", "delivered", True),
        ("failed", "delivered", True),
        ("cancelled", "delivered", False),
    ],
)
def test_a_report_changes_what_it_can_and_a_phone_that_got_it_settles_it(
    present: str, reported: str, *, takes: bool
) -> None:
    assert takes_report(Status(present), Status(reported)) is takes


def test_a_message_is_recognised_by_flight_and_time_and_a_report_serves_once() -> None:
    def sought(flight: bytes, at: datetime) -> Sought:
        return Sought(new_id(), new_id(), flight, at)

    def report(provider_id: str, flight: bytes, at: datetime) -> tuple[bytes, Report]:
        return flight, Report(provider_id, "3", sent_at=at)

    first, second, third = sought(b"one", NOW), sought(b"one", NOW + timedelta(seconds=2)), sought(b"two", NOW)
    reports = [
        report("too early", b"one", NOW - timedelta(minutes=1)),
        report("another", b"other", NOW),
        report("found", b"one", NOW + timedelta(seconds=1)),
    ]
    found = match([first, second, third], reports, timedelta(seconds=5))

    assert {each: each_found.provider_id for each, each_found in found.items()} == {first.id: "found"}


def test_a_bucket_fills_at_its_rate_and_no_further_than_a_second_of_it() -> None:
    assert filled(10, 0, NOW, NOW + timedelta(seconds=0.5)).tokens == 5
    assert filled(10, 9, NOW, NOW + timedelta(seconds=5)).tokens == 10
    assert filled(0.1, 0, NOW, NOW + timedelta(seconds=60)).tokens == 1
    assert filled(10, 3, NOW, NOW - timedelta(seconds=5)).tokens == 3
    assert Bucket(10, 7.9).take(20) == 7
    assert Bucket(10, 7.9).take(20, reserve=0.2) == 5
    assert Bucket(10, 1).take(20, reserve=0.2) == 0
