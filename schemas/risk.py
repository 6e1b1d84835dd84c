"""The risk row: one a node, the changelog of ``node.risk.v1`` and its public view at once."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from schemas.identifiers import CapsuleId, Identifier, NodeId, Offset, Partition, Revision, Score, UtcSecond
from schemas.network import Network
from schemas.timestamp import Timestamp

RISK_SCHEMA_VERSION: Final = 1
"""A reader that meets a row of a higher version stops (design.md section 7)."""


class NodeStatus(StrEnum):
    """Where a node stands. ``quarantined`` is left only by an operator's release."""

    ACTIVE = "active"
    QUARANTINED = "quarantined"


class SignalKind(StrEnum):
    """What can raise a score; the points are the policy's."""

    IP_CHANGED = "ipChanged"
    ASN_CHANGED = "asnChanged"
    REGION_CHANGED = "regionChanged"
    ABRUPT_STOP = "abruptStop"


class Cause(StrEnum):
    """Who holds or moved a node: the rules, or a person."""

    POLICY = "policy"
    OPERATOR = "operator"


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """Where the record lies that raised a signal. ``topic`` carries no prefix."""

    topic: str
    partition: Partition
    offset: Offset


class Signal(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A raised signal.

    ``from`` and ``to`` are the baseline's and the current value (of ``abruptStop``: the previous and the judged
    boot id). ``raisedAt`` and ``evidence`` stay until ``to`` changes.
    """

    kind: SignalKind
    points: Score
    raisedAt: Timestamp
    evidence: Evidence
    from_: str | int | None = msgspec.field(default=None, name="from")
    to: str | int | None = None


class Quarantine(msgspec.Struct, frozen=True, gc=False):
    """Why a node is held. ``score`` is the score at the transition."""

    transitionId: str
    since: Timestamp
    cause: Cause
    score: Score


class LastCapsule(msgspec.Struct, frozen=True, gc=False):
    """The latest granted capsule that the fold has seen."""

    capsuleId: CapsuleId
    expiresUtc: UtcSecond


class RiskRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A node's risk. ``revision`` counts the records folded into it; ``updatedAt`` is the last one's timestamp.

    ``capsulesValidFrom`` is the revision of the latest quarantine: a capsule judged at a lower revision is void.
    ``baselineRevision`` is the revision of the latest release or granted capsule: older decisions are moot.
    """

    schemaVersion: Annotated[int, msgspec.Meta(ge=1)]
    nodeId: NodeId
    status: NodeStatus
    score: Score
    signals: tuple[Signal, ...]
    revision: Revision
    policyVersion: Annotated[int, msgspec.Meta(ge=1)]
    updatedAt: Timestamp
    baseline: Network | None = None
    current: Network | None = None
    baselineRevision: Revision | None = None
    lastNetworkAt: Timestamp | None = None
    lastTelemetryAt: Timestamp | None = None
    lastBootId: Identifier | None = None
    lastShutdownClean: bool | None = None
    lastCommandId: Identifier | None = None
    lastCommandAt: Timestamp | None = None
    quarantine: Quarantine | None = None
    exemptUntil: Timestamp | None = None
    capsulesValidFrom: Revision | None = None
    lastCapsule: LastCapsule | None = None
