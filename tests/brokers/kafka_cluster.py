"""Several Apache Kafka nodes on loopback, each broker and controller (KRaft, a static quorum), from the same jars.

With three nodes everything has three copies, of which two must have a write before it counts; one node may be away. A
node has a listener for clients that know it, for the other nodes and for the harness, and one for clients that come
through a network that tests disturb (``tests.brokers.tcp_proxy``), which advertises what :meth:`KafkaCluster.advertise`
was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.brokers.apache_kafka import SHORT_TEST, ApacheKafka, free_ports, new_cluster_id, properties
from tests.brokers.full_disk import Disk, small_disk
from tests.brokers.kafka_jars import jars

HEAP_MEGABYTES = 256
SAFE_NODES = 3
LISTENERS = 3
"""A node's: direct, through the network, controller."""


class KafkaNode(ApacheKafka):
    """A node of a cluster: ``number`` is its node id, from 1. ``disk`` holds its data and may be filled."""

    def __init__(self, directory: Path, number: int, ports: Sequence[int], *, small: bool = False) -> None:
        super().__init__(directory, heap_megabytes=HEAP_MEGABYTES)
        self.number = number
        self.direct, self.through, self.controller = ports
        self.advertised = self.through
        self.cluster_id = ""
        self.voters = ""
        self.nodes = 1
        self.disk: Disk | None = small_disk(directory / "data") if small else None

    def _command(self, main_class: str, *arguments: str) -> list[str]:
        within = self.disk.within if self.disk is not None else ()
        return [*within, *super()._command(main_class, *arguments)]

    def _format(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._settings_file.write_text(properties(self._settings()))
        self._format_storage(self.cluster_id)
        self._port = self.direct

    def _settings(self) -> dict[str, str | int]:
        copies = min(SAFE_NODES, self.nodes)
        enough = 2 if copies == SAFE_NODES else 1
        return {
            "process.roles": "broker,controller",
            "node.id": self.number,
            "controller.quorum.voters": self.voters,
            "listeners": (
                f"DIRECT://127.0.0.1:{self.direct},THROUGH://127.0.0.1:{self.through}"
                f",CONTROLLER://127.0.0.1:{self.controller}"
            ),
            "advertised.listeners": f"DIRECT://127.0.0.1:{self.direct},THROUGH://127.0.0.1:{self.advertised}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "DIRECT:PLAINTEXT,THROUGH:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "DIRECT",
            "log.dirs": str(self.directory / "data"),
            "default.replication.factor": copies,
            "min.insync.replicas": enough,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": enough,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": enough,
            "unclean.leader.election.enable": "false",
            **SHORT_TEST,
            # A dead node is noticed as soon as a session of two seconds ends, not nine; a copy lags no longer.
            "broker.session.timeout.ms": 3_000,
            "broker.heartbeat.interval.ms": 500,
            "replica.lag.time.max.ms": 5_000,
            # Leaders go back to their first choice soon after a node has returned.
            "leader.imbalance.check.interval.seconds": 10,
        }


class KafkaCluster:
    """``nodes`` nodes with their data, settings and logs under ``directory``; the last one's disk is small."""

    name = "apache-kafka"

    def __init__(self, directory: Path, nodes: int = SAFE_NODES) -> None:
        ports = free_ports(LISTENERS * nodes)
        self.nodes = tuple(
            KafkaNode(
                directory / f"node-{number}",
                number,
                ports[LISTENERS * (number - 1) : LISTENERS * number],
                small=number == nodes and nodes >= SAFE_NODES,
            )
            for number in range(1, nodes + 1)
        )
        cluster_id = new_cluster_id()
        for node in self.nodes:
            node.cluster_id, node.nodes = cluster_id, nodes
            node.voters = ",".join(f"{one.number}@127.0.0.1:{one.controller}" for one in self.nodes)

    @property
    def bootstrap_servers(self) -> str:
        """All nodes, directly."""
        return ",".join(f"127.0.0.1:{node.direct}" for node in self.nodes)

    @property
    def through(self) -> tuple[int, ...]:
        """The nodes' ports behind the network."""
        return tuple(node.through for node in self.nodes)

    @property
    def replication_factor(self) -> int:
        """Copies of each topic."""
        return min(SAFE_NODES, len(self.nodes))

    def advertise(self, ports: Sequence[int]) -> None:
        """Let the nodes, which were never started yet, name these ports to clients from the network."""
        for node, port in zip(self.nodes, ports, strict=True):
            node.advertised = port

    def start(self) -> str:
        """Start all nodes at once: none is ready before a quorum is."""
        jars()  # fetched once, not by each
        for node in self.nodes:
            if node.disk is not None:
                node.disk.open()
        with ThreadPoolExecutor() as pool:
            list(pool.map(KafkaNode.prepare, self.nodes))
        for node in self.nodes:
            node.begin()
        for node in self.nodes:
            node.started()
        return self.bootstrap_servers

    def stop(self) -> None:
        """End all nodes; at the end of a run nobody needs them to hand anything over."""
        self.kill()
        for node in self.nodes:
            if node.disk is not None:
                node.disk.close()

    def kill(self) -> None:
        """End all nodes as a power cut would (SIGKILL)."""
        for node in self.nodes:
            node.kill()
