"""When the relay asks the log whether its database still tells the same history, and what it does with the answer.

It asks at its start, when it took the lease over, after a failed send, and after every new connection to the database
or the bus that could be seen. Before it sends after a rest it asks where the log ends, and only if that is elsewhere
than when the rest began, for all. In between it asks nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import BusUnavailable, TopicPartition
from shared.db import driver
from shared.errors import Conflict
from shared.outbox import restoring
from shared.outbox.lease import LEASE_S, Lease, LeaseLost, hold, release, say_why
from shared.outbox.relearning import relearn
from shared.outbox.restoring import Standing, Standings, Tails
from shared.outbox.tails import read_tails
from shared.service import Runtime

TRUST_S = 5.0
"""For how long after an acknowledged send the log is taken for the same; a broker cannot be restored faster."""

_ANY_LOST = "SELECT EXISTS (SELECT FROM lost_events)"

Connects = tuple[int, int]
"""How many connections were made to the database and to the bus."""

log = structlog.get_logger(__name__)


STRETCH_S = 10.0
"""For how long a relay takes over what the log holds before it shows that it is alive."""


class NotAligned(Exception):
    """The database was restored, and does not stand yet where the log does: nothing is sent meanwhile."""


class StillTakingOver(NotAligned):
    """There is more to take over: what was is stored, and the next call goes on from there."""


class OldSendsPending(NotAligned):
    """The database was restored, and what was sent before may still arrive: the relay waits until it has expired."""


class LogBehind(BusUnavailable):
    """The log lacks what was published: it was restored from an older copy, or made anew."""

    code = "log_behind"


class LogAhead(Conflict):
    """The log holds more than the database knows: that is the relay's to mend, and whoever asked has to wait."""

    code = "log_ahead"

    def __init__(self, service: str) -> None:
        super().__init__(
            f"The log is ahead of the database of {service}, which was restored from an older copy. Its relay takes "
            "over what the log holds by itself, within some minutes; ask again when /readyz does not speak of it."
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """What the database and the log say: where the log is ahead, and what it is lacking, by partition."""

    seen: Connects
    stopped: str | None
    standings: Standings
    tails: Tails
    ahead: Sequence[TopicPartition]
    lacking: Tails


class Alignment:
    """What one relay knows of the log and the database being of one history.

    `any_lost` says whether there are events on the log that the database does not know: a handler may make one again.
    """

    def __init__(self, runtime: Runtime, owner: UUID, *, lease_s: float = LEASE_S) -> None:
        self.runtime, self.owner, self.lease_s = runtime, owner, lease_s
        self.service = runtime.service
        self.any_lost = False
        self._seen: Connects | None = None
        self._trusted_until = 0.0
        self._ends: Mapping[TopicPartition, int] = {}
        self._ends_noted = False
        self._expired_at: float | None = None

    @property
    def doubtful(self) -> bool:
        """Tell whether the database or the log may be another one than when they were compared."""
        return self._seen != self._connects()

    @property
    def rested(self) -> bool:
        """Tell whether nothing was heard of the log for so long that it may be another one."""
        return time.monotonic() > self._trusted_until

    def trust(self) -> None:
        """Note that the log has just acknowledged a send."""
        self._trusted_until = time.monotonic() + TRUST_S
        self._ends_noted = False

    async def note_ends(self) -> None:
        """Note where the log ends while it is still trusted: asked once, when there is nothing more to send."""
        if self._ends_noted or self.rested or self.doubtful:
            return
        with suppress(BusUnavailable):  # then all is asked for after the rest
            self._ends = await self.runtime.bus.ends(self._ends)
            self._ends_noted = not self.rested

    async def confirm(self) -> None:
        """After a rest, trust the log again if it ends where it ended; else doubt.

        Nobody but the holder of the lease adds facts to it, so one that was restored from a copy, or made anew, ends
        elsewhere: where it has grown again meanwhile, another had the lease.
        """
        try:
            unmoved = self._ends_noted and await self.runtime.bus.ends(self._ends) == self._ends
        except BusUnavailable:
            unmoved = False
        if unmoved:
            self._trusted_until = time.monotonic() + TRUST_S
        else:
            self.doubt()

    def doubt(self) -> None:
        """Ask the log before anything else is done."""
        self._seen = None

    async def assure(self) -> None:
        """Compare log and database, and take over what the log has more of.

        Raises `LeaseLost`, `NotAligned` where the database was restored shortly before, `LogBehind`.
        """
        if self._expired_at is not None and time.monotonic() < self._expired_at:
            await self._hold()
            raise OldSendsPending(self.service.name)
        while not await self._compared():
            pass

    async def survey(self) -> Survey:
        """Take or prolong the lease, and look at what both say of every partition. Raises `LeaseLost`."""
        async with self.runtime.db.transaction() as tx:
            lease = await self._hold_in(tx)
            seen = self._connects()
            standings = await restoring.read_standings(driver(tx), self.service)
            cards = await restoring.newest_cards(driver(tx), self.service)
            self.any_lost = await driver(tx).fetchval(_ANY_LOST)
        facts, contacts = restoring.published_topics(self.service)
        tails = await read_tails(self.runtime.bus, [*facts, *contacts])
        for partition in tails.keys() - standings.keys():
            if partition.topic in cards:
                standings[partition] = Standing(cards[partition.topic], unsure=True)
        lacking = restoring.behind(standings, tails, contacts)
        async with self._prolonging():
            wider = await restoring.surely_behind(self.runtime.bus, standings, lacking)
        return Survey(
            seen, lease.stopped, standings, tails, restoring.ahead_of(standings, tails, contacts),
            restoring.behind({each: standings[each] for each in wider}, wider, contacts),
        )  # fmt: skip

    async def _compared(self) -> bool:
        """Return whether both tell one history; False where they were brought together just now."""
        survey = await self.survey()
        if survey.ahead:
            await self._take_over(survey)
            return False
        self._expired_at = None
        if survey.lacking:
            await self._stand_still(survey.lacking)
        if survey.stopped is not None:
            await self._say(None)
        self._seen = survey.seen
        self.trust()
        self._ends, self._ends_noted = {each: tail.end for each, tail in survey.tails.items()}, True
        return True

    async def _take_over(self, survey: Survey) -> None:
        """Wait until what was sent before has expired, then bring the database to where the log is."""
        if self._expired_at is None:
            wait_s = self.runtime.settings.old_sends_expire_s
            self._expired_at = time.monotonic() + wait_s
            await self._say(
                "The log is ahead of the database, which was restored from an older copy: what was sent before may "
                f"arrive for another {wait_s:.0f} s, and the relay waits for so long. Nothing has to be done."
            )
            log.error("log_ahead_of_database", service=self.service.name, waits_s=wait_s)
            raise OldSendsPending(self.service.name)
        await self._take_steps(survey)

    async def _take_steps(self, survey: Survey) -> None:
        """Take over in steps, a transaction each; stop where another relay was at work meanwhile, or it is late."""
        lost, until = 0, time.monotonic() + STRETCH_S
        contacts = self.service.card_readers
        async with self._holding(survey) as tx:
            await restoring.dissolve(driver(tx), survey.standings, survey.tails)
            await say_why(
                driver(tx),
                self.service.name,
                "The log is ahead of the database, which was restored from an older copy: the relay takes over what "
                "the log holds, and then goes on. Nothing has to be done.",
            )
        async with aclosing(restoring.steps(self.runtime.bus, survey.standings, survey.tails, contacts)) as steps:
            is_done = False
            while not is_done:
                async with self._prolonging():
                    step = await anext(steps)
                async with self._holding(survey) as tx:
                    lost += await restoring.take_over(driver(tx), step)
                    await relearn(tx, self.runtime, step.records)
                    if step.last:
                        await say_why(driver(tx), self.service.name, None)
                is_done = step.last
                if time.monotonic() > until and not is_done:
                    raise StillTakingOver(self.service.name)
        log.error("database_restored", service=self.service.name, lost_events=lost)

    @asynccontextmanager
    async def _holding(self, survey: Survey) -> AsyncIterator[AsyncSession]:
        """Open a transaction under the lease, for which it is prolonged however long it takes.

        Raises `StillTakingOver` where another relay had the lease since the survey, or the database may be another.
        """
        async with self.runtime.db.transaction() as tx:
            lease = await self._hold_in(tx)
            if lease.taken_over or survey.seen != self._connects():
                raise StillTakingOver(self.service.name)
            yield tx
            await self._hold_in(tx)

    async def _stand_still(self, lacking: Tails) -> None:
        places = ", ".join(map(str, lacking))
        why = (
            f"The log lacks what was published to {places}: Kafka, or the bus database, was restored from an older "
            f"copy or made anew. `peyvand topics realign {self.service.name}` lets consumers go on and sends all cards "
            "again."
        )
        async with self.runtime.db.transaction() as tx:
            await self._hold_in(tx)
            await say_why(driver(tx), self.service.name, why)
            await release(driver(tx), self.service.name, self.owner)
        raise LogBehind(why)

    async def _say(self, why: str | None) -> None:
        async with self.runtime.db.transaction() as tx:
            await self._hold_in(tx)
            await say_why(driver(tx), self.service.name, why)

    @asynccontextmanager
    async def _prolonging(self) -> AsyncIterator[None]:
        """Prolong the lease while the log is read: else two relays would take it from each other, and neither end.

        Raises `LeaseLost` at the end where another had it meanwhile all the same.
        """
        done = asyncio.Event()

        async def prolong() -> None:
            while not done.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.lease_s / 3):
                        await done.wait()
                    return
                if (await self._hold()).taken_over:
                    raise LeaseLost(self.service.name)

        prolonging = asyncio.create_task(prolong())
        try:
            yield
        finally:
            done.set()
            await prolonging

    async def _hold(self) -> Lease:
        async with self.runtime.db.transaction() as tx:
            return await self._hold_in(tx)

    async def _hold_in(self, tx: AsyncSession) -> Lease:
        """Take or prolong the lease; where another had it, what was waited for here may be over, and not the next."""
        try:
            lease = await hold(driver(tx), self.service.name, self.owner, self.lease_s)
        except LeaseLost:
            self._expired_at = None
            raise
        if lease.taken_over:
            self._expired_at = None
        return lease

    def _connects(self) -> Connects:
        return self.runtime.db.connects, self.runtime.bus.connects
