"""What the trials are judged by: a log that is wrong is found to be, and one with late doubles is not wrong."""

from __future__ import annotations

import random
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast
from uuid import UUID

import httpx
import pytest

from shared.bus import EventBus, Record, TopicPartition
from shared.contracts.leads import TOPIC
from tests.faults.caller import Caller
from tests.faults.checker import read_log
from tests.faults.keeping import Kept, kept
from tests.faults.ledger import Ledger
from tests.support.processes import running

PLACE = TopicPartition(TOPIC, 0)


def fact(position: int, *, key: int = 1, version: int | None = None, id_: str = "") -> Record:
    headers = {
        "ce_type": "lead.touched",
        "ce_id": id_ or f"event {position}",
        "ce_subject": f"lead {key}",
        "position": str(position),
        "version": str(position if version is None else version),
    }
    return Record(*PLACE, UUID(int=key), headers, b"{}")


class Log:
    """A bus that holds one partition."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = [replace(record, offset=offset) for offset, record in enumerate(records)]

    async def bounds(self, _topics: Sequence[str]) -> Mapping[TopicPartition, tuple[int, int]]:
        return {PLACE: (0, len(self.records))}

    async def read(self, _partition: TopicPartition, offset: int, *, most: int) -> list[Record]:
        return self.records[offset : offset + most]


@pytest.mark.parametrize(
    ("records", "finding"),
    [
        ([fact(1), fact(3)], "position 3 follows 1"),
        ([fact(2)], "position 2 follows 0"),
        ([fact(1), fact(2), fact(2, id_="another")], "position 2 is of two events"),
        ([fact(1), fact(2, version=9), fact(3, version=8)], "lead.touched of {key} is out of order"),
        ([fact(1), fact(2), fact(3, id_="event 1")], "event event 1 was published 2 times"),
    ],
)
async def test_what_is_missing_doubled_or_out_of_order_in_a_log_is_found(records: list[Record], finding: str) -> None:
    _, findings = await read_log(cast("EventBus", Log(records)))

    assert [each.removeprefix(f"{PLACE}: ") for each in findings] == [finding.format(key=UUID(int=1))]


async def test_late_doubles_and_the_order_between_keys_are_no_fault_of_a_log() -> None:
    records = [fact(1), fact(2, version=9), fact(1), fact(2, version=9), fact(3, key=2, version=8)]
    logged, findings = await read_log(cast("EventBus", Log(records)))

    assert findings == []
    assert logged.doubled == 2
    assert [each.position for each in logged.facts()] == [1, 2, 3]


async def test_a_503_that_does_not_say_when_to_come_back_is_complained_of() -> None:
    answers = [httpx.Response(503, text="away"), httpx.Response(200, json={})]
    transport = httpx.MockTransport(lambda _request: answers.pop(0))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
        caller = Caller(http, Ledger(), random.Random(1), cuts=0)
        await caller.post("/v1/leads", {})

    assert caller.ledger.complaints == ["/v1/leads: a 503 without Retry-After or no problem"]
    assert (caller.ledger.acknowledged, caller.ledger.turned_away) == (1, 1)


async def test_an_end_that_nobody_asked_for_is_told_from_a_kill() -> None:
    killed, ended = -signal.SIGKILL, 1
    async with running(["platform"]) as process:
        assert Kept(process.process, killed=1, ends=[killed]).died_by_itself == []
        assert Kept(process.process, killed=1, ends=[killed, ended]).died_by_itself == [ended]
        assert Kept(process.process, killed=1, ends=[killed, killed]).died_by_itself == [killed]


async def test_what_a_kept_process_logs_is_read_with_the_logs_of_the_suite(capfd: pytest.CaptureFixture[str]) -> None:
    async with kept(["platform"], {}) as process:
        said = await process.line("Linux")

    assert said in capfd.readouterr().err
