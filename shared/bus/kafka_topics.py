"""Our topics on Kafka: how they are made, and whether they still are as they were made."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code

from shared.bus.protocol import BusUnavailable

HOUR_MS = 3_600_000
REPLICAS = 3
MIN_IN_SYNC = 2

COMMON = {
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": "60000",
    "unclean.leader.election.enable": "false",
}
"""A record older than a minute is refused: a send that was given up cannot arrive long after."""

FACTS = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
CARDS = {
    "cleanup.policy": "compact",
    "segment.ms": str(HOUR_MS),
    "max.compaction.lag.ms": str(6 * HOUR_MS),
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": str(12 * HOUR_MS),
}
"""An erased card is off the disk within a day: segments roll hourly (a tick sees to quiet ones), compaction follows."""


def config(*, compacted: bool, brokers: int) -> dict[str, str]:
    """Return a topic's configuration; a single broker flushes every message, as no other one holds it."""
    flushing = {"flush.messages": "1"} if brokers == 1 else {"min.insync.replicas": str(min(MIN_IN_SYNC, brokers))}
    return COMMON | (CARDS if compacted else FACTS) | flushing


async def create(admin: AIOKafkaAdminClient, topics: Mapping[str, bool], partitions: int) -> None:
    """Make the topics that do not exist, and wait until every partition has a leader."""
    brokers = len((await admin.describe_cluster())["brokers"])
    existing = set(await admin.list_topics())
    new = [
        NewTopic(topic, partitions, min(REPLICAS, brokers), topic_configs=config(compacted=compacted, brokers=brokers))
        for topic, compacted in sorted(topics.items())
        if topic not in existing
    ]
    if not new:
        return
    answer = await admin.create_topics(new)
    for topic, code, *_ in answer.topic_errors:
        if (error := for_code(code)) not in (NoError, TopicAlreadyExistsError):
            raise BusUnavailable(f"Kafka did not make topic {topic}: {error.__name__}.")
    while not all(_has_leaders(topic, partitions) for topic in await admin.describe_topics(sorted(topics))):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def partitions_of(admin: AIOKafkaAdminClient, topics: Collection[str]) -> list[KafkaPartition]:
    """Return all partitions of the topics that exist."""
    if not topics:
        return []
    described = await admin.describe_topics(sorted(topics))
    return [KafkaPartition(each["topic"], p["partition"]) for each in described for p in each["partitions"]]


async def check(admin: AIOKafkaAdminClient, topics: Mapping[str, bool], partitions: int) -> list[str]:
    """Return a sentence for every topic, count of partitions or setting that is not as `create` makes it."""
    brokers = len((await admin.describe_cluster())["brokers"])
    existing = set(await admin.list_topics())
    faults = [f"Topic {topic} does not exist." for topic in sorted(topics) if topic not in existing]
    found = sorted(set(topics) & existing)
    if not found:
        return faults
    faults += [
        f"Topic {each['topic']} has {len(each['partitions'])} partitions, not {partitions}."
        for each in await admin.describe_topics(found)
        if len(each["partitions"]) != partitions
    ]
    present = await _configs(admin, found)
    for topic in found:
        for name, wanted in config(compacted=topics[topic], brokers=brokers).items():
            if present[topic].get(name) != wanted:
                faults.append(f"Topic {topic} has {name}={present[topic].get(name)}, not {wanted}.")
    return faults


async def _configs(admin: AIOKafkaAdminClient, topics: Collection[str]) -> dict[str, dict[str, str]]:
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics])
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for _code, _message, _kind, name, entries in answer.resources
    }


def _has_leaders(described: Mapping[str, Any], partitions: int) -> bool:
    led = [partition for partition in described["partitions"] if partition["leader"] >= 0]
    return len(led) >= partitions
