"""What the issuer decided, for the fold, the replay memory and the ledger."""

from enum import StrEnum

import msgspec

from schemas.identifiers import (
    CapsuleId,
    Digest,
    Fingerprint,
    Identifier,
    NodeId,
    RequestId,
    Revision,
    Score,
    UtcSecond,
    Version,
)
from schemas.network import Network
from schemas.timestamp import Timestamp


class DenialReason(StrEnum):
    """Why a capsule is refused, in the order of the checks (design.md section 6): the first failing check names it."""

    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    REQUEST_EXPIRED = "REQUEST_EXPIRED"
    REPLAYED_REQUEST = "REPLAYED_REQUEST"
    NODE_REVOKED = "NODE_REVOKED"
    NODE_DISABLED = "NODE_DISABLED"
    FINGERPRINT_MISMATCH = "FINGERPRINT_MISMATCH"
    RISK_STATE_STALE = "RISK_STATE_STALE"
    NODE_QUARANTINED = "NODE_QUARANTINED"
    NETWORK_POLICY_VIOLATION = "NETWORK_POLICY_VIOLATION"


class CapsuleDecision(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One decision for one authenticated request record.

    ``riskRevision`` is the row's revision it was judged at, 0 without a row; ``current`` the row's network as judged;
    ``claims`` what the request claimed.
    """

    requestId: RequestId
    nodeId: NodeId
    requestDigest: Digest
    decidedAt: Timestamp
    denied: bool
    riskRevision: Revision
    current: Network | None = None
    claims: Network | None = None
    reason: DenialReason | None = None
    riskScore: Score | None = None
    capsuleId: CapsuleId | None = None
    expiresUtc: UtcSecond | None = None
    masterId: Identifier | None = None
    fingerprint: Fingerprint | None = None
    runtimeVersion: Version | None = None
