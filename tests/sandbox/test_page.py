"""The page: what a phone shows, safely, in two languages, also without scripts."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import aiosmtplib
import httpx
import pytest

from services.sandbox.page import jalali
from services.sandbox.settings import DEFAULT_LINE
from tests.sandbox.conftest import Running

SARA = "09990001234"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


class Markup(HTMLParser):
    """Every element of a page with its attributes, and the text of it all."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


async def sms(sandbox: Running, text: str = "سلام سارا", to: str = SARA) -> None:
    body = {"lineNumber": DEFAULT_LINE, "messageText": text, "mobiles": [to]}
    assert (await sandbox.panel.post("/send/bulk", json=body)).json()["status"] == 1


async def page(sandbox: Running, **query: str) -> Markup:
    reply = await sandbox.api.get("/sandbox", params=query)
    assert reply.status_code == 200
    return Markup(reply.text)


async def test_a_phone_shows_its_messages_with_line_parts_and_state(sandbox: Running) -> None:
    await sms(sandbox, "س" * 71)

    shown = await page(sandbox, phone=SARA)

    assert "س" * 71 in shown.text
    assert "۳۰۰۰۷۷۳۲۰۰۰۰۰۰" in shown.text
    assert "۲ بخش" in shown.text


async def test_what_a_message_says_never_becomes_markup(sandbox: Running) -> None:
    await sms(sandbox, HOSTILE)
    await sandbox.api.post("/sandbox/replies", json={"from": SARA, "text": HOSTILE})

    for query in ({}, {"phone": SARA}, {"mail": HOSTILE}):
        shown = await page(sandbox, **query)
        assert [script.get("src") for script in shown.all("script")] == ["/sandbox/static/sandbox.js"]
        assert shown.all("img") == []
        assert not [name for _, attributes in shown.elements for name in attributes if name.startswith("on")]
        assert HOSTILE in shown.text or query == {"mail": HOSTILE}


async def test_nothing_inline_runs_and_nothing_is_asked_elsewhere(sandbox: Running) -> None:
    await sms(sandbox)
    reply = await sandbox.api.get("/sandbox", params={"phone": SARA})

    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    shown = Markup(reply.text)
    addresses = [v for _, attributes in shown.elements for n, v in attributes.items() if n in ("href", "src", "action")]
    assert all(address and address.startswith("/sandbox") for address in addresses)
    assert not [1 for _, attributes in shown.elements if "style" in attributes]
    for address in ("/sandbox/static/sandbox.js", "/sandbox/static/sandbox.css", "/sandbox/static/icon.svg"):
        file = await sandbox.api.get(address)
        assert file.status_code == 200
        assert "http" not in file.text.replace("http://www.w3.org/2000/svg", "")


async def test_a_form_replies_without_scripts(sandbox: Running) -> None:
    await sms(sandbox)
    form = {"from": SARA, "to": str(DEFAULT_LINE), "text": "۲"}

    sent = await sandbox.api.post("/sandbox/write", data=form)
    shown = await sandbox.api.get(sent.headers["location"])

    assert sent.status_code == 303
    assert "۲" in Markup(shown.text).text
    [received] = (await sandbox.panel.get("/receive/latest")).json()["data"]
    assert (received["messageText"], received["mobile"]) == ("۲", 9990001234)


async def test_a_phone_may_write_first_with_persian_digits(sandbox: Running) -> None:
    form = {"from": "۰۹۹۹ ۰۰۰ ۱۲۳۴", "to": str(DEFAULT_LINE), "text": "۱۱"}

    sent = await sandbox.api.post("/sandbox/write", data=form)

    assert sent.headers["location"] == f"/sandbox?phone={SARA}"


async def test_a_form_of_another_site_is_refused(sandbox: Running) -> None:
    form = {"from": SARA, "to": str(DEFAULT_LINE), "text": "۲"}

    sent = await sandbox.api.post("/sandbox/write", data=form, headers={"Sec-Fetch-Site": "cross-site"})

    assert (sent.status_code, sent.json()["code"]) == (403, "forbidden")
    assert (await sandbox.panel.get("/receive/latest")).json()["data"] == []


async def test_a_reply_goes_to_the_line_of_the_last_message_unless_another_is_chosen(sandbox: Running) -> None:
    await sandbox.api.put("/sandbox/lines/30001111111111", json={})
    await sms(sandbox)

    shown = await page(sandbox, phone=SARA)

    chosen = [option["value"] for option in shown.all("option") if "selected" in option]
    assert chosen == [str(DEFAULT_LINE)]


