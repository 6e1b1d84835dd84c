"""Two requests of the example node and what the issuer answers: a denial, and after a release a capsule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from issuer.envelopes import EnvelopeBuilder, Judged
from issuer.runtime_key import capsule_id, runtime_key
from kordon.client import SignedRequest
from kordon.contracts.example_keys import CLUSTER_PREFIX, NODE_CREDENTIAL, RING, SEAL_KEY, TRUST
from policy.issuance import Denial
from schemas.capsules import CAPSULE_TYP, CapsuleClaims, CapsuleReply, Confirmation, RequestClaims
from schemas.codec import encode
from schemas.decisions import CapsuleDecision, DenialReason
from schemas.network import Network
from schemas.timestamp import Timestamp
from transport.compact_jws import encode_base64url, sign, thumbprint
from transport.envelopes import key_confirmation, utc_second

LIFETIME_SECONDS: Final = 86_400
POLICY_VERSION: Final = 1
MOVED_TO: Final = Network("198.51.100.10", 64511, "us-east-1")
"""Where the node is by then."""

SEALED_RUNTIME_KEY: Final = (
    "13OKVY9svLx620zLbGFb6IsFs2MDE0_b3Qnnbu8ANhmSY9IydzZOB_qN6tGfRK6YYYXO6oCGuJO_ndPW7LVcRKFjvaYSoDQ60Ls6urLwpoc"
)
"""Sealed once: HPKE draws a fresh key each time, and an example must stay the same. A test opens it."""

_DECIDED_MILLIS: Final = 180
_AUDIENCE: Final = TRUST.audience(CLUSTER_PREFIX)
_JKT: Final = thumbprint(NODE_CREDENTIAL.private_key.public_key())


@dataclass(frozen=True, slots=True)
class Answer:
    """A request with its reply and decision; ``title`` and ``outcome`` say what they are."""

    title: str
    outcome: str
    request: SignedRequest
    reply: CapsuleReply
    decision: CapsuleDecision


def answers() -> tuple[Answer, Answer]:
    """Return the denial, then the capsule."""
    return _denied(), _granted()


def _request(request_id: str, asked_at: Timestamp) -> SignedRequest:
    claims = RequestClaims(
        requestId=request_id,
        nodeId="cobalt",
        iat=asked_at // 1000,
        aud=_AUDIENCE,
        fingerprint="5f" * 16,
        runtimeVersion="4.2.0",
        sealTo=encode_base64url(SEAL_KEY.public_key().public_bytes_raw()),
    )
    return SignedRequest(claims, NODE_CREDENTIAL.sign(encode(claims)), SEAL_KEY)


def _denied() -> Answer:
    asked_at = Timestamp.parse("2026-03-02T09:31:00Z")
    request, now = _request("Zk2vJ8q0TzS4mYw7Xc1bLg", asked_at), Timestamp(asked_at + _DECIDED_MILLIS)
    denial = Denial(DenialReason.NETWORK_POLICY_VIOLATION, "", risk_score=90)
    judged = Judged(now, risk_revision=5, policy_version=POLICY_VERSION, jkt=_JKT)
    reply = EnvelopeBuilder(TRUST, RING, _AUDIENCE, LIFETIME_SECONDS).denial(
        denial, digest=request.digest, node_id=request.claims.nodeId, request_id=request.claims.requestId, judged=judged
    )
    decision = CapsuleDecision(
        requestId=request.claims.requestId,
        nodeId=request.claims.nodeId,
        requestDigest=request.digest,
        decidedAt=now,
        denied=True,
        riskRevision=judged.risk_revision,
        current=MOVED_TO,
        reason=denial.reason,
        riskScore=denial.risk_score,
        fingerprint=request.claims.fingerprint,
        runtimeVersion=request.claims.runtimeVersion,
    )
    return Answer("A quarantined node asks for a capsule", "A signed denial", request, reply, decision)


def capsule_claims(request: SignedRequest, now: Timestamp) -> CapsuleClaims:
    """Return the granted capsule's claims."""
    asked, expires = request.claims, request.claims.iat + LIFETIME_SECONDS
    found_id = capsule_id(RING.capsule_id_secret.content, request.digest)
    return CapsuleClaims(
        denied=False,
        requestId=asked.requestId,
        nodeId=asked.nodeId,
        capsuleId=found_id,
        expiresUtc=utc_second(expires),
        riskScore=0,
        sealedRuntimeKey=SEALED_RUNTIME_KEY,
        iss=TRUST.issuer,
        aud=asked.aud,
        iat=now // 1000,
        exp=expires,
        requestDigest=request.digest,
        riskRevision=7,
        policyVersion=POLICY_VERSION,
        masterId="master-1",
        runtimeVersion=asked.runtimeVersion,
        keyConfirmation=key_confirmation(sealed_key(asked), found_id, asked.nodeId, utc_second(expires)),
        servicePrincipal="spiffe://example.org/cobalt",
        cnf=Confirmation(_JKT),
    )


def sealed_key(asked: RequestClaims) -> bytes:
    """Return the runtime key that the example's capsule holds."""
    master = RING.master()
    assert master is not None
    return runtime_key(master.content, asked.nodeId, asked.fingerprint, asked.runtimeVersion)


def _granted() -> Answer:
    asked_at = Timestamp.parse("2026-03-02T09:42:00Z")
    request, now = _request("pP0c1kT9Qy6n2sVd8RbE3w", asked_at), Timestamp(asked_at + _DECIDED_MILLIS)
    claims = capsule_claims(request, now)
    signing_key = RING.signing_key(now)
    envelope = sign(encode(claims), {"typ": CAPSULE_TYP, "kid": signing_key.kid}, signing_key.private_key)
    reply = CapsuleReply(
        denied=False,
        envelope=envelope.decode(),
        requestId=claims.requestId,
        nodeId=claims.nodeId,
        capsuleId=claims.capsuleId,
        expiresUtc=claims.expiresUtc,
        riskScore=claims.riskScore,
        servicePrincipal=claims.servicePrincipal,
        sealedRuntimeKey=claims.sealedRuntimeKey,
        serverTime=now,
    )
    decision = CapsuleDecision(
        requestId=claims.requestId,
        nodeId=claims.nodeId,
        requestDigest=claims.requestDigest,
        decidedAt=now,
        denied=False,
        riskRevision=claims.riskRevision,
        current=MOVED_TO,
        riskScore=claims.riskScore,
        capsuleId=claims.capsuleId,
        expiresUtc=claims.expiresUtc,
        masterId=claims.masterId,
        fingerprint=request.claims.fingerprint,
        runtimeVersion=claims.runtimeVersion,
    )
    return Answer("The node asks again, after its release", "A capsule", request, reply, decision)
