"""Several workers, and brokers that fail: exactly one owner a co-partition, and nothing lost or repeated."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time

import pytest

from schemas.topics import QUARANTINE
from tests.brokers.broker import Broker
from tests.workers.fixtures import StartWorker, start_worker
from tests.workers.following import create_topics, folded_all, progress_of, seen, taken
from tests.workers.load import Load
from tests.workers.process import WorkerProcess
from tests.workers.refold import assert_refolds, read_log
from transport.settings import KafkaSettings

__all__ = ["start_worker"]

PARTITIONS = 3
SETTINGS = {"KORDON_WORKER_SESSION_TIMEOUT_MS": "6000", "KORDON_WORKER_HEARTBEAT_INTERVAL_MS": "1000"}


def child_of(supervisor: WorkerProcess) -> int:
    """Return the process id of the worker that a supervisor runs."""
    found = subprocess.run(
        ["pgrep", "-P", str(supervisor.process.pid)], check=True, capture_output=True, text=True
    ).stdout.split()
    return int(found[0])


def taken_by(worker: WorkerProcess) -> int:
    return worker.output().count("event='copartition.taken'")


def partitions_of(worker: WorkerProcess) -> list[int]:
    """Return what a worker has taken over, in the order of its log."""
    return [int(number) for number in re.findall(r"event='copartition.taken' partition=(\d+)", worker.output())]


async def commits(kafka: KafkaSettings, partition: int) -> None:
    """Wait until the owner of a co-partition has committed more records than at the time of the call."""
    before = await progress_of(kafka, partition)
    deadline = time.monotonic() + 30
    while (after := await progress_of(kafka, partition)) is None or before is None or after.offsets == before.offsets:
        assert time.monotonic() < deadline, f"nobody commits co-partition {partition}"
        before = before or after
        await asyncio.sleep(0.1)


async def until(worker: WorkerProcess, text: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while text not in worker.output():
        assert time.monotonic() < deadline, f"the worker never said {text}:\n{worker.tail()}"
        await asyncio.sleep(0.1)


@pytest.mark.apache_kafka_only
async def test_a_worker_paused_past_its_session_is_fenced_and_comes_back(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    one = start_worker(kafka, "one", instance="one", settings=SETTINGS, supervised=True)
    async with Load(kafka, PARTITIONS, rate=1000):
        await taken(one, PARTITIONS)
        two = start_worker(kafka, "two", instance="two", settings=SETTINGS, supervised=True)
        await taken(two, 1)
        theirs = partitions_of(two)
        await commits(kafka, theirs[0])
        await commits(kafka, next(partition for partition in range(PARTITIONS) if partition not in theirs))
        before = taken_by(one)
        zombie = child_of(two)
        os.kill(zombie, signal.SIGSTOP)
        await taken(one, before + 1)
        await asyncio.sleep(1.0)
        os.kill(zombie, signal.SIGCONT)
        await until(two, "ProducerFenced")
        await until(two, "child.restart")
        returned = taken_by(two)
        await taken(two, returned + 1)
        await asyncio.sleep(1.0)
    await folded_all(kafka, PARTITIONS, one, two)
    assert [await one.terminate(), await two.terminate()] == [0, 0]
    assert assert_refolds(kafka, await read_log(kafka, PARTITIONS)) > 1000


async def test_workers_that_join_and_leave_share_whole_copartitions(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    one = start_worker(kafka, "one", instance=None)
    async with Load(kafka, PARTITIONS, rate=1000, misplaced=10):
        await taken(one, PARTITIONS)
        two = start_worker(kafka, "two", instance=None)
        await taken(two, 1)
        # What it keeps it does not take again.
        assert taken_by(one) == PARTITIONS
        await asyncio.sleep(1.0)
        assert await two.terminate() == 0
        await taken(one, PARTITIONS + 1)
        await asyncio.sleep(0.5)
    await folded_all(kafka, PARTITIONS, one)
    assert await one.terminate() == 0
    assert assert_refolds(kafka, await read_log(kafka, PARTITIONS)) > 1000


async def test_a_broker_that_is_killed_and_comes_back_loses_and_repeats_nothing(
    own_apache_kafka: Broker, prefix: str, start_worker: StartWorker
) -> None:
    kafka = KafkaSettings(bootstrap_servers=own_apache_kafka.bootstrap_servers, prefix=prefix)
    await create_topics(kafka, PARTITIONS)
    settings = {"KORDON_KAFKA_DELIVERY_TIMEOUT_MS": "3000"}
    worker = start_worker(kafka, settings=settings, supervised=True)
    async with Load(kafka, PARTITIONS, rate=1000):
        await seen(kafka, QUARANTINE, PARTITIONS, lambda records: len(records) > 20)
    # The whole log on disk: a broker's unflushed pages are another test's matter.
    own_apache_kafka.stop()
    await until(worker, "child.restart")
    own_apache_kafka.start()
    async with Load(kafka, PARTITIONS, rate=1000):
        await asyncio.sleep(2.0)
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    assert assert_refolds(kafka, await read_log(kafka, PARTITIONS)) > 1000
