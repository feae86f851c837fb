"""Messages over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import select

from services.messaging.contacts.lists import of_person
from services.messaging.messages import settling, usecases
from services.messaging.messages.errors import (
    MessageDoesNotFit,
    MessageNotFound,
    MessageNotUnknown,
    MessageNotWaiting,
    PersonErased,
)
from services.messaging.messages.models import Message, MessageDecision
from services.messaging.messages.schemas import (
    DecisionOut,
    Decisions,
    MessageCreate,
    MessageOut,
    MessagePage,
    Settlement,
    StatusName,
)
from shared.web import (
    Keyset,
    LeadingFilter,
    PageDep,
    Principal,
    PrincipalDep,
    RuntimeDep,
    Tx,
    equal_to,
    page_of,
    problems,
    requires,
    router_for,
)
from shared.web.fields import Instant
from shared.web.idempotency import about
from shared.web.masking import mask_email, mask_phone

router = router_for("messaging", prefix="/v1/messages", tags=["messages"])

KEYSET = Keyset(sorts={"created_at": Message.created_at}, id=Message.id, default="-created_at")
USUAL = frozenset({"sent", "delivered"})
"""What becomes of most messages: another filter tells them better apart."""


@router.get("", summary="List messages", response_model=MessagePage, dependencies=[requires("messaging:read")])
async def list_messages(
    tx: Tx,
    principal: PrincipalDep,
    page: PageDep,
    person_id: Annotated[UUID | None, Query(description="Whom they are for, by any of their ids.")] = None,
    status: Annotated[StatusName | None, Query(description="What became of them.")] = None,
    template: Annotated[str | None, Query(max_length=64, description="Code of the template.")] = None,
    automation: Annotated[str | None, Query(max_length=64, description="Code of the automation.")] = None,
    since: Annotated[Instant | None, Query(alias="from", description="Created then or later.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Created before.")] = None,
) -> MessagePage:
    """Return messages, the newest first, by receiver, status, template, automation and time."""
    equal = {"status": status, "template": template, "automation": automation}
    theirs, leading = await of_person(tx, Message.person_id, person_id)
    if person_id is None:
        leading = LeadingFilter.of(Message, equal, "status", "template", "automation", usual=USUAL)
    statement = select(Message).where(*theirs, *equal_to(Message, equal, leading))
    filters = {**equal, "person_id": person_id, "from": since, "to": until}
    rows, cursor = await page_of(tx, statement, KEYSET, page, filters, leading, (since, until))
    return MessagePage(items=[shown(row, principal) for row in rows], next_cursor=cursor)


@router.post(
    "",
    summary="Send a message",
    status_code=201,
    response_model=MessageOut,
    responses=problems(MessageDoesNotFit, PersonErased),
    dependencies=[requires("messaging:write")],
)
async def send_message(body: MessageCreate, tx: Tx, runtime: RuntimeDep, principal: PrincipalDep) -> MessageOut:
    """Queue a message to a person. Whether it may leave is decided when its turn comes: see its decisions."""
    about(tx, body.person_id)
    return shown(await usecases.send_message(tx, body, runtime.settings), principal)


@router.get(
    "/{message_id}",
    summary="Read a message",
    response_model=MessageOut,
    responses=problems(MessageNotFound),
    dependencies=[requires("messaging:read")],
)
async def read_message(message_id: UUID, tx: Tx, principal: PrincipalDep) -> MessageOut:
    return shown(await usecases.read_message(tx, message_id), principal)


@router.get(
    "/{message_id}/decisions",
    summary="Why was this sent, or not?",
    response_model=Decisions,
    responses=problems(MessageNotFound),
    dependencies=[requires("messaging:read")],
)
async def list_decisions(message_id: UUID, tx: Tx) -> Decisions:
    """Return each time that the message was decided on, with the steps of the decision and their reasons."""
    await usecases.read_message(tx, message_id)
    statement = select(MessageDecision).where(MessageDecision.message_id == message_id).order_by(MessageDecision.id)
    return Decisions(items=[DecisionOut.model_validate(row) for row in await tx.scalars(statement)])


@router.post(
    "/{message_id}/cancel",
    summary="Cancel a message",
    response_model=MessageOut,
    responses=problems(MessageNotFound, MessageNotWaiting),
    dependencies=[requires("messaging:write")],
)
async def cancel_message(message_id: UUID, tx: Tx, principal: PrincipalDep) -> MessageOut:
    """Cancel a message that is queued or held."""
    message = await usecases.cancel_message(tx, message_id)
    about(tx, message.person_id)
    return shown(message, principal)


@router.post(
    "/{message_id}/settle",
    summary="Settle an unknown message",
    response_model=MessageOut,
    responses=problems(MessageNotFound, MessageNotUnknown, PersonErased),
    dependencies=[requires("messaging:admin")],
)
async def settle_message(
    message_id: UUID, body: Settlement, tx: Tx, runtime: RuntimeDep, principal: PrincipalDep
) -> MessageOut:
    """Say what became of a message that stays `unknown`, or have it sent once more.

    Of a mail nobody can be asked; an SMS is looked for in the panel's reports first, until its `ended_at` is set. Who
    settled it stands among its decisions. Asked for twice, it is settled once.
    """
    message = await settling.settle_message(tx, message_id, body.outcome, runtime.settings, by=principal.subject)
    about(tx, message.person_id)
    return shown(message, principal)


def shown(message: Message, principal: Principal) -> MessageOut:
    """Return a message as `principal` may see it."""
    out = MessageOut.model_validate(message)
    if principal.sees_personal_data:
        return out
    mask = mask_phone if message.channel == "sms" else mask_email
    return out.model_copy(update={"address": mask(message.address), "subject": None, "text": None})
