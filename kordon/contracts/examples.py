"""One example or more of every record, out of one story, with real signatures and the rows that the real fold gives.

The story is the README's: node ``cobalt`` is enrolled, boots, moves twice and is quarantined; it is denied a capsule,
released, and granted one. Keys here are for examples alone: anybody can read them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Final, NamedTuple

import msgspec

from kordon.contracts.example_answers import answers
from kordon.contracts.example_keys import CLUSTER_PREFIX, NODE_CREDENTIAL, OPERATOR, OPERATOR_KID
from policy.admission import Rejection
from policy.fleet import Fleet
from policy.policy_file import default_policy
from policy.risk import Folded
from schemas.codec import encode
from schemas.commands import Action, Command
from schemas.network import NetworkObservation
from schemas.progress import IssuerProgress, StreamsProgress
from schemas.registry import Binding, Credential, NodeRegistryStatus, RegistryRecord
from schemas.telemetry import Telemetry, TelemetryKind
from schemas.timestamp import Timestamp
from schemas.topics import (
    BINDINGS,
    COMMANDS,
    DECISIONS,
    ISSUER_PROGRESS,
    NETWORK,
    QUARANTINE,
    REGISTRY,
    REPLIES,
    REQUESTS,
    RISK,
    STREAMS_PROGRESS,
    TELEMETRY,
    dlq_of,
    repartition_of,
)
from transport.dead_letters import dead_letter
from transport.outgoing import OutgoingRecord
from transport.partitioner import partition_of
from transport.repartition import forwarded
from transport.settings import KafkaSettings
from transport.signed_records import sign

NODE: Final = "cobalt"
FINGERPRINT: Final = "5f" * 16
PARTITIONS: Final = 12
DELIVERY_MILLIS: Final = 40
Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A record; ``title`` says what it is.

    ``topic`` is without prefix, ``key`` is ``None`` where records have none, ``timestamp`` in ms since 1970.
    """

    topic: str
    title: str
    key: str | None
    value: bytes
    timestamp: int
    headers: Headers = ()


class _Read(NamedTuple):
    """An example as if it had been read from the topic."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: Headers


@cache
def examples() -> tuple[Example, ...]:
    """Return every example; what the fold reads stands in the order in which it is folded."""
    inputs = (*_inputs(), *_answered(), _release())
    inputs = tuple(sorted(inputs, key=lambda example: example.timestamp))
    return (_enrolment(), *inputs, *_folded(inputs), *_kept_by_services(), *_set_aside())


def examples_of(topic: str) -> tuple[Example, ...]:
    """Return a topic's examples."""
    return tuple(example for example in examples() if example.topic == topic)


def _at(text: str) -> Timestamp:
    return Timestamp.parse(f"2026-03-02T{text}Z")


def _record(topic: str, title: str, message: msgspec.Struct, at: Timestamp, headers: Headers = ()) -> Example:
    return Example(topic, title, NODE, encode(message), at + DELIVERY_MILLIS, headers)


def _signed(topic: str, title: str, message: msgspec.Struct, at: Timestamp) -> Example:
    header = sign(
        encode(message), topic=topic, key=NODE.encode(), kid=OPERATOR_KID, private_key=OPERATOR, issued_at=at // 1000
    )
    return _record(topic, title, message, at, (header,))


def _enrolment() -> Example:
    at = _at("07:55:00")
    enrolled = RegistryRecord(
        nodeId=NODE,
        revision=1,
        status=NodeRegistryStatus.ACTIVE,
        enabled=True,
        credentials=(Credential(kid=NODE_CREDENTIAL.kid, publicKey=NODE_CREDENTIAL.public_key),),
        servicePrincipal=f"spiffe://example.org/{NODE}",
        updatedAt=at,
        updatedBy="ops@example.org",
    )
    return _signed(REGISTRY, "An operator enrols a node", enrolled, at)


def _inputs() -> tuple[Example, ...]:
    boot = "0f2c41d8-boot-17"

    def report(clock: str, kind: TelemetryKind, uptime: float) -> Telemetry:
        return Telemetry(
            NODE,
            _at(clock),
            lastShutdownClean=True,
            bootId=boot,
            kind=kind,
            uptimeSeconds=uptime,
            agentVersion="1.8.0",
            fingerprint=FINGERPRINT,
            metrics={"load1": 0.25},
        )

    def seen(clock: str, ip: str, asn: int | None, region: str | None) -> NetworkObservation:
        return NetworkObservation(NODE, _at(clock), ip=ip, asn=asn, region=region, observer="gateway-2")

    return (
        _record(TELEMETRY, "A node boots", report("07:59:00", TelemetryKind.BOOT, 4.5), _at("07:59:00")),
        _record(NETWORK, "First sight", seen("08:00:00", "198.51.100.10", 64500, "eu-west-1"), _at("08:00:00")),
        _record(TELEMETRY, "A heartbeat", report("08:00:10", TelemetryKind.HEARTBEAT, 74.5), _at("08:00:10")),
        _record(NETWORK, "Another address: 20 points", seen("09:15:00", "198.51.100.77", None, None), _at("09:15:00")),
        _record(
            NETWORK,
            "Another network and region: 90 points, quarantined",
            seen("09:30:00", "198.51.100.10", 64511, "us-east-1"),
            _at("09:30:00"),
        ),
    )


