"""Plays a simulated fleet to Kafka, at its rate."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Final

from aiokafka.errors import UnknownTopicOrPartitionError

from schemas.topics import NETWORK, TELEMETRY
from transport.client import idempotent_producer
from transport.watermarks import Watermarks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kordon.simulator import SimulatedRecord
    from transport.settings import KafkaSettings

_TICKS_A_SECOND: Final = 20


async def publish(
    settings: KafkaSettings,
    records: Callable[[int], Iterator[SimulatedRecord]],
    rate: float,
    advance: Callable[[int], None],
) -> None:
    """Write ``records(partition count)`` at ``rate`` records a second, to the partitions that they name.

    ``advance`` hears how many more were acknowledged. When the fleet falls behind its rate it catches up, so the
    mean holds. Cancelled, it flushes what it has sent.

    Raises:
        KafkaError: the broker cannot be reached, or a topic does not exist.
    """
    stream = records(await _partition_count(settings))
    producer = idempotent_producer(settings)
    try:
        await producer.start()
        began = time.monotonic()
        sent = 0
        while True:
            due = int((time.monotonic() - began) * rate) + 1 - sent
            chunk = list(itertools.islice(stream, due))
            acknowledged = [
                await producer.send(
                    settings.topic(record.topic),
                    key=record.key,
                    value=record.value,
                    partition=record.partition,
                    headers=list(record.headers),
                    timestamp_ms=record.timestamp,
                )
                for record in chunk
            ]
            await asyncio.gather(*acknowledged)
            sent += len(chunk)
            advance(len(chunk))
            if len(chunk) < due:
                return
            await asyncio.sleep(1 / _TICKS_A_SECOND)
    finally:
        await producer.stop()


async def _partition_count(settings: KafkaSettings) -> int:
    # Not the producer's own question, by which a broker may create the topic.
    async with Watermarks(settings) as watermarks:
        counts = {
            topic: await watermarks.partition_count(topic)
            for topic in (settings.topic(TELEMETRY), settings.topic(NETWORK))
        }
    for topic, count in counts.items():
        if count == 0:
            raise UnknownTopicOrPartitionError(topic)
    if len(set(counts.values())) != 1:
        raise UnknownTopicOrPartitionError(f"topics have different partition counts: {counts}")
    return counts[settings.topic(TELEMETRY)]
