"""The dashboard: a public page without inline code, and the stream that keeps it live."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing

import httpx
import pytest
from structlog.testing import capture_logs

from services.metrics.app import SERVICE
from services.metrics.dashboard.api import STATIC
from services.metrics.stream import open_changes
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.metrics.facts import purchase
from tests.support import api
from tests.support.events import deliver, turn
from tests.support.eventually import eventually

PAGE = (STATIC / "dashboard.html").read_text(encoding="utf-8")
WORDS = (STATIC / "texts.js").read_text(encoding="utf-8")


async def test_the_page_is_public_and_its_policy_allows_nothing_inline(runtime: Runtime) -> None:
    async with api.client(runtime) as http:
        del http.headers["Authorization"]
        page = await http.get("/dashboard")

    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy


def test_the_page_has_no_inline_script_style_or_handler() -> None:
    assert re.findall(r"<script(?![^>]*\ssrc=)", PAGE) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", PAGE) == []
    assert "http" not in PAGE.replace("http-equiv", "")


async def test_every_file_that_the_page_names_is_served(client: httpx.AsyncClient) -> None:
    named = set(re.findall(r'(?:src|href)="(/dashboard/[^"]+)"', PAGE))
    imported = {
        f"/dashboard/{name}"
        for script in STATIC.glob("*.js")
        for name in re.findall(r'from "\./([^"]+)"', script.read_text(encoding="utf-8"))
    }

    for path in named | imported:
        reply = await client.get(path)
        assert reply.status_code == 200, path
        assert reply.headers["content-type"].split(";")[0] in ("text/css", "text/javascript", "image/svg+xml")


async def test_plotly_comes_from_its_package_and_is_not_sent_twice(client: httpx.AsyncClient) -> None:
    first = await client.get("/dashboard/plotly.js")
    again = await client.get("/dashboard/plotly.js", headers={"If-None-Match": first.headers["etag"]})

    assert b"plotly.js" in first.content[:200]
    assert first.headers["content-encoding"] == "gzip"
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "api.py", "..%2Fapi.py", "%2e%2e"])
async def test_nothing_else_is_served(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/dashboard/{name}")).status_code == 404


def test_both_languages_have_the_same_words() -> None:
    persian, english = WORDS.split("  en: {", 1)
    keys = [re.findall(r"^    ([a-zA-Z]+):", part.split("\n  },", 1)[0], re.MULTILINE) for part in (persian, english)]
    assert keys[0] == keys[1]
    assert set(re.findall(r'data-word="(\w+)"', PAGE)) <= set(keys[0])


async def test_a_stream_hears_of_each_change_of_the_figures(runtime: Runtime) -> None:
    async with (
        open_changes(runtime) as changes,
        aclosing(changes.follow()) as first,
        aclosing(changes.follow()) as other,
    ):
        before = await anext(first)
        assert await anext(other) == before

        await deliver(runtime, purchase("ana", "2026-04-01"))
        await turn(runtime, "fold")

        assert await anext(first) > before
        assert await anext(other) > before


async def test_a_stream_goes_on_after_no_connection_was_free_for_long(
    make_runtime: MakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await make_runtime(SERVICE, pool_size=2)
    monkeypatch.setattr(runtime.db.engine.pool, "_timeout", 0.05)
    monkeypatch.setattr("services.metrics.stream.PAUSE_AFTER_FAILURE_S", 0.05)
    async with open_changes(runtime) as changes, aclosing(changes.follow()) as stream:
        with capture_logs() as logs:
            async with runtime.db.connection(), runtime.db.connection():
                waiting = asyncio.ensure_future(anext(stream))
                await eventually(lambda: [entry["event"] for entry in logs][:1] == ["figures_not_watched"])

        assert await asyncio.wait_for(waiting, 5) == 0


async def test_nobody_looks_when_nobody_listens(runtime: Runtime) -> None:
    async with open_changes(runtime) as changes:
        async with aclosing(changes.follow()) as stream:
            await anext(stream)
            assert changes._watch is not None
        await eventually(lambda: changes._watch is None)


async def test_the_stream_needs_a_token(runtime: Runtime) -> None:
    async with api.client(runtime, scopes=["leads:read"]) as http:
        assert (await http.get("/v1/metrics/stream")).status_code == 403
