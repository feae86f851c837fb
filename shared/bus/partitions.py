"""Which partition a key belongs to: Kafka's own rule (murmur2 of the key's bytes), on both transports."""

from __future__ import annotations

import struct
from functools import lru_cache
from uuid import UUID

_SEED, _M = 0x9747B28C, 0x5BD1E995
_MASK = 0xFFFFFFFF
_UUID_TEXT = struct.Struct("<9I")


@lru_cache(maxsize=65_536)
def partition_of(key: UUID, partitions: int) -> int:
    """Return the partition of a key, as every Kafka client would choose it for the key's text."""
    return (murmur2_of_uuid_text(str(key).encode()) & 0x7FFFFFFF) % partitions


def murmur2_of_uuid_text(data: bytes) -> int:
    """Hash the 36 bytes of a UUID's text by Kafka's murmur2; 36 is a multiple of 4, so there is no tail."""
    h = _SEED ^ len(data)
    for word in _UUID_TEXT.unpack(data):
        k = (word * _M) & _MASK
        k = ((k ^ (k >> 24)) * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)
