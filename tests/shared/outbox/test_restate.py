"""After a restore each key's last event says what its rows say, and copies and figures are those of the database."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.customers.app import SERVICE as CUSTOMERS
from services.leads.app import SERVICE as LEADS
from services.metrics.app import SERVICE as METRICS
from services.metrics.folder import audit
from shared.clock import utcnow
from shared.contracts import Withdrawal
from shared.contracts.cards import CUSTOMERS_CONTACTS, LEADS_CONTACTS
from shared.contracts.leads import TOPIC as LEAD_FACTS
from shared.contracts.leads import LeadAssigned, LeadStageChanged
from shared.contracts.surveys import SurveyAnswered, SurveysWithdrawal
from shared.ids import new_id
from shared.outbox import wire
from shared.outbox.alignment import LogAhead
from shared.outbox.consumer import Consumer
from shared.outbox.rebuild import rebuild
from shared.outbox.restate import MadeAgain, StillCatchingUp, restate
from shared.outbox.topics import make_topics
from shared.outbox.writing import RESTATED, Cause, add, caused_by
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import FACTS, Said, fetch, reach, said, say
from tests.shared.outbox.machinery import hear_all, log_of, relay_all
from tests.shared.outbox.test_faults import failing_on
from tests.shared.outbox.test_restored_database import EXPIRE_S, relay_until_sent
from tests.support import api
from tests.support.events import deliver, event_id, turn
from tests.support.restores import copy_of_database


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the lost events withdrawn, and the log read beside them, in many turns."""
    monkeypatch.setattr("shared.outbox.restate.AT_ONCE", 2)
    monkeypatch.setattr("shared.outbox.history.PAGE", 3)


@pytest.fixture
async def metrics(make_runtime: MakeRuntime) -> Runtime:
    runtime = await make_runtime(METRICS, partitions=3)
    await make_topics(runtime.bus, partitions=3)
    return runtime


@pytest.fixture
async def customers(make_runtime: MakeRuntime, metrics: Runtime) -> Runtime:
    return await make_runtime(
        CUSTOMERS, bus_url=metrics.settings.bus_database_url, partitions=3, old_sends_expire_s=EXPIRE_S
    )


@pytest.fixture
async def leads(make_runtime: MakeRuntime, metrics: Runtime) -> Runtime:
    return await make_runtime(
        LEADS, bus_url=metrics.settings.bus_database_url, partitions=3, old_sends_expire_s=EXPIRE_S,
        round_the_clock=True,
    )  # fmt: skip


async def tell(producer: Runtime, metrics: Runtime) -> None:
    """Publish what waits, and have it counted."""
    await relay_until_sent(producer)
    await hear_all(metrics)
    await turn(metrics, "fold")


async def counted(metrics: Runtime, *measures: str) -> dict[str, Decimal]:
    """Return the kept sums over all days."""
    rows = await fetch(
        metrics,
        """
        SELECT measure, sum(amount) AS amount FROM kept_counts
        WHERE grid = 'day' AND dimension = '' AND measure = ANY($1::text[]) GROUP BY measure
        """,
        list(measures),
    )
    return dict.fromkeys(measures, Decimal()) | {row["measure"]: row["amount"] for row in rows}


async def everything(metrics: Runtime) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in await fetch(metrics, "SELECT * FROM kept_counts WHERE amount <> 0")}


async def assert_figures_stand(metrics: Runtime) -> None:
    """Kept counts equal a recomputation from the facts, and a rebuild from the log."""
    before = await everything(metrics)
    assert (await audit(metrics)).differing == {}
    await rebuild(metrics)
    assert await everything(metrics) == before


async def said_of(runtime: Runtime, topic: str, subject: UUID | str) -> list[str]:
    """Return the types of the events of a subject on the log, in order."""
    records = [each for each in await log_of(runtime, topic) if each.headers["ce_subject"] == str(subject)]
    return [wire.type_of(record) for record in records]


