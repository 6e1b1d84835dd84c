"""Reading past a record whose header names are not UTF-8, or whose offset is not that of its place.

Kafka's protocol says that names are UTF-8 and offsets in order, but no broker checks, and librdkafka writes the names
it is given. aiokafka raises UnicodeDecodeError at such a name, `record_offsets` at such an offset, and would raise it
again at each attempt: one record could stop a partition for ever. What is fetched here is decoded in Python, with
U+FFFD for what cannot be decoded, and records of a batch out of order get the offsets of their places: the broker has
seen to it that there are as many. Aborted transactions and markers are passed over by aiokafka's own rules. It is slow
(tens of microseconds a record) and meant for the one fetch that needs it.
"""

# ruff: noqa: SLF001 - aiokafka decodes headers in one place and offers no other way to reach a batch's bytes

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, SupportsIndex, overload

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException, NoError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.structs import ConsumerRecord

MAX_WAIT_MS = 500
MAX_BYTES = 1_048_576
FIRST_VERSION_WITH_REPLICA = 11


class Fetched(NamedTuple):
    """Committed records in the order of offsets, and the position after them.

    Without records the position may still have moved, over markers and aborted records.
    """

    records: Sequence[ConsumerRecord]
    position: int


class _LenientBytes(bytearray):
    """Bytes whose slices decode without raising."""

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, index: slice, /) -> _LenientBytes: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> int | _LenientBytes:
        found = super().__getitem__(index)
        return found if isinstance(found, int) else _LenientBytes(found)

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return bytes(self).decode(encoding, "replace")


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc] # final for type checkers only
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        if not self._decompressed:
            super()._maybe_uncompress()
            self._buffer = _LenientBytes(self._buffer)

    def __iter__(self) -> Iterator[Any]:
        super().__iter__()
        records = list(iter(self.__next__, None))
        return iter(records) if self._is_in_order(records) else map(self._in_its_place, itertools.count(), records)

    def _is_in_order(self, records: Sequence[Any]) -> bool:
        offsets = [self.base_offset - 1, *(record.offset for record in records), self.next_offset]
        return all(before < offset for before, offset in itertools.pairwise(offsets))

    def _in_its_place(self, number: int, record: Any) -> Any:
        if number > self.last_offset_delta:
            raise CorruptRecordException("a batch holds more records than offsets")
        return dataclasses.replace(record, offset=self.base_offset + number)


class _LenientRecords(_MemoryRecordsPy):  # type: ignore[misc] # final for type checkers only
    def next_batch(self, *_: Any) -> Any:
        found = self._next_slice
        if found is not None and len(found) > self.MAGIC_OFFSET and found[self.MAGIC_OFFSET] >= 2:  # noqa: PLR2004
            self._cache_next()
            return _LenientBatch(found)
        return super().next_batch()


async def fetch_leniently(
    consumer: AIOKafkaConsumer, partition: TopicPartition, position: int, max_records: int
) -> Fetched:
    """Fetch committed records of ``partition`` from ``position`` on, over the connection of ``consumer``.

    The consumer's own position is left as it is.

    Raises:
        KafkaError: the broker refuses, or the partition has no leader at the moment.
    """
    client = consumer._client
    node = client.cluster.leader_for_partition(partition)
    request = FetchRequest(
        MAX_WAIT_MS,
        1,
        MAX_BYTES,
        READ_COMMITTED,
        [(partition.topic, [(partition.partition, position, MAX_BYTES)])],
        rack_id="",
    )
    response = await client.send(node, request)
    _, error_code, _, *rest = response.topics[0][1][0]
    error = for_code(error_code)
    if error is not NoError:
        raise error(f"fetching {partition.topic} [{partition.partition}] at {position}")
    aborted = rest[2] if response.API_VERSION >= FIRST_VERSION_WITH_REPLICA else rest[-2]
    content = PartitionRecords(
        partition, _LenientRecords(rest[-1] or b""), aborted, position, None, None, True, READ_COMMITTED
    )
    records: list[ConsumerRecord] = []
    for record in content:
        records.append(record)
        if len(records) >= max_records:
            break
    return Fetched(records, content.next_fetch_offset)
