"""Sending what was claimed: calls outside of any transaction, then their results in one.

A message is `sending` on disk before its call begins. If this process dies, its lease runs out and it becomes
`unknown`: it may have been sent, so it is looked for in the provider's reports, never just sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from services.messaging.messages.claiming import Claimed, claim
from services.messaging.messages.results import Answer, store_answers
from services.messaging.messages.statuses import Lane
from services.messaging.providers.protocol import Ambiguous, Outgoing, Provider, Refused, Scope
from shared.clock import utcnow
from shared.service import Runtime

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a provider."""

    account_id: UUID
    provider: Provider
    messages: Sequence[Outgoing]


async def send_lane(runtime: Runtime, lane: Lane) -> int:
    """Send a batch of a lane; return how many messages were looked at."""
    async with runtime.db.transaction() as tx:
        looked_at, claimed = await claim(tx, lane, runtime.settings, utcnow())
    if claimed is not None:
        await deliver(runtime, claimed)
    return looked_at


async def deliver(runtime: Runtime, claimed: Claimed) -> None:
    """Make the calls, some at a time; each one's results are stored as soon as it is answered."""
    at_once = asyncio.Semaphore(runtime.settings.concurrent_calls)

    async def make(call: Call) -> None:
        async with at_once:
            answers = await _call(call.provider, call.messages)
            async with runtime.db.transaction() as tx:
                await store_answers(tx, claimed.send_id, call.account_id, answers, runtime.settings, utcnow())

    async with asyncio.TaskGroup() as group:
        for call in _calls(runtime, claimed):
            group.create_task(make(call))


def _calls(runtime: Runtime, claimed: Claimed) -> list[Call]:
    calls: list[Call] = []
    for account_id, messages in claimed.by_account.items():
        provider = runtime.resources.of(claimed.accounts[account_id])
        calls.extend(Call(account_id, provider, group) for group in provider.groups(messages))
    return calls


async def _call(provider: Provider, messages: Sequence[Outgoing]) -> Mapping[UUID, Answer]:
    """Make one call and return what is known of each message.

    A call that is refused for what is in it is halved and made again, so that one bad text does not sink its company.
    """
    try:
        results = await provider.send(messages)
    except Ambiguous as lost:
        return dict.fromkeys((message.message_id for message in messages), lost)
    except Refused as refused:
        if refused.scope is Scope.MESSAGE and len(messages) > 1:
            middle = len(messages) // 2
            return {**await _call(provider, messages[:middle]), **await _call(provider, messages[middle:])}
        log.warning("provider_refused", reason=refused.reason, scope=refused.scope, messages=len(messages))
        return dict.fromkeys((message.message_id for message in messages), refused)
    return {message.message_id: result for message, result in zip(messages, results, strict=True)}
