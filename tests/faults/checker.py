"""The checker: compares what was acknowledged with databases, topics and phones. Each finding is a sentence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from services.embedded import SERVICES
from shared.bus import EventBus, Record, TopicPartition
from shared.outbox import wire
from shared.outbox.topics import all_topics
from tests.faults.ledger import Ledger, Person
from tests.faults.load import numbers_of
from tests.faults.settling import Connections

KINDS: Final = {
    "acknowledgement": "درخواست شما به دست ما رسید",
    "welcome": "به جمع مشتریان ما خوش آمدید",
    "thanks": "از خرید شما سپاسگزاریم",
    "question": "از خرید خود چقدر راضی هستید",
    "apology": "صمیمانه پوزش می‌خواهیم",
}
"""Words by which the shipped texts are told apart on a phone."""

READ: Final = 2_000


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact as it lies on the log."""

    type: str
    id: str
    key: UUID
    position: int
    version: int
    body: Mapping[str, Any]


@dataclass(slots=True)
class Logged:
    """The facts of every partition in the order of the log, later doubles of a position left out but counted."""

    partitions: dict[TopicPartition, list[Fact]]
    doubled: int = 0

    def facts(self) -> Iterator[Fact]:
        for facts in self.partitions.values():
            yield from facts

    def of(self, kind: str) -> list[Fact]:
        return [fact for fact in self.facts() if fact.type == kind]


async def read_log(bus: EventBus) -> tuple[Logged, list[str]]:
    """Read every topic of facts; return it with what is wrong about positions, ids and order."""
    topics = sorted(topic for topic, compacted in all_topics().items() if not compacted)
    logged, findings = Logged({}), []
    for partition, (first, end) in sorted((await bus.bounds(topics)).items()):
        records = [record async for record in _records(bus, partition, first, end)]
        facts, doubled, wrong = _dense(partition, records)
        logged.partitions[partition] = facts
        logged.doubled += doubled
        findings += wrong
    findings += _ids_once(logged)
    return logged, findings


async def _records(bus: EventBus, partition: TopicPartition, first: int, end: int) -> Any:
    offset = first
    while offset < end:
        records = await bus.read(partition, offset, most=READ)
        for record in records:
            yield record
        offset = records[-1].offset + 1


def _dense(partition: TopicPartition, records: Iterable[Record]) -> tuple[list[Fact], int, list[str]]:
    """Take the first record of each position; they must be dense from 1, and an aggregate's versions must rise."""
    facts: list[Fact] = []
    findings, doubled = [], 0
    versions: dict[str, int] = {}
    for record in records:
        if (position := wire.position_of(record)) == 0:
            continue
        if position <= len(facts):
            doubled += 1
            if facts[position - 1].id != record.headers["ce_id"]:
                findings.append(f"{partition}: position {position} is of two events")
            continue
        if position != len(facts) + 1:
            findings.append(f"{partition}: position {position} follows {len(facts)}")
        fact = _fact(record, position)
        if fact.version <= versions.get(record.headers["ce_subject"], 0):
            findings.append(f"{partition}: {fact.type} of {fact.key} is out of order")
        versions[record.headers["ce_subject"]] = fact.version
        facts.append(fact)
    return facts, doubled, findings


def _fact(record: Record, position: int) -> Fact:
    body = msgspec.json.decode(record.body) if record.body else {}
    headers = record.headers
    return Fact(headers["ce_type"], headers["ce_id"], record.key, position, int(headers["version"]), body)


def _ids_once(logged: Logged) -> list[str]:
    ids = Counter(fact.id for fact in logged.facts())
    return [f"event {id_} was published {times} times" for id_, times in ids.items() if times > 1]


def check_facts(logged: Logged, ledger: Ledger) -> list[str]:
    """Compare what was published with what was acknowledged: each once, nothing else."""
    people = ledger.people
    converted = [person.lead_id for person in ledger.leads if person.converted]
    own_tickets = [fact.body["ticket_id"] for fact in logged.of("ticket.opened") if not fact.body.get("answer_id")]
    touches = [fact.body["touch_id"] for fact in logged.of("lead.touched") if fact.body["by"] == "human"]
    return [
        *_same("lead.captured", _ids(logged, "lead.captured", "lead_id"), [each.lead_id for each in ledger.leads]),
        *_same("lead.recaptured", len(logged.of("lead.recaptured")), sum(each.recaptured for each in people)),
        *_same("lead.touched", touches, [touch for each in people for touch in each.touches]),
        *_same("lead.converted", _ids(logged, "lead.converted", "lead_id"), converted),
        *_same(
            "purchase.recorded", _ids(logged, "purchase.recorded", "purchase_id"), [b.id for b in ledger.purchases()]
        ),
        *_same(
            "purchase.cancelled", len(logged.of("purchase.cancelled")), sum(b.cancelled for b in ledger.purchases())
        ),
        *_same("ticket.opened", own_tickets, [ticket for each in people for ticket in each.tickets]),
        *_same("survey.answered", len(logged.of("survey.answered")), sum(each.answer is not None for each in people)),
        *_same("complaints", len(logged.of("ticket.opened")) - len(own_tickets), sum(each.unhappy for each in people)),
        *_same("coupon.redeemed", len(logged.of("coupon.redeemed")), sum(bool(each.coupon_used) for each in people)),
        *_once_each(logged, "message.sent", "message_id"),
        *_once_each(logged, "message.delivered", "message_id"),
    ]


