"""Sending what was claimed: calls outside of any transaction, then their results in one.

A message is `sending` on disk before its call begins. If this process dies, its lease runs out and it becomes
`unknown`: it may have been sent, so it is looked for in the provider's reports, never just sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog

from services.messaging.messages import sql
from services.messaging.messages.claiming import Claimed, claim
from services.messaging.messages.results import Answer, store_answers
from services.messaging.messages.statuses import Lane
from services.messaging.providers.protocol import Ambiguous, Outgoing, Provider, Refused, Result, Scope
from shared.clock import utcnow
from shared.db import driver
from shared.service import Runtime

log = structlog.get_logger(__name__)


async def send_lane(runtime: Runtime, lane: Lane) -> int:
    """Send a batch of a lane; return how many messages got on."""
    async with runtime.db.transaction() as tx:
        got_on, claimed = await claim(tx, lane, runtime.settings, utcnow())
    if claimed is not None:
        await deliver(runtime, claimed)
    return got_on


async def deliver(runtime: Runtime, claimed: Claimed) -> None:
    """Make the calls, some at a time; each one's results are stored as soon as it is answered.

    A fault in one is raised when all have ended: it breaks off no other, which may be about to send.
    """
    at_once = asyncio.Semaphore(runtime.settings.concurrent_calls)

    async def make(caller: Caller, group: Sequence[Outgoing]) -> None:
        async with at_once:
            answers = await caller.call(group)
            async with runtime.db.transaction() as tx:
                await store_answers(tx, claimed.send_id, caller.account_id, answers, runtime.settings, utcnow())

    calls: list[Coroutine[None, None, None]] = []
    for account_id, messages in claimed.by_account.items():
        provider = _provider(runtime, claimed, account_id)
        caller = Caller(runtime, claimed, account_id, provider)
        calls.extend(make(caller, group) for group in provider.groups(messages))
    ends = await asyncio.gather(*calls, return_exceptions=True)
    if faults := [end for end in ends if isinstance(end, Exception)]:
        raise ExceptionGroup("Calls to providers failed", faults)


def _provider(runtime: Runtime, claimed: Claimed, account_id: UUID) -> Provider:
    """Return an account's adapter; of an account that cannot be opened one that says so."""
    try:
        provider: Provider = runtime.resources.of(claimed.accounts[account_id])
    except Refused as refused:
        return Unusable(refused)
    return provider


@dataclass(slots=True)
class Unusable:
    """The adapter of an account that cannot be opened."""

    refused: Refused
    most: int = 100

    def groups(self, messages: Sequence[Outgoing]) -> list[list[Outgoing]]:
        return [list(messages)]

    async def send(self, messages: Sequence[Outgoing]) -> list[Result]:  # noqa: ARG002
        raise self.refused

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class Caller:
    """Calls to one account in one batch. `down` is set by the first call that shows it to be of no use for now.

    A provider that breaks down over one message is of use to the others; over a second one, it is down.
    """

    runtime: Runtime
    claimed: Claimed
    account_id: UUID
    provider: Provider
    down: Refused | None = field(default=None)
    broken: int = 0

    async def call(self, messages: Sequence[Outgoing]) -> Mapping[UUID, Answer]:
        """Make one call and return what is known of each message.

        A call that is refused, or may be, for what is in it is halved and made again, so that one bad text does not
        sink its company. Messages that were waiting here until their lease ran out are left alone: another has seen to
        them.
        """
        ours = await self._renewed(messages)
        if not ours:
            return {}
        if self.down is not None:
            return _all(ours, self.down)
        try:
            return await self._sent(ours)
        except Ambiguous as lost:
            self.down = Refused(Scope.LATER, "unreachable")
            return _all(ours, lost)
        except Refused as refused:
            return await self._refused(ours, refused)

    async def _sent(self, messages: Sequence[Outgoing]) -> Mapping[UUID, Answer]:
        """The whole call is given a third of the lease, so that its answer comes while the messages are ours."""
        try:
            async with asyncio.timeout(self.runtime.settings.lease_s / 3):
                results = await self.provider.send(messages)
        except TimeoutError as error:
            raise Ambiguous("timeout") from error
        return {message.message_id: result for message, result in zip(messages, results, strict=True)}

    async def _refused(self, messages: Sequence[Outgoing], refused: Refused) -> Mapping[UUID, Answer]:
        log.warning("provider_refused", reason=refused.reason, scope=refused.scope, messages=len(messages))
        if refused.scope in {Scope.MESSAGE, Scope.BROKEN} and len(messages) > 1:
            middle = len(messages) // 2
            return {**await self.call(messages[:middle]), **await self.call(messages[middle:])}
        self.broken += refused.scope is Scope.BROKEN
        if refused.scope in {Scope.ACCOUNT, Scope.LATER} or self.broken > 1:
            self.down = refused
        return _all(messages, refused)

    async def _renewed(self, messages: Sequence[Outgoing]) -> Sequence[Outgoing]:
        """Return the messages that are still this attempt's; where some of the lease has passed, it begins anew."""
        now, lease = utcnow(), timedelta(seconds=self.runtime.settings.lease_s)
        if now - self.claimed.at < lease / 4:
            return messages
        ids = [message.message_id for message in messages]
        async with self.runtime.db.transaction() as tx:
            rows = await driver(tx).fetch(sql.RENEW, ids, self.claimed.send_id, now, now + lease)
        ours = {row["id"] for row in rows}
        return [message for message in messages if message.message_id in ours]


def _all(messages: Sequence[Outgoing], answer: Answer) -> dict[UUID, Answer]:
    return dict.fromkeys((message.message_id for message in messages), answer)
