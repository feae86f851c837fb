"""The page at `/sandbox`: phones and mailboxes, as their owners would see them. It works without scripts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import jdatetime
from fastapi import APIRouter, Cookie, Form, Header, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from services.sandbox import faults, inbound, mails, views
from services.sandbox.control import MailNotFound, NotAMobile, line_number, phone
from services.sandbox.faults import KINDS, Kind
from services.sandbox.numbers import local, mobile
from services.sandbox.sandbox import SandboxDep
from services.sandbox.texts import FAULTS, WORDS, Language
from shared.clock import utcnow
from shared.errors import Forbidden, Invalid

router = APIRouter(prefix="/sandbox", include_in_schema=False)

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
COMMON_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

_templates = Environment(
    loader=PackageLoader("services.sandbox"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip
_PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


@router.get("", response_class=HTMLResponse)
async def show(
    sandbox: SandboxDep,
    phone_shown: Annotated[str | None, Query(alias="phone")] = None,
    mailbox: Annotated[str | None, Query(alias="mail", max_length=254)] = None,
    lang: Language | None = None,
    sandbox_lang: Annotated[str | None, Cookie()] = None,
    accept_language: Annotated[str, Header()] = "",
) -> HTMLResponse:
    """Show all threads, and the phone or mailbox that is open."""
    language = lang or _language(sandbox_lang, accept_language)
    async with sandbox.transaction() as connection:
        view = await views.read(
            connection, now=utcnow(), phone=mobile(phone_shown or ""), mailbox=mailbox.lower() if mailbox else None
        )
    response = HTMLResponse(_render(view, language, sandbox.zone), headers={
        **COMMON_HEADERS, "Content-Security-Policy": PAGE_POLICY, "Vary": "Accept-Language, Cookie",
    })  # fmt: skip
    if lang:
        response.set_cookie("sandbox_lang", lang, max_age=31_536_000, path="/sandbox", samesite="lax", httponly=True)
    return response


@router.get("/events")
async def events(sandbox: SandboxDep) -> StreamingResponse:
    """Tell an open page when to look again."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(sandbox.live.events(), media_type="text/event-stream", headers=headers)


@router.get("/mails/{mail_id}/html", response_class=HTMLResponse)
async def mail_html(mail_id: int, sandbox: SandboxDep) -> HTMLResponse:
    """Show an email's HTML where it can load nothing and run nothing."""
    async with sandbox.transaction() as connection:
        row = await mails.by_id(connection, mail_id)
    if row is None:
        raise MailNotFound(mail_id)
    return HTMLResponse(row["html"] or "", headers={**COMMON_HEADERS, "Content-Security-Policy": MAIL_POLICY})


@router.post("/write")
async def write(
    request: Request,
    sandbox: SandboxDep,
    sender: Annotated[str, Form(alias="from", max_length=40)],
    text: Annotated[str, Form(max_length=900)],
    to: Annotated[str, Form(max_length=40)],
) -> RedirectResponse:
    """Write from a phone, by the page's form."""
    _same_site(request)
    number = phone(sender, "/from")
    if text.strip():
        async with sandbox.transaction() as connection:
            await inbound.receive(
                connection, mobile=number, line=line_number(to), text=text.replace("\0", ""), now=utcnow()
            )
        sandbox.changed()
    return _back(phone=local(number))


@router.post("/switch")
async def switch(
    request: Request,
    sandbox: SandboxDep,
    kind: Annotated[Kind, Form()],
    action: Annotated[Literal["on", "off"], Form()],
    target: Annotated[str, Form(max_length=254)] = "",
    count: Annotated[str, Form(max_length=6)] = "",
    delay_s: Annotated[float, Form(ge=0, le=86_400)] = 30.0,
    back: Annotated[str, Form(max_length=600)] = "",
) -> RedirectResponse:
    """Switch a kind of fault on or off, by the page's form."""
    _same_site(request)
    async with sandbox.transaction() as connection:
        if action == "off":
            await faults.switch_off_kind(connection, kind)
        else:
            await faults.switch_on(connection, kind, target=_target(target), count=_count(count), delay_s=delay_s)
    sandbox.changed()
    return RedirectResponse(f"/sandbox?{back}" if back.startswith(("phone=", "mail=")) else "/sandbox", 303)


def _render(view: views.View, language: Language, zone: ZoneInfo) -> str:
    words = WORDS[language]

    def figures(value: Any) -> str:
        text = f"{value:.0f}" if isinstance(value, float) else str(value)
        return text.translate(_PERSIAN) if language == "fa" else text

    return _templates.get_template("page.html").render(
        view=view, t=words, lang=language, dir="rtl" if language == "fa" else "ltr", kinds=KINDS,
        fault_words=FAULTS[language], n=figures, at=lambda instant: figures(jalali(instant, zone)),
        query=_query(view), other="en" if language == "fa" else "fa", link=lambda **to: f"/sandbox?{urlencode(to)}",
    )  # fmt: skip


def jalali(instant: datetime, zone: ZoneInfo) -> str:
    """Return an instant as a phone in Iran shows it: date and minute of the solar calendar."""
    there = instant.astimezone(zone)
    date = jdatetime.date.fromgregorian(date=there.date())
    return f"{date.year}/{date.month}/{date.day} {there:%H:%M}"


def _query(view: views.View) -> str:
    return urlencode({"phone": view.phone} if view.phone else {"mail": view.mailbox} if view.mailbox else {})


def _language(cookie: str | None, accepted: str) -> Language:
    wanted = cookie or accepted.partition(",")[0].strip().lower()
    return "en" if wanted.startswith("en") else "fa"


def _back(**to: str) -> RedirectResponse:
    return RedirectResponse(f"/sandbox?{urlencode(to)}", status_code=303)


def _same_site(request: Request) -> None:
    """Refuse a form that another site's page sends."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("Forms of the sandbox are sent from its own page only.")


def _target(text: str) -> str | None:
    number = mobile(text)
    if text.strip() and number is None and "@" not in text:
        raise NotAMobile(text, "/target")
    return str(number) if number else text.strip().lower() or None


def _count(text: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdecimal() or int(text) == 0:
        raise Invalid(f"{text!r} is no count; leave it empty, or give a number from 1 on.")
    return int(text)
