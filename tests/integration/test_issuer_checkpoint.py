"""An issuer's checkpoint says how far it has read, so that it can resume whatever retention deletes behind it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from issuer.copartition import SERVICE, SOURCES
from issuer.takeover import checkpoint_offsets
from schemas.codec import decode
from schemas.progress import IssuerProgress
from schemas.topics import DECISIONS, ISSUER_PROGRESS, REQUESTS, TOPICS, repartition_of
from tests.issuers.cluster import Cluster
from tests.issuers.process import IssuerProcess
from transport.administration import apply_topics, delete_topics
from transport.client import admin_arguments
from transport.outgoing import OutgoingRecord
from transport.settings import KafkaSettings
from transport.watermarks import Watermarks
from transport.writer import TransactionalWriter


@pytest.fixture
async def cluster(kafka: KafkaSettings, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(kafka, tmp_path) as cluster, cluster.worker_alive():
        yield cluster


async def forward(cluster: Cluster) -> TopicPartition:
    """Write a forwarded record as an issuer does: in a transaction, whose marker takes an offset of its own."""
    place = TopicPartition(cluster.kafka.topic(repartition_of(REQUESTS)), 0)
    writer = TransactionalWriter(cluster.kafka, "a-former-owner")
    await writer.open()
    await writer.commit([OutgoingRecord(place.topic, 0, b"node-1", b"no request")], {}, "a-group")
    await writer.close()
    return place


async def delete_all(kafka: KafkaSettings, place: TopicPartition) -> None:
    """Delete a partition's records up to its end, as retention does in time."""
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        await admin.delete_records({place: RecordsToDelete(before_offset=-1)})
    finally:
        await admin.close()


@pytest.mark.apache_kafka_only
async def test_markers_that_retention_deletes_after_the_last_request_are_no_loss(cluster: Cluster) -> None:
    kafka = cluster.kafka
    place = await forward(cluster)
    with IssuerProcess(cluster) as issuer:
        await issuer.ready()
        await progress_reaches(cluster, 2)
        assert await issuer.terminate() == 0
    await delete_all(kafka, place)
    async with Watermarks(kafka) as watermarks:
        offsets = await checkpoint_offsets(kafka, watermarks, [0], kafka.partitions, {})
    assert offsets == {0: dict.fromkeys(SOURCES, 0) | {repartition_of(REQUESTS): 2}}


@pytest.mark.apache_kafka_only
async def test_decisions_created_anew_are_refused_though_the_checkpoint_fits(cluster: Cluster) -> None:
    kafka = cluster.kafka
    with IssuerProcess(cluster) as issuer:
        await issuer.ready()
        await progress_reaches(cluster, 0)
        assert await issuer.terminate() == 0
    await delete_topics(kafka, [DECISIONS])
    async with Watermarks(kafka) as watermarks:
        while await watermarks.topic_ids([kafka.topic(DECISIONS)]):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    await apply_topics(kafka, [TOPICS[DECISIONS]])
    with IssuerProcess(cluster) as issuer:
        assert await issuer.ended() == 78
        assert f"CheckpointOutOfRangeError: {DECISIONS} was created anew" in issuer.output()


@pytest.mark.apache_kafka_only
async def test_who_is_overtaken_before_its_successors_first_decision_crashes_and_does_not_refuse(
    cluster: Cluster,
) -> None:
    kafka = cluster.kafka
    with IssuerProcess(cluster, module="tests.issuers.pausing") as paused:
        await paused.stopped()
        successor = TransactionalWriter(kafka, kafka.transactional_id(SERVICE, 0))
        await successor.open()
        await successor.commit([OutgoingRecord(kafka.topic(DECISIONS), 0, b"node-1", b"decided")], {}, "a-group")
        await successor.close()
        paused.signal(signal.SIGCONT)
        assert await paused.ended() == 70
        assert "OvertakenError" in paused.output()
    # The same log is refused by whom nobody overtook.
    with IssuerProcess(cluster) as next_one:
        assert await next_one.ended() == 78


async def progress_reaches(cluster: Cluster, offset: int, seconds: float = 30.0) -> None:
    """Wait until co-partition 0's checkpoint stands at this offset of the forwarded requests."""
    deadline = time.monotonic() + seconds
    reached = -1
    while reached < offset:
        assert time.monotonic() < deadline, f"the checkpoint stayed at {reached}"
        await asyncio.sleep(0.2)
        for record in await cluster.records(ISSUER_PROGRESS):
            if record.partition == 0:
                reached = decode(IssuerProgress, record.value, ISSUER_PROGRESS).offsets[repartition_of(REQUESTS)]
