"""Fleets that an engine has folded already: rows in its changelog, and the transactions that came after them.

An engine makes its own state, by folding one observation a node; so it finds at its next start exactly what it would
find in service. Transactions are then added to its changelog, each writing a row again, unchanged, in a batch of its
own. One producer transaction spans all partitions, which leaves each partition's log (a record and a marker) as a
transaction of that co-partition alone would, at a fraction of the time.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from aiokafka import TopicPartition
from confluent_kafka import Producer

from bench.answers import read_committed
from bench.commits import Commits, follow
from bench.engines import Engine
from bench.preparation import write
from bench.processes import started
from bench.topics import create_inputs
from bench.workloads import EPOCH, BenchRecord, observation
from kordon.output import remark
from kordon.progress import progress_on_stderr
from schemas.topics import NETWORK
from transport.administration import apply_topics
from transport.partitioner import partition_of
from transport.settings import KafkaSettings
from transport.watermarks import Watermarks

INPUTS: Final = (NETWORK,)
DAY_MS: Final = 86_400_000
_PRODUCERS: Final = 4
_REPORTED: Final = 5


def make_state(kafka: KafkaSettings, engine: Engine, trust: Path, rows: int) -> None:
    """Create the topics and let the engine fold one observation of each of ``rows`` nodes (0: none at all)."""
    create_inputs(kafka, INPUTS)
    asyncio.run(apply_topics(kafka))
    if not rows:
        return
    write(kafka, observations(range(rows), kafka.partitions, 0), rows)

    async def fold() -> None:
        with started(engine, kafka, trust) as processes:
            async with Commits(kafka, engine.group, INPUTS) as commits:
                await follow(commits, processes, lambda: 0.0)

    asyncio.run(fold())


def observations(numbers: Iterator[int] | range, partitions: int, day: int) -> Iterator[BenchRecord]:
    """Observe nodes on a day (0: as the state has them); from day 1 on, 1 % are seen elsewhere than before."""
    draw = random.Random(day).random  # noqa: S311 - reproducible on purpose
    start = EPOCH + day * DAY_MS
    for index, number in enumerate(numbers):
        node_id = f"node-{number:07d}"
        key = node_id.encode()
        timestamp = start + index // 100
        ip = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        if day and draw() < 0.01:
            ip = f"198.18.{int(draw() * 256)}.{int(draw() * 256)}"
        value = observation(node_id, timestamp, ip, 64_512 + number % 100, 0, index)
        yield BenchRecord(NETWORK, partition_of(key, partitions), key, value, timestamp)


def one_a_partition(partitions: int, day: int) -> list[BenchRecord]:
    """Return an observation for each partition, of the first node that belongs there."""
    found: dict[int, int] = {}
    for number in itertools.count():
        if len(found) == partitions:
            break
        found.setdefault(partition_of(f"node-{number:07d}".encode(), partitions), number)
    return list(observations(iter(sorted(found.values())), partitions, day))


async def input_ends(kafka: KafkaSettings) -> Mapping[TopicPartition, int]:
    """Return where the inputs end now."""
    async with Watermarks(kafka) as watermarks:
        return await watermarks.high(
            [TopicPartition(kafka.topic(topic), number) for topic in INPUTS for number in range(kafka.partitions)]
        )


def add_transactions(kafka: KafkaSettings, changelog: str, transactions: int) -> None:
    """Write rows of a changelog (full name) again, in so many transactions over all its partitions together."""
    samples: dict[int, list[tuple[bytes, bytes]]] = {number: [] for number in range(kafka.partitions)}
    for key, value in read_committed(kafka.bootstrap_servers, changelog):
        kept = samples[partition_of(key, kafka.partitions)]
        if value is not None and len(kept) < 10_000:
            kept.append((key, value))
    rounds = transactions // kafka.partitions
    remark(f"  writing {transactions:,} transactions to {changelog}; this takes minutes, once")
    with progress_on_stderr("transactions", transactions) as advance, ThreadPoolExecutor(_PRODUCERS) as pool:

        def write_share(number: int) -> None:
            producer = Producer(
                {
                    "bootstrap.servers": kafka.bootstrap_servers,
                    "transactional.id": f"bench-transactions-{number}",
                    "compression.type": "lz4",
                    "linger.ms": 0,
                    "log_level": 2,
                }
            )
            producer.init_transactions(60)
            for index in range(number, rounds, _PRODUCERS):
                producer.begin_transaction()
                for partition, rows in samples.items():
                    key, value = rows[index % len(rows)]
                    producer.produce(changelog, value, key, partition)
                producer.commit_transaction(60)
                if number == 0:
                    advance(_PRODUCERS * kafka.partitions)
                    if index % (rounds // _REPORTED // _PRODUCERS * _PRODUCERS or 1) == 0 and index:
                        remark(f"  {index * kafka.partitions:,} of {transactions:,} transactions")

        for done in [pool.submit(write_share, number) for number in range(_PRODUCERS)]:
            done.result()
