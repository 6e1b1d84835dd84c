"""Apache Kafka for measurements: one node with production's defaults, whose data outlives the run.

Tests have a broker of their own (:mod:`tests.brokers.apache_kafka`) that starts fast and waits for nothing. This one
has Kafka's own heap and compiler settings, and starts again on data that an earlier run prepared.
"""

from __future__ import annotations

import base64
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import psutil

from kordon.supervisor import tethered
from tests.brokers.apache_kafka import free_ports, properties, single_node
from tests.brokers.kafka_jars import jars, java

START_SECONDS: Final = 120.0
"""A broker that was killed first checks every segment of its last run."""

STOP_SECONDS: Final = 60.0
STARTED: Final = "Kafka Server started"

JVM: Final = (
    # As kafka-server-start.sh has it.
    "-Xmx1g",
    "-Xms1g",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
)


class BenchBroker:
    """One broker on 127.0.0.1 with its data, settings and log in ``directory``; use it as ``with``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._log = directory / "broker.log"
        self._settings = directory / "server.properties"
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """``127.0.0.1:port``; another port after each start."""
        return f"127.0.0.1:{self._port}"

    def cpu_seconds(self) -> float:
        """CPU time of the broker so far, in seconds."""
        assert self._process is not None
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def __enter__(self) -> Self:
        """Start, on the first time format the storage too.

        Raises:
            BrokerUnavailable: no Java, Maven or jars.
            RuntimeError: it did not start; the text has the end of its log.
        """
        self._prepare()
        with self._log.open("ab") as log:
            before = log.tell()
            self._process = subprocess.Popen(
                tethered(self._command("kafka.Kafka", str(self._settings))),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if STARTED in self._log.read_bytes()[before:].decode(errors="replace"):
                return self
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"Apache Kafka did not start:\n{self._log.read_text(errors='replace')[-4_000:]}")

    def __exit__(self, *_: object) -> None:
        """End it in good order, so that the next start need not check its segments."""
        self.stop()

    @contextmanager
    def stopped(self) -> Iterator[Path]:
        """Let something be done to the data, whose directory is yielded, while no broker runs; then start again."""
        self.stop()
        yield self.directory / "data"
        self.__enter__()

    def stop(self) -> None:
        """As on leaving; twice does no harm."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _prepare(self) -> None:
        formatted = (self.directory / "data").is_dir()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._port, controller = free_ports(2)
        self._settings.write_text(_settings(self._port, controller, self.directory.resolve() / "data"))
        if formatted:
            return
        # The first byte is fixed: an id that begins with a hyphen would be taken for an option.
        cluster_id = base64.urlsafe_b64encode(b"k" + secrets.token_bytes(15)).decode().rstrip("=")
        arguments = ("format", "--standalone", "-t", cluster_id, "-c", str(self._settings))
        subprocess.run(self._command("kafka.tools.StorageTool", *arguments), check=True, capture_output=True)

    def _command(self, main_class: str, *arguments: str) -> list[str]:
        return [java(), *JVM, "-cp", f"{jars()}/*", main_class, *arguments]


def _settings(broker: int, controller: int, data: Path) -> str:
    settings: dict[str, str | int] = {
        **single_node(broker, controller, data),
        # Fifty partitions each would be made anew for every prepared broker, for one client at a time.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 12,
        "auto.create.topics.enable": "false",
        # The next run may have to wait for the members of the last one to be forgotten.
        "group.min.session.timeout.ms": 1_000,
        # What a run wrote is deleted before the next.
        "log.segment.delete.delay.ms": 1_000,
        # Prepared records are kept however old their timestamps are; topics of Kordon name their own retention.
        "log.retention.ms": -1,
        # A peer gives what it writes the timestamps of its input, which lie months back.
        "log.retention.check.interval.ms": 7 * 86_400_000,
    }
    return properties(settings)
