"""A commit of the transactional writer: the steps it takes, what it leads to, and how it fails."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from aiokafka import TopicPartition


class Step(IntEnum):
    """How far a commit has come, and what a crash right there leaves behind."""

    CHECKED = 1
    """Every record fits and has a partition. The broker knows nothing: a crash leaves nothing behind."""

    BEGUN = 2
    """The client is in a transaction, which the broker has not heard of: a crash leaves nothing behind."""

    RECORDS_WRITTEN = 3
    """Rows and outputs are in the logs, in an open transaction. A crash leaves them invisible at
    read_committed and holds back later records of those partitions until the next owner's `open()`, or
    `transaction_timeout_ms` later the broker, aborts them."""

    LAST_WRITTEN = 4
    """As RECORDS_WRITTEN, with the progress record among them."""

    OFFSETS_SENT = 5
    """As LAST_WRITTEN; the group's offsets are held by the coordinator and are dropped with the
    transaction."""

    COMMITTED = 6
    """All of it is durable and visible. A crash loses nothing: the next owner resumes from this progress
    record. (A crash just before, with the commit on its way, ends here or in OFFSETS_SENT: the progress
    record tells which.)"""


class Committed(NamedTuple):
    """What a commit did.

    `next_offsets` holds, for each partition written, the offset after the last record written to it. The
    transaction's marker takes the offset after that, so the partition's end is further on.
    """

    next_offsets: Mapping[TopicPartition, int]


class WriterError(Exception):
    """A commit or an opening that failed.

    The owner crashes; nothing of the transaction is visible unless said.
    """


class UnknownPartitionError(WriterError):
    """A record names a partition that its topic does not have. Raised before the transaction."""

    def __init__(self, topic: str, partition: int, partitions: int) -> None:
        super().__init__(f"{topic} has {partitions} partitions, so there is no partition {partition}")
        self.topic, self.partition, self.partitions = topic, partition, partitions


class UnknownTopicError(WriterError):
    """The broker knows no such topic. Raised before the transaction."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"the broker has no topic {topic}; create it with `kordon topics apply`")
        self.topic = topic


class DeliveryTimeoutError(WriterError):
    """Opening, or a commit, took longer than `delivery_timeout_ms`.

    Whether a commit took place is not known.
    """


class OffsetUnknownError(WriterError):
    """The broker acknowledged a batch without its offset, so the progress record cannot be made."""


class WriterUnusableError(WriterError):
    """A commit on a writer that is not open, is closed, or has failed before."""
