"""Fleets that an engine has folded already: rows in its changelog, and the transactions that came after them.

An engine makes its own state, by folding one observation a node; so it finds at its next start exactly what it would
find in service. Transactions are then added to its changelog (:mod:`bench.transaction_log`), each writing a row again,
unchanged, in a batch of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from aiokafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from bench.answers import read_committed
from bench.broker import BenchBroker
from bench.commits import Commits, follow
from bench.engines import Engine
from bench.preparation import write
from bench.processes import started
from bench.topics import create_inputs
from bench.transaction_log import append_transactions, forget_clean_shutdown
from bench.workloads import EPOCH, BenchRecord, observation
from kordon.progress import progress_on_stderr
from schemas.topics import NETWORK
from transport.administration import apply_topics
from transport.partitioner import partition_of
from transport.settings import KafkaSettings
from transport.watermarks import Watermarks

INPUTS: Final = (NETWORK,)
DAY_MS: Final = 86_400_000
_SAMPLES: Final = 10_000


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


def keep_superseded(kafka: KafkaSettings, changelog: str) -> None:
    """Let nothing of a changelog (full name) be compacted: every round is to restore the same log.

    A broker would else begin on it as soon as it runs, on the cores of what is measured; and once it is done, the
    transactions are gone.
    """
    longest = str(365 * DAY_MS)
    operation = AlterConfigOpType.SET
    entries = [
        ConfigEntry(name, longest, incremental_operation=operation)
        for name in ("min.compaction.lag.ms", "max.compaction.lag.ms")
    ]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 2})
    topic = ConfigResource(ResourceType.TOPIC, changelog, incremental_configs=entries)
    for altered in admin.incremental_alter_configs([topic]).values():
        altered.result()


def add_transactions(broker: BenchBroker, partitions: int, changelog: str, transactions: int) -> None:
    """Write rows of a changelog (full name) again, in so many transactions over all its partitions together."""
    samples: dict[int, list[tuple[bytes, bytes]]] = {number: [] for number in range(partitions)}
    for key, value in read_committed(broker.bootstrap_servers, changelog):
        kept = samples[partition_of(key, partitions)]
        if value is not None and len(kept) < _SAMPLES:
            kept.append((key, value))
    count = transactions // partitions
    with broker.stopped() as data, progress_on_stderr("transactions", transactions) as advance:
        for number, rows in samples.items():
            append_transactions(data / f"{changelog}-{number}", rows, count)
            advance(count)
        forget_clean_shutdown(data)
