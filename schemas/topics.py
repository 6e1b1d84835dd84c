"""The topic registry: name, key, value, cleanup, retention, writers and readers (design.md section 3).

Names here carry no prefix; ``transport`` puts it on. ``kordon topics apply``, the ACLs and the documents derive from
this one table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from schemas.capsules import CapsuleReply
from schemas.commands import Command
from schemas.decisions import CapsuleDecision
from schemas.network import NetworkObservation
from schemas.progress import IssuerProgress, StreamsProgress
from schemas.quarantine import QuarantineTransition
from schemas.registry import Binding, RegistryRecord
from schemas.risk import RiskRow
from schemas.telemetry import Telemetry

TELEMETRY: Final = "node.telemetry.v1"
NETWORK: Final = "node.network.v1"
COMMANDS: Final = "node.commands.v1"
REGISTRY: Final = "node.registry.v1"
BINDINGS: Final = "node.bindings.v1"
RISK: Final = "node.risk.v1"
QUARANTINE: Final = "node.quarantine.v1"
STREAMS_PROGRESS: Final = "streams.progress.v1"
ISSUER_PROGRESS: Final = "issuer.progress.v1"
REQUESTS: Final = "capsule.requests.v1"
REPLIES: Final = "capsule.replies.v1"
DECISIONS: Final = "capsule.decisions.v1"

DEFAULT_PARTITIONS: Final = 12
"""Partition p of every topic forms co-partition p, so all topics have this one count."""


class Party(StrEnum):
    """Who writes or reads a topic; the names of ACL principals in the operator's guide."""

    PRODUCERS = "producers"
    OBSERVERS = "observers"
    OPERATORS = "operators"
    NODES = "nodes"
    STREAMS = "streams"
    ISSUER = "issuer"
    KORDON = "kordon"
    DASHBOARDS = "dashboards"
    VERIFIERS = "verifiers"


class Cleanup(StrEnum):
    """Kafka's ``cleanup.policy``."""

    DELETE = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic.

    ``retention`` is ``None`` where records are kept for ever. ``value`` is ``None`` where the value is no JSON message
    of ours (a compact JWS, or the raw bytes of a dead letter). ``signed`` topics count only records that carry a
    valid ``kordon-signature``. ``repartitioned`` topics have a ``.repartition`` topic, ``dead_lettered`` ones a
    ``.dlq`` topic.
    """

    name: str
    cleanup: Cleanup
    retention: timedelta | None
    writers: frozenset[Party]
    readers: frozenset[Party]
    value: type[msgspec.Struct] | None
    signed: bool = False
    repartitioned: bool = False
    dead_lettered: bool = False


def repartition_of(topic: str) -> str:
    """Return the name of the topic that takes a source topic's misplaced records."""
    return f"{topic}.repartition"


def dlq_of(topic: str) -> str:
    """Return the name of the dead-letter topic of a topic."""
    return f"{topic}.dlq"


def source_of(topic: str) -> str:
    """Return the topic a ``.repartition`` topic belongs to; any other name comes back as it is."""
    return topic.removesuffix(".repartition")


def _days(days: int) -> timedelta:
    return timedelta(days=days)


def _spec(
    name: str,
    retention: timedelta | None,
    writers: set[Party],
    readers: set[Party],
    value: type[msgspec.Struct] | None,
    *,
    cleanup: Cleanup = Cleanup.DELETE,
    signed: bool = False,
    repartitioned: bool = False,
    dead_lettered: bool = False,
) -> TopicSpec:
    return TopicSpec(
        name,
        cleanup,
        retention,
        frozenset(writers),
        frozenset(readers),
        value,
        signed=signed,
        repartitioned=repartitioned,
        dead_lettered=dead_lettered,
    )


_SOURCES: Final = (
    _spec(
        TELEMETRY,
        _days(7),
        {Party.PRODUCERS},
        {Party.STREAMS},
        Telemetry,
        repartitioned=True,
        dead_lettered=True,
    ),
    _spec(
        NETWORK,
        _days(7),
        {Party.OBSERVERS},
        {Party.STREAMS},
        NetworkObservation,
        repartitioned=True,
        dead_lettered=True,
    ),
    _spec(
        COMMANDS,
        _days(30),
        {Party.OPERATORS},
        {Party.STREAMS, Party.KORDON},
        Command,
        signed=True,
        dead_lettered=True,
    ),
    # Compaction would let a replayed old record bury a revocation, so the registry is kept whole.
    _spec(
        REGISTRY,
        None,
        {Party.OPERATORS},
        {Party.ISSUER, Party.KORDON},
        RegistryRecord,
        signed=True,
        dead_lettered=True,
    ),
    _spec(BINDINGS, None, {Party.ISSUER}, {Party.ISSUER, Party.KORDON}, Binding, cleanup=Cleanup.COMPACT),
    _spec(
        RISK,
        None,
        {Party.STREAMS},
        {Party.STREAMS, Party.ISSUER, Party.KORDON, Party.VERIFIERS},
        RiskRow,
        cleanup=Cleanup.COMPACT,
    ),
    _spec(
        QUARANTINE,
        None,
        {Party.STREAMS},
        {Party.DASHBOARDS, Party.VERIFIERS, Party.KORDON},
        QuarantineTransition,
    ),
    _spec(
        STREAMS_PROGRESS,
        _days(30),
        {Party.STREAMS},
        {Party.STREAMS, Party.ISSUER, Party.KORDON},
        StreamsProgress,
    ),
    _spec(ISSUER_PROGRESS, _days(30), {Party.ISSUER}, {Party.ISSUER, Party.KORDON}, IssuerProgress),
    _spec(
        REQUESTS,
        _days(1),
        {Party.NODES},
        {Party.ISSUER},
        None,
        repartitioned=True,
        dead_lettered=True,
    ),
    _spec(REPLIES, _days(1), {Party.ISSUER}, {Party.NODES}, CapsuleReply),
    _spec(
        DECISIONS,
        _days(90),
        {Party.ISSUER},
        {Party.STREAMS, Party.ISSUER, Party.KORDON},
        CapsuleDecision,
        dead_lettered=True,
    ),
)


def _derived(source: TopicSpec) -> tuple[TopicSpec, ...]:
    derived = []
    if source.repartitioned:
        # Only the reader that met a misplaced record forwards it; anyone else writing here would forge its position.
        derived.append(
            TopicSpec(
                repartition_of(source.name),
                Cleanup.DELETE,
                _days(1),
                source.readers,
                source.readers,
                source.value,
            )
        )
    if source.dead_lettered:
        derived.append(
            TopicSpec(
                dlq_of(source.name),
                Cleanup.DELETE,
                _days(30),
                source.readers - {Party.KORDON},
                frozenset({Party.OPERATORS, Party.KORDON}),
                None,
            )
        )
    return tuple(derived)


TOPICS: Final[Mapping[str, TopicSpec]] = MappingProxyType(
    {spec.name: spec for source in _SOURCES for spec in (source, *_derived(source))}
)
"""Every topic by its name, the derived ``.repartition`` and ``.dlq`` topics behind their source."""
