"""Plays a simulated fleet to Kafka, at its rate."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError

from schemas.topics import NETWORK, TELEMETRY
from transport.client import producer_arguments

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
    producer = AIOKafkaProducer(**producer_arguments(settings))
    try:
        await producer.start()
        stream = records(await _partition_count(producer, settings))
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
                    headers=record.headers,
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


async def _partition_count(producer: AIOKafkaProducer, settings: KafkaSettings) -> int:
    counts = set()
    for topic in (settings.topic(TELEMETRY), settings.topic(NETWORK)):
        partitions = await producer.partitions_for(topic)
        if not partitions:
            raise UnknownTopicOrPartitionError(topic)
        counts.add(len(partitions))
    if len(counts) != 1:
        raise UnknownTopicOrPartitionError(f"{TELEMETRY} and {NETWORK} have different partition counts: {counts}")
    return int(counts.pop())
