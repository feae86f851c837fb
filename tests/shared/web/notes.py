"""A service as small as can be, whose routes show what every service gets from shared.web."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict
from sqlalchemy import BigInteger, DateTime, Integer, Text, UniqueConstraint, Uuid, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared import outbox
from shared.clock import utcnow
from shared.db import driver, new_metadata
from shared.errors import Conflict, NotFound
from shared.ids import new_id
from shared.outbox.consumer import Consumer
from shared.outbox.erasure import forget_people
from shared.outbox.tables import declare
from shared.service import Service
from shared.settings import ServiceSettings
from shared.web import (
    Keyset,
    Page,
    PageDep,
    PrincipalDep,
    Tx,
    check_if_match,
    etag,
    page_of,
    problems,
    public,
    requires,
    router_for,
)
from shared.web.bulk import ItemError, read_items
from shared.web.idempotency import about
from shared.web.sse import sse


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="NOTES_")


class Base(DeclarativeBase):
    metadata = new_metadata()


class Note(Base):
    __tablename__ = "notes"
    __table_args__ = (UniqueConstraint("text", deferrable=True, initially="DEFERRED"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    text: Mapped[str] = mapped_column(Text)
    external_id: Mapped[str | None] = mapped_column(Text, unique=True)
    kind: Mapped[str | None] = mapped_column(Text)
    rank: Mapped[int | None] = mapped_column(Integer)
    amount: Mapped[int] = mapped_column(BigInteger, server_default="0")
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    written_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=utcnow)


declare(Base.metadata)


class NoteTaken(Conflict):
    code = "note_taken"
    title = "There is such a note"
    title_fa = "چنین یادداشتی هست"

    def __init__(self, text: str) -> None:
        super().__init__(f"There is a note that says {text!r}.", fa=f"یادداشت «{text}» هست.")


class NoteNotFound(NotFound):
    code = "note_not_found"

    def __init__(self, note_id: UUID) -> None:
        super().__init__(f"There is no note {note_id}.", fa=f"یادداشت {note_id} نیست.")


class NoteCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": "سلام"}]})

    text: str = Field(min_length=1, max_length=100)
    kind: Literal["plain", "urgent"] | None = None
    rank: int | None = Field(None, ge=0)
    amount: int = 0
    written_at: datetime | None = None
    extras: dict[str, Any] = Field(default_factory=dict)


class NoteOut(BaseModel):
    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"examples": [{"id": "01a203af-3b49-7420-9b13-dbb08f38cede", "text": "سلام"}]},
    )

    id: UUID
    text: str
    rank: int | None = None
    version: int = 1


class NoteIn(msgspec.Struct):
    """A note of a bulk request."""

    external_id: str
    text: Annotated[str, msgspec.Meta(min_length=1)]
    rank: int | None = None


INSERT = """
INSERT INTO notes (id, text, external_id, written_at) VALUES ($1, $2, $3, $4) ON CONFLICT (external_id) DO NOTHING
"""
TOUCH = "UPDATE notes SET version = version + 1 WHERE id = $1"
KEYSET = Keyset(
    sorts={"written_at": Note.written_at, "rank": Note.rank, "text": Note.text}, id=Note.id, default="-written_at"
)
router = router_for("notes", prefix="/v1/notes", tags=["notes"])


@router.post(
    "", status_code=201, response_model=NoteOut, dependencies=[requires("notes:write")], responses=problems(NoteTaken)
)
async def write_note(body: NoteCreate, tx: Tx, response: Response) -> Note:
    note = Note(
        id=new_id(),
        text=body.text,
        rank=body.rank,
        amount=body.amount,
        version=1,
        written_at=body.written_at or utcnow(),
    )
    tx.add(note)
    about(tx, note.id)
    response.headers["Location"] = f"/v1/notes/{note.id}"
    response.headers["ETag"] = etag(1)
    return note


@router.post("/refused", status_code=201, dependencies=[requires("notes:write")])
async def write_and_refuse(body: NoteCreate, tx: Tx) -> None:
    tx.add(Note(text=body.text))
    await tx.flush()
    raise NoteTaken(body.text)


@router.post("/slow", status_code=201, response_model=NoteOut, dependencies=[requires("notes:write")])
async def write_slowly(body: NoteCreate, tx: Tx, request: Request) -> Note:
    note = Note(id=new_id(), text=body.text, version=1)
    tx.add(note)
    await tx.flush()
    started, go_on = request.app.state.gate
    started.set()
    await asyncio.wait_for(go_on.wait(), 10)
    return note


@router.post("/{first}/{second}/touch", dependencies=[requires("notes:write")])
async def touch_two(first: UUID, second: UUID, tx: Tx, request: Request) -> None:
    await driver(tx).execute(TOUCH, first)
    await request.app.state.meeting.wait()
    await driver(tx).execute(TOUCH, second)


@router.post("/bulk", dependencies=[requires("notes:write")])
async def write_many(request: Request, tx: Tx, *, wait: bool = False) -> dict[str, Any]:
    read = await read_items(request, NoteIn)
    if wait:
        started, go_on = request.app.state.gate
        started.set()
        await go_on.wait()
    notes = [item for item in read if not isinstance(item, ItemError)]
    for note in notes:
        await driver(tx).execute(INSERT, new_id(), note.text, note.external_id, utcnow())
    faults = [error for item in read if isinstance(item, ItemError) for error in item.errors]
    return {"read": len(notes), "errors": [{"pointer": fault.pointer, "code": fault.code} for fault in faults]}


@router.get(
    "",
    summary="Read the notes, the newest first",
    response_model=Page[NoteOut],
    dependencies=[requires("notes:read")],
)
async def list_notes(tx: Tx, page: PageDep, kind: str | None = None) -> dict[str, Any]:
    statement = select(Note)
    if kind is not None:
        statement = statement.where(Note.kind == kind)
    items, cursor = await page_of(tx, statement, KEYSET, page, {"kind": kind})
    return {"items": items, "next_cursor": cursor}


@router.patch("/{note_id}", response_model=NoteOut, dependencies=[requires("notes:write")])
async def change_note(note_id: UUID, body: NoteCreate, tx: Tx, request: Request) -> Note:
    note = await tx.get(Note, note_id, with_for_update=True)
    if note is None:
        raise NoteNotFound(note_id)
    check_if_match(request, note.version)
    note.text, note.version = body.text, note.version + 1
    return note


@router.delete("/{note_id}", status_code=204, dependencies=[requires("notes:admin")])
async def erase_note(note_id: UUID, tx: Tx) -> None:
    await tx.delete(await tx.get_one(Note, note_id))
    await forget_people(tx, [note_id])


@router.post("/open", dependencies=[public()])
async def write_unknown(body: NoteCreate, tx: Tx) -> dict[str, int]:
    tx.add(Note(text=body.text))
    await tx.flush()
    return {"notes": await tx.scalar(select(func.count(Note.id))) or 0}


@router.get("/me", dependencies=[requires("notes:read")])
async def who_am_i(principal: PrincipalDep) -> dict[str, Any]:
    return {
        "subject": principal.subject,
        "agent_id": str(principal.agent_id) if principal.agent_id else None,
        "sees_personal_data": principal.sees_personal_data,
        "may_write": principal.may("notes:write"),
        "may_administer": principal.may("notes:admin"),
    }


@router.get("/cause", dependencies=[requires("notes:read")])
async def cause() -> dict[str, str | None]:
    context = outbox.writing._cause.get()
    assert context is not None
    return {"correlation_id": context.correlation_id, "traceparent": context.traceparent}


@router.get("/asleep", dependencies=[requires("notes:read")])
async def sleep_in_the_database(tx: Tx) -> None:
    await driver(tx).execute("SELECT pg_sleep(60)")


@router.get("/broken", dependencies=[requires("notes:read")])
async def break_down() -> None:
    raise RuntimeError("An unforeseen fault of +989990001234.")


@router.get("/page", dependencies=[public()], include_in_schema=False)
async def show_page() -> HTMLResponse:
    return HTMLResponse("<p>سلام</p>")


@router.get("/live", dependencies=[public()], include_in_schema=False)
async def watch(request: Request) -> StreamingResponse:
    async def ticks() -> AsyncIterator[dict[str, int]]:
        yield {"tick": 1}
        await request.app.state.endless.wait()

    return sse(ticks())


SERVICE = Service(
    name="notes",
    title="Notes",
    description="Notes of the tests.",
    settings=Settings,
    metadata=Base.metadata,
    migrations=Path(__file__).parent / "migrations",
    routers=lambda: (router,),
    consumer=Consumer("notes"),
)
