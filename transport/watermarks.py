"""The true end of a partition.

At read_committed, `AIOKafkaConsumer.end_offsets` answers the last stable offset: everything from the first
open transaction on is missing, even what has been acknowledged and only waits for a dead producer's
transaction to be aborted. A reader that stops there is not caught up. The high watermark comes from a
read_uncommitted client.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from transport.client import consumer_arguments
from transport.consumer_shutdown import stop_consumer
from transport.settings import KafkaSettings
from transport.topic_ids import TopicState, topic_ids, topic_states


class Watermarks:
    """A connection that asks for the bounds of partitions; it reads no records.

    Use it as an async context manager, or call `open` and `close`.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None

    async def open(self) -> None:
        """Connect. Raises aiokafka's KafkaError."""
        consumer = AIOKafkaConsumer(**consumer_arguments(self._settings) | {"isolation_level": "read_uncommitted"})
        try:
            await consumer.start()
        except BaseException:
            await stop_consumer(consumer)
            raise
        self._consumer = consumer

    async def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await stop_consumer(self._consumer)
            self._consumer = None

    async def high(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The high watermark of each partition: the offset after the last one that is acknowledged.

        A reader at read_committed whose position is at or above it has everything that was acknowledged, or
        in an open transaction, when this was asked. Raises aiokafka's KafkaError; KafkaTimeoutError among
        them after `request_timeout_ms`, which is also what a partition that does not exist leads to.
        """
        return dict(await self._knowing(partitions).end_offsets(list(partitions))) if partitions else {}

    async def low(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The log start offset of each partition: the first offset that is still kept. Raises as `high`."""
        return dict(await self._knowing(partitions).beginning_offsets(list(partitions)))

    async def since(self, partitions: Collection[TopicPartition], timestamp: int) -> Mapping[TopicPartition, int]:
        """The first offset of each partition whose record is of `timestamp` (ms since the epoch) or later.

        Where there is none it is the high watermark. Raises as `high`.
        """
        found = await self._knowing(partitions).offsets_for_times(dict.fromkeys(partitions, timestamp))
        ends = await self.high([partition for partition in partitions if found.get(partition) is None])
        return {
            partition: ends[partition] if (at := found.get(partition)) is None else at.offset
            for partition in partitions
        }

    async def partition_count(self, topic: str) -> int:
        """How many partitions `topic` (full name) has; 0 if there is no such topic."""
        # The consumer's own `partitions_for_topic` knows only topics it reads, and its `topics()` keeps names alone.
        # To ask for one topic by name could create it.
        cluster = await self._opened()._client.fetch_all_metadata()  # noqa: SLF001
        return len(cluster.partitions_for_topic(topic) or ())

    async def topic_ids(self, topics: Collection[str]) -> Mapping[str, str]:
        """Kafka's id of each of `topics` (full names); see `transport.topic_ids`."""
        return await topic_ids(self._opened()._client, topics)  # noqa: SLF001 - the connection is there

    async def topic_states(self, topics: Collection[str]) -> Mapping[str, TopicState]:
        """Kafka's id and the partition count of each of `topics` (full names); see `transport.topic_ids`."""
        return await topic_states(self._opened()._client, topics)  # noqa: SLF001 - as above

    async def __aenter__(self) -> Self:
        """Open."""
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    def _knowing(self, partitions: Collection[TopicPartition]) -> AIOKafkaConsumer:
        """Let the client ask for all topics that it does not know yet at once.

        By itself it asks for one after another, and rests for `retry_backoff_ms` after each: 0.7 s of each take-over.
        """
        consumer = self._opened()
        for topic in {partition.topic for partition in partitions}:
            consumer._client.add_topic(topic)  # noqa: SLF001 - offsets may be asked for without an assignment
        return consumer

    def _opened(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("open the connection before asking for watermarks")
        return self._consumer


async def high_watermark(
    settings: KafkaSettings, partitions: Collection[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """The high watermark of each partition, over a connection of its own; see `Watermarks.high`."""
    async with Watermarks(settings) as watermarks:
        return await watermarks.high(partitions)
