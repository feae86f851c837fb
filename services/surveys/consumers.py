"""What the surveys service does with the events of the others. All its handlers are *own*: they decide and publish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.answers.loop import close_loop
from services.surveys.answers.usecases import answer_by_reply
from services.surveys.invitations.delivery import note_deliveries
from services.surveys.invitations.usecases import Request, invite
from services.surveys.people.identity import erase_people, lock_people, merge_people, remember
from shared.contracts import Event, Received
from shared.contracts.customers import CustomerErased, CustomerMerged, TicketAnswered, TicketResolved
from shared.contracts.leads import LeadErased
from shared.contracts.messaging import MessageDelivered, ReplyReceived, SurveyRequested
from shared.outbox.consumer import Consumer

consumer = Consumer("surveys")

_ABOUT_PEOPLE: tuple[type[Event], ...] = (
    SurveyRequested,
    ReplyReceived,
    MessageDelivered,
    TicketAnswered,
    TicketResolved,
    CustomerMerged,
    CustomerErased,
    LeadErased,
)


@consumer.own(*_ABOUT_PEOPLE, batch=True)
async def take_people(tx: AsyncSession, batch: Sequence[Received[Any]]) -> None:
    """Lock everybody that the batch is about, in the order of their ids, before the other handlers lock one by one."""
    events = [received.event for received in batch if _concerns_us(received.event)]
    new = (SurveyRequested, CustomerMerged, CustomerErased, LeadErased)
    await remember(tx, [one for event in events if isinstance(event, new) for one in _people(event)])
    await lock_people(tx, [one for event in events for one in _people(event)])


@consumer.own(MessageDelivered, batch=True)
async def note_delivered_questions(tx: AsyncSession, batch: Sequence[Received[MessageDelivered]]) -> None:
    """Note that invitations reached their people."""
    await note_deliveries(tx, [received.event for received in batch])


@consumer.own(SurveyRequested)
async def decide_request(tx: AsyncSession, received: Received[SurveyRequested]) -> None:
    """Ask a person, or say why not."""
    wanted = received.event
    await invite(
        tx,
        Request(
            request_id=wanted.request_id,
            person_id=wanted.person_id,
            survey=wanted.survey,
            touchpoint=wanted.touchpoint,
            product=wanted.product,
            agent_id=wanted.agent_id,
            purchase_id=wanted.purchase_id,
            at=wanted.occurred_at,
        ),
    )


@consumer.own(ReplyReceived)
async def read_reply(tx: AsyncSession, received: Received[ReplyReceived]) -> None:
    """Take an SMS with a number as the answer to what its sender was asked."""
    if received.event.channel == "sms":
        await answer_by_reply(tx, received.event)


@consumer.own(TicketAnswered, TicketResolved)
async def close_answered_loop(tx: AsyncSession, received: Received[TicketAnswered | TicketResolved]) -> None:
    """Stop the time of a bad answer once its customer has been answered."""
    ticket = received.event
    if ticket.answer_id is not None:
        await close_loop(tx, ticket.answer_id, ticket.ticket_id, at=ticket.occurred_at)


@consumer.own(CustomerMerged)
async def merge(tx: AsyncSession, received: Received[CustomerMerged]) -> None:
    """Let the merged id mean the person it was merged into."""
    await merge_people(tx, received.event.person_id, received.event.merged_id, at=received.event.occurred_at)


@consumer.own(CustomerErased, LeadErased)
async def erase(tx: AsyncSession, received: Received[CustomerErased | LeadErased]) -> None:
    """Forget a person under all their ids."""
    await erase_people(tx, list(_people(received.event)), at=received.event.occurred_at)


def _people(event: Event) -> Iterator[UUID]:
    yield event.key
    if isinstance(event, CustomerMerged):
        yield event.merged_id
    if isinstance(event, CustomerErased | LeadErased):
        yield from event.alias_ids


def _concerns_us(event: Event) -> bool:
    """Tell whether an event may be about something of ours; most deliveries and replies are not."""
    match event:
        case MessageDelivered():
            return event.invitation_id is not None
        case ReplyReceived():
            return event.number is not None and event.channel == "sms"
        case TicketAnswered() | TicketResolved():
            return event.answer_id is not None
        case _:
            return True
