"""Asking for a capsule and being answered: request claims, the outer reply, the signed envelope's claims.

A request's value is a compact JWS whose payload is :class:`RequestClaims`. A reply's value is JSON,
:class:`CapsuleReply`; what a program may trust is its ``envelope``, a compact JWS whose payload is
:class:`CapsuleClaims` or :class:`DenialClaims`, told apart by the header's ``typ`` (design.md section 6).
"""

from typing import Annotated, Final

import msgspec

from schemas.decisions import DenialReason
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
from schemas.registry import Base64Url, PublicKeyText
from schemas.timestamp import Timestamp

REQUEST_TYP: Final = "kordon-request+jwt"
CAPSULE_TYP: Final = "kordon-capsule+jwt"
DENIAL_TYP: Final = "kordon-denial+jwt"

MAX_COMPACT_JWS_BYTES: Final = 16 * 1024
"""A compact JWS of more bytes is malformed."""

NumericDate = Annotated[
    int,
    msgspec.Meta(ge=0, le=253_402_300_799, description="Whole seconds since 1970-01-01T00:00:00Z, to the year 9999."),
]
Audience = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=512, description="clusterId/prefix, the prefix verbatim with its dot."),
]


class RequestClaims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a node asks. ``nodeId`` is the record's key; ``sealTo`` an X25519 public key that is not low-order.

    ``fingerprint`` is in lower case after decoding. ``network`` is what the node says of itself: it is judged, and
    never becomes the row's ``current``.
    """

    requestId: RequestId
    nodeId: NodeId
    iat: NumericDate
    aud: Audience
    fingerprint: Fingerprint
    runtimeVersion: Version
    sealTo: PublicKeyText
    network: Network | None = None

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "fingerprint", self.fingerprint.lower())


class CapsuleReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outer reply. All but ``envelope`` is for people: programs verify the envelope and use its claims.

    ``requestId`` is absent where it could not be read, ``nodeId`` where the record's key is no node id.
    ``retryAfterSeconds`` and ``serverTime`` are not in the envelope.
    """

    denied: bool
    envelope: str
    requestId: RequestId | None = None
    nodeId: NodeId | None = None
    capsuleId: CapsuleId | None = None
    expiresUtc: UtcSecond | None = None
    riskScore: Score | None = None
    servicePrincipal: Identifier | None = None
    sealedRuntimeKey: Base64Url | None = None
    reason: DenialReason | None = None
    retryAfterSeconds: Annotated[int, msgspec.Meta(ge=0)] | None = None
    serverTime: Timestamp | None = None


class Confirmation(msgspec.Struct, frozen=True):
    """RFC 7800 ``cnf``: the RFC 7638 SHA-256 thumbprint of the ed25519 credential that proved the request."""

    jkt: PublicKeyText


class CapsuleClaims(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A capsule's signed claims. ``exp`` is ``expiresUtc`` as a number and exclusive; ``cnf`` is absent for hmac.

    ``keyConfirmation`` is HMAC-SHA256 under the runtime key of ``capsuleId:nodeId:expiresUtc``. A capsule whose
    ``riskRevision`` is below the row's ``capsulesValidFrom`` is void.
    """

    denied: bool
    requestId: RequestId
    nodeId: NodeId
    capsuleId: CapsuleId
    expiresUtc: UtcSecond
    riskScore: Score
    sealedRuntimeKey: Base64Url
    iss: Identifier
    aud: Audience
    iat: NumericDate
    exp: NumericDate
    requestDigest: Digest
    riskRevision: Revision
    policyVersion: Annotated[int, msgspec.Meta(ge=1)]
    masterId: Identifier
    runtimeVersion: Version
    keyConfirmation: Digest
    servicePrincipal: Identifier | None = None
    cnf: Confirmation | None = None

    def __post_init__(self) -> None:
        if self.denied:
            raise ValueError("a capsule's claims say denied")


class DenialClaims(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A denial's signed claims. ``exp`` is ``iat`` + 300 s and exclusive.

    Denials of the first two checks name no proven node: they carry neither ``cnf`` nor ``riskRevision`` nor
    ``riskScore``, and ``requestId`` only where it could be read.
    """

    denied: bool
    reason: DenialReason
    iss: Identifier
    aud: Audience
    iat: NumericDate
    exp: NumericDate
    requestDigest: Digest
    policyVersion: Annotated[int, msgspec.Meta(ge=1)]
    requestId: RequestId | None = None
    nodeId: NodeId | None = None
    riskScore: Score | None = None
    riskRevision: Revision | None = None
    cnf: Confirmation | None = None

    def __post_init__(self) -> None:
        if not self.denied:
            raise ValueError("a denial's claims say not denied")
