"""Sending one message by hand, cancelling one, reading them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.contacts.queries import people
from services.messaging.messages.errors import MessageDoesNotFit, MessageNotFound, MessageNotWaiting, PersonErased
from services.messaging.messages.intents import Intent, queue
from services.messaging.messages.models import Message
from services.messaging.messages.schemas import MessageCreate
from services.messaging.messages.statuses import WAITING, Status
from services.messaging.messages.telling import TOLD, tell
from services.messaging.settings import Settings
from services.messaging.templates.models import Template
from shared.clock import utcnow
from shared.db import driver
from shared.errors import FieldError
from shared.ids import new_id


async def send_message(tx: AsyncSession, new: MessageCreate, settings: Settings) -> Message:
    """Queue a message to a person; whether it may leave is decided when its turn comes."""
    known = (await people(driver(tx), [new.person_id])).get(new.person_id)
    if known is not None and known.gone:
        raise PersonErased(new.person_id)
    intent = await _intent(tx, new)
    await queue(tx, [intent], now=utcnow(), stale_after=timedelta(hours=settings.stale_effect_hours))
    return await read_message(tx, intent.id)


async def cancel_message(tx: AsyncSession, message_id: UUID) -> Message:
    """Cancel a message that nobody has begun to send."""
    message = await tx.get(Message, message_id, with_for_update=True)
    if message is None:
        raise MessageNotFound(message_id)
    if Status(message.status) not in WAITING:
        raise MessageNotWaiting(message_id, message.status)
    now = utcnow()
    message.status, message.reason, message.ended_at = Status.CANCELLED.value, "by_hand", now
    row = {"id": message.id, **{name: getattr(message, name) for name in TOLD}}
    tell(tx, row, Status.CANCELLED, now, reason="by_hand")
    return message


async def read_message(tx: AsyncSession, message_id: UUID) -> Message:
    """Return a message."""
    message = await tx.get(Message, message_id)
    if message is None:
        raise MessageNotFound(message_id)
    return message


async def _intent(tx: AsyncSession, new: MessageCreate) -> Intent:
    if new.template is None:
        return _own_text(new)
    template = await tx.get(Template, new.template)
    faults = _template_faults(new, template)
    if template is None or faults:
        raise MessageDoesNotFit(faults)
    return Intent(
        key=f"api:{new_id()}",
        person_id=new.person_id,
        channel=template.channel,
        purpose=template.purpose,
        template=template.code,
        variables=new.variables,
    )


def _own_text(new: MessageCreate) -> Intent:
    faults = []
    if new.text is None:
        faults.append(
            FieldError("/text", "missing", "Give a `template` or a `text`.", fa="یکی از template یا text را بدهید.")
        )
    if new.purpose is None:
        message, persian = "A text of its own needs a `purpose`.", "متنی که قالب ندارد purpose می‌خواهد."
        faults.append(FieldError("/purpose", "missing", message, fa=persian))
    if new.text is None or new.purpose is None:
        raise MessageDoesNotFit(faults)
    return Intent(
        key=f"api:{new_id()}",
        person_id=new.person_id,
        channel=new.channel,
        purpose=new.purpose,
        body=new.text,
        subject=new.subject,
    )


def _template_faults(new: MessageCreate, template: Template | None) -> list[FieldError]:
    if template is None:
        message, persian = f"There is no template {new.template!r}.", f"قالبی با کد «{new.template}» نیست."
        return [FieldError("/template", "template_not_found", message, fa=persian)]
    faults = [
        FieldError(
            f"/variables/{name}",
            "missing",
            f"Template {template.code!r} needs {name!r}.",
            fa=f"قالب «{template.code}» مقدار {name} را می‌خواهد.",
        )
        for name in template.variables
        if name not in new.variables
    ]
    if new.text is not None:
        message, persian = "Give a `template` or a `text`, not both.", "یکی از template یا text را بدهید، نه هر دو را."
        faults.append(FieldError("/text", "not_with_template", message, fa=persian))
    if new.purpose not in {None, template.purpose}:
        message = f"Template {template.code!r} is {template.purpose}; the purpose belongs to the template."
        persian = f"purpose را قالب تعیین می‌کند و قالب «{template.code}» از نوع {template.purpose} است."
        faults.append(FieldError("/purpose", "purpose_of_template", message, fa=persian))
    return faults
