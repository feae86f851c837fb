"""One deployment for all pages, after the story was told in it, and one browser to look at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.looking import chromium, open_browser
from tests.browser.shop import MAIL, open_shop
from tests.support.deployments import embedded
from tests.support.story import tell


@dataclass(frozen=True, slots=True)
class Site:
    """Where the pages are, the token that opens the dashboard, and what got something: a phone, a mailbox."""

    origin: str
    token: str
    phone: str
    mailbox: str
    unsubscribe: str


def unsubscribe_path(mail: dict[str, Any]) -> str:
    """Return where a mail's link leads to, on whatever host."""
    link: str
    [link] = [value for name, value in dict(mail["headers"]).items() if name.lower() == "list-unsubscribe"]
    return urlsplit(link.strip("<>")).path


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    chromium()
    async with embedded(tmp_path_factory.mktemp("site")) as deployment, deployment.client() as client:
        await tell(deployment)
        await open_shop(client)
        [sms, *_] = (await client.get("/sandbox/messages")).json()["items"]
        [mail] = (await client.get("/sandbox/mails", params={"to": MAIL})).json()["items"]
        token = deployment.token_file.read_text().strip()
        yield Site(deployment.url, token, sms["to"], MAIL, unsubscribe_path(mail))


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as lent:
        yield lent
