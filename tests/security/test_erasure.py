"""A person is erased in the middle of their story, under load: nothing of theirs is left, and no figure moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.embedded import SERVICES
from shared.bus import TopicPartition
from shared.bus.kafka_topics import CARDS
from shared.clock import utcnow
from shared.contracts.cards import CUSTOMERS_CONTACTS, LEADS_CONTACTS
from shared.outbox import wire
from shared.outbox.topics import all_topics
from tests.faults import figures
from tests.security.traces import in_databases, in_lines, on_topics
from tests.support.deployments import Deployment, embedded
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(240)

FIRST_NAME, LAST_NAME, NUMBER, EMAIL = "مهرنوش", "فراموشکار", "09990009431", "mehrnoush@example.org"
NOTE, TICKET, TEXT, REPLY = "زیرزمین سوم زنگ خراب", "جعبهٔ شکسته و خیس", "بستهٔ شما نزد همسایه است", "کلید زیر گلدان است"
NEEDLES = (
    FIRST_NAME, LAST_NAME, NUMBER[1:], "۹۹۹۰۰۰۹۴۳۱", "۰۹۹۹ ۰۰۰ ۹۴ ۳۱", EMAIL, "mehrnoush", NOTE, TICKET, TEXT, REPLY,
)  # fmt: skip
"""What they are known by: their number as every format has it, as they typed it, and what was said of them."""

CAPTURE = {
    "first_name": FIRST_NAME, "last_name": LAST_NAME, "phone": "۰۹۹۹ ۰۰۰ ۹۴ ۳۱", "email": EMAIL, "source": "website",
    "note": NOTE,
}  # fmt: skip
PARK = """
INSERT INTO parked (consumer, topic, partition, "offset", position, key, type, headers, body, state)
VALUES ($1, $2, 0, -1, 0, $3, 'contact.card', '{}', $4, 'dead')
"""
LIVES = 3
PRODUCT, AMOUNT_MINOR = "erasure", 1_000_000
TOPICS = (LEADS_CONTACTS, CUSTOMERS_CONTACTS)


@dataclass(slots=True)
class Load:
    """Other people, captured, converted and buying all the while; what was acknowledged is counted."""

    http: httpx.AsyncClient
    counted: dict[str, int] = field(default_factory=lambda: {"leads_captured": 0, "purchases": 0, "revenue": 0})
    stopping: bool = False
    _numbers: Any = field(default_factory=lambda: count(1_000))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            for _ in range(LIVES):
                group.create_task(self._live())
            yield
            self.stopping = True

    async def _live(self) -> None:
        while not self.stopping:
            number = f"0999000{next(self._numbers)}"
            lead = await self.post("/v1/leads", {"first_name": "نیما", "phone": number, "source": "website"})
            self.counted["leads_captured"] += 1
            await self.post(f"/v1/leads/{lead['id']}/convert")
            await eventually(lambda lead=lead: self._is_customer(lead["person_id"]), within=20)  # type: ignore[misc]
            await self.buy(lead["person_id"])

    async def _is_customer(self, person_id: str) -> bool:
        return (await self.http.get(f"/v1/customers/{person_id}")).is_success

    async def buy(self, person_id: str) -> int:
        """Buy for a person, if they may; returns the status of the answer."""
        line = {"product": PRODUCT, "amount_minor": AMOUNT_MINOR}
        answer = await self.http.post("/v1/purchases", json={"person_id": person_id, "lines": [line]})
        self.counted["purchases"] += answer.is_success
        self.counted["revenue"] += AMOUNT_MINOR * answer.is_success
        return answer.status_code

    async def post(self, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> Any:
        answer = await self.http.post(path, json=body, headers=headers)
        assert answer.is_success, (path, answer.text)
        return answer.json()


@dataclass(slots=True)
class Mehrnoush:
    """The person who will be erased, as far as their story went."""

    load: Load
    id: str = ""

    async def live(self) -> None:
        """Be captured, written to, converted; buy, complain, write back."""
        lead = await self.load.post("/v1/leads", CAPTURE, **{"Idempotency-Key": "captured"})
        self.load.counted["leads_captured"] += 1
        self.id = lead["person_id"]
        await self.load.post(f"/v1/leads/{lead['id']}/touches", {"channel": "call", "reached": True, "note": NOTE})
        await self.load.post(f"/v1/leads/{lead['id']}/convert")
        await eventually(self._known, within=20)
        assert await self.load.buy(self.id) == 201
        told = {"person_id": self.id, "kind": "complaint", "subject": TICKET, "text": TICKET}
        await self.load.post("/v1/tickets", told, **{"Idempotency-Key": "complained"})
        await self.load.post("/v1/messages", {"person_id": self.id, "text": TEXT, "purpose": "transactional"})
        await eventually(self._got_text, within=30)
        await self.load.post("/sandbox/replies", {"from": NUMBER, "text": REPLY})
        await eventually(self._replied, within=30)

    async def _known(self) -> bool:
        return (await self.load.http.get(f"/v1/customers/{self.id}")).is_success

    async def _got_text(self) -> bool:
        shown = (await self.load.http.get("/sandbox/messages", params={"to": NUMBER})).json()["items"]
        return any(message["text"] == TEXT for message in shown)

    async def _replied(self) -> bool:
        inbox = (await self.load.http.get("/v1/inbound", params={"person_id": self.id})).json()["items"]
        return any(message["text"] == REPLY for message in inbox)

    async def be_erased(self) -> list[int]:
        """Be erased while purchases of theirs come in; returns how those were answered."""
        buying = [asyncio.create_task(self.load.buy(self.id)) for _ in range(5)]
        gone = await self.load.http.delete(f"/v1/customers/{self.id}")
        assert gone.status_code == 204, gone.text
        return [*await asyncio.gather(*buying), await self.load.buy(self.id)]


@pytest.fixture(params=["local bus", pytest.param("Kafka", marks=[pytest.mark.kafka, pytest.mark.faults_long])])
async def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Deployment]:
    kafka = request.getfixturevalue("own_kafka") if request.param == "Kafka" else None
    async with embedded(tmp_path, kafka, settings={"PEYVAND_LOG_LEVEL": "info"}) as opened:
        if kafka is not None:
            await _compact_soon(kafka)
        yield opened


async def _compact_soon(kafka: str) -> None:
    """Have segments of contact topics roll, and be cleaned, in seconds instead of hours."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    fast = {**CARDS, "segment.ms": "1000", "max.compaction.lag.ms": "1000", "min.cleanable.dirty.ratio": "0.01"}
    topics = [ConfigResource(ConfigResourceType.TOPIC, topic, fast) for topic in TOPICS]
    await admin.alter_configs(topics)
    await admin.close()


