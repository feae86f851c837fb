"""A browser of the system's own that reaches one origin and nothing else, and what it noticed."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from tests.support.processes import ROOT

SCREENSHOTS = ROOT / ".build" / "screenshots"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
SIZES = {"phone": (390, 844), "desktop": (1366, 900)}
GRAVE = ("serious", "critical")
RULES = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at a page."""

    size: Literal["phone", "desktop"]
    language: Literal["fa", "en"]
    scheme: Literal["light", "dark"]

    def __str__(self) -> str:
        return f"{self.size}-{self.language}-{self.scheme}"


LOOKS = (
    Look("phone", "fa", "light"),
    Look("phone", "en", "dark"),
    Look("desktop", "fa", "dark"),
    Look("desktop", "en", "light"),
)
"""Every two choices meet in one of these."""


@dataclass
class Window:
    """An open page, and what the browser said meanwhile."""

    page: Page
    origin: str
    said: list[str] = field(default_factory=list)
    asked_elsewhere: list[str] = field(default_factory=list)

    async def open(self, path: str) -> Page:
        await self.page.goto(self.origin + path)
        return self.page

    async def photograph(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    async def hindrances(self) -> list[str]:
        """Return what axe-core finds that keeps people out."""
        found = await Axe().run(self.page, options=RULES)
        return [
            f"{violation['id']}: {node['target']} {node['html'][:200]}"
            for violation in found.response["violations"]
            if violation["impact"] in GRAVE
            for node in violation["nodes"]
        ]

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        width: int = await self.page.evaluate(WIDER)
        return width

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.said.append(message.text)

    def watch(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:", "about:")):
            self.asked_elsewhere.append(request.url)


def chromium() -> str:
    """Return the system's browser. Without one its tests are skipped; under CI they fail."""
    found = shutil.which("chromium")
    if found is None and os.environ.get("CI") != "true":
        pytest.skip("There is no Chromium here: apt-get install chromium")
    assert found is not None, "CI needs Chromium: apt-get install chromium"
    return found


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Lend a browser with a profile of its own, which is gone afterwards."""
    executable = chromium()
    async with async_playwright() as playwright:
        lent = await playwright.chromium.launch(executable_path=executable, args=FLAGS)
        try:
            yield lent
        finally:
            await lent.close()


@asynccontextmanager
async def open_window(
    browser: Browser, origin: str, look: Look = LOOKS[0], *, scripts: bool = True
) -> AsyncIterator[Window]:
    """Lend an empty window; whatever its page complained of or asked of others fails the test."""
    width, height = SIZES[look.size]
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        locale="fa-IR" if look.language == "fa" else "en-GB",
        color_scheme=look.scheme,
        reduced_motion="reduce",
        java_script_enabled=scripts,
        has_touch=look.size == "phone",
    )
    window = Window(await context.new_page(), origin)
    window.page.on("console", window.hear)
    window.page.on("pageerror", lambda error: window.said.append(str(error)))
    window.page.on("request", window.watch)
    try:
        yield window
    finally:
        await context.close()
    assert not window.said, window.said
    assert not window.asked_elsewhere, window.asked_elsewhere
