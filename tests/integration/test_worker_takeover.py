"""A worker takes a co-partition only where its checkpoint says, and refuses by name what it cannot square."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.codec import decode, encode
from schemas.risk import RiskRow
from schemas.topics import NETWORK, QUARANTINE, RISK, STREAMS_PROGRESS, TELEMETRY, TOPICS, dlq_of, repartition_of
from streams.composition import SOURCES, new_runtime
from streams.runtime.errors import (
    CheckpointMissingError,
    CheckpointOutOfRangeError,
    MissingTopicsError,
    NewerStateError,
    PartitionCountError,
    RefusedError,
    UnreadableStateError,
)
from streams.runtime.huge_pages import page_size
from streams.runtime.topics import require_topics
from streams.settings import WorkerSettings
from tests.workers.checkpoints import PARTITIONS, ROW, checkpoint, delete_before, take, write
from tests.workers.fixtures import StartWorker, start_worker
from tests.workers.following import create_topics, folded_all
from tests.workers.load import now, observation
from tests.workers.refold import assert_refolds, read_log
from transport.administration import apply_topics, delete_topics
from transport.client import consumer_arguments, producer_arguments
from transport.outgoing import OutgoingRecord
from transport.partitioner import partition_of
from transport.settings import KafkaSettings
from transport.watermarks import Watermarks

__all__ = ["start_worker"]


async def test_what_was_never_written_begins_at_the_beginning(kafka: KafkaSettings) -> None:
    await create_topics(kafka, PARTITIONS)
    assert await take(kafka) == dict.fromkeys(SOURCES, 0)


async def test_a_first_commit_that_was_aborted_does_not_count_as_written(kafka: KafkaSettings) -> None:
    await create_topics(kafka, PARTITIONS)
    writer = new_runtime(kafka, WorkerSettings()).new_writer(0)
    await writer.open()

    def fail(_: Mapping[TopicPartition, int]) -> list[OutgoingRecord]:
        raise RuntimeError("the first commit fails here")

    row = OutgoingRecord(kafka.topic(RISK), 0, b"node-1", msgspec.json.encode(ROW))
    with pytest.raises(RuntimeError, match="fails here"):
        await writer.commit([row], {}, kafka.group_id("streams"), fail)
    await writer.close()
    assert await take(kafka) == dict.fromkeys(SOURCES, 0)


async def test_the_checkpoint_says_where_to_begin_and_forwarded_records_do_not_matter(kafka: KafkaSettings) -> None:
    await create_topics(kafka, PARTITIONS)
    for _ in range(3):
        await write(kafka, NETWORK, b"folded before")
    await write(kafka, repartition_of(NETWORK), b"from another co-partition")
    await write(kafka, STREAMS_PROGRESS, encode(checkpoint(offsets=dict.fromkeys(SOURCES, 0) | {NETWORK: 2})), None)
    assert await take(kafka) == dict.fromkeys(SOURCES, 0) | {NETWORK: 2}


@pytest.mark.parametrize("topic", [RISK, QUARANTINE, dlq_of(TELEMETRY)])
async def test_output_without_a_checkpoint_is_refused(kafka: KafkaSettings, topic: str) -> None:
    await create_topics(kafka, PARTITIONS)
    await write(kafka, topic, msgspec.json.encode(ROW))
    with pytest.raises(CheckpointMissingError, match="would repeat transitions"):
        await take(kafka)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"schemaVersion": 2}, NewerStateError, "newer Kordon"),
        ({"policyVersion": 2}, NewerStateError, "policy version 2"),
        ({"partitionCount": 12}, PartitionCountError, "12 partitions, now there are 3"),
        ({"partition": 1}, UnreadableStateError, "describes co-partition 1"),
        ({"offsets": dict.fromkeys(SOURCES[1:], 0)}, CheckpointMissingError, SOURCES[0]),
        ({"offsets": dict.fromkeys(SOURCES, 0) | {NETWORK: 5}}, CheckpointOutOfRangeError, "ends at offset 0"),
        ({"riskEnd": 5}, CheckpointOutOfRangeError, "quarantines would be forgotten"),
    ],
)
async def test_a_checkpoint_that_cannot_be_squared_is_refused(
    kafka: KafkaSettings, changes: Mapping[str, Any], error: type[RefusedError], text: str
) -> None:
    await create_topics(kafka, PARTITIONS)
    await write(kafka, STREAMS_PROGRESS, encode(checkpoint(**changes)), None)
    with pytest.raises(error, match=text):
        await take(kafka)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"schemaVersion": 2, "status": "vanished"}, NewerStateError, "schema 2"),
        ({"policyVersion": 2}, NewerStateError, "policy version 2"),
        ({"status": "vanished"}, UnreadableStateError, "status"),
    ],
)
async def test_a_row_that_cannot_be_squared_is_refused(
    kafka: KafkaSettings, changes: Mapping[str, Any], error: type[RefusedError], text: str
) -> None:
    await create_topics(kafka, PARTITIONS)
    await write(kafka, STREAMS_PROGRESS, encode(checkpoint()), None)
    await write(kafka, RISK, msgspec.json.encode({**ROW, **changes}))
    with pytest.raises(error, match=text):
        await take(kafka)


async def test_an_illegible_checkpoint_is_refused(kafka: KafkaSettings) -> None:
    await create_topics(kafka, PARTITIONS)
    await write(kafka, STREAMS_PROGRESS, b"{}", None)
    with pytest.raises(UnreadableStateError, match="nobody knows"):
        await take(kafka)


@pytest.mark.apache_kafka_only
async def test_records_deleted_before_they_were_folded_are_refused(kafka: KafkaSettings) -> None:
    await create_topics(kafka, PARTITIONS)
    for _ in range(3):
        await write(kafka, NETWORK, b"unfolded")
    await write(kafka, STREAMS_PROGRESS, encode(checkpoint()), None)
    await delete_before(kafka, NETWORK, 2)
    with pytest.raises(CheckpointOutOfRangeError, match="2 offsets were deleted"):
        await take(kafka)


@pytest.mark.apache_kafka_only
async def test_a_source_topic_created_anew_is_refused_even_if_it_reaches_beyond_the_checkpoint(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    await write(kafka, NETWORK, b"of the old topic")
    worker = start_worker(kafka, instance=None)
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    await delete_topics(kafka, [NETWORK])
    async with Watermarks(kafka) as watermarks:
        while await watermarks.topic_ids([kafka.topic(NETWORK)]):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    await apply_topics(kafka.model_copy(update={"partitions": PARTITIONS}), [TOPICS[NETWORK]])
    for _ in range(3):
        await write(kafka, NETWORK, b"of the new topic")
    with pytest.raises(CheckpointOutOfRangeError, match=f"{NETWORK} was created anew"):
        await take(kafka)


async def test_missing_topics_are_named_and_not_created(kafka: KafkaSettings) -> None:
    with pytest.raises(MissingTopicsError, match=kafka.topic(NETWORK)):
        await require_topics(kafka, new_runtime(kafka, WorkerSettings()).topics)
    with pytest.raises(MissingTopicsError, match=kafka.topic(NETWORK)):
        await require_topics(kafka, new_runtime(kafka, WorkerSettings()).topics)


async def test_topics_of_different_partition_counts_are_refused(kafka: KafkaSettings) -> None:
    await create_topics(kafka, PARTITIONS, wider=PARTITIONS + 1)
    with pytest.raises(PartitionCountError, match="wider has 4"):
        await require_topics(kafka, {*new_runtime(kafka, WorkerSettings()).topics, kafka.topic("wider")})


@pytest.mark.apache_kafka_only  # it starts processes, and nothing hangs on the broker
async def test_a_worker_that_refuses_says_why_and_ends_with_78(kafka: KafkaSettings, start_worker: StartWorker) -> None:
    await create_topics(kafka, PARTITIONS)
    await write(kafka, STREAMS_PROGRESS, encode(checkpoint(partitionCount=5)), None)
    worker = start_worker(kafka, supervised=True)
    assert await worker.ended() == 78
    reasons = [line for line in worker.output().splitlines() if line.startswith("PartitionCountError: the checkpoint")]
    assert len(reasons) == 1


@pytest.mark.apache_kafka_only  # it starts processes, and nothing hangs on the broker
async def test_a_worker_without_topics_ends_with_70_so_that_it_is_started_again(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    worker = start_worker(kafka)
    assert await worker.ended() == 70
    assert "MissingTopicsError" in worker.tail(3)


@pytest.mark.apache_kafka_only  # it starts processes, and nothing hangs on the broker
async def test_group_offsets_that_lie_do_not_matter(kafka: KafkaSettings, start_worker: StartWorker) -> None:
    await create_topics(kafka, PARTITIONS)
    home = partition_of(b"node-1", PARTITIONS)
    source = TopicPartition(kafka.topic(NETWORK), home)
    for _ in range(2):
        async with AIOKafkaProducer(**producer_arguments(kafka)) as producer:
            for number in range(10):
                value = observation("node-1", now(), f"192.0.2.{number}")
                await producer.send_and_wait(source.topic, value, key=b"node-1", partition=home)
        worker = start_worker(kafka, instance=None)
        await folded_all(kafka, PARTITIONS, worker)
        assert await worker.terminate() == 0
        async with AIOKafkaConsumer(**consumer_arguments(kafka, group_id=kafka.group_id("streams"))) as consumer:
            consumer.assign([source])
            await consumer.commit({source: 3})
    log = await read_log(kafka, PARTITIONS)
    assert_refolds(kafka, log)
    assert decode(RiskRow, log.of(RISK, home)[-1].value, RISK).revision == 20


async def test_a_large_fleet_lies_on_huge_pages_once_it_was_taken_over(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    if page_size() is None:
        pytest.skip("this system has no transparent huge pages")
    await create_topics(kafka, PARTITIONS)
    worker = start_worker(kafka, module="tests.workers.large_app")
    async with asyncio.timeout(60):
        while not worker.bytes_on_huge_pages():
            assert worker.process.poll() is None, worker.tail()
            await asyncio.sleep(0.1)
    assert await worker.terminate() == 0