async def post(http: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    reply = await http.post(path, json=body or None)
    assert reply.status_code in {200, 201}, reply.text
    answered: dict[str, Any] = reply.json()
    return answered


async def test_figures_of_purchases_are_those_of_the_restored_database(customers: Runtime, metrics: Runtime) -> None:
    async with api.client(customers) as http:
        person = (await post(http, "/v1/customers", phones=["09990001001"]))["id"]
        kept = [
            await post(
                http, "/v1/purchases", person_id=person, amount_minor=amount, external_id=str(amount), source="t"
            )
            for amount in (100, 200, 400)
        ]
        await tell(customers, metrics)
        before = await everything(metrics)
        async with copy_of_database(customers.db.url) as copy:
            await post(http, "/v1/purchases", person_id=person, amount_minor=800)
            await post(http, f"/v1/purchases/{kept[0]['id']}/refunds", amount_minor=30)
            await post(http, f"/v1/purchases/{kept[1]['id']}/cancel")
            lost = (await post(http, "/v1/customers", phones=["09990001002"]))["id"]
            await post(http, "/v1/purchases", person_id=lost, amount_minor=1600)
            await tell(customers, metrics)
            assert await counted(metrics, "purchases", "net_minor", "refunded_minor") == {
                "purchases": 4, "net_minor": 100 + 400 + 800 + 1600, "refunded_minor": 30,
            }  # fmt: skip
            await copy.restore()
        await tell(customers, metrics)
        done = await restate(customers)
        await tell(customers, metrics)

        assert await everything(metrics) == before
        await post(http, "/v1/purchases", person_id=person, amount_minor=3200)
    await tell(customers, metrics)
    [held] = await fetch(
        customers, "SELECT count(*), sum(amount_minor) AS net FROM purchases WHERE cancelled_at IS NULL"
    )
    assert await counted(metrics, "purchases", "net_minor") == {"purchases": held["count"], "net_minor": held["net"]}
    assert done["purchase.recorded"] == 2
    await assert_figures_stand(metrics)
    last = {each.key: each.body for each in await log_of(customers, CUSTOMERS_CONTACTS) if wire.is_card(each)}
    assert last[UUID(lost)] is None
    assert last[UUID(person)] is not None


async def test_figures_of_leads_are_those_of_the_restored_database(leads: Runtime, metrics: Runtime) -> None:
    measures = ("leads", "leads_in_time", "leads_unanswered", "leads_qualified", "leads_won")
    async with api.client(leads) as http:
        agent = (await post(http, "/v1/agents", first_name="نازنین", last_name="آزمایشی", phone="09990001009"))["id"]
        lead = await post(http, "/v1/leads", source="website", phone="09990001003", product="a")
        await tell(leads, metrics)
        async with copy_of_database(leads.db.url) as copy:
            await post(http, f"/v1/leads/{lead['id']}/touches", channel="call")
            await post(http, f"/v1/leads/{lead['id']}/qualify")
            await post(http, f"/v1/leads/{lead['id']}/convert")
            other = await post(http, "/v1/leads", source="call", phone="09990001004")
            await tell(leads, metrics)
            assert await counted(metrics, "leads", "leads_in_time", "leads_won") == {
                "leads": 2, "leads_in_time": 1, "leads_won": 1,
            }  # fmt: skip
            await copy.restore()
        await tell(leads, metrics)
        await restate(leads)
        await tell(leads, metrics)

        assert await counted(metrics, *measures) == dict(zip(measures, (1, 0, 1, 0, 0), strict=True))
        [row] = await fetch(leads, "SELECT funnel_stage, agent_id FROM leads")
        records = {
            wire.type_of(each): each for each in await log_of(leads, LEAD_FACTS) if lead["id"] in str(each.headers)
        }
        stage = wire.received(records[LeadStageChanged.type], LeadStageChanged).event
        owner = wire.received(records[LeadAssigned.type], LeadAssigned).event
        assert (stage.after, str(owner.agent_id)) == (row["funnel_stage"], agent)
        assert (await said_of(leads, LEAD_FACTS, other["id"]))[-1] == "leads.fact_withdrawn"
        await post(http, f"/v1/leads/{lead['id']}/convert")
    await tell(leads, metrics)
    assert (await counted(metrics, "leads_won")) == {"leads_won": 1}
    await assert_figures_stand(metrics)
    last = {each.key: each.body for each in await log_of(leads, LEADS_CONTACTS) if wire.is_card(each)}
    assert last[UUID(other["person_id"])] is None


async def test_a_dry_run_changes_nothing_and_a_second_run_finds_nothing(customers: Runtime, metrics: Runtime) -> None:
    async with api.client(customers) as http:
        person = (await post(http, "/v1/customers", phones=["09990001005"]))["id"]
        await tell(customers, metrics)
        async with copy_of_database(customers.db.url) as copy:
            await post(http, "/v1/purchases", person_id=person, amount_minor=100)
            await tell(customers, metrics)
            await copy.restore()
        await tell(customers, metrics)
    found = await restate(customers, dry_run=True)
    assert found["purchase.recorded"] == 1
    assert await fetch(customers, "SELECT FROM outbox") == []
    assert await restate(customers) == found
    await tell(customers, metrics)
    log = len(await log_of(customers, "customers.events.v1"))

    assert (await restate(customers)).total() == 0
    await tell(customers, metrics)
    assert len(await log_of(customers, "customers.events.v1")) == log


async def test_what_handlers_may_yet_make_again_is_not_withdrawn(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    await fetch(
        runtime,
        """
        INSERT INTO inbox (consumer, topic, partition, next_offset, position, restored_until)
        VALUES ('echo', $1, 0, 3, 3, 9)
        """,
        FACTS,
    )

    with pytest.raises(StillCatchingUp, match=r"of echo\.events\.v1/0; ask later"):
        await restate(runtime)


async def test_what_handlers_may_yet_make_again_of_parked_events_is_not_withdrawn(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on({7}))
    await say(runtime, said(number=7), said(number=8))
    await relay_all(runtime)
    await hear_all(runtime)
    assert (await restate(runtime)).total() == 0
    await fetch(runtime, "UPDATE inbox SET restored_until = next_offset")

    with pytest.raises(StillCatchingUp, match="`peyvand dlq list echo` shows what is parked"):
        await restate(runtime)


async def test_what_is_made_again_while_others_are_restated_is_no_longer_lost(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    made_again = MadeAgain(runtime)
    for _ in range(4):
        await say(runtime, said())
        await made_again.note()
    await say(runtime, said())
    await fetch(
        runtime,
        """
        INSERT INTO lost_events (event_id, topic, partition, position, version, key, subject, type, recorded_at)
        SELECT id, topic, 0, seq, seq, key, subject, type, recorded_at FROM outbox
        """,
    )
    await made_again.note()

    noted = await fetch(runtime, "SELECT position FROM lost_events WHERE remade_at IS NOT NULL ORDER BY position")
    assert [row["position"] for row in noted] == [4, 5]


async def test_nothing_is_said_of_what_is_lost_before_the_relay_has_looked(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    async with copy_of_database(runtime.db.url) as copy:
        await say(runtime, said())
        await relay_all(runtime)
        await copy.restore()

    with pytest.raises(LogAhead, match="ask again"):
        await restate(runtime, dry_run=True)


async def test_what_is_said_again_reaches_nobody(make_echo: MakeEcho) -> None:
    consumer = Consumer("echo")
    consumer.effect(Said)(reach)
    runtime = await make_echo(consumer)
    async with runtime.db.transaction() as tx:
        add(tx, said())
        with caused_by(Cause(event_id=RESTATED, handler="restate")):
            add(tx, said())
    await relay_all(runtime)
    await hear_all(runtime)

    assert len(await fetch(runtime, "SELECT FROM reached")) == 1
    assert [row["reason"] for row in await fetch(runtime, "SELECT reason FROM skipped_effects")] == ["restated"]


async def test_a_withdrawn_answer_leaves_the_attitude_of_the_one_before_it(make_runtime: MakeRuntime) -> None:
    runtime = await make_runtime(CUSTOMERS)
    person = new_id()
    answers = [_answer(person, category, days) for category, days in (("promoter", 2), ("detractor", 1))]
    await deliver(runtime, *answers, _withdrawn(answers[1]))

    rows = await fetch(runtime, "SELECT category FROM state.attitudes_by_answer WHERE person_id = $1", person)
    assert [row["category"] for row in rows] == ["promoter"]


def _answer(person: UUID, category: Any, days_ago: int) -> SurveyAnswered:
    return SurveyAnswered(
        person_id=person, survey_id=new_id(), survey="nps", kind="nps", scale="0-10", answer_id=new_id(),
        invitation_id=new_id(), value=1, category=category, channel="sms",
        occurred_at=utcnow() - timedelta(days=days_ago),
    )  # fmt: skip


def _withdrawn(event: SurveyAnswered) -> Withdrawal:
    return SurveysWithdrawal(
        event_id=event_id(event), event_type=event.type, owner_id=event.key, subject_id=event.subject,
        occurred_at=utcnow(),
    )  # fmt: skip
