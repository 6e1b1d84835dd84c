"""Reading a long log of small transactions without what aiokafka does for each of them.

A changelog behind two million transactions is two million batches of one record and as many markers. aiokafka takes
each through a generator that looks after aborted transactions, and makes a `ConsumerRecord` of each record: twice the
time of parsing them. A fetch in which nothing was aborted needs neither. What was aborted goes aiokafka's own way.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException


class ParsedRecord(Protocol):
    """A record as aiokafka's parser makes it; topic and partition are its batch's.

    ``timestamp`` is in ms since 1970, -1 without one. ``headers`` are in the producer's order.
    """

    @property
    def offset(self) -> int: ...  # noqa: D102

    @property
    def timestamp(self) -> int: ...  # noqa: D102

    @property
    def key(self) -> bytes | None: ...  # noqa: D102

    @property
    def value(self) -> bytes | None: ...  # noqa: D102

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...  # noqa: D102


def fetch_leanly(consumer: AIOKafkaConsumer) -> None:
    """Let a started consumer return records as they are parsed (`ParsedRecord`), none of an aborted transaction.

    Positions, checksums and what raises stay as they were.
    """
    fetcher = consumer._fetcher  # noqa: SLF001 - aiokafka offers no other way; a test pins the names
    fetcher._records = _LeanFetches(fetcher._records)  # noqa: SLF001 - as above


class _LeanFetches(collections.OrderedDict[TopicPartition, Any]):
    """Where the fetcher puts what came, by partition."""

    def __setitem__(self, partition: TopicPartition, fetched: Any) -> None:
        if isinstance(fetched, FetchResult):
            records = fetched._partition_records  # noqa: SLF001 - as above
            records._consumer_record = as_parsed  # noqa: SLF001 - as above
            if not records._aborted_transactions:  # noqa: SLF001 - as above
                records._records_iterator = _unpack(records)  # noqa: SLF001 - as above
        super().__setitem__(partition, fetched)


def as_parsed(_: TopicPartition, record: ParsedRecord) -> ParsedRecord:
    """Leave a record as it was parsed: a ConsumerRecord costs as much as parsing (docs/faust.md)."""
    return record


def _unpack(records: PartitionRecords) -> Iterator[ParsedRecord]:
    """Do what `PartitionRecords._unpack_records` does where nothing was aborted."""
    batches, check_checksums = records._records, records._check_crcs  # noqa: SLF001 - as above
    while batches.has_next():
        batch = batches.next_batch()
        if check_checksums and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {records._tp}")  # noqa: SLF001 - as above
        if not batch.is_control_batch:
            for record in batch:
                # A compressed batch may begin before the offset that was asked for.
                if record.offset >= records.next_fetch_offset:
                    records.next_fetch_offset = record.offset + 1
                    yield record
        # Compaction may have removed a batch's last records.
        records.next_fetch_offset = batch.next_offset
