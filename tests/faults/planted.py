"""Faults planted in what a trial has left behind, to see that the checker would have found them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg

from shared.clock import utcnow
from tests.faults import checker, figures
from tests.faults.checker import Logged
from tests.faults.ledger import Bought, Ledger, Person
from tests.faults.settling import Connections, connected
from tests.faults.trial import Trial

UNCHECKED: Final = "SET LOCAL session_replication_role = replica"
"""Lets a row go that others refer to, as a database that lost it would."""


@dataclass(frozen=True, slots=True)
class Row:
    """A statement that spoils a database, and the words of the finding that it has to lead to."""

    database: str
    statement: str
    found: str


ROWS: Final = (
    Row("leads", "DELETE FROM leads WHERE id = (SELECT id FROM leads LIMIT 1)", "lead of"),
    Row(
        "leads",
        "INSERT INTO touches SELECT (jsonb_populate_record(touches, jsonb_build_object('id', gen_random_uuid()))).* "
        "FROM touches WHERE by = 'human' LIMIT 1",
        "touch of",
    ),
    Row("customers", "DELETE FROM purchases WHERE id = (SELECT id FROM purchases LIMIT 1)", "purchase of"),
    Row("customers", "DELETE FROM phone_numbers WHERE phone = (SELECT phone FROM phone_numbers LIMIT 1)", "number of"),
    Row("metrics", "DELETE FROM state.purchases WHERE purchase_id = (SELECT purchase_id FROM state.purchases LIMIT 1)",
        "purchase in the figures of"),
    Row("surveys", 'INSERT INTO parked (consumer, topic, partition, "offset", position, key, type, headers, error) '
        "VALUES ('surveys', 'leads.events.v1', 0, 1, 1, gen_random_uuid(), 'lead.captured', '{{}}', 'No.')",
        "surveys: lead.captured is parked: No."),
    Row("customers", "UPDATE inbox SET stopped = 'No.' WHERE (topic, partition) = ('leads.events.v1', 0)",
        "leads.events.v1 stands still: No."),
    Row("leads", "UPDATE relay_positions SET position = position + 1 WHERE topic = 'leads.events.v1'", " ends at "),
    Row("messaging", "UPDATE messages SET status = 'unknown', reason = 'timeout' WHERE id = "
        "(SELECT id FROM messages WHERE channel = 'sms' AND status = 'delivered' LIMIT 1)", ": unknown, timeout"),
    Row("messaging", "UPDATE messages SET provider_id = '0' WHERE id = "
        "(SELECT id FROM messages WHERE channel = 'sms' AND status = 'delivered' LIMIT 1)", "text on a phone of 0"),
    Row("sandbox", "DELETE FROM message WHERE {a_text}", "shows 0 of acknowledgement, not 1"),
    Row("sandbox", "INSERT INTO message SELECT (jsonb_populate_record(message, '{{\"id\": 1}}')).* FROM message "
        "WHERE {a_text}", "shows 2 of acknowledgement, not 1"),
    Row("sandbox", "UPDATE message SET text = 'x' WHERE {a_text}", "shows 1 of unknown, not 0"),
)  # fmt: skip

Spoil = Callable[[Ledger], None]


def _bought(days_ago: int) -> Bought:
    return Bought("planted", utcnow() - timedelta(days=days_ago), 1)


def _convert_another(ledger: Ledger) -> None:
    next(person for person in ledger.leads if not person.converted).converted = True


LEDGER: Final[tuple[tuple[Spoil, str], ...]] = (
    (lambda ledger: ledger.people.append(Person("0", "x", lead_id="planted")), "lead.captured of planted"),
    (lambda ledger: ledger.people.append(Person("0", "x", lead_id="planted")), "leads_captured: "),
    (lambda ledger: ledger.people.append(Person("0", "x", lead_id="planted", in_time=True)), "leads answered in time"),
    (lambda ledger: ledger.people[0].purchases.append(_bought(0)), "purchase.recorded of planted"),
    (lambda ledger: ledger.people[0].purchases.append(_bought(0)), "purchases: "),
    (lambda ledger: ledger.people[0].purchases.append(_bought(0)), "revenue: "),
    (lambda ledger: ledger.people.append(Person("0", "x", purchases=[_bought(100)])), "retention "),
    (lambda ledger: ledger.people[0].touches.append("planted"), "lead.touched of planted"),
    (lambda ledger: ledger.people[0].tickets.append("planted"), "ticket.opened of planted"),
    (lambda ledger: ledger.people.append(Person("0", "x", answer=5)), "survey.answered: "),
    (lambda ledger: ledger.people.append(Person("0", "x", answer=1)), "complaints: "),
    (lambda ledger: ledger.people.append(Person("0", "x", answer=5)), "csat answers: "),
    (lambda ledger: ledger.people.append(Person("0", "x", coupon_used="x")), "coupon.redeemed: "),
    (lambda ledger: ledger.people.append(Person("0", "x", recaptured=1)), "lead.recaptured: "),
    (_convert_another, "lead.converted of"),
    (_convert_another, "leads won: "),
)
"""What was acknowledged beyond what there is: for the checker the same as what was acknowledged, and lost."""


async def unseen(trial: Trial) -> list[str]:
    """Plant every fault by itself in what a trial without findings has left; return those that are not found."""
    assert trial.seen is not None
    unseen = [wanted for spoil, wanted in LEDGER if not _any(wanted, _of_ledger(trial, spoil))]
    unseen += [wanted for wanted, logged in _doubled(trial.seen.logged)
               if not _any(wanted, checker.check_facts(logged, trial.ledger))]  # fmt: skip
    for name, points in trial.seen.figures.items():
        if not figures.compare(trial.seen.figures, {**trial.seen.figures, name: [*points, {}]}):
            unseen.append(f"{name} that comes out otherwise")
    async with connected(trial.deployment.databases) as connections:
        for row in ROWS:
            if not _any(row.found, await _of_row(connections, trial, row)):
                unseen.append(f"{row.database}: {row.statement}")
    return unseen


def _any(wanted: str, findings: Sequence[str]) -> bool:
    return any(wanted in finding for finding in findings)


def _of_ledger(trial: Trial, spoil: Spoil) -> list[str]:
    ledger = deepcopy(trial.ledger)
    spoil(ledger)
    assert trial.seen is not None
    return checker.check_facts(trial.seen.logged, ledger) + figures.check(trial.seen.figures, ledger)


def _doubled(logged: Logged) -> Iterator[tuple[str, Logged]]:
    """Yield logs in which a fact was published a second time, under an id and a position of its own."""
    for kind, what in (("lead.captured", "lead.captured of"), ("message.sent", "message.sent of")):
        partition, fact = next((at, each) for at, facts in logged.partitions.items() for each in facts
                               if each.type == kind)  # fmt: skip
        spoilt = {**logged.partitions, partition: [*logged.partitions[partition], fact]}
        yield what, Logged(spoilt)


async def _of_row(connections: Connections, trial: Trial, row: Row) -> list[str]:
    """Spoil a database, check, and undo it."""
    assert trial.seen is not None
    spoilt = connections[row.database]
    transaction = spoilt.transaction()
    await transaction.start()
    try:
        await spoilt.execute(UNCHECKED)
        await _spoil(spoilt, row.statement.format(a_text=_a_text(trial.ledger)))
        return [
            *await checker.check_databases(connections, trial.seen.logged, trial.ledger),
            *await checker.check_phones(connections, trial.ledger),
        ]
    finally:
        await transaction.rollback()


async def _spoil(connection: asyncpg.Connection, statement: str) -> None:
    tag = await connection.execute(statement)
    assert not tag.endswith(" 0"), f"There is nothing to spoil by {statement}"


def _a_text(ledger: Ledger) -> str:
    """Return the condition that holds of the acknowledgement of somebody who was not erased."""
    person = next(person for person in ledger.leads if not person.erased)
    return f"mobile = {person.number[1:]} AND text LIKE '%{checker.KINDS['acknowledgement']}%'"
