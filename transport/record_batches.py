"""Records as the batches that a producer sends: one future each batch, not each record."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder

from transport.outgoing import OutgoingRecord, RecordTooLargeError, record_size

Batches = dict[TopicPartition, list[BatchBuilder]]
"""The closed batches of each partition, in the order of their records."""


def in_batches(producer: AIOKafkaProducer, records: Iterable[OutgoingRecord], limit: int) -> Batches:
    """Encode records, without awaiting; those of one partition keep their order.

    `limit` is the largest size of a record in bytes, inclusive. Raises RecordTooLargeError.
    """
    batches: Batches = {}
    builders: list[BatchBuilder] = []
    target: tuple[str, int] | None = None
    for record in records:
        # Records come in runs of one target, each up to every row of a co-partition.
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


def _append(builder: BatchBuilder, record: OutgoingRecord) -> bool:
    _, _, key, value, headers, timestamp = record
    if timestamp is not None:
        # aiokafka without its C extension takes exactly an int, not a subclass such as Timestamp.
        timestamp = int(timestamp)
    added = builder.append(timestamp=timestamp, key=key, value=value, headers=list(headers) if headers else [])
    return added is not None
