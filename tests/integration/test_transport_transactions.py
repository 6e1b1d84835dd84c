"""What coordinators tell of transactions, from the first to one that cannot end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.client import CoordinationType

from schemas.topics import NETWORK, TOPICS
from tests.brokers.kafka_cluster import KafkaCluster
from tests.chaos.leadership import coordinator_of, leader_of
from transport.administration import apply_topics
from transport.settings import KafkaSettings
from transport.transactions import Transaction, TransactionState, transactions
from transport.writer import OutgoingRecord, Step, TransactionalWriter

SERVICE = "test"
WITHIN_SECONDS = 60.0


@pytest.fixture
async def cluster(tmp_path: Path, apache_kafka_jars: None) -> AsyncIterator[KafkaCluster]:
    del apache_kafka_jars
    nodes = KafkaCluster(tmp_path)
    try:
        await asyncio.to_thread(nodes.start)
        yield nodes
    finally:
        await asyncio.to_thread(nodes.stop)


async def until(kafka: KafkaSettings, state: TransactionState) -> Transaction:
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        (found,) = (await transactions(kafka, [SERVICE]) or {}).values()
        if found.state is state:
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


async def test_a_commit_that_cannot_be_marked_is_told_with_its_partition_until_the_leader_is_back(
    cluster: KafkaCluster,
) -> None:
    # One copy each: where its leader is away, nothing can be written, and no other broker steps in.
    kafka = KafkaSettings(bootstrap_servers=cluster.bootstrap_servers, partitions=3, replication_factor=1)
    await apply_topics(kafka, [TOPICS[NETWORK]])
    name, topic = kafka.transactional_id(SERVICE, 0), kafka.topic(NETWORK)
    assert await transactions(kafka, [SERVICE]) == {}

    places = [TopicPartition(topic, number) for number in range(3)]
    leaders = {place: await leader_of(kafka, place) for place in places}
    coordinator = await coordinator_of(kafka, CoordinationType.TRANSACTION, name)
    gone = next(place for place, leader in leaders.items() if leader != coordinator)
    node, armed = cluster.nodes[leaders[gone] - 1], False

    def kill(step: Step) -> None:
        if armed and step is Step.OFFSETS_SENT:
            node.kill()

    writer = TransactionalWriter(kafka, name, kill)
    await writer.open()
    records = [OutgoingRecord(place.topic, place.partition, b"node", b"{}") for place in places]
    await writer.commit(records, {}, kafka.group_id(SERVICE))
    done = await until(kafka, TransactionState.COMPLETE_COMMIT)
    assert (done.transactional_id, done.coordinator) == (name, coordinator)
    assert (done.partitions, done.is_decided) == (frozenset(), False)

    armed, before = True, time.time_ns() // 1_000_000
    await writer.commit(records, {}, kafka.group_id(SERVICE))
    kept = await until(kafka, TransactionState.PREPARE_COMMIT)
    assert kept.is_decided
    assert kept.partitions >= {gone}
    assert kept.started_at >= before

    await asyncio.to_thread(node.start)
    assert (await until(kafka, TransactionState.COMPLETE_COMMIT)).partitions == frozenset()
    await writer.close()


async def test_transactions_are_told_by_the_next_coordinator_where_the_cluster_still_names_a_dead_one(
    cluster: KafkaCluster,
) -> None:
    kafka = KafkaSettings(bootstrap_servers=cluster.bootstrap_servers, partitions=3, replication_factor=3)
    name = kafka.transactional_id(SERVICE, 0)
    writer = TransactionalWriter(kafka, name)
    await writer.open()
    await writer.close()
    coordinator = await coordinator_of(kafka, CoordinationType.TRANSACTION, name)
    cluster.nodes[coordinator - 1].kill()
    told = await transactions(kafka, [SERVICE])
    assert told is not None
    assert (told[name].state, told[name].coordinator != coordinator) == (TransactionState.EMPTY, True)
