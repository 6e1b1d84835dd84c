"""Records whose offsets are not those of their places raise before the position goes by them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from transport.client import consumer_arguments
from transport.lean_fetches import fetch_leanly
from transport.lenient_fetches import _LenientRecords
from transport.record_offsets import RecordsOutOfOrderError, check_offsets
from transport.settings import KafkaSettings

PARTITION = TopicPartition("t", 0)
BASE = 40
OUT_OF_ORDER = [(7,), (0, 1_000, 1, 2), (5, 4, 3), (-3, 1), (0, 2, 1, 3), (0, 0), (-1, 0)]
WAYS = [fetch_leanly, check_offsets, partial(fetch_leanly, consecutive=True), partial(check_offsets, consecutive=True)]
ABORTED: list[list[tuple[int, int]]] = [[], [(99, 0)]]
"""Another producer's transaction; of a fetch with one, aiokafka's own way through the batches is kept."""


def batch(deltas: tuple[int, ...], offsets: int | None = None) -> bytes:
    """A batch from BASE on, as a broker keeps it, of as many ``offsets`` as records unless said."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 100_000)
    for delta in deltas:
        builder.append(delta, 1_000, b"k", b"%d" % delta, [])
    built = bytearray(builder.build())
    built[0:8] = BASE.to_bytes(8, "big")
    built[23:27] = ((offsets or len(deltas)) - 1).to_bytes(4, "big")
    built[17:21] = calc_crc32c(bytes(built[21:])).to_bytes(4, "big")
    return bytes(built)


async def fetched(
    log: bytes, check: Callable[[AIOKafkaConsumer], None], aborted: list[tuple[int, int]]
) -> PartitionRecords:
    """Return a fetch of ``log`` as a consumer has it that is checked: before it comes, or after."""
    records = PartitionRecords(PARTITION, MemoryRecords(log), list(aborted), BASE, None, None, True, READ_COMMITTED)
    consumer = AIOKafkaConsumer(**consumer_arguments(KafkaSettings()))
    consumer._fetcher = Fetcher(consumer._client, consumer._subscription)
    result = FetchResult(PARTITION, partition_records=records, assignment=None, backoff=0)
    consumer._fetcher._records[PARTITION] = result
    check(consumer)
    check(consumer)
    assert consumer._fetcher._records[PARTITION] is result
    await consumer._fetcher.close()
    await consumer._client.close()
    consumer._closed = True
    return records


@pytest.mark.parametrize("aborted", ABORTED)
@pytest.mark.parametrize("check", WAYS)
@pytest.mark.parametrize("deltas", OUT_OF_ORDER)
async def test_the_position_stays_before_what_is_out_of_order(
    deltas: tuple[int, ...], check: Callable[[AIOKafkaConsumer], None], aborted: list[tuple[int, int]]
) -> None:
    records = await fetched(batch(deltas), check, aborted)
    with pytest.raises(RecordsOutOfOrderError):
        list(records)
    assert records.next_fetch_offset < BASE + len(deltas)


@pytest.mark.parametrize("aborted", ABORTED)
@pytest.mark.parametrize("check", WAYS[2:])
async def test_a_hole_is_out_of_order_where_nothing_is_compacted(
    check: Callable[[AIOKafkaConsumer], None], aborted: list[tuple[int, int]]
) -> None:
    records = await fetched(batch((0, 2, 1, 3)), check, aborted)
    assert next(records).offset == BASE
    with pytest.raises(RecordsOutOfOrderError):
        next(records)
    assert records.next_fetch_offset == BASE + 1


@pytest.mark.parametrize("aborted", ABORTED)
@pytest.mark.parametrize("check", WAYS[:2])
async def test_holes_that_compaction_left_are_in_order(
    check: Callable[[AIOKafkaConsumer], None], aborted: list[tuple[int, int]]
) -> None:
    records = await fetched(batch((1, 4, 6), offsets=9), check, aborted)
    assert [(record.offset, record.value) for record in records] == [(41, b"1"), (44, b"4"), (46, b"6")]
    assert records.next_fetch_offset == BASE + 9


@pytest.mark.parametrize("aborted", ABORTED)
@pytest.mark.parametrize("check", WAYS)
async def test_a_record_of_the_format_before_version_2_comes_at_once_or_leniently(
    check: Callable[[AIOKafkaConsumer], None], aborted: list[tuple[int, int]]
) -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 1_000)
    builder.append(0, 1_000, b"k", b"v")
    log = BASE.to_bytes(8, "big") + bytes(builder.build())[8:]
    try:
        found = [(record.offset, record.value) for record in await fetched(log, check, aborted)]
    except RecordsOutOfOrderError:
        again = PartitionRecords(PARTITION, _LenientRecords(log), [], BASE, None, None, True, READ_COMMITTED)
        found = [(record.offset, record.value) for record in again]
    assert found == [(BASE, b"v")]


@pytest.mark.parametrize("start", [BASE, BASE + 1])
@pytest.mark.parametrize("deltas", OUT_OF_ORDER)
def test_read_leniently_each_record_has_the_offset_of_its_place(deltas: tuple[int, ...], start: int) -> None:
    log = _LenientRecords(batch(deltas))
    records = PartitionRecords(PARTITION, log, [], start, None, None, True, READ_COMMITTED)
    assert [(record.offset, record.value) for record in records] == [
        (BASE + number, b"%d" % delta) for number, delta in enumerate(deltas) if BASE + number >= start
    ]
    assert records.next_fetch_offset == max(start, BASE + len(deltas))
