"""What was fetched leanly is what aiokafka returns of the same fetch (on brokers: test_worker_takeover.py)."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from transport.client import consumer_arguments
from transport.lean_fetches import fetch_leanly
from transport.settings import KafkaSettings

PARTITION = TopicPartition("rows", 0)
COMMIT, ABORT = b"\0\0\0\1", b"\0\0\0\0"
PRODUCER = 7


def batch(offset: int, values: list[bytes], codec: int = 0, control: int = 0) -> bytes:
    """A transactional batch as a broker keeps it, from ``offset`` on."""
    builder = DefaultRecordBatchBuilder(2, codec, True, PRODUCER, 0, 0, 100_000)
    for number, value in enumerate(values):
        builder.append(number, 1_000 + number, COMMIT if control == 1 else ABORT if control else b"k", value, [])
    built = bytearray(builder.build())
    built[0:8] = offset.to_bytes(8, "big")
    built[22] |= 0x20 if control else 0
    built[17:21] = calc_crc32c(bytes(built[21:])).to_bytes(4, "big")
    return bytes(built)


def marker(offset: int, *, aborts: bool = False) -> bytes:
    return batch(offset, [b"\0" * 6], control=2 if aborts else 1)


def fetched(log: bytes, start: int, aborted: list[tuple[int, int]]) -> PartitionRecords:
    return PartitionRecords(PARTITION, MemoryRecords(log), aborted, start, None, None, True, READ_COMMITTED)


async def leanly(records: PartitionRecords) -> PartitionRecords:
    """Put a fetch where a consumer that fetches leanly puts it."""
    consumer = AIOKafkaConsumer(**consumer_arguments(KafkaSettings()))
    consumer._fetcher = Fetcher(consumer._client, consumer._subscription)
    fetch_leanly(consumer)
    consumer._fetcher._records[PARTITION] = FetchResult(
        PARTITION, partition_records=records, assignment=None, backoff=0
    )
    assert consumer._fetcher._records[PARTITION]._partition_records is records
    await consumer._fetcher.close()
    await consumer._client.close()
    consumer._closed = True
    return records


def read(records: PartitionRecords) -> list[tuple[Any, ...]]:
    """Every record with the position after it, and the position at the end."""
    found = [(each.offset, each.timestamp, each.key, each.value, records.next_fetch_offset) for each in records]
    return [*found, (records.next_fetch_offset,)]


LOG = (
    batch(0, [b"a", b"b", b"c"], codec=2)
    + marker(3)
    + batch(4, [b"d"])
    + marker(5)
    + batch(6, [b"e"])
    + marker(7, aborts=True)
    + batch(8, [b"f"])
    + marker(9)
)


@pytest.mark.parametrize("start", [0, 1, 2, 3, 4, 6, 9, 10])
@pytest.mark.parametrize("aborted", [[], [(PRODUCER, 6)]])
async def test_the_same_records_come_with_the_same_positions(start: int, aborted: list[tuple[int, int]]) -> None:
    plain = read(fetched(LOG, start, list(aborted)))
    assert read(await leanly(fetched(LOG, start, list(aborted)))) == plain


async def test_what_was_aborted_does_not_come() -> None:
    values = [found[3] for found in read(await leanly(fetched(LOG, 0, [(PRODUCER, 6)])))[:-1]]
    assert values == [b"a", b"b", b"c", b"d", b"f"]


async def test_a_wrong_checksum_raises_and_the_position_stays_before_it() -> None:
    spoilt = bytearray(LOG)
    spoilt[len(batch(0, [b"a", b"b", b"c"], codec=2) + marker(3)) + 30] ^= 1
    records = await leanly(fetched(bytes(spoilt), 0, []))
    with pytest.raises(CorruptRecordException):
        list(records)
    assert records.next_fetch_offset == 4
