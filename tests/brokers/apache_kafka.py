"""Apache Kafka (KRaft, one node that is broker and controller), run from its jars with settings for short tests."""

from __future__ import annotations

import base64
import socket
import subprocess
import time
import uuid
from pathlib import Path

from kordon.supervisor import tethered
from tests.brokers.kafka_jars import jars, java

START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05
STARTED = "Kafka Server started"

HEAP_MEGABYTES = 768
JVM = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts in half the time; no test here measures the broker
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
)


class ApacheKafka:
    """One Apache Kafka broker on 127.0.0.1 with its data, settings and log in ``directory``."""

    name = "apache-kafka"

    def __init__(self, directory: Path, *, heap_megabytes: int = HEAP_MEGABYTES) -> None:
        self.directory = directory
        self.log_file = directory / "broker.log"
        self._heap_megabytes = heap_megabytes
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log_before = 0

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The running process's, ``None`` if there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> str:
        """Start, on the first time format the storage too; raises BrokerUnavailable without Java, Maven or jars."""
        self.begin()
        return self.started()

    def begin(self) -> None:
        """Start as :meth:`start` does, without waiting until clients can connect.

        The broker ends with the thread that calls this.
        """
        self.prepare()
        with self.log_file.open("ab") as log:
            self._log_before = log.tell()
            # The tether ends the broker with a test run that is killed.
            command = tethered(self._command("kafka.Kafka"))
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def prepare(self) -> None:
        """Format the storage, unless that has been done."""
        if not self._port:
            self._format()

    def started(self) -> str:
        """Wait until clients can connect; raises RuntimeError if that takes too long or the process has ended."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.pid is not None:
            if STARTED in self.log_file.read_bytes()[self._log_before :].decode(errors="replace"):
                return self.bootstrap_servers
            time.sleep(POLL_SECONDS)
        self.kill()
        raise RuntimeError(f"Apache Kafka did not start:\n{self.log_file.read_text(errors='replace')[-4_000:]}")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def _settings_file(self) -> Path:
        return self.directory / "server.properties"

    def _command(self, main_class: str, *arguments: str) -> list[str]:
        jvm = (f"-Xmx{self._heap_megabytes}m", *JVM)
        return [java(), *jvm, "-cp", f"{jars()}/*", main_class, *(arguments or [str(self._settings_file)])]

    def _format(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        broker, controller = free_ports(2)
        self._settings_file.write_text(
            properties(single_node(broker, controller, self.directory / "data") | SHORT_TEST)
        )
        self._format_storage(new_cluster_id(), "--standalone")
        self._port = broker

    def _format_storage(self, cluster_id: str, *options: str) -> None:
        command = self._command(
            "kafka.tools.StorageTool", "format", *options, "-t", cluster_id, "-c", str(self._settings_file)
        )
        subprocess.run(command, check=True, capture_output=True)


def new_cluster_id() -> str:
    """Return a new id of a cluster."""
    # Its first byte is fixed: an id that begins with a hyphen would be taken for an option.
    return base64.urlsafe_b64encode(b"k" + uuid.uuid4().bytes[1:]).decode().rstrip("=")


def free_ports(count: int) -> list[int]:
    """Return so many different ports of 127.0.0.1 that nobody listens on at this moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


SHORT_TEST: dict[str, str | int] = {
    # Fifty partitions each are made for the first client that needs one, which then waits for them.
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.num.partitions": 4,
    # A topic that nobody created is a mistake that a test should meet.
    "auto.create.topics.enable": "false",
    "delete.topic.enable": "true",
    # Short waits where production has long ones.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1_000,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
    "log.initial.task.delay.ms": 1_000,
    "log.cleaner.backoff.ms": 500,
}
"""Settings of every broker of these tests, however many there are."""


def single_node(broker: int, controller: int, data: Path) -> dict[str, str | int]:
    """Return what makes one process broker and controller on these ports of 127.0.0.1, with its data in ``data``."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        # One broker has one copy of anything.
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "controlled.shutdown.enable": "false",
    }


def properties(settings: dict[str, str | int]) -> str:
    """Return settings as the text of a properties file."""
    return "".join(f"{name}={value}\n" for name, value in settings.items())
