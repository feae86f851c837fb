"""The JSON API that tests and the demo use the phones with: read, reply, switch faults, set the panel."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import asyncpg
import msgspec
import orjson
from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.sandbox import faults, inbound, lines, mails, messages, tables
from services.sandbox.faults import Fault, Kind
from services.sandbox.numbers import digits, local, mobile
from services.sandbox.sandbox import SandboxDep
from shared.clock import utcnow
from shared.errors import FieldError, Invalid, NotFound
from shared.web.fields import Number, Whole

router = APIRouter(prefix="/sandbox", tags=["sandbox"])

MOST = 1000
BIGGEST_ID = 2**63 - 1

After = Annotated[int, Query(ge=0, le=BIGGEST_ID, description="Only ids above this one.")]


class NotAMobile(Invalid):
    """A phone of the sandbox has a mobile number."""

    code = "not_a_mobile"

    def __init__(self, text: str, pointer: str) -> None:
        super().__init__(
            f"{text!r} is no mobile number; one such as 09990001234 is.",
            errors=[FieldError(pointer, "not_a_mobile", "A mobile number such as 09990001234.")],
        )


class MailNotFound(NotFound):
    code = "mail_not_found"

    def __init__(self, mail_id: int) -> None:
        super().__init__(f"There is no mail {mail_id}.")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Reply(Strict):
    """What a phone writes; without `to` it goes to the line that wrote last."""

    sender: str = Field(alias="from", examples=["۰۹۹۹۰۰۰۱۲۳۴"])
    to: str | None = Field(None, examples=["30007732000000"])
    text: str = Field(min_length=1, max_length=900, examples=["۲"])


class FaultOn(Strict):
    """A fault to switch on: `count` times, or for `seconds`, or until it is switched off."""

    kind: Kind = Field(examples=["timeout_after_accept"])
    number: str | None = Field(None, description="Strikes this phone only.", examples=["09990001234"])
    address: str | None = Field(None, description="Strikes this mail address only.", max_length=254)
    share: Number = Field(1.0, gt=0, le=1, description="Share of its chances that it takes.")
    count: Whole | None = Field(None, ge=1, le=1_000_000)
    seconds: Number | None = Field(None, gt=0, le=86_400, description="Ends by itself after so long.")
    delay_s: Number = Field(30.0, ge=0, le=86_400, description="How long slow answers, time-outs and reports take.")


class Panel(Strict):
    """What can be set while the panel runs."""

    credit: Number | None = Field(None, ge=0, le=1e12)
    delivery_delay_s: Number | None = Field(None, ge=0, le=86_400)


class LinePut(Strict):
    """The webhooks of a line."""

    hooks: dict[lines.HookKind, dict[str, Any]] = Field(
        default_factory=dict,
        examples=[{"inbound": {"url": "http://127.0.0.1:8000/webhooks/1/secret/inbound", "encoding": "json"}}],
    )


class TemplatePut(Strict):
    text: str = Field(min_length=1, max_length=900, examples=["کد شما: #CODE#"])


@router.get("/messages")
async def list_messages(
    sandbox: SandboxDep,
    to: str | None = None,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
) -> dict[str, Any]:
    """What phones were sent, oldest first."""
    now = utcnow()
    number = phone(to, "/to") if to else None
    async with sandbox.transaction() as connection:
        rows = await messages.sent_to(connection, now=now, mobile=number, after=after, limit=limit)
    return {"items": [sms_shown(row) for row in rows]}


@router.get("/replies")
async def list_replies(
    sandbox: SandboxDep, sender: Annotated[str | None, Query(alias="from")] = None
) -> dict[str, Any]:
    """What phones wrote, oldest first."""
    number = phone(sender, "/from") if sender else None
    query = """
        SELECT id, line, mobile, text, received_at FROM inbound WHERE $1::bigint IS NULL OR mobile = $1 ORDER BY id
    """
    async with sandbox.transaction() as connection:
        rows = await connection.fetch(query, number)
    return {"items": [reply_shown(row) for row in rows]}


@router.post("/replies", status_code=201)
async def reply(body: Reply, sandbox: SandboxDep) -> dict[str, Any]:
    """Write from a phone to a line."""
    line = line_number(body.to) if body.to else None
    async with sandbox.transaction() as connection:
        row = await inbound.receive(
            connection, mobile=phone(body.sender, "/from"), line=line, text=body.text.replace("\0", ""), now=utcnow()
        )
    sandbox.changed()
    return reply_shown(row)


@router.get("/mails")
async def list_mails(sandbox: SandboxDep, to: str | None = None, after: After = 0) -> dict[str, Any]:
    """What mailboxes hold, oldest first."""
    async with sandbox.transaction() as connection:
        rows = await mails.listed(connection, recipient=to, after=after, limit=MOST)
    return {"items": [mails.shown(row) for row in rows]}


@router.delete("/messages", status_code=204, response_class=Response)
async def clear(sandbox: SandboxDep) -> None:
    """Empty all phones and mailboxes."""
    async with sandbox.transaction() as connection:
        await tables.clear(connection)
    sandbox.changed()


@router.get("/faults")
async def list_faults(sandbox: SandboxDep) -> dict[str, Any]:
    """The faults that are on."""
    async with sandbox.transaction() as connection:
        return {"items": [fault_shown(fault) for fault in await faults.listed(connection, now=utcnow())]}


@router.post("/faults", status_code=201)
async def switch_fault_on(body: FaultOn, sandbox: SandboxDep) -> dict[str, Any]:
    """Switch a fault on."""
    target = str(phone(body.number, "/number")) if body.number else (body.address or "").lower() or None
    ends_at = utcnow() + timedelta(seconds=body.seconds) if body.seconds else None
    async with sandbox.transaction() as connection:
        fault = await faults.switch_on(
            connection, body.kind, target=target, share=body.share, count=body.count, ends_at=ends_at,
            delay_s=body.delay_s,
        )  # fmt: skip
    sandbox.changed()
    return fault_shown(fault)


@router.delete("/faults", status_code=204, response_class=Response)
async def switch_all_off(sandbox: SandboxDep) -> None:
    """Switch every fault off."""
    await _switch_off(sandbox, None)


@router.delete("/faults/{fault_id}", status_code=204, response_class=Response)
async def switch_fault_off(fault_id: Annotated[int, Path(ge=1, le=BIGGEST_ID)], sandbox: SandboxDep) -> None:
    """Switch one fault off; one that is off already stays so."""
    await _switch_off(sandbox, fault_id)


@router.get("/settings")
async def show_panel(sandbox: SandboxDep) -> dict[str, Any]:
    """Credit and delivery delay."""
    async with sandbox.transaction() as connection:
        [row] = await connection.fetch("SELECT credit, delivery_delay_s FROM panel")
    return _panel_shown(row)


@router.patch("/settings")
async def set_panel(body: Panel, sandbox: SandboxDep) -> dict[str, Any]:
    """Set credit or delivery delay."""
    async with sandbox.transaction() as connection:
        [row] = await connection.fetch(
            """
            UPDATE panel SET credit = coalesce($1::float8::numeric, credit),
                             delivery_delay_s = coalesce($2, delivery_delay_s)
            RETURNING credit, delivery_delay_s
            """,
            body.credit, body.delivery_delay_s,
        )  # fmt: skip
    sandbox.changed()
    return _panel_shown(row)


@router.get("/credit")
async def credit(sandbox: SandboxDep) -> dict[str, Any]:
    """Messages left."""
    return {"credit": (await show_panel(sandbox))["credit"]}


@router.get("/lines")
async def list_lines(sandbox: SandboxDep) -> dict[str, Any]:
    """The account's lines and their webhooks."""
    async with sandbox.transaction() as connection:
        return {"items": [_line_shown(line) for line in await lines.listed(connection)]}


