"""A record to write, and how large it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder

Headers = tuple[tuple[str, bytes | None], ...]


class OutgoingRecord(NamedTuple):
    """A record to write.

    `topic` is the full name, with prefix; `timestamp` is in ms since the epoch, None for the client's now.
    A broker refuses timestamps more than an hour ahead of its clock (`message.timestamp.after.max.ms`), and
    deletes records whose timestamp is past retention: a timestamp taken from an input record may be either.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int | None = None


class OutgoingRows(NamedTuple):
    """Rows of one partition of a changelog, as (key, value): nothing but these differs, and there may be many.

    `topic` is the full name, with prefix. All take the client's now as their timestamp.
    """

    topic: str
    partition: int
    rows: Sequence[tuple[bytes, bytes | None]]


class RecordTooLargeError(ValueError):
    """A record is larger than `max_record_bytes`; it should have been cut before.

    Raised before the transaction.
    """

    def __init__(self, topic: str, partition: int, size: int, limit: int) -> None:
        super().__init__(f"a record for {topic} [{partition}] takes {size} bytes; the limit is {limit}")
        self.topic, self.partition, self.size, self.limit = topic, partition, size, limit


def record_size(record: OutgoingRecord) -> int:
    """An upper bound, in bytes, of the uncompressed batch that holds only this record."""
    return int(DefaultRecordBatchBuilder.estimate_size_in_bytes(record.key, record.value, list(record.headers)))
