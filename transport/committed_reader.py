"""A reader at read_committed that knows how far it has come, and what it means not to be caught up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from transport.client import consumer_arguments
from transport.consumer_shutdown import stop_consumer
from transport.lean_fetches import fetch_leanly
from transport.polling import poll
from transport.settings import KafkaSettings

OnBatch = Callable[[TopicPartition, Sequence[ConsumerRecord]], None]
"""Called with at least one record of one partition, in the order of offsets, each once. It must not block
for long."""

MAX_BATCH_RECORDS = 10_000
"""Records handed over at once, at most; between two batches the event loop gets its turn."""

POLL_MS = 100
"""How long a poll waits for records: an advance that brings none (an aborted transaction) is noticed that
late."""


class NotCaughtUpError(Exception):
    """A reader did not reach an offset in time.

    An open transaction in front, which holds back what comes after it, leads to this as well as a broker
    that does not answer. `behind` maps each partition that is short to its position and the offset it
    should have reached.
    """

    def __init__(self, behind: Mapping[TopicPartition, tuple[int, int]], timeout_seconds: float) -> None:
        positions = ", ".join(
            f"{partition.topic} [{partition.partition}] at {position} of {offset}"
            for partition, (position, offset) in sorted(behind.items())
        )
        super().__init__(f"not caught up within {timeout_seconds:g} s: {positions}")
        self.behind = dict(behind)


class CommittedReader:
    """A read_committed consumer, with the positions up to which records were handed over.

    `positions` are next offsets: a reader is caught up with an offset when its position has reached it.
    """

    def __init__(self, consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int]) -> None:
        self.positions = dict(starts)
        self._consumer = consumer
        self._unread: set[TopicPartition] = set()

    async def seek(self, given: Mapping[TopicPartition, int]) -> None:
        """Go to the given offsets, in the other partitions to the first one kept."""
        self._unread = self.positions.keys() - given.keys()
        await self._begin(self._unread)
        for partition, offset in given.items():
            self._seek(partition, offset)

    async def poll(self, on_batch: OnBatch) -> None:
        """Wait shortly for records, hand over what came, and move the positions.

        Raises OffsetOutOfRangeError if what comes next is no longer kept, another KafkaError; what `on_batch` raises.
        """
        reached = dict(self.positions)
        try:
            batches = await poll(self._consumer, reached, timeout_ms=POLL_MS, max_records=MAX_BATCH_RECORDS)
        except OffsetOutOfRangeError as error:
            partitions = set(error.args[0])
            if not partitions <= self._unread:
                raise
            # Retention moved the start of the log between the question and the first fetch. Nothing that
            # still exists is passed over by beginning again.
            await self._begin(partitions)
            return
        for partition, records in batches.items():
            on_batch(partition, records)
        self._unread = {partition for partition in self._unread if reached[partition] == self.positions[partition]}
        self.positions = reached
        # A poll that finds records does not suspend, and a long restore must not stop the rest of the
        # process.
        await asyncio.sleep(0)

    async def _begin(self, partitions: Collection[TopicPartition]) -> None:
        if partitions:
            for partition, offset in (await self._consumer.beginning_offsets(list(partitions))).items():
                self._seek(partition, offset)

    def _seek(self, partition: TopicPartition, offset: int) -> None:
        self._consumer.seek(partition, offset)
        self.positions[partition] = offset


@contextlib.asynccontextmanager
async def committed_reader(
    settings: KafkaSettings,
    partitions: Collection[TopicPartition],
    start: Mapping[TopicPartition, int] | None,
    *,
    leanly: bool = False,
) -> AsyncIterator[CommittedReader]:
    """Connect and go to `start`, where absent to the first record kept; as an async context manager.

    `leanly`: records come as they are parsed (:mod:`transport.lean_fetches`).

    Raises aiokafka's KafkaError.
    """
    consumer = AIOKafkaConsumer(**consumer_arguments(settings))
    try:
        await consumer.start()
        if leanly:
            fetch_leanly(consumer)
        consumer.assign(list(partitions))
        reader = CommittedReader(consumer, dict.fromkeys(partitions, 0))
        await reader.seek(start or {})
        yield reader
    finally:
        await stop_consumer(consumer)


def behind(
    positions: Mapping[TopicPartition, int], goals: Mapping[TopicPartition, int]
) -> dict[TopicPartition, tuple[int, int]]:
    """Return position and goal of each partition that is short of its goal."""
    return {
        partition: (positions.get(partition, 0), goal)
        for partition, goal in goals.items()
        if positions.get(partition, 0) < goal
    }
