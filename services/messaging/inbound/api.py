"""What people wrote, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from services.messaging.contacts.lists import of_person
from services.messaging.inbound.models import InboundMessage
from shared.web import Keyset, Page, PageDep, PrincipalDep, Tx, page_of, requires, router_for
from shared.web.masking import mask_phone

router = router_for("messaging", prefix="/v1/inbound", tags=["inbound"])

KEYSET = Keyset(sorts={"recorded_at": InboundMessage.recorded_at}, id=InboundMessage.id, default="-recorded_at")


_INBOUND: dict[str, Any] = {
    "id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11",
    "account_id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d13",
    "line": "30007732000000",
    "sender": "+989990001234",
    "text": "۲",
    "person_id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d12",
    "meaning": "reply",
    "number": 2,
    "keyword": None,
    "received_at": "2026-11-22T09:00:00Z",
    "recorded_at": "2026-11-22T09:00:01Z",
}


class InboundOut(BaseModel):
    """A text from a person; `person_id` is null until somebody's card has that number."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"example": _INBOUND},
    )

    id: UUID
    account_id: UUID
    line: str
    sender: str | None = Field(description="Masked without pii:read; null once the person was erased.")
    text: str | None = Field(description="Null without pii:read, and once the person was erased.")
    person_id: UUID | None
    meaning: Literal["reply", "opt_out", "rejoin"]
    number: int | None
    keyword: str | None
    received_at: datetime
    recorded_at: datetime


class InboundPage(Page[InboundOut]):
    """A page of inbound messages."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_INBOUND], "next_cursor": None}})


@router.get("", summary="List inbound messages", response_model=InboundPage, dependencies=[requires("messaging:read")])
async def list_inbound(
    tx: Tx,
    principal: PrincipalDep,
    page: PageDep,
    person_id: Annotated[UUID | None, Query(description="Who wrote, by any of their ids.")] = None,
    matched: Annotated[
        bool | None, Query(description="False: only what came from numbers that nobody is known by.")
    ] = None,
) -> InboundPage:
    """Return what people wrote to our lines, newest first."""
    theirs, leading = await of_person(tx, InboundMessage.person_id, person_id)
    statement = select(InboundMessage).where(*theirs)
    if matched is not None:
        unknown = InboundMessage.person_id.is_(None)
        statement = statement.where(~unknown if matched else unknown)
    rows, cursor = await page_of(tx, statement, KEYSET, page, {"person_id": person_id, "matched": matched}, leading)
    shown = [InboundOut.model_validate(row) for row in rows]
    if not principal.sees_personal_data:
        shown = [each.model_copy(update={"sender": mask_phone(each.sender), "text": None}) for each in shown]
    return InboundPage(items=shown, next_cursor=cursor)
