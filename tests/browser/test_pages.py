"""The pages as people see them: in a real browser, small and large, in both languages, by day and by night."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Site
from tests.browser.looking import LOOKS, Look, Window, open_window

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(120)]

looks = pytest.mark.parametrize("look", LOOKS, ids=str)
LATIN_DIGITS = re.compile("[0-9]")


async def assert_it_looks_right(window: Window, look: Look, name: str) -> None:
    await window.photograph(f"{name}-{look}")

    assert await window.page.locator("html").get_attribute("lang") == look.language
    assert await window.page.locator("html").get_attribute("dir") == ("rtl" if look.language == "fa" else "ltr")
    assert await window.overflow() <= 0
    hindrances = await window.hindrances()
    assert not hindrances, "\n".join(hindrances)


async def signed_in(window: Window, site: Site, look: Look) -> Page:
    page = await window.open(f"/dashboard?lang={look.language}#token={site.token}")
    await expect(page.locator(".tile").first).to_be_visible()
    await expect(page.locator(".live")).to_have_attribute("data-state", "live")
    await expect(page.locator("#panel-money svg.main-svg").first).to_be_visible()
    return page


@looks
async def test_the_sandbox_shows_who_got_something(site: Site, browser: Browser, look: Look) -> None:
    async with open_window(browser, site.origin, look) as window:
        page = await window.open("/sandbox")

        await expect(page.locator("#phones .thread").first).to_be_visible()
        await expect(page.locator("#mailboxes .thread").first).to_be_visible()
        await assert_it_looks_right(window, look, "sandbox")


@looks
async def test_the_sandbox_shows_a_phone_as_its_owner_sees_it(site: Site, browser: Browser, look: Look) -> None:
    async with open_window(browser, site.origin, look) as window:
        page = await window.open(f"/sandbox?phone={site.phone}")

        await expect(page.locator(".bubble.theirs").first).to_be_visible()
        await assert_it_looks_right(window, look, "phone")


@looks
async def test_the_sandbox_shows_a_mail(site: Site, browser: Browser, look: Look) -> None:
    async with open_window(browser, site.origin, look) as window:
        page = await window.open(f"/sandbox?mail={site.mailbox}")

        await expect(page.locator(".mail").first).to_be_visible()
        await assert_it_looks_right(window, look, "mail")


@looks
async def test_the_dashboard_asks_who_looks(site: Site, browser: Browser, look: Look) -> None:
    async with open_window(browser, site.origin, look) as window:
        page = await window.open(f"/dashboard?lang={look.language}")

        await expect(page.locator("#token")).to_be_focused()
        await assert_it_looks_right(window, look, "signin")


@looks
async def test_the_dashboard_shows_the_figures(site: Site, browser: Browser, look: Look) -> None:
    async with open_window(browser, site.origin, look) as window:
        page = await signed_in(window, site, look)

        await assert_it_looks_right(window, look, "dashboard")
        if look.language == "fa":
            for figures in await page.locator(".tile .value, .heat td").all_inner_texts():
                assert not LATIN_DIGITS.search(figures)


@pytest.mark.parametrize("look", [LOOKS[0], LOOKS[2]], ids=str)
async def test_the_page_behind_a_mails_link_shows_how_to_get_no_more(site: Site, browser: Browser, look: Look) -> None:
    async with open_window(browser, site.origin, look) as window:
        page = await window.open(site.unsubscribe)

        await expect(page.get_by_role("button")).to_be_visible()
        await assert_it_looks_right(window, look, "unsubscribe")
