"""Where a key belongs: murmur2, as the Java client and aiokafka place it."""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2

_POSITIVE = 0x7FFFFFFF
_REMEMBERED_KEYS = 131_072
_LONGEST_REMEMBERED_KEY = 128


def partition_of(key: bytes, partitions: int) -> int:
    """The partition (0 inclusive to `partitions` exclusive) of a record with this key.

    murmur2 in Python costs about a microsecond for every four bytes, so the hashes of keys no longer than a
    node id may be (128 bytes) are remembered. Check that a key is a node id before placing it: a megabyte
    would take a second.

    Raises ValueError: `partitions` is below 1.
    """
    if partitions < 1:
        raise ValueError(f"a topic has at least one partition, not {partitions}")
    value = _remembered_hash(key) if len(key) <= _LONGEST_REMEMBERED_KEY else _hash(key)
    return value % partitions


def _hash(key: bytes) -> int:
    return int(murmur2(key)) & _POSITIVE


_remembered_hash = lru_cache(maxsize=_REMEMBERED_KEYS)(_hash)
