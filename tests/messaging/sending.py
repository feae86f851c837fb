"""What tests of sending have in common."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.messaging.messages.claiming import Claimed, claim
from services.messaging.messages.intents import Intent, queue
from services.messaging.messages.statuses import Lane
from services.messaging.providers.protocol import Outgoing
from shared.clock import utcnow
from shared.ids import new_id
from shared.service import Runtime
from tests.messaging.conftest import LINE
from tests.messaging.people import SARA_PHONE, card
from tests.support.events import deliver


async def known_person(runtime: Runtime, **fields: Any) -> UUID:
    """Make somebody known by their card."""
    person = card(**fields)
    await deliver(runtime, person)
    return person.person_id


def intent(person_id: UUID, text: str = "سلام", **fields: Any) -> Intent:
    """Return an intent to send a text of its own; transactional unless said otherwise."""
    given: dict[str, Any] = {"key": f"test:{new_id()}", "channel": "sms", "purpose": "transactional"} | fields
    return Intent(person_id=person_id, body=text, **given)


async def queued(runtime: Runtime, *intents: Intent) -> list[UUID]:
    """Queue messages; return the ids of the new ones."""
    async with runtime.db.transaction() as tx:
        return await queue(tx, intents, now=utcnow())


async def claimed(runtime: Runtime) -> Claimed:
    """Mark what is due as being sent, and go no further."""
    async with runtime.db.transaction() as tx:
        _, taken = await claim(tx, Lane.TRANSACTIONAL, runtime.settings, utcnow())
    assert taken is not None
    return taken


async def accepted(runtime: Runtime) -> Outgoing:
    """Have the panel accept the one message that is due, and tell nobody, as a process does that dies then."""
    taken = await claimed(runtime)
    [(account_id, [outgoing])] = taken.by_account.items()
    await runtime.resources.of(taken.accounts[account_id]).send([outgoing])
    return outgoing


def plain_digest_of(text: str) -> bytes:
    """Return what the version before kept of a text to Sara: whoever guesses line and text finds her number by it."""
    return hashlib.sha256(f"{LINE}\x00{SARA_PHONE}\x00\x00{text}".encode()).digest()


async def statuses(runtime: Runtime, ids: Sequence[UUID] | None = None) -> list[tuple[str, str | None]]:
    """Return status and reason of messages, in the order in which they were made."""
    query = "SELECT id, status, reason FROM messages ORDER BY created_at, intent_key"
    async with runtime.db.connection() as connection:
        rows = await connection.fetch(query)
    return [(row["status"], row["reason"]) for row in rows if ids is None or row["id"] in ids]


async def execute(runtime: Runtime, statement: str, *parameters: Any) -> None:
    """Change the database as a crash or the passing of time would have."""
    async with runtime.db.connection() as connection:
        await connection.execute(statement, *parameters)


async def fetchval(runtime: Runtime, query: str, *parameters: Any) -> Any:
    async with runtime.db.connection() as connection:
        return await connection.fetchval(query, *parameters)


WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def waits_or_is_done(runtime: Runtime, task: asyncio.Task[Any]) -> bool:
    """Tell whether somebody waits for a lock, as `task` does if it has to wait for whoever asks."""
    return task.done() or await fetchval(runtime, WAITING) > 0
