"""A worker may end anywhere: what readers see afterwards is what a plain fold of the log gives, each thing once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest
from aiokafka import AIOKafkaProducer

from schemas.topics import NETWORK, QUARANTINE, RISK
from tests.workers.fixtures import StartWorker, start_worker
from tests.workers.following import create_topics, folded_all, progress_of, seen, taken
from tests.workers.load import Load, now, observation
from tests.workers.refold import Log, assert_refolds, read_log
from transport.client import producer_arguments
from transport.partitioner import partition_of
from transport.settings import KafkaSettings
from transport.writer import Step

__all__ = ["start_worker"]

PARTITIONS = 3


def more_than(least: int) -> Callable[[Sequence[object]], bool]:
    return lambda records: len(records) > least


@pytest.mark.apache_kafka_only  # nothing of it is promised on noida-db
async def test_sigkill_under_load_loses_and_repeats_nothing(kafka: KafkaSettings, start_worker: StartWorker) -> None:
    await create_topics(kafka, PARTITIONS)
    chance = random.Random(7)
    async with Load(kafka, PARTITIONS, misplaced=5) as load:
        for number in range(4):
            worker = start_worker(kafka)
            # Each life must have committed something new, or the next kill would hit a worker at its start again.
            await seen(kafka, QUARANTINE, PARTITIONS, more_than(number * 40))
            await asyncio.sleep(chance.random())
            worker.kill()
        worker = start_worker(kafka)
        await taken(worker, PARTITIONS)
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    read = await read_log(kafka, PARTITIONS)
    assert assert_refolds(kafka, read) > load.written * 0.9
    assert_that_the_comparison_can_fail(kafka, read)


@pytest.mark.apache_kafka_only
async def test_an_exit_at_any_step_of_a_commit_loses_and_repeats_nothing(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    async with Load(kafka, PARTITIONS, rate=800):
        for step in Step:
            worker = start_worker(
                kafka,
                module="tests.workers.exiting_app",
                settings={"KORDON_TEST_EXIT_STEP": step.name, "KORDON_TEST_EXIT_COMMIT": "8"},
            )
            assert await worker.ended() == 99, worker.tail()
        worker = start_worker(kafka)
        await taken(worker, PARTITIONS)
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    assert assert_refolds(kafka, await read_log(kafka, PARTITIONS)) > 500


async def test_a_bug_in_the_fold_crashes_the_worker_and_skips_nothing(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    home = partition_of(b"node-1", PARTITIONS)
    async with AIOKafkaProducer(**producer_arguments(kafka)) as producer:
        for region in ("home", "trips the bug", "elsewhere"):
            value = observation("node-1", now(), "192.0.2.1", region=region)
            await producer.send_and_wait(kafka.topic(NETWORK), value, key=b"node-1", partition=home)
    for _ in range(2):
        worker = start_worker(kafka, module="tests.workers.buggy_app")
        assert await worker.ended() == 70, worker.tail()
        assert "BrokenFoldError" in worker.tail(3)
    progress = await progress_of(kafka, home)
    assert progress is None or progress.offsets[NETWORK] == 0
    worker = start_worker(kafka)
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    assert assert_refolds(kafka, await read_log(kafka, PARTITIONS)) == 3


def assert_that_the_comparison_can_fail(kafka: KafkaSettings, log: Log) -> None:
    """Take away, repeat and exchange transitions, and a row: a comparison that notices nothing would prove nothing."""
    place = next(place for place, records in log.records.items() if place[0] == QUARANTINE and len(records) > 2)
    right = log.records[place]
    for wrong in (right[1:], [right[0], *right], [right[1], right[0], *right[2:]]):
        with pytest.raises(AssertionError, match="transitions differ"):
            assert_refolds(kafka, Log(PARTITIONS, log.records | {place: wrong}))
    rows = (RISK, place[1])
    last = log.records[rows][-1]
    without_it = [record for record in log.records[rows] if record.key != last.key]
    with pytest.raises(AssertionError, match=r"1 of \d+ rows differ"):
        assert_refolds(kafka, Log(PARTITIONS, log.records | {rows: without_it}))
