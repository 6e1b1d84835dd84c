"""What time it is for the brokers, without writing anything.

A broker stamps the marker that ends a transaction with its own clock, while records carry their producers'. Services
commit about once a second, so a new marker on a partition that they write tells the brokers' time of a moment ago. A
consumer never delivers markers; they are read here from the batches themselves.
"""

# ruff: noqa: SLF001 - aiokafka offers no way to a batch but through the consumer's client; unit tests pin the names

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import NoError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords

from transport.client import consumer_arguments
from transport.consumer_shutdown import stop_consumer
from transport.settings import KafkaSettings

_MAX_BYTES: Final = 1_048_576
_READ_UNCOMMITTED: Final = 0
_WAIT_MS: Final = 500


class Marker(NamedTuple):
    """The end of a transaction: the brokers' clock, and the writer's in the last record before; ms since the epoch."""

    broker: int
    writer: int | None


class Passed(NamedTuple):
    """What was seen of a partition: the offset after it, its markers, and the timestamp of its last record."""

    position: int
    markers: tuple[Marker, ...]
    writer: int | None = None


class BrokerTime(NamedTuple):
    """Three clocks, ms since the epoch: the brokers' in a marker, its writer's shortly before, ours when it arrived.

    Between them lies, besides what they differ by, the time that the commit and the way here took.
    """

    broker: int
    writer: int | None
    ours: int

    @property
    def ours_ahead(self) -> int:
        """How far our clock is ahead of the brokers', in ms; negative if it is behind."""
        return self.ours - self.broker

    @property
    def writer_ahead(self) -> int | None:
        """The same of the writer's clock, None if the record before the marker was not seen."""
        return None if self.writer is None else self.writer - self.broker


async def broker_time(
    settings: KafkaSettings, partitions: Collection[TopicPartition], *, timeout_seconds: float
) -> BrokerTime | None:
    """Wait for the end of a transaction on one of `partitions`; None if there is none in time.

    Raises aiokafka's KafkaError.
    """
    # A marker must not be waited for behind a transaction that stays open.
    consumer = AIOKafkaConsumer(**consumer_arguments(settings) | {"isolation_level": "read_uncommitted"})
    try:
        await consumer.start()
        consumer.assign(list(partitions))
        reached = {place: Passed(end, ()) for place, end in (await consumer.end_offsets(list(partitions))).items()}
        async with asyncio.timeout(timeout_seconds):
            while True:
                ours = await _fetch(consumer, reached)
                markers = [marker for passed in reached.values() for marker in passed.markers]
                if markers:
                    newest = max(markers, key=lambda marker: marker.broker)
                    return BrokerTime(newest.broker, newest.writer, ours)
    except TimeoutError:
        return None
    finally:
        await stop_consumer(consumer)


async def _fetch(consumer: AIOKafkaConsumer, reached: dict[TopicPartition, Passed]) -> int:
    """Fetch once from each leader and note what was passed; returns our time when the answers were there."""
    client = consumer._client
    leaders: dict[int, list[TopicPartition]] = {}
    for place in reached:
        leaders.setdefault(client.cluster.leader_for_partition(place), []).append(place)
    responses = await asyncio.gather(
        *(
            client.send(node, _request({place: reached[place].position for place in places}))
            for node, places in leaders.items()
        )
    )
    ours = time.time_ns() // 1_000_000
    for response in responses:
        for topic, found in response.topics:
            for number, error_code, _, *_rest, content in found:
                error = for_code(error_code)
                if error is not NoError:
                    raise error(f"fetching {topic} [{number}]")
                place = TopicPartition(topic, number)
                reached[place] = pass_over(content or b"", reached[place])
    return ours


def pass_over(content: bytes, before: Passed) -> Passed:
    """What is passed with the whole batches in `content`, of one partition, where `before` was passed already."""
    position, markers, writer = before
    passed = list(markers)
    records = MemoryRecords(content)
    while records.has_next():
        batch = records.next_batch()
        if batch.next_offset <= position:
            continue
        position = batch.next_offset
        if batch.is_control_batch:
            passed.append(Marker(batch.max_timestamp, writer))
        else:
            writer = batch.max_timestamp
    return Passed(position, tuple(passed), writer)


def _request(positions: Mapping[TopicPartition, int]) -> FetchRequest:
    topics: dict[str, list[tuple[int, int, int]]] = {}
    for place, position in positions.items():
        topics.setdefault(place.topic, []).append((place.partition, position, _MAX_BYTES))
    return FetchRequest(_WAIT_MS, 1, _MAX_BYTES, _READ_UNCOMMITTED, list(topics.items()), rack_id="")
