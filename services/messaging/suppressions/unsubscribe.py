"""Unsubscribe links of email: a page with one button, and the one click of RFC 8058. Needs no JavaScript."""

from __future__ import annotations

from uuid import UUID

from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.messages.models import Message
from services.messaging.providers.secrets import unsubscribed_message
from services.messaging.settings import Settings
from services.messaging.suppressions.errors import LinkNotValid, LinkOutlived
from services.messaging.suppressions.usecases import opt_out
from shared.clock import utcnow
from shared.web import RuntimeDep, Tx, problems, public, router_for

router = router_for("messaging", prefix="/u", tags=["unsubscribe"])

PAGE = """<!doctype html><html lang="fa" dir="rtl"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,"><title>لغو دریافت ایمیل</title></head>
<body style="font-family: Vazirmatn, Tahoma, 'DejaVu Sans', sans-serif;
max-width: 32rem; margin: 4rem auto; padding: 0 1rem">
<main>{}</main></body>
</html>"""
ASK = """<h1>لغو دریافت ایمیل</h1><p>با فشردن این دکمه دیگر از این دست ایمیل‌ها برایتان فرستاده نمی‌شود.</p>
<form method="post"><button style="font: inherit; padding: .6rem 1.2rem">دیگر نفرستید</button></form>"""
DONE = "<h1>انجام شد</h1><p>دیگر از این دست ایمیل‌ها برایتان فرستاده نمی‌شود.</p>"


@router.get(
    "/{token}",
    summary="Show the unsubscribe page",
    response_class=HTMLResponse,
    responses={**problems(LinkNotValid, LinkOutlived), 200: {"content": {"text/html": {"example": ASK}}}},
    dependencies=[public()],
)
async def show_unsubscribe(token: str, tx: Tx, runtime: RuntimeDep) -> HTMLResponse:
    """Show a page with a button: mail scanners open links, so opening one changes nothing."""
    await _message(tx, runtime.settings, token)
    return HTMLResponse(PAGE.format(ASK))


@router.post(
    "/{token}",
    summary="Unsubscribe",
    response_class=HTMLResponse,
    responses={**problems(LinkNotValid, LinkOutlived), 200: {"content": {"text/html": {"example": DONE}}}},
    dependencies=[public()],
)
async def unsubscribe(token: str, tx: Tx, runtime: RuntimeDep) -> HTMLResponse:
    """Let the address that the message went to have no more email of its purpose."""
    message = await _message(tx, runtime.settings, token)
    await opt_out(
        tx,
        runtime.settings,
        channel="email",
        address=message.address or "",
        source="link",
        now=utcnow(),
        purpose=message.purpose,
        person_id=message.person_id,
    )
    return HTMLResponse(PAGE.format(DONE))


async def _message(tx: AsyncSession, settings: Settings, token: str) -> Message:
    message_id: UUID | None = unsubscribed_message(settings, token)
    message = await tx.get(Message, message_id) if message_id is not None else None
    if message is None or message.channel != "email":
        raise LinkNotValid
    if message.address is None:
        raise LinkOutlived
    return message
