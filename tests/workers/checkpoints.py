"""What a take-over finds: a co-partition's checkpoint and topics, written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from schemas.progress import StreamsProgress
from schemas.timestamp import Timestamp
from streams.composition import SOURCES, new_runtime
from streams.runtime.takeover import take_over
from streams.settings import WorkerSettings
from tests.workers.load import now
from transport.client import admin_arguments, producer_arguments
from transport.settings import KafkaSettings

PARTITIONS = 3
ROW: Mapping[str, Any] = {
    "schemaVersion": 1,
    "nodeId": "node-1",
    "status": "active",
    "score": 0,
    "signals": [],
    "revision": 1,
    "policyVersion": 1,
    "updatedAt": "2026-11-24T00:00:00.000Z",
}


def checkpoint(**changes: Any) -> StreamsProgress:
    """Return co-partition 0's checkpoint at the beginning of everything, but for these fields."""
    fields: dict[str, Any] = {
        "schemaVersion": 1,
        "partition": 0,
        "at": Timestamp(now()),
        "offsets": dict.fromkeys(SOURCES, 0),
        "partitionCount": PARTITIONS,
        "batches": (),
        "riskEnd": 0,
        "lagMillis": 0,
        "policyVersion": 1,
    }
    return StreamsProgress(**fields | changes)


async def write(kafka: KafkaSettings, topic: str, value: bytes, key: bytes | None = b"node-1") -> None:
    """Write a record to partition 0 of a topic (without prefix), outside of any transaction."""
    async with AIOKafkaProducer(**producer_arguments(kafka)) as producer:
        await producer.send_and_wait(kafka.topic(topic), value, key=key, partition=0)


async def delete_before(kafka: KafkaSettings, topic: str, offset: int) -> None:
    """Delete the first records of partition 0, as retention does in time."""
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    await admin.delete_records({TopicPartition(kafka.topic(topic), 0): RecordsToDelete(before_offset=offset)})
    await admin.close()


async def take(kafka: KafkaSettings) -> dict[str, int]:
    """Take co-partition 0 over and give it up again; return where its fold would begin."""
    taken = await take_over(new_runtime(kafka, WorkerSettings()), [0], PARTITIONS)
    await taken[0].close()
    return taken[0].positions