@router.put("/lines/{number}")
async def put_line(number: str, body: Annotated[LinePut, Body()], sandbox: SandboxDep) -> dict[str, Any]:
    """Add a line to the account, or set its webhooks."""
    line = lines.read(line_number(number), body.hooks)
    async with sandbox.transaction() as connection:
        await lines.put(connection, line)
    sandbox.changed()
    return _line_shown(line)


@router.put("/templates/{template_id}")
async def put_template(
    template_id: Annotated[int, Path(ge=1, le=BIGGEST_ID)], body: TemplatePut, sandbox: SandboxDep
) -> dict[str, Any]:
    """Have a pattern approved."""
    async with sandbox.transaction() as connection:
        await connection.execute(
            "INSERT INTO template (id, text) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET text = excluded.text",
            template_id, body.text,
        )  # fmt: skip
    return {"id": template_id, "text": body.text}


@router.get("/calls")
async def list_calls(sandbox: SandboxDep, limit: Annotated[int, Query(ge=1, le=MOST)] = 100) -> dict[str, Any]:
    """The latest webhook calls, newest first, with what became of them."""
    query = """
        SELECT id, line, kind, payload::text, attempts, due_at, done_at, error FROM call ORDER BY id DESC LIMIT $1
    """
    async with sandbox.transaction() as connection:
        rows = await connection.fetch(query, limit)
    return {"items": [{**dict(row), "line": str(row["line"]), "payload": orjson.loads(row["payload"])} for row in rows]}


def phone(text: str, pointer: str) -> int:
    """Read a mobile number typed in any way, or say which field holds none."""
    number = mobile(text)
    if number is None:
        raise NotAMobile(text, pointer)
    return number


def line_number(text: str) -> int:
    """Read a line's number; one that is no number is no line of the account either."""
    number = digits(text).strip().removeprefix("+98")
    if not number.isascii() or not number.isdecimal() or len(number) > 15:  # noqa: PLR2004  (E.164's longest)
        raise Invalid(f"{text!r} is no line; one such as 30007732000000 is.")
    return int(number)


def sms_shown(row: asyncpg.Record) -> dict[str, Any]:
    """Return an SMS as JSON shows it; numbers as they are dialled."""
    return {
        "id": row["id"],
        "from": str(row["line"]),
        "to": local(row["mobile"]),
        "text": row["text"],
        "parts": row["parts"],
        "state": row["state"],
        "sent_at": row["send_at"],
    }


def reply_shown(row: asyncpg.Record) -> dict[str, Any]:
    """Return what a phone wrote as JSON shows it."""
    return {
        "id": row["id"],
        "from": local(row["mobile"]),
        "to": str(row["line"]),
        "text": row["text"],
        "sent_at": row["received_at"],
    }


def fault_shown(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON shows it."""
    return {
        "id": fault.id,
        "kind": fault.kind,
        "target": local(int(fault.target)) if fault.target and fault.target.isdecimal() else fault.target,
        "share": fault.share,
        "remaining": fault.remaining,
        "ends_at": fault.ends_at,
        "delay_s": fault.delay_s,
    }


def _panel_shown(row: asyncpg.Record) -> dict[str, Any]:
    return {"credit": float(row["credit"]), "delivery_delay_s": row["delivery_delay_s"]}


def _line_shown(line: lines.Line) -> dict[str, Any]:
    return {"number": str(line.number), "hooks": msgspec.to_builtins(line.hooks)}


async def _switch_off(sandbox: SandboxDep, fault_id: int | None) -> None:
    async with sandbox.transaction() as connection:
        await faults.switch_off(connection, fault_id)
    sandbox.changed()
