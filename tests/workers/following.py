"""Waiting for a worker, by what it says on its topics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.codec import decode
from schemas.progress import StreamsProgress
from schemas.topics import STREAMS_PROGRESS, TOPICS
from tests.workers.process import WorkerProcess
from tests.workers.refold import SOURCES
from transport.client import admin_arguments, consumer_arguments
from transport.settings import KafkaSettings
from transport.views import last_record
from transport.watermarks import high_watermark


async def create_topics(kafka: KafkaSettings, partitions: int, **others: int) -> None:
    """Create all of Kordon's topics, and ``others`` (name=partitions); return when the broker shows them all."""
    counts = {spec.name: partitions for spec in TOPICS.values()} | others
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        created = await admin.create_topics(
            [
                NewTopic(kafka.topic(name), count, 1, topic_configs={"cleanup.policy": _cleanup(name)})
                for name, count in counts.items()
            ]
        )
        assert not [error for error in created.topic_errors if error[1]]
        wanted = {kafka.topic(name) for name in counts}
        while wanted - {topic["topic"] for topic in await admin.describe_topics() if topic["partitions"]}:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


def _cleanup(topic: str) -> str:
    return TOPICS[topic].cleanup.value if topic in TOPICS else "delete"


async def progress_of(kafka: KafkaSettings, partition: int) -> StreamsProgress | None:
    """Return the last progress record of a co-partition."""
    topic = kafka.topic(STREAMS_PROGRESS)
    record = await last_record(kafka, TopicPartition(topic, partition), timeout_seconds=30)
    return None if record is None else decode(StreamsProgress, record.value, topic)


async def taken(worker: WorkerProcess, copartitions: int, seconds: float = 60.0) -> None:
    """Wait until this worker has taken over so many co-partitions."""
    deadline = time.monotonic() + seconds
    while worker.output().count("event='copartition.taken'") < copartitions:
        assert worker.process.poll() is None, f"the worker ended:\n{worker.tail()}"
        assert time.monotonic() < deadline, f"the worker did not take over:\n{worker.tail()}"
        await asyncio.sleep(0.1)


async def has_folded_all(kafka: KafkaSettings, partitions: int) -> bool:
    """Tell whether every co-partition's progress has reached the end of every source topic."""
    ends = await high_watermark(
        kafka, [TopicPartition(kafka.topic(topic), number) for topic in SOURCES for number in range(partitions)]
    )
    for partition in range(partitions):
        progress = await progress_of(kafka, partition)
        if progress is None:
            return False
        for topic in SOURCES:
            if progress.offsets[topic] < ends[TopicPartition(kafka.topic(topic), partition)]:
                return False
    return True


async def folded_all(kafka: KafkaSettings, partitions: int, *workers: WorkerProcess, seconds: float = 60.0) -> None:
    """Wait until everything is folded, what was forwarded meanwhile included. Fails if a worker ends before."""
    deadline = time.monotonic() + seconds
    # Twice: a record forwarded in the last transaction seen is read in a later one.
    for _ in range(2):
        while not await has_folded_all(kafka, partitions):
            for worker in workers:
                assert worker.process.poll() is None, f"the worker ended:\n{worker.tail()}"
            assert time.monotonic() < deadline, "not everything was folded in time\n" + "\n".join(
                worker.tail() for worker in workers
            )
            await asyncio.sleep(0.2)


async def seen(
    kafka: KafkaSettings,
    topic: str,
    partitions: int,
    condition: Callable[[Sequence[ConsumerRecord]], bool],
    seconds: float = 60.0,
) -> list[ConsumerRecord]:
    """Follow a topic from its beginning until the records read so far meet a condition; return them."""
    consumer = AIOKafkaConsumer(**consumer_arguments(kafka))
    await consumer.start()
    try:
        assignment = [TopicPartition(kafka.topic(topic), number) for number in range(partitions)]
        consumer.assign(assignment)
        for tp in assignment:
            consumer.seek(tp, 0)
        records: list[ConsumerRecord] = []
        deadline = time.monotonic() + seconds
        while not condition(records):
            assert time.monotonic() < deadline, f"{topic}: the condition was not met by {len(records)} records"
            for found in (await consumer.getmany(timeout_ms=200)).values():
                records.extend(found)
        return records
    finally:
        await consumer.stop()
