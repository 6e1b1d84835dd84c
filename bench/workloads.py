"""What is folded: records of seeded fleets, the same bytes at every run and on every machine.

Timestamps are fixed too (they begin in 2026), so prepared topics can be used again whenever. A generator yields
records in the order of their timestamps; :mod:`bench.backlog` writes them once and every engine reads the same ones.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from bench.operators import MixedOperator
from kordon.simulator import Behaviour, simulate
from schemas.codec import encode
from schemas.network import NetworkObservation
from schemas.telemetry import Telemetry, TelemetryKind
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, NETWORK, TELEMETRY
from transport.partitioner import partition_of

EPOCH: Final = Timestamp.parse("2026-01-01T00:00:00Z")
RATE: Final = 10_000
"""Records a second of record time."""

BAD_SHARE: Final = 0.001
MISPLACED_SHARE: Final = 0.05
COMMAND_SHARE: Final = 0.001
_ROAMS: Final = 0.05
"""Share of the changes that quarantine a node."""


class BenchRecord(NamedTuple):
    """A record to write; ``topic`` without prefix, ``timestamp`` in ms since 1970."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Backlog:
    """A workload that is folded from prepared topics.

    ``exact``: rows and transitions do not depend on how the topics interleave, so every field is compared. ``topics``
    are those that hold records, in the order in which ``make(records, partitions)`` knows them.
    """

    name: str
    what: str
    records: int
    partitions: int
    topics: tuple[str, ...]
    make: Callable[[int, int], Iterator[BenchRecord]]
    exact: bool = True


def network(records: int, partitions: int, nodes: int = 10_000) -> Iterator[BenchRecord]:
    """Observations of ``nodes`` nodes in turn, of which 1 % differ from what was seen before."""
    draw = random.Random(1).random  # noqa: S311 - reproducible on purpose
    placed = [_placed(f"node-{number:06d}", partitions) for number in range(nodes)]
    seen = [
        (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 64_512 + number % 100, 0) for number in range(nodes)
    ]
    for index in range(records):
        number = index % nodes
        ip, asn, region = seen[number]
        if index >= nodes and draw() < 0.01:
            ip = f"198.18.{int(draw() * 256)}.{int(draw() * 256)}"
            if draw() < _ROAMS:
                asn, region = 64_612 + int(draw() * 100), region + 1
            seen[number] = ip, asn, region
        node_id, key, partition = placed[number]
        timestamp = EPOCH + index * 1000 // RATE
        yield BenchRecord(NETWORK, partition, key, observation(node_id, timestamp, ip, asn, region, index), timestamp)


def observation(node_id: str, timestamp: int, ip: str, asn: int, region: int, index: int) -> bytes:
    """An observation of about 210 bytes."""
    return encode(
        NetworkObservation(
            nodeId=node_id,
            observedAt=Timestamp(timestamp),
            ip=ip,
            asn=asn,
            region=f"eu-central-{region}",
            eventId=f"event-{index:012d}",
            observer="gateway-frankfurt-am-main-0001",
        )
    )


def heartbeats(records: int, partitions: int, nodes: int = 100_000) -> Iterator[BenchRecord]:
    """Reports of ``nodes`` nodes in turn, each of its running boot."""
    draw = random.Random(2).random  # noqa: S311 - as above
    placed = [_placed(f"node-{number:06d}", partitions) for number in range(nodes)]
    for index in range(records):
        node_id, key, partition = placed[index % nodes]
        timestamp = Timestamp(EPOCH + index * 1000 // RATE)
        report = Telemetry(
            nodeId=node_id,
            observedAt=timestamp,
            lastShutdownClean=True,
            bootId=f"{node_id}-boot-1",
            kind=TelemetryKind.HEARTBEAT if index >= nodes else TelemetryKind.BOOT,
            uptimeSeconds=float(index * 1000 // RATE),
            agentVersion="4.2.1",
            metrics={"cpuLoad": round(draw(), 3), "memoryUsed": round(draw(), 3)},
        )
        yield BenchRecord(TELEMETRY, partition, key, encode(report), timestamp)


def mixed(records: int, partitions: int, nodes: int = 10_000) -> Iterator[BenchRecord]:
    """What ``kordon simulate`` plays, its bad records thinned to 0.1 %, misplaced ones to 5 %, 0.1 % commands added.

    The commands hold nodes (``quarantine``): whatever comes before or after one, the node ends held, so the rows do
    not depend on how topics interleave.
    """
    bad, misplaced, commands = _Share(BAD_SHARE), _Share(MISPLACED_SHARE), _Share(COMMAND_SHARE)
    operator = MixedOperator()
    written = 0
    for one in simulate(nodes, RATE, 3, EPOCH, partitions):
        if written >= records:
            return
        if commands.is_due(written):
            number = commands.granted % nodes
            node_id, key, partition = _placed(f"node-{number:05d}", partitions)
            value, headers = operator.hold(node_id, commands.granted, one.timestamp)
            yield BenchRecord(COMMANDS, partition, key, value, one.timestamp, headers)
            written += 1
        is_bad = one.behaviour in {Behaviour.FORGED, Behaviour.MALFORMED}
        partition = partition_of(one.key, partitions)
        # Whole nodes have an agent that places otherwise, so that the reports of a node stay in their order.
        is_misplaced = one.topic == TELEMETRY and zlib.crc32(one.key) % 8 == 0
        if (is_bad and not bad.is_due(written)) or (is_misplaced and not misplaced.is_due(written)):
            continue
        partition = (partition + is_misplaced) % partitions
        yield BenchRecord(one.topic, partition, one.key, one.value, one.timestamp, one.headers)
        written += 1


class _Share:
    """Grants a share of all records, spread evenly."""

    def __init__(self, share: float) -> None:
        self._share = share
        self.granted = 0

    def is_due(self, written: int) -> bool:
        """Tell whether one more may be written after ``written`` records, and count it if so."""
        due = self.granted < written * self._share
        self.granted += due
        return due


def _placed(node_id: str, partitions: int) -> tuple[str, bytes, int]:
    key = node_id.encode()
    return node_id, key, partition_of(key, partitions)


BACKLOGS: Final = {
    backlog.name: backlog
    for backlog in (
        Backlog("network", "10,000 nodes, 1 % change something", 1_000_000, 4, (NETWORK,), network),
        Backlog("heartbeats", "100,000 nodes, every record changes its row", 1_000_000, 4, (TELEMETRY,), heartbeats),
        Backlog(
            "mixed",
            "kordon simulate: telemetry, network, commands, 0.1 % bad, 5 % misplaced",
            1_000_000,
            4,
            (COMMANDS, NETWORK, TELEMETRY),
            mixed,
            exact=False,
        ),
    )
}
