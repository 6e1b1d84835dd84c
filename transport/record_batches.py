"""Records as the batches that a producer sends: one future each batch, not each record."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder

from transport.outgoing import OutgoingRecord, OutgoingRows, RecordTooLargeError, record_size

SMALL_BATCH_BYTES = 1_024
"""Keys and values of rows that together have fewer bytes are not compressed: it would save a fifth of them and cost
more than all else, above all whoever restores a long log of them."""

_UNCOMPRESSED = 0

Batches = dict[TopicPartition, list[BatchBuilder]]
"""The closed batches of each partition, in the order of their records."""


def in_batches(
    producer: AIOKafkaProducer, records: Iterable[OutgoingRecord], limit: int, rows: OutgoingRows | None = None
) -> Batches:
    """Encode `rows`, then records, without awaiting; those of one partition keep their order.

    `limit` is the largest size of a record in bytes, inclusive. Raises RecordTooLargeError.
    """
    batches: Batches = {}
    if rows is not None and rows.rows:
        batches[TopicPartition(rows.topic, rows.partition)] = _rows_in_batches(producer, rows, limit)
    builders: list[BatchBuilder] = []
    target: tuple[str, int] | None = None
    for record in records:
        # Records come in runs of one target.
        if target != record[:2]:
            target = record[:2]
            builders = batches.setdefault(TopicPartition(*target), [])
        if builders and _append(builders[-1], record):
            continue
        # Only the first record of a batch can be larger than a batch may be.
        size = record_size(record)
        builders.append(producer.create_batch())
        if size > limit or not _append(builders[-1], record):
            raise RecordTooLargeError(record.topic, record.partition, size, limit)
    for builders in batches.values():
        # An open batch could still be added to by aiokafka's own `send`.
        builders[-1].close()
    return batches


def _rows_in_batches(producer: AIOKafkaProducer, rows: OutgoingRows, limit: int) -> list[BatchBuilder]:
    """Fill batches with rows past `BatchBuilder.append`, which takes three times as long (docs/faust.md).

    Rows are written in transactions alone.
    """
    builders: list[BatchBuilder] = []
    create_batch = producer.create_batch
    if len(rows.rows) < _FEW and sum(len(key) + len(value or b"") for key, value in rows.rows) < SMALL_BATCH_BYTES:
        create_batch = partial(BatchBuilder, limit, _UNCOMPRESSED, is_transactional=True)
    now = time.time_ns() // 1_000_000
    append, count = None, 0
    for key, value in rows.rows:
        if append is None or append(count, now, key, value, _NO_HEADERS) is None:
            if builders:
                builders[-1]._relative_offset = count  # noqa: SLF001 - as said above
            builder: BatchBuilder = create_batch()
            builders.append(builder)
            append, count = builder._builder.append, 0  # noqa: SLF001 - as said above
            size = record_size(OutgoingRecord(rows.topic, rows.partition, key, value))
            if size > limit or append(count, now, key, value, _NO_HEADERS) is None:
                raise RecordTooLargeError(rows.topic, rows.partition, size, limit)
        count += 1
    builders[-1]._relative_offset = count  # noqa: SLF001 - as said above
    for builder in builders:
        builder.close()
    return builders


_FEW = 16
_NO_HEADERS: list[tuple[str, bytes | None]] = []


def _append(builder: BatchBuilder, record: OutgoingRecord) -> bool:
    _, _, key, value, headers, timestamp = record
    if timestamp is not None:
        # aiokafka without its C extension takes exactly an int, not a subclass such as Timestamp.
        timestamp = int(timestamp)
    added = builder.append(timestamp=timestamp, key=key, value=value, headers=list(headers) if headers else [])
    return added is not None
