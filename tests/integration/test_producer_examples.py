"""The producers of docs/producers.md, as they stand there: each is run, and the worker has a row of each node."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.codec import decode
from schemas.risk import NodeStatus, RiskRow
from schemas.topics import RISK, TELEMETRY, dlq_of, repartition_of
from tests.brokers.broker import Broker
from tests.brokers.kafka_jars import jars, java
from tests.toolchains import required
from tests.workers.following import create_topics, folded_all, taken
from tests.workers.process import WorkerProcess
from tests.workers.refold import Log, read_log
from transport.partitioner import partition_of
from transport.settings import KafkaSettings

EXAMPLES = Path(__file__).parents[2] / "examples" / "producers"
PARTITIONS = 3
NODES = 12
PROGRAM_SECONDS = 300.0  # a first build in Go, on a busy machine

pytestmark = pytest.mark.apache_kafka_only


@dataclass(frozen=True)
class Watched:
    """A broker with Kordon's topics, and a worker that has taken every co-partition."""

    kafka: KafkaSettings
    worker: WorkerProcess

    def run(self, command: list[str], directory: Path) -> str:
        """Run a producer against it and return what it printed; fails with what it said if it ends badly."""
        environment = os.environ | {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KORDON_KAFKA_PREFIX": self.kafka.prefix,
        }
        ended = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PROGRAM_SECONDS,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def log(self) -> Log:
        """Return what is on the topics once all is folded."""
        asyncio.run(folded_all(self.kafka, PARTITIONS, self.worker))
        return asyncio.run(read_log(self.kafka, PARTITIONS))


@pytest.fixture(scope="module")
def watched(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    kafka = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers, prefix="producers.", partitions=PARTITIONS, replication_factor=1
    )
    asyncio.run(create_topics(kafka, PARTITIONS))
    worker = WorkerProcess(kafka, tmp_path_factory.mktemp("worker") / "worker.log")
    try:
        asyncio.run(taken(worker, PARTITIONS))
        yield Watched(kafka, worker)
    finally:
        worker.kill()


def nodes_of(language: str) -> list[str]:
    found = [f"{language}-{number}" for number in range(NODES)]
    assert {partition_of(node.encode(), PARTITIONS) for node in found} == set(range(PARTITIONS))
    return found


def assert_heard(log: Log, nodes: list[str]) -> None:
    """Each node has an active row of two records, and no record of it was refused."""
    for node in nodes:
        home = partition_of(node.encode(), PARTITIONS)
        values = [record.value for record in log.of(RISK, home) if record.key == node.encode()]
        row = decode(RiskRow, values[-1], RISK)
        assert (row.status, row.revision, row.lastShutdownClean) == (NodeStatus.ACTIVE, 2, True)
    keys = {record.key.decode() for record in log.all(dlq_of(TELEMETRY)) if record.key is not None}
    assert not keys & set(nodes)


def forwarded(log: Log, nodes: list[str]) -> set[str]:
    keys = {record.key.decode() for record in log.all(repartition_of(TELEMETRY)) if record.key is not None}
    return keys & set(nodes)


def assert_placed_by_murmur2(printed: str, nodes: list[str]) -> None:
    placed = re.findall(r"^(\S+) (?:boot|heartbeat) partition=(\d+) offset=\d+$", printed, re.MULTILINE)
    assert placed == [(node, str(partition_of(node.encode(), PARTITIONS))) for node in nodes for _ in range(2)]


def test_the_producer_in_python_is_heard(watched: Watched) -> None:
    nodes = nodes_of("python")
    printed = watched.run([sys.executable, "telemetry.py", *nodes], EXAMPLES / "python")
    assert_placed_by_murmur2(printed, nodes)
    assert_heard(watched.log(), nodes)


def test_the_producer_in_go_is_heard(watched: Watched, request: pytest.FixtureRequest) -> None:
    required(request, "go")
    nodes = nodes_of("go")
    printed = watched.run(["go", "run", ".", *nodes], EXAMPLES / "go")
    assert_placed_by_murmur2(printed, nodes)
    assert_heard(watched.log(), nodes)


def test_the_producer_in_java_is_heard(watched: Watched) -> None:
    # The broker's own jars hold kafka-clients in the version that the example's pom.xml names.
    nodes = nodes_of("java")
    printed = watched.run([java(), "-cp", f"{jars()}/*", "Telemetry.java", *nodes], EXAMPLES / "java")
    assert_placed_by_murmur2(printed, nodes)
    assert_heard(watched.log(), nodes)


def test_the_jars_of_the_example_in_java_are_those_it_was_run_with() -> None:
    wanted = re.findall(
        r"<artifactId>([\w.-]+)</artifactId>\s*<version>(\d[\w.]+)</version>",
        (EXAMPLES / "java" / "pom.xml").read_text(),
    )
    assert dict(wanted).keys() > {"kafka-clients"}
    for name, version in wanted[1:]:
        assert (jars() / f"{name}-{version}.jar").exists()


def test_the_producer_with_kcat_is_heard(watched: Watched, request: pytest.FixtureRequest) -> None:
    required(request, "kcat")
    nodes = nodes_of("kcat")
    watched.run(["sh", "telemetry.sh", *nodes], EXAMPLES / "kcat")
    log = watched.log()
    assert_heard(log, nodes)
    assert not forwarded(log, nodes)


def test_a_producer_that_forgets_the_partitioner_is_heard_by_a_detour(
    watched: Watched, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    required(request, "kcat")
    script = (EXAMPLES / "kcat" / "telemetry.sh").read_text()
    option = "-X topic.partitioner=murmur2_random"
    assert option in script
    (tmp_path / "telemetry.sh").write_text(script.replace(option, ""))
    nodes = nodes_of("crc32")
    watched.run(["sh", "telemetry.sh", *nodes], tmp_path)
    log = watched.log()
    assert_heard(log, nodes)
    assert forwarded(log, nodes)
