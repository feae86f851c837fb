"""Taking what people wrote: stored once, read, and published as numbers and keywords; the text stays here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.contacts.marks import CLOCKS_DIFFER, erased_since
from services.messaging.contacts.queries import hold_by_phone
from services.messaging.inbound import sql
from services.messaging.inbound.parsing import read
from services.messaging.providers.protocol import InboundSms
from services.messaging.providers.secrets import inbound_key
from services.messaging.settings import Settings
from services.messaging.suppressions.usecases import opt_out, rejoin
from shared import outbox
from shared.contracts.messaging import OptOutRecorded, OptOutWithdrawn, ReplyReceived
from shared.db import driver
from shared.ids import new_id

LONGEST_TEXT = 4_000


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote a text, or where nothing tells that, who `may_be` the one. Of one who is `erased` nothing is kept."""

    person_id: UUID | None
    may_be: tuple[UUID, ...] = ()
    erased: bool = False


NOBODY, ERASED = Sender(None), Sender(None, erased=True)


async def receive(
    tx: AsyncSession, account_id: UUID, messages: Sequence[InboundSms], settings: Settings, now: datetime
) -> int:
    """Store messages and do what they say; return how many were new.

    One that was heard before, from a webhook or a poll, changes nothing. Of one that was sent before its sender was
    erased only what it says to do is heeded.
    """
    if not messages:
        return 0
    phones = sorted({message.sender for message in messages})
    people = await _senders(tx, phones)
    await driver(tx).execute(sql.LOCK_SENDERS, phones)
    until = await erased_since(driver(tx), phones, settings)
    key = inbound_key(settings)
    rows = [_row(message, _sender(message, people, until), key) for message in messages]
    addresses = {row[0]: message.sender for row, message in zip(rows, messages, strict=True)}
    columns = [list(column) for column in zip(*rows, strict=True)]
    new = await driver(tx).fetch(sql.STORE, account_id, now, *columns, key)
    for row in sorted(new, key=lambda row: row["received_at"]):
        await _heed(tx, row, addresses[row["id"]], settings, now)
    return len(new)


async def match_senders(tx: AsyncSession, phones: Mapping[str, UUID]) -> None:
    """Tell whose messages those were that came before their sender's card did."""
    rows = await driver(tx).fetch(sql.MATCH, list(phones), list(phones.values()))
    for row in sorted(rows, key=lambda row: row["received_at"]):
        outbox.add(tx, _event(row))


async def note_sharers(tx: AsyncSession, sharers: Sequence[tuple[str, UUID]]) -> None:
    """Note who shares the numbers (number, person) of texts that are nobody's yet."""
    await driver(tx).execute(sql.NOTE_SHARED, [phone for phone, _ in sharers], [person for _, person in sharers])


async def match_strangers(tx: AsyncSession, phones: Sequence[str]) -> int:
    """Tell whose the texts of nobody's from these numbers are, where it is known by now; return how many numbers."""
    senders = await _senders(tx, phones)
    found = {phone: sender.person_id for phone, sender in senders.items() if sender.person_id is not None}
    if found:
        await match_senders(tx, found)
    return len(found)


async def forget_senders(tx: AsyncSession, erased_at: Mapping[UUID, datetime], settings: Settings) -> None:
    """Empty numbers and texts of people who are erased, and those that may be theirs.

    What was sent after the erasure is of whoever has the number now.
    """
    ids, until = list(erased_at), [at + CLOCKS_DIFFER for at in erased_at.values()]
    await driver(tx).execute(sql.ERASE, ids, until, inbound_key(settings))
    rows = await driver(tx).fetch(sql.LET_GO, ids, until)
    await match_strangers(tx, sorted({row["sender"] for row in rows if row["sender"] is not None}))


