"""How long it takes from producing a record until the transition it causes can be read at read_committed.

A transition's ``at`` is the timestamp of its record, which the producer sets when it is handed the record; both clocks
are this machine's. The producer's linger, the engine, its commit and the reader's fetch all count.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from confluent_kafka import Consumer, TopicPartition

from bench.backlog import settings_for
from bench.broker import BenchBroker
from bench.engines import ROOT, Engine
from bench.operators import write_trust_file
from bench.preparation import prepared
from bench.processes import EngineFailedError, Processes, started
from bench.results import Failure, Latency, Run, load_average
from bench.topics import create_inputs, reset
from bench.turns import in_turns, warm_up
from schemas.timestamp import Timestamp
from schemas.topics import NETWORK, QUARANTINE, TELEMETRY
from streams.settings import WorkerSettings
from transport.settings import KafkaSettings

INPUTS: Final = (NETWORK, TELEMETRY)
PARTITIONS: Final = 4
WARM_SECONDS: Final = 10
SECONDS: Final = 20
BROKER_WARM_SECONDS: Final = 60
"""Of load before anything is measured: until then Kafka's JVM compiles what it runs, with a third of a core."""

COMMIT_MS: Final[int] = WorkerSettings.model_fields["transition_interval_ms"].default
"""For every peer: what Kordon's worker takes once a transition waits, which it always does here."""

LEAST_RATE: Final = 19_000
"""Records a second below which the load was not what it had to be."""

READ_SECONDS: Final = 0.002
"""How long the reader gathers what it then calls read: so much may a latency be too long."""

WAIT_SECONDS: Final = 30.0
"""For the first transition, and after the last record for the last one."""


class _Transition(msgspec.Struct):
    nodeId: str
    at: str


class Sent(msgspec.Struct):
    """What the live load says at its end."""

    sent: int
    quarantines: int
    seconds: float


def measure(engines: Sequence[Engine], rounds: int) -> Iterator[Run | Failure]:
    """Yield the latency of each engine, round by round; an engine that does not hold the rate fails."""

    def prepare(_: BenchBroker, folder: Path) -> None:
        write_trust_file(folder / "trust.json")

    with prepared("latency", {"partitions": PARTITIONS}, prepare, copied=True) as (broker, folder):
        warm_up("latency", engines[0], lambda: _run(engines[0], broker, folder, "warm.", BROKER_WARM_SECONDS))
        yield from in_turns(
            "latency",
            engines,
            rounds,
            lambda engine, number: _run(engine, broker, folder, f"{engine.name}-{number}."),
            _told,
        )


def _told(run: Run) -> str:
    latency = run.latency_millis
    assert latency is not None
    return f"p50 {latency.p50:.0f} ms, p99 {latency.p99:.0f} ms"


def _run(engine: Engine, broker: BenchBroker, folder: Path, prefix: str, seconds: int = SECONDS) -> Run:
    # Inputs under a name of their own begin empty; those of earlier runs are deleted.
    kafka = settings_for(broker, PARTITIONS, prefix)
    create_inputs(kafka, INPUTS)
    asyncio.run(reset(kafka, INPUTS))
    with started(engine, kafka, folder / "trust.json", COMMIT_MS) as processes:
        warm, _ = _play(kafka, processes, "warm", WARM_SECONDS)
        before, broker_before = processes.usage(), broker.cpu_seconds()
        sent, latencies = _play(kafka, processes, "load", seconds, skipped=warm.quarantines)
        after, broker_after = processes.usage(), broker.cpu_seconds()
    return Run(
        workload="latency",
        engine=engine.name,
        records=sent.sent,
        seconds=sent.seconds,
        records_per_second=sent.sent / sent.seconds,
        cpu_micros_per_record=(after.cpu_seconds - before.cpu_seconds) / sent.sent * 1e6,
        broker_cpu_micros_per_record=(broker_after - broker_before) / sent.sent * 1e6,
        latency_millis=percentiles(latencies),
        rss_bytes=after.rss_bytes,
        load=load_average(),
    )


def percentiles(latencies: Sequence[float]) -> Latency:
    """Return the percentiles of at least two latencies in ms."""
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return Latency(cuts[49], cuts[98])


def _play(
    kafka: KafkaSettings, processes: Processes, name: str, seconds: int, skipped: int = 0
) -> tuple[Sent, list[float]]:
    """Play the live load and return what was sent and the latency of every transition, in ms."""
    command = [
        *(sys.executable, "-m", "bench.live_load", "--bootstrap", kafka.bootstrap_servers, "--prefix", kafka.prefix),
        *("--partitions", str(kafka.partitions), "--seconds", str(seconds), "--name", name),
    ]
    reader = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": "bench-latency",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
    )
    decode = msgspec.json.Decoder(_Transition).decode
    latencies: list[float] = []
    seen = 0
    try:
        reader.assign([TopicPartition(kafka.topic(QUARANTINE), number, 0) for number in range(kafka.partitions)])
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as load:
            sent: Sent | None = None
            deadline = time.monotonic() + seconds + WAIT_SECONDS
            while sent is None or seen < skipped + sent.quarantines:
                for message in reader.consume(5_000, timeout=READ_SECONDS):
                    if message.error() is not None:
                        raise EngineFailedError(f"the reader failed: {message.error()}")
                    now = time.time_ns() / 1e6
                    seen += 1
                    if seen > skipped:
                        latencies.append(now - int(Timestamp.parse(decode(message.value() or b"").at)))
                processes.check()
                if sent is None and load.poll() is not None:
                    assert load.stdout is not None
                    sent = msgspec.json.decode(load.stdout.read(), type=Sent)
                if time.monotonic() > deadline:
                    expected = "?" if sent is None else f"{sent.quarantines:,}"
                    raise EngineFailedError(
                        f"{processes.engine.name} does not hold the rate: {len(latencies):,} of {expected} "
                        f"transitions {WAIT_SECONDS:g} s after the last record"
                    )
    finally:
        reader.close()
    if sent.sent / sent.seconds < LEAST_RATE:
        raise EngineFailedError(
            f"the load came to {sent.sent / sent.seconds:,.0f} records/s only: is the machine busy?"
        )
    return sent, latencies
