"""The main job, played by `peyvand demo` through the public API alone: over both transports, together and apart."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.bus import TopicPartition
from shared.contracts import registry
from tests.support.deployments import Deployment, apart, embedded
from tests.support.postgres import TestServer
from tests.support.processes import running

pytestmark = pytest.mark.timeout(240)

DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")


@pytest.fixture(params=["together, local bus", "together, Kafka", "apart, local bus", "apart, Kafka"])
async def deployment(request: pytest.FixtureRequest, server: TestServer, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Lend a deployment of each shape."""
    shape: str = request.param
    kafka = request.getfixturevalue("own_kafka") if "Kafka" in shape else None
    lent = embedded(tmp_path, kafka) if "together" in shape else apart(server, tmp_path, kafka)
    async with lent as opened:
        yield opened


async def test_the_story_is_told_twice_and_no_fact_holds_what_a_person_is_known_by(deployment: Deployment) -> None:
    for _ in range(2):
        arguments = ["services.cli", "demo", "--url", deployment.url, "--token-file", str(deployment.token_file)]
        async with running(arguments) as demo:
            assert await demo.ended(within=90) == 0, "\n".join(demo.lines)

    facts = [record async for record in published(deployment)]
    assert {kind for kind, _ in facts} >= {
        "lead.captured", "lead.converted", "customer.created", "purchase.recorded", "coupon.issued",
        "survey.invited", "reply.received", "survey.answered", "ticket.opened", "message.delivered",
    }  # fmt: skip
    assert [(kind, text) for kind, body in facts for text in texts(body) if is_personal(text)] == []


async def published(deployment: Deployment) -> AsyncIterator[tuple[str, Any]]:
    """Yield the type and the body of every fact on the log."""
    topics = sorted({event.topic for event in registry.values()})
    for (topic, partition), (first, end) in (await deployment.bus.bounds(topics)).items():
        offset = first
        while offset < end:
            records = await deployment.bus.read(TopicPartition(topic, partition), offset, most=1000)
            for record in records:
                if record.headers["ce_type"] in registry:
                    yield record.headers["ce_type"], msgspec.json.decode(record.body or b"null")
            offset = records[-1].offset + 1


def texts(value: Any) -> list[str]:
    """Return every string in a decoded body."""
    match value:
        case str():
            return [value]
        case dict():
            return [text for each in value.values() for text in texts(each)]
        case list():
            return [text for each in value for text in texts(each)]
    return []


def is_personal(text: str) -> bool:
    """Tell a name, a number to call or an address from a code: any Persian letter, phone, `@` or blank."""
    plain = text.translate(DIGITS)
    mobile = re.fullmatch(r"(\+|00)?(98|0)?9\d{9}", plain) is not None
    return mobile or "@" in plain or re.search(r"[\u0600-\u06ff\s]", plain) is not None
