"""What people do with the pages: without scripts where that is promised, with the keyboard alone, and as it happens."""

from __future__ import annotations

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Site
from tests.browser.looking import LOOKS, Look, Window, open_window

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(120)]

DESKTOP = Look("desktop", "en", "light")
MOST_TABS = 60


async def tabbed_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is where `selector` says; fail where it never gets there."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"Tab does not lead to {selector}.")


CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea, summary"
FIND = """controls => {
    window.shown = [...document.querySelectorAll(controls)].filter(each => each.checkVisibility() && !each.disabled);
    window.reached = new Set();
    document.activeElement.blur();
}"""
STEP = """() => {
    const here = document.activeElement, style = getComputedStyle(here);
    if (here === document.body || window.reached.has(here)) return null;
    window.reached.add(here);
    return style.outlineStyle !== "none" || style.boxShadow !== "none" ? "" : here.outerHTML.slice(0, 200);
}"""
LEFT = """() => {
    const groups = new Set([...window.reached].filter(each => each.type === "radio").map(each => each.name));
    const led = each => window.reached.has(each) || (each.type === "radio" && groups.has(each.name));
    return window.shown.filter(each => !led(each)).map(each => each.outerHTML.slice(0, 200));
}"""
"""Arrows lead from one of a group of radio buttons to the next."""


async def tabbed_through(page: Page) -> tuple[list[str], list[str]]:
    """Press Tab once around; return the controls that it did not lead to, and those that do not show it."""
    await page.evaluate(FIND, CONTROLS)
    unseen = []
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        looks: str | None = await page.evaluate(STEP)
        if looks is None:
            break
        unseen += [looks] if looks else []
    return await page.evaluate(LEFT), unseen


async def test_the_sandbox_reads_and_answers_without_scripts(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.origin, LOOKS[0], scripts=False) as window:
        page = await window.open("/sandbox")
        await page.locator("#phones .thread").first.click()
        await page.locator("#reply-text").fill("سلام از بی‌اسکریپت")
        await page.locator(".composer button").click()

        await expect(page.locator(".bubble.mine").last).to_contain_text("سلام از بی‌اسکریپت")


async def test_a_fault_is_switched_on_and_off_without_scripts(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.origin, LOOKS[0], scripts=False) as window:
        page = await window.open("/sandbox")
        await page.locator("#faults > details > summary").click()
        switch = page.locator("form", has=page.locator("[value=report_lost]")).get_by_role("switch")
        await switch.click()
        await expect(switch).to_have_attribute("aria-checked", "true")
        await window.photograph("faults")
        assert await window.overflow() <= 0

        await switch.click()
        await page.locator("#faults > details > summary").click()
        await expect(switch).to_have_attribute("aria-checked", "false")


async def test_the_dashboard_says_without_scripts_where_the_figures_are(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.origin, LOOKS[0], scripts=False) as window:
        page = await window.open("/dashboard")

        await expect(page.locator(".notice")).to_contain_text("/v1/metrics")


async def test_a_mails_link_ends_mails_without_scripts(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.origin, LOOKS[0], scripts=False) as window:
        page = await window.open(site.unsubscribe)
        await page.get_by_role("button").click()

        await expect(page.get_by_role("heading")).to_have_text("انجام شد")


async def test_the_keyboard_alone_opens_a_phone_and_answers(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.origin, DESKTOP) as window:
        page = await window.open("/sandbox")
        await tabbed_to(page, "#phones .thread")
        await page.keyboard.press("Enter")
        await expect(page.locator("#bubbles")).to_be_visible()
        await tabbed_to(page, "#reply-text")
        await page.keyboard.type("By keyboard")
        await page.keyboard.press("Enter")

        await expect(page.locator(".bubble.mine").last).to_contain_text("By keyboard")
        await expect(page.locator("#reply-text")).to_be_focused()


async def test_the_keyboard_alone_signs_in_and_opens_a_table(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.origin, DESKTOP) as window:
        page = await window.open("/dashboard?lang=en")
        await page.keyboard.type(site.token)
        await page.keyboard.press("Enter")
        await expect(page.locator(".tile").first).to_be_visible()
        await tabbed_to(page, "#panel-retention summary")
        await page.keyboard.press("Enter")

        await expect(page.locator("#panel-retention table")).to_be_visible()


async def test_the_keyboard_alone_switches_a_fault_on_and_off(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.origin, DESKTOP) as window:
        page = await window.open("/sandbox")
        await tabbed_to(page, "#faults > details > summary")
        await page.keyboard.press("Enter")
        switch = ".fault:has([value=smtp_greylist]) [role=switch]"
        for state in ("true", "false"):
            await tabbed_to(page, switch)
            await page.keyboard.press("Enter")
            await expect(page.locator(switch)).to_have_attribute("aria-checked", state)


async def test_the_keyboard_reaches_every_control_and_shows_where_it_is(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.origin, DESKTOP) as window:
        for path in ("/sandbox", f"/sandbox?phone={site.phone}", f"/dashboard?lang=en#token={site.token}"):
            page = await window.open(path)
            await expect(page.locator(".tile, .thread").first).to_be_visible()
            unreached, unseen = await tabbed_through(page)
            assert (unreached, unseen) == ([], []), path


async def test_a_purchase_is_on_the_open_dashboard_without_a_reload(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.origin, DESKTOP) as window:
        page = await window.open(f"/dashboard?lang=en#token={site.token}")
        newest = page.locator("#cohortTable tbody tr:last-child th").last
        before = int(await newest.inner_text())
        await _somebody_new_buys(site)

        await expect(newest).to_have_text(str(before + 1))


async def test_an_sms_is_on_the_open_phone_without_a_reload(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.origin, DESKTOP) as window:
        page = await window.open(f"/sandbox?phone={site.phone}")
        await expect(page.locator(".bubble").first).to_be_visible()
        await _written_from(window, site.phone, "from elsewhere")

        await expect(page.locator(".bubble.mine").last).to_contain_text("from elsewhere")


async def _somebody_new_buys(site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.token}"}
    async with httpx.AsyncClient(base_url=site.origin, headers=headers) as client:
        person = (await client.post("/v1/customers", json={"first_name": "سارا", "phones": ["09990009999"]})).json()
        bought = {"person_id": person["id"], "amount_minor": 1_000_000}
        (await client.post("/v1/purchases", json=bought)).raise_for_status()


async def _written_from(window: Window, phone: str, text: str) -> None:
    async with httpx.AsyncClient(base_url=window.origin) as client:
        (await client.post("/sandbox/replies", json={"from": phone, "text": text})).raise_for_status()
