"""Captures of strangers that wait at the same time: one transaction, whose round trips and flush of the log they share.

Whoever is known already, or is being captured elsewhere, or finds no free agent is captured apart, by `capture_lead`;
so is everybody, where anything goes wrong with one of them. It waits for no lock but an agent's, while it holds none,
and that of a key which another process is at work on (docs/adr/0020).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from typing import Final
from uuid import UUID

import structlog
from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.agents.assignment import choose_agents
from services.leads.leads.capture import Captured, Ids, first_capture, ids_of, person_of
from services.leads.leads.schemas import LeadCreate
from services.leads.leads.sql import Captures, store_strangers
from services.leads.persons.identity import Identity, are_known, hold_those_free
from services.leads.persons.records import NewPerson
from services.leads.settings import Settings
from shared.clock import utcnow
from shared.db import cuts_off
from shared.gathering import Gatherer
from shared.service import Runtime
from shared.web.idempotency import Answered, Attempt, keep

AT_ONCE: Final = 32
STRANGER: Final = Identity()

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Waiting:
    """A capture that waits: what it says, the request it is part of, and how that is answered."""

    new: LeadCreate
    answer: Callable[[Captured], Response]
    attempt: Attempt | None
    request: Context
    ids: Ids
    at: datetime
    person: NewPerson

    @property
    def known_by(self) -> tuple[str | None, str | None]:
        return self.person.phone, self.person.email


class Strangers:
    """Captures strangers for the requests of a process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        settings: Settings = runtime.settings
        self._settings = settings
        self.gatherer = Gatherer(self._together, most=AT_ONCE, within_s=settings.request_deadline_s + 1)

    async def capture(
        self, new: LeadCreate, answer: Callable[[Captured], Response], attempt: Attempt | None
    ) -> Response | None:
        """Capture a stranger and return the answer, which is kept; None, and nothing is done, if that is done apart."""
        if new.phone is None and new.email is None:
            return None
        ids, at = ids_of(), utcnow()
        person = person_of(ids.person, new, at)
        waiting = Waiting(new, answer, attempt, copy_context(), ids, at, person)
        answered = await self.gatherer.do(waiting)
        if attempt is not None:
            attempt.kept = answered is not None
        return answered

    async def _together(self, waiting: Sequence[Waiting]) -> list[Response | None]:
        try:
            async with self._runtime.db.transaction() as tx:
                answers = await self._captured(tx, waiting)
        except Exception as error:
            if cuts_off(error):
                raise
            log.warning("captured_apart", captures=len(waiting), error=type(error).__name__)
            return [None] * len(waiting)
        return [answers.get(each) for each in waiting]

    async def _captured(self, tx: AsyncSession, waiting: Sequence[Waiting]) -> dict[Waiting, Response]:
        held = list(compress(waiting, await hold_those_free(tx, [each.known_by for each in waiting])))
        known = await are_known(tx, [each.known_by for each in held])
        strangers = [each for each, is_known in zip(held, known, strict=True) if not is_known]
        owners = await choose_agents(tx, [each.at for each in strangers])
        written = {each: self._written(each, owner) for each, owner in zip(strangers, owners, strict=False)}
        if not written:
            return {}
        self.gatherer.tell()
        await store_strangers(tx, list(written.values()))
        answers = {each: each.answer(Captured(new.lead, new.person, recaptured=False)) for each, new in written.items()}
        kept = [
            Answered(each.attempt, answer, each.person.id)
            for each, answer in answers.items()
            if each.attempt is not None
        ]
        if kept:
            await keep(tx, kept)
        return answers

    def _written(self, each: Waiting, owner: UUID | None) -> Captures:
        """Return what is written of a capture; its events name the request that they come of."""
        return each.request.run(
            first_capture, each.new, each.person, STRANGER, each.at, self._settings, owner, each.ids
        )


@asynccontextmanager
async def open_strangers(runtime: Runtime) -> AsyncIterator[Strangers]:
    """Lend what captures strangers, for the length of a process."""
    strangers = Strangers(runtime)
    try:
        yield strangers
    finally:
        await strangers.gatherer.close()
