"""What the issuer answers: a capsule that was verified and opened, or a denial that was verified."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kordon.client.channel import UnusableReplyError
from kordon.client.credentials import Ed25519Credential, NodeCredential
from schemas.capsules import CapsuleClaims, CapsuleReply
from schemas.codec import decode
from schemas.timestamp import Timestamp
from schemas.topics import REPLIES
from transport.envelopes import EnvelopeError, Expected, open_capsule, verify_reply

if TYPE_CHECKING:
    from kordon.client.requests import SignedRequest
    from schemas.decisions import DenialReason
    from transport.trust import Trust


@dataclass(frozen=True)
class Capsule:
    """A granted capsule: the issuer's signature, the request it answers and the key were all checked.

    ``expires_at`` is exclusive. ``runtime_key`` is 32 bytes, the same for the same node, fingerprint, runtime version
    and master secret; it is in no repr. ``envelope`` is the signed JWS to show to verifiers, which holds it sealed.
    """

    capsule_id: str
    node_id: str
    request_id: str
    expires_at: Timestamp
    runtime_key: bytes = field(repr=False)
    runtime_version: str
    master_id: str
    service_principal: str | None
    risk_score: int
    risk_revision: int
    policy_version: int
    envelope: str = field(repr=False)


@dataclass(frozen=True)
class Denial:
    """A denied request: the issuer's signature and the request it answers were checked.

    ``risk_score`` and ``risk_revision`` are None where the denial was decided before risk was looked at.
    ``retry_after_seconds`` is advice that nobody signed.
    """

    reason: DenialReason
    node_id: str | None
    request_id: str | None
    risk_score: int | None
    risk_revision: int | None
    policy_version: int
    envelope: str = field(repr=False)
    retry_after_seconds: int | None = None


def read_answer(
    reply: bytes,
    request: SignedRequest | None,
    credential: NodeCredential,
    *,
    trust: Trust,
    expected: Expected,
) -> Capsule | Denial:
    """Return what a reply says, once its envelope is verified and, for a capsule, its seal is opened.

    ``request`` is None where what was sent was none; then no capsule can be opened.

    Raises:
        UnusableReplyError: the reply must not be believed; the text says why.
    """
    try:
        claims = verify_reply(reply, trust, expected)
        if isinstance(claims, CapsuleClaims):
            return _capsule(claims, reply, request, credential)
    except EnvelopeError as error:
        raise UnusableReplyError(str(error)) from None
    outer = decode(CapsuleReply, reply, REPLIES)
    return Denial(
        reason=claims.reason,
        node_id=claims.nodeId,
        request_id=claims.requestId,
        risk_score=claims.riskScore,
        risk_revision=claims.riskRevision,
        policy_version=claims.policyVersion,
        envelope=outer.envelope,
        retry_after_seconds=outer.retryAfterSeconds,
    )


def _capsule(claims: CapsuleClaims, reply: bytes, request: SignedRequest | None, credential: NodeCredential) -> Capsule:
    if request is None or claims.requestId != request.claims.requestId:
        raise UnusableReplyError("it grants what was not asked for")
    public_key = credential.private_key.public_key() if isinstance(credential, Ed25519Credential) else None
    return Capsule(
        capsule_id=claims.capsuleId,
        node_id=claims.nodeId,
        request_id=claims.requestId,
        expires_at=Timestamp.parse(claims.expiresUtc),
        runtime_key=open_capsule(claims, request.seal_key, public_key),
        runtime_version=claims.runtimeVersion,
        master_id=claims.masterId,
        service_principal=claims.servicePrincipal,
        risk_score=claims.riskScore,
        risk_revision=claims.riskRevision,
        policy_version=claims.policyVersion,
        envelope=decode(CapsuleReply, reply, REPLIES).envelope,
    )
