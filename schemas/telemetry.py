"""What a node says of itself."""

from enum import StrEnum

import msgspec

from schemas.identifiers import Fingerprint, Identifier, NodeId, Version
from schemas.timestamp import Timestamp


class TelemetryKind(StrEnum):
    """Why a report was sent. It is informative: a boot is recognised by ``bootId`` (design.md section 5)."""

    BOOT = "boot"
    HEARTBEAT = "heartbeat"
    SHUTDOWN = "shutdown"


class Telemetry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A node's report; ``lastShutdownClean`` tells whether the shutdown before this boot was clean."""

    nodeId: NodeId
    observedAt: Timestamp
    lastShutdownClean: bool
    eventId: Identifier | None = None
    bootId: Identifier | None = None
    kind: TelemetryKind | None = None
    uptimeSeconds: float | None = None
    agentVersion: Version | None = None
    fingerprint: Fingerprint | None = None
    metrics: dict[str, float] | None = None
