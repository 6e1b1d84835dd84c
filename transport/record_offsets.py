"""Offsets that records say of themselves, checked before anybody goes by them.

A record's offset is its batch's base, which the broker sets, and a delta, which the producer writes. Of an uncompressed
batch the broker counts the records and looks at no delta (Apache Kafka 4.1.2 takes [0, 1000, 1]; tests/integration/
test_worker_records.py). aiokafka takes the position from them, as Java's consumer does: a poll that ends after such a
record stands a thousand offsets further on, and a checkpoint there passes over what others wrote. So a batch whose
offsets do not increase within its bounds raises here, before the position moves, and is read again by
:mod:`transport.lenient_fetches`, where each record gets the offset of its place.

Compaction leaves holes within batches. Where nothing is compacted a hole is a lie, too: behind [0, 2, 1, 3] a poll that
ends after two records would pass over the third. Topics that nodes write are read so (``consecutive``).
"""

# ruff: noqa: SLF001 - aiokafka offers no other way to what it fetched; docs/faust.md lists each name, a unit test pins it

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException


class RecordsOutOfOrderError(CorruptRecordException):  # type: ignore[misc] # aiokafka's errors have no types
    """A batch's records name offsets outside the batch, or not in increasing order."""

    def __init__(self, first: int, stop: int) -> None:
        super().__init__(f"the records of a batch of the offsets [{first}, {stop}) name others, or not in order")


def check_offsets(consumer: AIOKafkaConsumer, *, consecutive: bool = False) -> None:
    """Let a started consumer raise RecordsOutOfOrderError where it would go by wrong offsets; again does nothing.

    The position is before the batch then, or within it after records in order. ``consecutive``: a hole within a batch
    raises too, for topics that are not compacted.
    """
    if not isinstance(consumer._fetcher._records, CheckedFetches):
        consumer._fetcher._records = CheckedFetches(consumer._fetcher._records, consecutive=consecutive)


class CheckedFetches(collections.OrderedDict[TopicPartition, Any]):
    """Where the fetcher puts what came, by partition."""

    def __init__(self, there: Mapping[TopicPartition, Any], *, consecutive: bool) -> None:
        self.consecutive = consecutive
        super().__init__(there)

    def __setitem__(self, partition: TopicPartition, fetched: Any) -> None:
        if isinstance(fetched, FetchResult) and fetched.has_more():
            self.check(fetched._partition_records)
        super().__setitem__(partition, fetched)

    def check(self, records: PartitionRecords) -> None:
        """Let the records of a fetch, none of which was read yet, be checked as they are read."""
        records._records = _CheckedBatches(records._records, consecutive=self.consecutive)


def first_offset(batch: Any) -> int:
    """Return the offset that a batch begins with; 0 for the formats before version 2, which do not say."""
    return getattr(batch, "base_offset", 0)


class _CheckedBatches:
    """The batches of a fetch, each of which checks its records' offsets."""

    def __init__(self, batches: Any, *, consecutive: bool) -> None:
        self._batches = batches
        self._consecutive = consecutive

    def has_next(self) -> bool:
        return bool(self._batches.has_next())

    def next_batch(self) -> _CheckedBatch:
        return _CheckedBatch(self._batches.next_batch(), consecutive=self._consecutive)


class _CheckedBatch:
    """A batch that raises at the first record out of order."""

    def __init__(self, batch: Any, *, consecutive: bool) -> None:
        self._batch = batch
        self._consecutive = consecutive

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        stop = self._batch.next_offset
        due = first = first_offset(self._batch)
        for record in self._batch:
            offset = record.offset
            if (offset != due and (self._consecutive or offset < due)) or offset >= stop:
                raise RecordsOutOfOrderError(first, stop)
            due = offset + 1
            yield record