async def _senders(tx: AsyncSession, phones: Sequence[str]) -> dict[str, Sender]:
    """Return who wrote; of several who share a number the one to whom we wrote last, of none such it may be any."""
    found = await hold_by_phone(driver(tx), phones)
    senders = {
        phone: Sender(people[0]) if len(people) == 1 else Sender(None, tuple(people)) for phone, people in found.items()
    }
    asked = [(phone, person) for phone, people in found.items() if len(people) > 1 for person in people]
    if asked:
        rows = await driver(tx).fetch(
            sql.LAST_WRITTEN_TO, [phone for phone, _ in asked], [person for _, person in asked]
        )
        senders.update({row["address"]: Sender(row["person_id"]) for row in rows})
    return senders


def _sender(message: InboundSms, people: Mapping[str, Sender], until: Mapping[str, datetime]) -> Sender:
    if message.sender in until and message.received_at <= until[message.sender]:
        return ERASED
    return people.get(message.sender, NOBODY)


def _row(message: InboundSms, sender: Sender, key: bytes) -> tuple[Any, ...]:
    text = message.text.replace("\0", "").encode(errors="replace").decode()[:LONGEST_TEXT]
    meaning = read(text)
    kept = (None, None) if sender.erased else (message.sender, text)
    said = dedupe_of(message)
    dedupe = hashlib.sha256(key + said).digest() if sender.erased else said
    return (
        new_id(), dedupe, message.provider_id, message.exact, message.line, *kept, sender.person_id,
        f"{{{','.join(map(str, sender.may_be))}}}", meaning.kind, meaning.number, meaning.keyword,
        message.received_at, *_said(message),
    )  # fmt: skip


def dedupe_of(message: InboundSms) -> bytes:
    """Return what is the same however often a message is told: its time, in seconds as panels tell it, or its id."""
    second = str(int(message.received_at.timestamp()))
    told = second if message.exact else message.provider_id or second
    before, after = _said(message)
    return hashlib.sha256(before + told.encode(errors="replace") + after).digest()


def _said(message: InboundSms) -> tuple[bytes, bytes]:
    """Return what a digest covers before and after what was told: the statement that stores puts them together too."""
    before, after = f"{message.line}\x00{message.sender}\x00", f"\x00{message.text}"
    return before.encode(errors="replace"), after.encode(errors="replace")


async def _heed(tx: AsyncSession, row: asyncpg.Record, address: str, settings: Settings, now: datetime) -> None:
    """Do what a text says, unless its sender has said otherwise since.

    An opt-out counts whether or not we know who it is: it is kept by the number.
    """
    if row["meaning"] == "reply":
        if row["person_id"] is not None:
            outbox.add(tx, _event(row))
    elif not await driver(tx).fetchval(sql.LATER_WORD, address, row["line"], row["received_at"]):
        await _open_or_close(tx, row, address, settings, now)


async def _open_or_close(
    tx: AsyncSession, row: asyncpg.Record, address: str, settings: Settings, now: datetime
) -> None:
    line, person_id = row["line"], row["person_id"]
    if row["meaning"] == "opt_out":
        await opt_out(
            tx, settings, channel="sms", address=address, source="reply", now=now, line=line, person_id=person_id
        )
    else:
        said_at = row["received_at"]
        await rejoin(
            tx, settings, channel="sms", address=address, line=line, said_at=said_at, now=now, person_id=person_id
        )


def _event(row: asyncpg.Record) -> ReplyReceived | OptOutRecorded | OptOutWithdrawn:
    at, person, line = row["received_at"], row["person_id"], row["line"]
    if row["meaning"] == "opt_out":
        return OptOutRecorded(occurred_at=at, person_id=person, channel="sms", line=line, source="reply")
    if row["meaning"] == "rejoin":
        return OptOutWithdrawn(occurred_at=at, person_id=person, channel="sms", line=line, source="reply")
    return ReplyReceived(
        occurred_at=at, reply_id=row["id"], person_id=person, line=line, number=row["number"], keyword=row["keyword"]
    )