def _release() -> Example:
    at = _at("09:40:00")
    order = Command("c-2026-0007", NODE, Action.RELEASE, "ops@example.org", "moved by us, ticket 4711", at)
    return _signed(COMMANDS, "An operator releases a node", order, at)


def _answered() -> tuple[Example, ...]:
    """The requests, their replies and the decisions."""
    found = []
    for answer in answers():
        asked = Timestamp(answer.request.claims.iat * 1000)
        correlation = (("correlation-id", answer.request.claims.requestId.encode()),)
        address = (*correlation, ("reply-to", f"{CLUSTER_PREFIX}{REPLIES}".encode()))
        request = Example(REQUESTS, answer.title, NODE, answer.request.value, asked + DELIVERY_MILLIS, address)
        reply = _record(REPLIES, answer.outcome, answer.reply, answer.decision.decidedAt, correlation)
        found += [request, reply, _record(DECISIONS, answer.outcome, answer.decision, answer.decision.decidedAt)]
    return tuple(found)


def _folded(inputs: tuple[Example, ...]) -> tuple[Example, ...]:
    """What the worker writes: the row after each change of standing, and the transitions."""
    fleet, offsets, found = Fleet(default_policy()), dict.fromkeys((TELEMETRY, NETWORK, COMMANDS, DECISIONS), 40), []
    for example in inputs:
        if example.topic not in offsets:
            continue
        offset = offsets[example.topic]
        offsets[example.topic] += 1
        partition = partition_of(NODE.encode(), PARTITIONS)
        outcome = fleet.fold(example.topic, partition, offset, example.timestamp, NODE, example.value)
        assert isinstance(outcome, Folded), outcome
        if outcome.transition is not None:
            at = Timestamp(example.timestamp)
            title = f"{NODE} is {outcome.transition.to.value}, by {outcome.transition.cause.value}"
            found += [_record(QUARANTINE, title, outcome.transition, at), _record(RISK, title, outcome.row, at)]
    return tuple(found)


def _kept_by_services() -> tuple[Example, ...]:
    at, partition = _at("09:42:00.200"), partition_of(NODE.encode(), PARTITIONS)
    streams = StreamsProgress(
        schemaVersion=1,
        partition=partition,
        at=at,
        offsets={TELEMETRY: 42, NETWORK: 43},
        partitionCount=PARTITIONS,
        batches=({NETWORK: (40, 43), TELEMETRY: (41, 42)},),
        riskEnd=118,
        lagMillis=35,
        policyVersion=1,
    )
    issuer = IssuerProgress(1, partition, at, {REQUESTS: 6, repartition_of(REQUESTS): 0}, PARTITIONS)
    binding = Binding(NODE, FINGERPRINT, 0, at)
    return (
        _record(BINDINGS, "The fingerprint of the first granted capsule", binding, at),
        replace(_record(STREAMS_PROGRESS, "The worker's checkpoint", streams, at), key=None),
        replace(_record(ISSUER_PROGRESS, "The issuer's checkpoint", issuer, at), key=None),
    )


def _set_aside() -> tuple[Example, ...]:
    """A record that cannot be accepted, and one that lay in the wrong partition, as Kordon writes them on."""
    settings, home = KafkaSettings(prefix=CLUSTER_PREFIX), partition_of(NODE.encode(), PARTITIONS)
    at = int(_at("10:00:00"))
    early = encode(Telemetry(NODE, Timestamp(at + 3_600_000), lastShutdownClean=True))
    outcome = Fleet(default_policy()).fold(TELEMETRY, home, 42, at, NODE, early)
    assert isinstance(outcome, Rejection), outcome
    read = _Read(settings.topic(TELEMETRY), home, 42, at, NODE.encode(), early, ())
    letter = dead_letter(settings, read, outcome.rule.value, outcome.reason)
    seen = encode(NetworkObservation(NODE, Timestamp(at), ip="198.51.100.10"))
    placed = _Read(settings.topic(NETWORK), (home + 3) % PARTITIONS, 7, at, NODE.encode(), seen, ())
    return (
        _outgoing(dlq_of(TELEMETRY), "A producer's clock is an hour fast", letter, at),
        _outgoing(
            repartition_of(NETWORK),
            "An observation that its producer placed by CRC32",
            forwarded(settings, placed, home),
            at,
        ),
    )


def _outgoing(topic: str, title: str, record: OutgoingRecord, at: int) -> Example:
    assert record.value is not None
    return Example(topic, title, NODE, record.value, at, tuple((name, value or b"") for name, value in record.headers))