def _ids(logged: Logged, kind: str, field: str) -> list[str]:
    return [fact.body[field] for fact in logged.of(kind)]


def _once_each(logged: Logged, kind: str, field: str) -> list[str]:
    times = Counter(_ids(logged, kind, field))
    return [f"{kind} of {each} was published {count} times" for each, count in times.items() if count > 1]


def _same(what: str, found: Any, acknowledged: Any) -> list[str]:
    """Compare two numbers, or two bags of ids."""
    if isinstance(found, int):
        return [] if found == acknowledged else [f"{what}: {found}, but {acknowledged} were acknowledged"]
    have, want = Counter(found), Counter(acknowledged)
    lost, doubled = want - have, have - want
    findings = [f"{what} of {each}: acknowledged, and lost" for each in lost]
    return findings + [
        f"{what} of {each}: there {have[each]} times, acknowledged {want[each]} times" for each in doubled
    ]


async def check_databases(connections: Connections, logged: Logged, ledger: Ledger) -> list[str]:
    """Compare the rows of the five databases with what was acknowledged."""
    findings = []
    for service in SERVICES:
        findings += await _machinery(connections, service.name, logged)
    for what, service_name, query, acknowledged in _rows(ledger):
        found = [str(row[0]) for row in await connections[service_name].fetch(query)]
        findings += _same(what, found, acknowledged)
    return findings


async def _machinery(connections: Connections, name: str, logged: Logged) -> list[str]:
    """Nothing is parked, no partition stands still, and the relay's positions are those of the log."""
    connection = connections[name]
    findings = [f"{name}: {row['type']} is {row['state']}: {row['error']}" for row in await connection.fetch(
        "SELECT type, state, error FROM parked WHERE state <> 'discarded'"
    )]  # fmt: skip
    stopped = "SELECT topic, partition, stopped FROM inbox WHERE stopped IS NOT NULL"
    findings += [f"{name}: {row['topic']} stands still: {row['stopped']}" for row in await connection.fetch(stopped)]
    for row in await connection.fetch("SELECT topic, partition, position FROM relay_positions"):
        facts = logged.partitions.get(TopicPartition(row["topic"], row["partition"]))
        if facts is not None and len(facts) != row["position"]:
            findings.append(f"{name}: {row['topic']}/{row['partition']} ends at {len(facts)}, not {row['position']}")
    return findings


def _rows(ledger: Ledger) -> Iterator[tuple[str, str, str, list[Any]]]:
    people = ledger.people
    touches = [touch for person in people for touch in person.touches]
    numbers = [
        f"+98{person.number[1:]}" for person in people if (person.purchases or person.converted) and not person.erased
    ]
    yield "lead", "leads", "SELECT id FROM leads", [person.lead_id for person in ledger.leads]
    yield "touch", "leads", "SELECT id FROM touches WHERE by = 'human'", touches
    yield "purchase", "customers", "SELECT id FROM purchases", [bought.id for bought in ledger.purchases()]
    yield (
        "ticket",
        "customers",
        "SELECT id FROM tickets WHERE answer_id IS NULL",
        [t for p in people for t in p.tickets],
    )
    yield "customer's number", "customers", "SELECT phone FROM phone_numbers", numbers
    values = [str(person.answer) for person in people if person.answer is not None]
    yield "answer", "surveys", "SELECT value FROM answers", values
    ids = [bought.id for bought in ledger.purchases()]
    yield "purchase in the figures", "metrics", "SELECT purchase_id FROM state.purchases", ids


async def check_phones(connections: Connections, ledger: Ledger) -> list[str]:
    """Every intended text is on its phone once: by kind and person, and message by message with the panel's ids."""
    people = numbers_of(ledger.people)
    shown: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in await connections["sandbox"].fetch("SELECT mobile, text FROM message"):
        if str(row["mobile"]) in people:
            shown[str(row["mobile"])][_kind(row["text"])] += 1
    findings = [wrong for number, person in people.items() for wrong in _phone(person, shown[number])]
    return findings + await _panel(connections)


def _kind(text: str) -> str:
    return next((kind for kind, words in KINDS.items() if words in text), "unknown")


def _phone(person: Person, shown: Counter[str]) -> Iterator[str]:
    """An erased person may have got less: what had not left when they were forgotten was cancelled."""
    expected = person.expected_texts()
    for kind in {*expected, *shown}:
        want, have = expected.get(kind, 0), shown[kind]
        if have > want or (have < want and not person.erased):
            yield f"0{person.number[1:]} shows {have} of {kind}, not {want}"


async def _panel(connections: Connections) -> list[str]:
    """What messaging calls sent, and what the panel accepted, are the same messages."""
    rows = await connections["messaging"].fetch(
        "SELECT id, status, reason, provider_id FROM messages WHERE channel = 'sms'"
    )
    sent = [row["provider_id"] for row in rows if row["status"] in ("sent", "delivered", "undelivered")]
    accepted = [str(row["id"]) for row in await connections["sandbox"].fetch("SELECT id FROM message")]
    findings = _same("text on a phone", accepted, sent)
    fine = {"sent", "delivered", "undelivered"}
    return findings + [
        f"message {row['id']}: {row['status']}, {row['reason']}"
        for row in rows
        if row["status"] not in fine and row["reason"] != "erased"
    ]
