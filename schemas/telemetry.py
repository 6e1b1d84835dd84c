"""What a node says of itself."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

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
    observedAt: Annotated[Timestamp, Meta(description="When it was so, by the sender's clock.")]
    lastShutdownClean: Annotated[bool, Meta(description="Whether the shutdown before this boot was clean.")]
    eventId: Annotated[Identifier | None, Meta(description="The sender's own id, for people.")] = None
    bootId: Annotated[Identifier | None, Meta(description="The same in every report of one boot.")] = None
    kind: TelemetryKind | None = None
    uptimeSeconds: Annotated[float | None, Meta(description="Seconds since this boot.")] = None
    agentVersion: Version | None = None
    fingerprint: Fingerprint | None = None
    metrics: Annotated[dict[str, float] | None, Meta(description="Measurements by name; not judged.")] = None
