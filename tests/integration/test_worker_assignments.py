"""What a worker makes of the group's assignments: nothing is taken that it need not, and nothing is left out."""

from __future__ import annotations

import asyncio
import os
import signal
from types import SimpleNamespace

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from faust.types import TP

from streams.composition import SOURCES, new_runtime
from streams.runtime.errors import PartitionCountError
from streams.runtime.runtime import Runtime
from streams.settings import WorkerSettings
from tests.workers.fixtures import StartWorker, start_worker
from tests.workers.following import create_topics, folded_all, taken
from tests.workers.load import Load
from tests.workers.refold import assert_refolds, read_log
from transport.client import admin_arguments
from transport.settings import KafkaSettings

__all__ = ["start_worker"]

PARTITIONS = 3


@pytest.mark.apache_kafka_only
async def test_a_worker_that_missed_a_generation_takes_all_its_copartitions_anew(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    settings = {"KORDON_WORKER_SESSION_TIMEOUT_MS": "3000", "KORDON_WORKER_HEARTBEAT_INTERVAL_MS": "900"}
    worker = start_worker(kafka, instance=None, settings=settings)
    async with Load(kafka, PARTITIONS, rate=500):
        await taken(worker, PARTITIONS)
        # Until the broker has expired it; as nobody else is there, nobody fences it.
        os.kill(worker.process.pid, signal.SIGSTOP)
        await nobody_is_in(kafka)
        os.kill(worker.process.pid, signal.SIGCONT)
        await taken(worker, 2 * PARTITIONS)
        await asyncio.sleep(1.0)
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    assert assert_refolds(kafka, await read_log(kafka, PARTITIONS)) > 500


async def nobody_is_in(kafka: KafkaSettings, seconds: float = 30.0) -> None:
    """Wait until the workers' group has no member left."""
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        async with asyncio.timeout(seconds):
            while True:
                (response,) = await admin.describe_consumer_groups([kafka.group_id("streams")])
                if not response.groups[0][5]:  # its members
                    return
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


def in_generation(runtime: Runtime, generation: int) -> None:
    """Stand where Faust stands: it tells the generation, and how far source topics reach."""
    runtime._app = SimpleNamespace(  # type: ignore[assignment] # the group is this test
        consumer_generation_id=generation, copartition_consumer=SimpleNamespace(read_mark=lambda _: None)
    )


def places(kafka: KafkaSettings, partitions: int) -> set[TP]:
    return {TP(kafka.topic(topic), partition) for topic in SOURCES for partition in range(partitions)}


@pytest.mark.apache_kafka_only
async def test_topics_that_grew_under_a_running_worker_are_refused(kafka: KafkaSettings) -> None:
    await create_topics(kafka, PARTITIONS)
    runtime = new_runtime(kafka, WorkerSettings())
    copartitions = runtime.copartitions
    in_generation(runtime, 1)
    await copartitions.assign(places(kafka, PARTITIONS))
    await copartitions.complete()
    await copartitions.revoke()
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(total_count=PARTITIONS + 1) for topic in runtime.topics})
    finally:
        await admin.close()
    in_generation(runtime, 2)
    await copartitions.assign(places(kafka, PARTITIONS + 1))
    with pytest.raises(PartitionCountError, match="3 partitions, now there are 4"):
        await copartitions.complete()
    await copartitions.shut_down()
