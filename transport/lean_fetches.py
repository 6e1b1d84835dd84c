"""Reading a long log of small transactions without what aiokafka does for each of them.

A changelog behind two million transactions is two million batches of one record and as many markers. aiokafka takes
each through a generator that looks after aborted transactions, and makes a `ConsumerRecord` of each record: twice the
time of parsing them. A fetch in which nothing was aborted needs neither. What was aborted goes aiokafka's own way.
Offsets are checked on both ways (:mod:`transport.record_offsets`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException

from transport.record_offsets import CheckedFetches, RecordsOutOfOrderError, first_offset


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


def fetch_leanly(consumer: AIOKafkaConsumer, *, consecutive: bool = False) -> None:
    """Let a started consumer return records as they are parsed (`ParsedRecord`), none of an aborted transaction.

    Positions and checksums stay as they were. RecordsOutOfOrderError is raised as by
    :func:`transport.record_offsets.check_offsets`, which says what ``consecutive`` is for. Again does nothing.
    """
    fetcher = consumer._fetcher  # noqa: SLF001 - aiokafka offers no other way; a test pins the names
    if not isinstance(fetcher._records, _LeanFetches):  # noqa: SLF001 - as above
        fetcher._records = _LeanFetches(fetcher._records, consecutive=consecutive)  # noqa: SLF001 - as above


class _LeanFetches(CheckedFetches):
    """Where the fetcher puts what came, by partition."""

    def check(self, records: PartitionRecords) -> None:
        records._consumer_record = _as_parsed  # noqa: SLF001 - as above
        if records._aborted_transactions:  # noqa: SLF001 - as above
            super().check(records)
        else:
            records._records_iterator = _unpack(records, consecutive=self.consecutive)  # noqa: SLF001 - as above


def _as_parsed(_: TopicPartition, record: ParsedRecord) -> ParsedRecord:
    """Leave a record as it was parsed: a ConsumerRecord costs as much as parsing (docs/faust.md)."""
    return record


def _unpack(records: PartitionRecords, *, consecutive: bool) -> Iterator[ParsedRecord]:
    """Do what `PartitionRecords._unpack_records` does where nothing was aborted."""
    batches, check_checksums = records._records, records._check_crcs  # noqa: SLF001 - as above
    while batches.has_next():
        batch = batches.next_batch()
        if check_checksums and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {records._tp}")  # noqa: SLF001 - as above
        stop = batch.next_offset
        if not batch.is_control_batch:
            # As `record_offsets` checks a batch, without a generator for each.
            due = first = first_offset(batch)
            for record in batch:
                offset = record.offset
                if (offset != due and (consecutive or offset < due)) or offset >= stop:
                    raise RecordsOutOfOrderError(first, stop)
                due = offset + 1
                # A compressed batch may begin before the offset that was asked for.
                if offset >= records.next_fetch_offset:
                    records.next_fetch_offset = offset + 1
                    yield record
        # Compaction may have removed a batch's last records.
        records.next_fetch_offset = stop
