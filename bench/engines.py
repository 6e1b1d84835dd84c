"""Who is measured: each engine has the same topics, partitions, policy and cores.

A peer in ``bench/peers`` is told by environment what to do: ``BENCH_BOOTSTRAP``, ``BENCH_PREFIX``,
``BENCH_PARTITIONS``, ``BENCH_GUARANTEE`` (``at_least_once`` or ``exactly_once_v2``), ``BENCH_STORE`` (``memory`` or
``rocksdb``), ``BENCH_THREADS``, ``BENCH_STATE_DIR``, ``BENCH_COMMIT_MS``. It commits to the group ``{prefix}{group}``,
prints ``READY`` and ends with status 0 at SIGTERM.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peers.kafka_streams import APPLICATION, ROWS, engine_command
from schemas.topics import NETWORK, RISK, TELEMETRY
from transport.settings import KafkaSettings

ROOT: Final = Path(__file__).parents[1]
PEERS: Final = Path(__file__).with_name("peers")
PEERS_PYTHON: Final = ROOT / ".venv-peers" / "bin" / "python"
"""Of the environment that holds what only peers need."""

COMMIT_MS: Final = 250
"""For every peer that catches up. Kordon's worker then takes up to a second; longer ones make none of them faster."""

CORES: Final = 2
"""Kafka Streams' threads, and the processes of Kordon's worker: each engine is given both cores of the machine."""

SESSION_MS: Final = 6_000
"""Kafka Streams' default would do; a static member is forgotten after it, and each run waits for that."""


@dataclass(frozen=True)
class Setting:
    """Where an engine runs: ``state`` is an empty folder of its own, ``trust`` a ``trust.json``.

    ``commit_ms`` is a peer's commit interval.
    """

    kafka: KafkaSettings
    state: Path
    trust: Path
    commit_ms: int = COMMIT_MS


@dataclass(frozen=True)
class Engine:
    """An engine by name.

    ``group`` is the consumer group it commits to, without prefix. ``rows`` are the topics on which its rows come out,
    as patterns of the prefix; none if it keeps no rows, so that its answer is not compared. It is given a ``share`` of
    a workload's records: one that would take hours, fewer. ``environment(setting)`` and ``command()`` start it.
    """

    name: str
    group: str
    rows: tuple[str, ...]
    command: Callable[[], list[str]]
    environment: Callable[[Setting], Mapping[str, str]]
    share: float = 1.0
    only: frozenset[str] | None = None
    """The workloads it can fold; ``None``: all."""

    def changelogs(self, kafka: KafkaSettings) -> list[str]:
        """Return the full names of the topics with its rows."""
        return [pattern.format(prefix=kafka.prefix) for pattern in self.rows]

    def plays(self, workload: str) -> bool:
        """Tell whether the engine can fold a workload."""
        return self.only is None or workload in self.only


def environment_of(engine: Engine, setting: Setting) -> dict[str, str]:
    """Return the environment of an engine: nothing of the person's own settings for Kordon."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KORDON_", "BENCH_"))}
    return inherited | {
        "PYTHONPATH": str(ROOT),
        "KORDON_WORKER_INSTANCE_ID": "bench",
        **engine.environment(setting),
    }


def _kordon(setting: Setting) -> Mapping[str, str]:
    return {
        "KORDON_KAFKA_BOOTSTRAP_SERVERS": setting.kafka.bootstrap_servers,
        "KORDON_KAFKA_PREFIX": setting.kafka.prefix,
        "KORDON_KAFKA_PARTITIONS": str(setting.kafka.partitions),
        "KORDON_WORKER_TRUST_FILE": str(setting.trust),
        "KORDON_WORKER_SESSION_TIMEOUT_MS": str(SESSION_MS),
    }


def _peer(guarantee: str = "at_least_once", store: str = "memory") -> Callable[[Setting], Mapping[str, str]]:
    def environment(setting: Setting) -> Mapping[str, str]:
        return {
            "BENCH_BOOTSTRAP": setting.kafka.bootstrap_servers,
            "BENCH_PREFIX": setting.kafka.prefix,
            "BENCH_PARTITIONS": str(setting.kafka.partitions),
            "BENCH_GUARANTEE": guarantee,
            "BENCH_STORE": store,
            "BENCH_THREADS": str(CORES),
            "BENCH_STATE_DIR": str(setting.state),
            "BENCH_COMMIT_MS": str(setting.commit_ms),
        }

    return environment


def _worker(processes: int) -> Callable[[], list[str]]:
    return lambda: [sys.executable, "-m", "kordon", "worker", "-l", "warn", "--processes", str(processes)]


def _python(name: str, python: str = sys.executable) -> Callable[[], list[str]]:
    return lambda: [python, str(PEERS / f"{name}.py")]


def _kafka_streams() -> list[str]:
    # Built at its first use, which needs Maven.
    return engine_command()


_RISK: Final = ("{prefix}" + RISK,)
_SINGLE: Final = frozenset({"network", "heartbeats"})
"""Workloads without commands, forwarded and bad records."""

ENGINES: Final = {
    engine.name: engine
    for engine in (
        Engine("kordon", "streams", _RISK, _worker(CORES), _kordon),
        Engine("kordon-one-process", "streams", _RISK, _worker(1), _kordon),
        *(
            Engine(name, APPLICATION, ("{prefix}" + ROWS,), _kafka_streams, _peer(guarantee, store))
            for name, guarantee, store in (
                ("kafka-streams-eos", "exactly_once_v2", "memory"),
                ("kafka-streams-eos-rocksdb", "exactly_once_v2", "rocksdb"),
                ("kafka-streams-alo", "at_least_once", "memory"),
                ("kafka-streams-alo-rocksdb", "at_least_once", "rocksdb"),
            )
        ),
        Engine(
            "quix",
            "quix",
            tuple("changelog__{prefix}quix--{prefix}" + f"{topic}--default" for topic in (NETWORK, TELEMETRY)),
            _python("quix", str(PEERS_PYTHON)),
            _peer(store="rocksdb"),
            share=0.2,
            only=_SINGLE,
        ),
        Engine(
            "faust",
            "faust",
            ("{prefix}faust-rows-changelog",),
            _python("stock_faust"),
            _peer(),
            share=0.03,
            only=_SINGLE,
        ),
        Engine("raw", "raw", (), _python("raw"), _peer()),
    )
}