async def test_nothing_is_left_of_somebody_erased_under_load_and_no_figure_moves(
    deployment: Deployment, tmp_path: Path
) -> None:
    kept = {name: url for name, url in deployment.databases.items() if name != "sandbox"}
    async with deployment.client() as http:
        load = Load(http)
        person = Mehrnoush(load)
        async with load.running():
            await person.live()
            await _park_a_card_of(person.id, kept)
            before = await in_databases(kept, NEEDLES)
            answers = await person.be_erased()
            await eventually(lambda: _nothing_in(kept), within=60, every=0.5)
        assert {place.split()[0] for place in before} >= {service.name for service in SERVICES}
        assert set(answers) <= {201, 410}
        assert answers[-1] == 410
        await _nothing_comes_back(kept, load)
        await eventually(lambda: _is_counted(http, load.counted), within=60, every=0.5)
        kept_figures = await figures.read_all(http)
        assert await figures.make_anew(deployment) > 0
        assert figures.compare(kept_figures, await figures.read_all(http)) == []

    await eventually(lambda: _nothing_on(deployment), within=90, every=1)
    logged = [line for process in deployment.processes.values() for line in process.lines]
    logged += (tmp_path / "postgres" / "server.log").read_text(errors="replace").splitlines()
    assert in_lines(logged, NEEDLES) == []


async def _park_a_card_of(person_id: str, databases: Mapping[str, str]) -> None:
    """Leave a card of theirs among what every service has given up."""
    for service in SERVICES:
        connection = await asyncpg.connect(databases[service.name])
        await connection.execute(PARK, service.name, LEADS_CONTACTS, UUID(person_id), FIRST_NAME.encode())
        await connection.close()


async def _nothing_in(databases: Mapping[str, str]) -> bool:
    assert await in_databases(databases, NEEDLES) == []
    return True


async def _nothing_on(deployment: Deployment) -> bool:
    """What came last for a key is what a compacted topic keeps, once a later record has made its segment roll."""
    places = [TopicPartition(*place) for place in await deployment.bus.bounds(TOPICS)]
    await deployment.bus.send([wire.record_of_machinery(wire.TICK_TYPE, "test", place) for place in places])
    assert await on_topics(deployment.bus, sorted(all_topics()), NEEDLES) == []
    return True


async def _nothing_comes_back(databases: Mapping[str, str], load: Load) -> None:
    """A repeat of a request about them is told that it is gone, and brings nothing back."""
    again = await load.http.post("/v1/leads", json=CAPTURE, headers={"Idempotency-Key": "captured"})
    assert (again.status_code, again.json()["code"]) == (410, "answer_erased")
    assert await in_databases(databases, NEEDLES) == []


async def _is_counted(http: httpx.AsyncClient, counted: Mapping[str, int]) -> bool:
    """The figures are what was acknowledged, the erased person's share included."""
    today = utcnow()
    span = {
        "from": (today - timedelta(days=2)).date().isoformat(),
        "to": (today + timedelta(days=2)).date().isoformat(),
    }
    for figure, expected in counted.items():
        answer = await http.get(f"/v1/metrics/{figure}", params=span)
        assert int(answer.json()["points"][0]["value"]) == expected, (figure, answer.text)
    return True
