"""Keys fall into the partitions that every Kafka client would choose."""

from __future__ import annotations

from uuid import UUID

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.partitions import murmur2_of_uuid_text, partition_of


@given(st.uuids())
def test_a_keys_hash_is_kafkas_own(key: UUID) -> None:
    assert murmur2_of_uuid_text(str(key).encode()) == murmur2(str(key).encode())


@given(st.uuids(), st.integers(min_value=1, max_value=1000))
def test_a_keys_partition_is_kafkas_own(key: UUID, partitions: int) -> None:
    assert partition_of(key, partitions) == (murmur2(str(key).encode()) & 0x7FFFFFFF) % partitions