async def test_a_switch_turns_a_fault_on_and_off(sandbox: Running) -> None:
    async def switches() -> list[str | None]:
        return [button["aria-checked"] for button in (await page(sandbox)).all("button") if "aria-checked" in button]

    assert set(await switches()) == {"false"}
    on = await sandbox.api.post("/sandbox/switch", data={"kind": "blacklist", "action": "on", "target": "۰۹۹۹۰۰۰۱۲۳۴"})
    assert (await switches()).count("true") == 1
    off = await sandbox.api.post("/sandbox/switch", data={"kind": "blacklist", "action": "off"})

    assert set(await switches()) == {"false"}
    assert (on.status_code, off.status_code) == (303, 303)


@pytest.mark.parametrize(
    ("given", "language", "direction"),
    [
        ({}, "fa", "rtl"),
        ({"Accept-Language": "en-GB,en;q=0.9"}, "en", "ltr"),
        ({"Cookie": "sandbox_lang=en"}, "en", "ltr"),
    ],
)
async def test_the_page_is_in_the_readers_language(
    sandbox: Running, given: dict[str, str], language: str, direction: str
) -> None:
    reply = await sandbox.api.get("/sandbox", headers=given)

    [root] = Markup(reply.text).all("html")
    assert (root["lang"], root["dir"]) == (language, direction)


async def test_every_field_has_a_label(sandbox: Running) -> None:
    await sms(sandbox)
    reply = await sandbox.api.get("/sandbox", params={"phone": SARA})

    unlabelled = re.sub(r"<label(?! class=\"hidden\")[^>]*>.*?</label>", "", reply.text, flags=re.DOTALL)

    fields = [field for field in Markup(unlabelled).all("input", "select", "textarea") if field.get("type") != "hidden"]
    labels = {label.get("for") for label in Markup(unlabelled).all("label")}
    assert [field.get("id") for field in fields] == ["reply-text"]
    assert "reply-text" in labels


async def test_a_mail_is_shown_where_it_can_neither_run_nor_load(sandbox: Running) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", "sara@example.com", HOSTILE
    message.set_content("سلام")
    message.add_alternative(f"<p>سلام</p>{HOSTILE}", subtype="html")
    await aiosmtplib.send(message, hostname="127.0.0.1", port=sandbox.smtp_port)

    shown = await page(sandbox, mail="sara@example.com")
    [frame] = shown.all("iframe")
    body = await sandbox.api.get(frame["src"] or "")

    assert frame["sandbox"] in ("", None)
    assert "sandbox" in frame
    assert HOSTILE in shown.text
    assert body.headers["content-security-policy"].startswith("default-src 'none'")
    assert body.headers["content-security-policy"].endswith("; sandbox")
    assert (await sandbox.api.get("/sandbox/mails/999999/html")).status_code == 404


async def test_an_open_page_is_told_of_a_change(sandbox: Running) -> None:
    async with sandbox.api.stream("GET", "/sandbox/events") as stream, asyncio.timeout(5):
        lines = stream.aiter_lines()
        await anext(lines)
        await sms(sandbox)
        told = [await anext(lines), await anext(lines)]

    assert "event: changed" in told


async def test_an_unknown_phone_is_an_empty_conversation(sandbox: Running) -> None:
    await sms(sandbox)

    assert bubbles(await page(sandbox, phone=SARA)) == 1
    for phone in ("09990009999", "nothing", "۰۹۹۹", "\x00"):
        assert bubbles(await page(sandbox, phone=phone)) == 0


def bubbles(shown: Markup) -> int:
    return sum("bubble" in (item.get("class") or "").split() for item in shown.all("li"))


def test_times_are_jalali_in_the_deployments_zone() -> None:
    nowruz = datetime(2026, 3, 20, 20, 30, tzinfo=UTC)  # midnight in Tehran: 1 Farvardin 1405

    assert jalali(nowruz, ZoneInfo("Asia/Tehran")) == "1405/1/1 00:00"


async def test_many_phones_do_not_break_the_page(sandbox: Running) -> None:
    mobiles = [f"0999000{n:04}" for n in range(100)]
    await sandbox.panel.post("/send/bulk", json={"lineNumber": DEFAULT_LINE, "messageText": "سلام", "mobiles": mobiles})

    reply: httpx.Response = await sandbox.api.get("/sandbox")

    assert reply.text.count('class="thread"') == 100
