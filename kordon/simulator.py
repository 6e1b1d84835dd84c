"""A fleet that never was: an endless stream of records, decided by a seed alone.

``simulate`` reads no clock, no environment and no Kafka, and draws only on ``random.Random(seed).random()``,
whose sequence Python promises to keep. So the same arguments give the same bytes on any machine and in any
year, and a finding can be told in one line: ``kordon simulate --nodes 50 --seed 7 --count 100000``.

What the fleet does, with its share of the records, stands in :data:`MIX`. Each node boots before it does
anything else. Addresses, systems and regions are of the ranges kept for documentation and benchmarks (RFC
2544, 3849, 6996).
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from schemas.codec import encode
from schemas.network import NetworkObservation
from schemas.telemetry import Telemetry, TelemetryKind
from schemas.timestamp import Timestamp
from schemas.topics import NETWORK, TELEMETRY
from transport.partitioner import partition_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Behaviour(StrEnum):
    """Why a record exists."""

    BOOT = "boot"
    CRASH = "crash"
    HEARTBEAT = "heartbeat"
    SIGHTING = "sighting"
    MOVE = "move"
    ROAM = "roam"
    DELAYED = "delayed"
    FORGED = "forged"
    MALFORMED = "malformed"


MIX: Final[tuple[tuple[Behaviour, float], ...]] = (
    (Behaviour.HEARTBEAT, 0.560),
    (Behaviour.SIGHTING, 0.300),
    (Behaviour.BOOT, 0.040),
    (Behaviour.MOVE, 0.030),
    (Behaviour.DELAYED, 0.020),
    (Behaviour.ROAM, 0.015),
    (Behaviour.FORGED, 0.015),
    (Behaviour.CRASH, 0.010),
    (Behaviour.MALFORMED, 0.010),
)
"""Share of each behaviour among the records after a node's first boot; they sum to 1.

