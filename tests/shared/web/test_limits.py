from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from shared.service import Runtime
from shared.web import limits
from shared.web.app import create_app
from shared.web.limits import AskedTooOften, Limit, address_of
from tests.shared.web.notes import SERVICE
from tests.support.api import token

MakeRuntime = Callable[..., Awaitable[Runtime]]
NOTE = {"text": "سلام"}


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic_ns(self) -> int:
        return round(self.now * 1e9)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    moved = Time()
    monkeypatch.setattr(limits, "time", moved)
    return moved


@pytest.fixture
async def limited(make_runtime: MakeRuntime) -> FastAPI:
    return create_app(
        await make_runtime(
            SERVICE, requests_per_s=0.2, requests_burst=3, public_requests_per_s=0.1, public_requests_burst=2
        )
    )


def client(app: FastAPI, *, subject: str | None = None, address: str = "192.0.2.1") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token(['notes:write'], subject=subject)}"} if subject is not None else {}
    transport = httpx.ASGITransport(app=app, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


def took(limit: Limit, caller: str, times: int) -> int:
    """Ask so many times; return how often it was let through."""
    passed = 0
    for _ in range(times):
        try:
            limit.take(caller)
        except AskedTooOften:
            continue
        passed += 1
    return passed


async def test_a_subject_is_refused_past_its_burst_with_the_time_to_wait(limited: FastAPI) -> None:
    async with client(limited, subject="sara") as sara:
        answers = [await sara.get("/v1/notes/me") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("asked_too_often", "5")
    assert refused.headers["ratelimit-policy"] == '"token";q=3;w=15'
    assert refused.headers["ratelimit"] == '"token";r=0;t=5'


async def test_another_token_of_a_subject_is_no_way_round_and_another_subject_is_left_alone(limited: FastAPI) -> None:
    async with client(limited, subject="sara") as one, client(limited, subject="sara") as two:
        for http in (one, two, one):
            assert (await http.get("/v1/notes/me")).status_code == 200
        assert (await two.get("/v1/notes/me")).status_code == 429
    async with client(limited, subject="somebody else") as other:
        assert (await other.get("/v1/notes/me")).status_code == 200


async def test_what_a_token_may_not_do_counts_too(limited: FastAPI) -> None:
    async with client(limited, subject="sara") as sara:
        path = "/v1/notes/01a203af-3b49-7420-9b13-dbb08f38cede"
        answers = [(await sara.delete(path)).status_code for _ in range(4)]

    assert answers == [403, 403, 403, 429]


async def test_a_public_path_is_limited_by_address_and_by_path(limited: FastAPI) -> None:
    async with client(limited) as here, client(limited, address="192.0.2.2") as there:
        pages = [(await here.get("/v1/notes/page")).status_code for _ in range(3)]
        elsewhere = (await there.get("/v1/notes/page")).status_code
        other_path = (await here.get("/docs")).status_code

    assert pages == [200, 200, 429]
    assert (elsewhere, other_path) == (200, 200)


async def test_of_an_address_that_sends_forged_tokens_no_more_are_looked_at(
    limited: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client(limited, subject="sara") as sara, client(limited) as forger:
        await sara.get("/v1/notes/me")
        forged = [{"Authorization": f"Bearer {token(subject='x')}{number}"} for number in range(3)]
        answers = [(await forger.get("/v1/notes/me", headers=headers)).status_code for headers in forged]
        monkeypatch.setattr(limited.state.verifier, "verify", None)
        unseen = await forger.get("/v1/notes/me", headers={"Authorization": "Bearer another"})
        known = await sara.get("/v1/notes/me")

    assert answers == [401, 401, 429]
    assert unseen.status_code == 429
    assert known.status_code == 200


async def test_no_limit_is_the_answer_to_zero(make_runtime: MakeRuntime) -> None:
    app = create_app(await make_runtime(SERVICE, requests_per_s=0, requests_burst=1, public_requests_per_s=0))
    async with client(app, subject="sara") as sara:
        assert [(await sara.get("/v1/notes/me")).status_code for _ in range(5)] == [200] * 5
        assert [(await sara.get("/v1/notes/page")).status_code for _ in range(5)] == [200] * 5


def test_what_was_spent_comes_back_with_time(time: Time) -> None:
    limit = Limit("token", per_s=10, burst=5)

    assert took(limit, "sara", 9) == 5
    time.now += 0.2
    assert took(limit, "sara", 9) == 2
    time.now += 3_600
    assert took(limit, "sara", 9) == 5


def test_a_refusal_costs_nothing(time: Time) -> None:
    limit = Limit("token", per_s=1, burst=1)
    assert took(limit, "sara", 100) == 1
    time.now += 1.0

    assert took(limit, "sara", 1) == 1


def test_the_time_to_wait_is_long_enough(time: Time) -> None:
    limit = Limit("token", per_s=0.3, burst=2)
    assert took(limit, "sara", 2) == 2
    with pytest.raises(AskedTooOften) as refused:
        limit.take("sara")
    time.now += refused.value.retry_after_s

    assert took(limit, "sara", 1) == 1


@given(
    gaps=st.lists(st.floats(0, 3), max_size=60),
    per_s=st.floats(0.1, 100),
    burst=st.integers(1, 20),
)
def test_never_more_than_the_burst_and_the_rate_are_let_through(gaps: list[float], per_s: float, burst: int) -> None:
    moved = Time()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(limits, "time", moved)
        limit, passed = Limit("token", per_s, burst), 0
        for gap in gaps:
            moved.now += gap
            passed += took(limit, "sara", 1)

    assert passed <= burst + sum(gaps) * per_s + 0.001


def test_of_endlessly_many_callers_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REMEMBERED", 3)
    limit = Limit("address", per_s=1, burst=1)
    for number in range(100):
        limit.take(f"192.0.2.{number}")

    assert len(limit._paid_until) == 3
    assert took(limit, "192.0.2.99", 1) == 0


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("a socket", "a socket"),
    ],
)
def test_an_address_is_that_of_a_site(host: str, site: str) -> None:
    assert address_of({"type": "http", "client": (host, 4711)}) == site


def test_a_caller_without_an_address_is_one_caller() -> None:
    assert address_of({"type": "http", "client": None}) == address_of({"type": "http"}) == ""
