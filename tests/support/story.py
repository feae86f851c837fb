"""The story, told to a deployment by `peyvand demo`; and that the log keeps no word of whom it was about."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from shared.bus import TopicPartition
from shared.contracts import registry
from tests.support.deployments import Deployment
from tests.support.processes import running

DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")


async def tell(deployment: Deployment) -> None:
    """Have the story told from end to end; what does not happen fails the test."""
    arguments = ["services.cli", "demo", "--url", deployment.url, "--token-file", str(deployment.token_file)]
    async with running(arguments) as demo:
        assert await demo.ended(within=90) == 0, "\n".join(demo.lines)


async def untold_of_people(deployment: Deployment) -> None:
    """Assert that the log holds the story's facts, and in none of them what a person is known by."""
    facts = [record async for record in _published(deployment)]
    assert {kind for kind, _ in facts} >= {
        "lead.captured", "lead.converted", "customer.created", "purchase.recorded", "coupon.issued",
        "survey.invited", "reply.received", "survey.answered", "ticket.opened", "message.delivered",
    }  # fmt: skip
    assert [(kind, text) for kind, body in facts for text in _texts(body) if _is_personal(text)] == []


async def _published(deployment: Deployment) -> AsyncIterator[tuple[str, Any]]:
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


def _texts(value: Any) -> list[str]:
    """Return every string in a decoded body."""
    match value:
        case str():
            return [value]
        case dict():
            return [text for each in value.values() for text in _texts(each)]
        case list():
            return [text for each in value for text in _texts(each)]
    return []


def _is_personal(text: str) -> bool:
    """Tell a name, a number to call or an address from a code: any Persian letter, phone, `@` or blank."""
    plain = text.translate(DIGITS)
    mobile = re.fullmatch(r"(\+|00)?(98|0)?9\d{9}", plain) is not None
    return mobile or "@" in plain or re.search(r"[\u0600-\u06ff\s]", plain) is not None