* heartbeat: a report of the running boot; sighting: an observer sees the node where it was.
* boot: a restart after a clean shutdown; crash: one after an unclean shutdown (80 points by default).
* move: a new address in the same system and region (20); roam: another system and region (90 and more).
* delayed: a report or sighting that was 10 to 200 seconds under way, so it is usually late.
* forged: a record whose key is another node's; malformed: a value that its topic does not carry.
"""

FOREIGN_SHARE: Final = 0.1
"""Share of nodes whose agent is built on librdkafka: it places by CRC32, so most telemetry is misplaced."""

_REGIONS: Final = ("eu-west-1", "eu-north-1", "us-east-1", "us-west-2", "ap-south-1", "sa-east-1")
_AGENTS: Final = ("4.2.0", "4.2.1", "4.3.0-rc.1")
_OBSERVERS: Final = ("gateway-1", "gateway-2", "vpn-1", "load-balancer-1")
_FIRST_PRIVATE_ASN: Final = 64_512
_PRIVATE_ASNS: Final = 1_023


@dataclass(frozen=True, slots=True)
class SimulatedRecord:
    """One record to write: ``topic`` is without prefix, ``timestamp`` is ms since the epoch.

    ``partition`` is the one its producer chose, which is the wrong one when ``misplaced``.
    """

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int
    behaviour: Behaviour
    misplaced: bool


@dataclass(slots=True)
class _Node:
    node_id: str
    ip: str
    asn: int
    region: str
    agent: str
    fingerprint: str
    foreign: bool
    boots: int = 0
    booted_at: int = 0
    clean: bool = True


def simulate(nodes: int, rate: float, seed: int, start: Timestamp, partitions: int = 12) -> Iterator[SimulatedRecord]:
    """Yield records for ever: ``nodes`` (>= 1) nodes, ``rate`` records a second (> 0) of record time.

    Timestamps begin at ``start`` and never fall. ``partitions`` (>= 1) is the node topics' partition count.

    Raises:
        ValueError: an argument is out of its bounds.
    """
    if nodes < 1 or rate <= 0 or partitions < 1:
        raise ValueError("a fleet needs at least one node, a rate above 0 and at least one partition")
    draw = random.Random(seed).random  # noqa: S311 - reproducible on purpose; nothing secret hangs on it
    fleet = [_node(index, draw) for index in range(nodes)]
    count = 0
    while True:
        timestamp = int(start) + int(count * 1000 / rate)
        node = fleet[int(draw() * nodes)]
        yield _placed(_next_record(node, fleet, timestamp, draw), node, timestamp, partitions)
        count += 1


_Draft = tuple[Behaviour, str, str, bytes]
"""Behaviour, topic, key, value."""


def _next_record(node: _Node, fleet: list[_Node], timestamp: int, draw: Callable[[], float]) -> _Draft:
    behaviour = Behaviour.BOOT if node.boots == 0 else _behaviour(draw())
    match behaviour:
        case Behaviour.BOOT | Behaviour.CRASH:
            return (
                behaviour,
                TELEMETRY,
                node.node_id,
                _boot(node, timestamp, clean=behaviour is Behaviour.BOOT),
            )
        case Behaviour.HEARTBEAT:
            return behaviour, TELEMETRY, node.node_id, _heartbeat(node, timestamp, timestamp, draw)
        case Behaviour.DELAYED:
            observed = timestamp - 10_000 - int(draw() * 190_000)
            if draw() < 0.5:  # noqa: PLR2004 - an even coin
                return behaviour, TELEMETRY, node.node_id, _heartbeat(node, timestamp, observed, draw)
            return behaviour, NETWORK, node.node_id, _sighting(node, observed, draw)
        case Behaviour.FORGED:
            victim = fleet[int(draw() * len(fleet))]
            key = victim.node_id if victim is not node else "nobody"
            return behaviour, TELEMETRY, key, _heartbeat(node, timestamp, timestamp, draw)
        case Behaviour.MALFORMED:
            topic = TELEMETRY if draw() < 0.5 else NETWORK  # noqa: PLR2004 - an even coin
            return behaviour, topic, node.node_id, _malformed(node, timestamp, draw)
        case Behaviour.MOVE:
            node.ip = _address(draw)
        case Behaviour.ROAM:
            node.ip, node.asn, node.region = _elsewhere(node, draw)
    return behaviour, NETWORK, node.node_id, _sighting(node, timestamp, draw)


def _placed(draft: _Draft, node: _Node, timestamp: int, partitions: int) -> SimulatedRecord:
    behaviour, topic, node_id, value = draft
    key = node_id.encode()
    right = partition_of(key, partitions)
    partition = zlib.crc32(key) % partitions if node.foreign and topic == TELEMETRY else right
    return SimulatedRecord(topic, partition, key, value, (), timestamp, behaviour, partition != right)


def _node(index: int, draw: Callable[[], float]) -> _Node:
    return _Node(
        node_id=f"node-{index:05d}",
        ip=_address(draw),
        asn=_FIRST_PRIVATE_ASN + int(draw() * _PRIVATE_ASNS),
        region=_pick(_REGIONS, draw),
        agent=_pick(_AGENTS, draw),
        fingerprint=f"{int(draw() * 2**52):032x}",
        # Even a small fleet has such an agent; this one's hashes differ for every usual partition count above 1.
        foreign=draw() < FOREIGN_SHARE or index == 2,  # noqa: PLR2004
    )


def _boot(node: _Node, timestamp: int, *, clean: bool) -> bytes:
    node.boots += 1
    node.booted_at = timestamp
    node.clean = clean
    return _report(node, TelemetryKind.BOOT, timestamp, 0.0, None)


def _heartbeat(node: _Node, timestamp: int, observed: int, draw: Callable[[], float]) -> bytes:
    metrics = {"cpuLoad": round(draw(), 3), "memoryUsed": round(draw(), 3)}
    uptime = max(0.0, (timestamp - node.booted_at) / 1000)
    return _report(node, TelemetryKind.HEARTBEAT, observed, uptime, metrics)


def _report(node: _Node, kind: TelemetryKind, observed: int, uptime: float, metrics: dict[str, float] | None) -> bytes:
    return encode(
        Telemetry(
            nodeId=node.node_id,
            observedAt=Timestamp(observed),
            lastShutdownClean=node.clean,
            bootId=f"{node.node_id}-boot-{node.boots}",
            kind=kind,
            uptimeSeconds=uptime,
            agentVersion=node.agent,
            fingerprint=node.fingerprint,
            metrics=metrics,
        )
    )


def _sighting(node: _Node, observed: int, draw: Callable[[], float]) -> bytes:
    return encode(
        NetworkObservation(
            nodeId=node.node_id,
            observedAt=Timestamp(observed),
            ip=node.ip,
            asn=node.asn,
            region=node.region,
            observer=_pick(_OBSERVERS, draw),
        )
    )


def _malformed(node: _Node, timestamp: int, draw: Callable[[], float]) -> bytes:
    report = _report(node, TelemetryKind.HEARTBEAT, timestamp, 1.0, None)
    forms = (
        b"",
        b"not JSON",
        b"[]",
        report[: len(report) // 2],
        report.replace(b'"lastShutdownClean":', b'"lastShutdownclean":'),
        report.replace(b'Z","lastShutdownClean"', b'","lastShutdownClean"'),
        report.replace(b'"observedAt":"2', b'"observedAt":"9'),
        b'{"nodeId":"' + node.node_id.encode() + b'","observedAt":"' + str(Timestamp(timestamp)).encode()
        + b'","ip":"256.1.1.1"}',
    )  # fmt: skip
    return forms[int(draw() * len(forms))]


def _elsewhere(node: _Node, draw: Callable[[], float]) -> tuple[str, int, str]:
    asn = _FIRST_PRIVATE_ASN + (node.asn - _FIRST_PRIVATE_ASN + 1 + int(draw() * (_PRIVATE_ASNS - 1))) % _PRIVATE_ASNS
    region = _REGIONS[(_REGIONS.index(node.region) + 1 + int(draw() * (len(_REGIONS) - 1))) % len(_REGIONS)]
    return _address(draw), asn, region


def _address(draw: Callable[[], float]) -> str:
    if draw() < 0.2:  # noqa: PLR2004 - one address in five is IPv6
        return f"2001:db8::{1 + int(draw() * 0xFFFE):x}"
    host = int(draw() * 2**17)
    return f"198.{18 + (host >> 16)}.{host >> 8 & 255}.{host & 255}"


def _behaviour(share: float) -> Behaviour:
    for behaviour, width in MIX:
        share -= width
        if share < 0:
            return behaviour
    return MIX[0][0]


def _pick(choices: tuple[str, ...], draw: Callable[[], float]) -> str:
    return choices[int(draw() * len(choices))]
