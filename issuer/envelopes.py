"""The answer: build, sign, verify what was signed, and only then hand it over (design.md section 6)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from issuer.key_ring import KeyRing, Secret, SigningKey
from issuer.requests import WellFormedRequest
from issuer.runtime_key import capsule_id, runtime_key
from policy.issuance import Denial, Grant
from schemas.capsules import CAPSULE_TYP, DENIAL_TYP, CapsuleClaims, CapsuleReply, Confirmation, DenialClaims
from schemas.codec import encode
from schemas.decisions import DenialReason
from schemas.registry import RegistryRecord
from schemas.timestamp import Timestamp
from transport.compact_jws import sign
from transport.envelopes import (
    DENIAL_LIFETIME_SECONDS,
    EnvelopeError,
    Expected,
    key_confirmation,
    utc_second,
    verify_capsule,
    verify_denial,
)
from transport.sealing import capsule_info, seal
from transport.trust import Trust

RETRY_AFTER_SECONDS: Final = 5
"""What a node is told that was denied because the risk state was stale."""

_MILLIS: Final = 1000


@dataclass(frozen=True, slots=True)
class FirstGrant:
    """What a request was granted the first time; the same bytes get the same again."""

    capsule_id: str
    expires_utc: str
    expires: int
    master_id: str
    runtime_version: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judgement knows beside its outcome. ``jkt`` is absent for an hmac credential."""

    now: Timestamp
    risk_revision: int
    policy_version: int
    jkt: str | None


class SignedWrongError(Exception):
    """What was built and signed does not verify as a node would verify it; a bug, so the issuer stops."""


class EnvelopeBuilder:
    """Builds replies under one issuer's name, for one audience."""

    def __init__(self, trust: Trust, ring: KeyRing, audience: str, lifetime_seconds: int) -> None:
        self._trust = trust
        self._ring = ring
        self._audience = audience
        self._lifetime_seconds = lifetime_seconds

    def first_grant(self, request: WellFormedRequest, node: RegistryRecord, now: Timestamp) -> FirstGrant:
        """Return what a request that is granted for the first time gets.

        ``expires`` is its ``iat`` plus the lifetime, cut to the end of the signing key's validity.
        """
        expires = self._ring.signing_key(now).last_exp(request.claims.iat + self._lifetime_seconds)
        master = self._ring.master()
        assert master is not None, "without an id the ring raises"
        return FirstGrant(
            capsule_id(self._ring.capsule_id_secret.content, request.digest),
            utc_second(expires),
            expires,
            master.kid,
            node.runtimeVersion or request.claims.runtimeVersion,
        )

    def terms_today(self, first: FirstGrant, now: Timestamp) -> FirstGrant | None:
        """Return a first grant's terms as far as the key that signs today reaches, ``None`` if they have expired."""
        expires = self._ring.signing_key(now).last_exp(first.expires)
        if expires * _MILLIS <= now:
            return None
        return replace(first, expires=expires, expires_utc=utc_second(expires))

    def capsule(
        self,
        request: WellFormedRequest,
        node: RegistryRecord,
        grant: Grant,
        terms: FirstGrant,
        master: Secret,
        judged: Judged,
    ) -> CapsuleReply:
        """Return the reply that grants a capsule on these terms.

        Raises:
            KeyRingError: no signing key is valid now.
            SignedWrongError: the capsule does not verify.
        """
        asked = request.claims
        key = runtime_key(master.content, asked.nodeId, asked.fingerprint, terms.runtime_version)
        info = capsule_info(self._trust.issuer, asked.nodeId, terms.capsule_id, terms.expires_utc, request.digest)
        claims = CapsuleClaims(
            denied=False,
            requestId=asked.requestId,
            nodeId=asked.nodeId,
            capsuleId=terms.capsule_id,
            expiresUtc=terms.expires_utc,
            riskScore=grant.risk_score,
            servicePrincipal=node.servicePrincipal,
            sealedRuntimeKey=seal(request.seal_to, key, info),
            iss=self._trust.issuer,
            aud=self._audience,
            iat=judged.now // _MILLIS,
            exp=terms.expires,
            requestDigest=request.digest,
            cnf=_confirmation(judged.jkt),
            riskRevision=judged.risk_revision,
            policyVersion=judged.policy_version,
            masterId=terms.master_id,
            runtimeVersion=terms.runtime_version,
            keyConfirmation=key_confirmation(key, terms.capsule_id, asked.nodeId, terms.expires_utc),
        )
        envelope = self._sign(CAPSULE_TYP, claims, self._ring.signing_key(judged.now))
        self._check(verify_capsule, envelope, claims, judged.now)
        return CapsuleReply(
            denied=False,
            envelope=envelope,
            requestId=claims.requestId,
            nodeId=claims.nodeId,
            capsuleId=claims.capsuleId,
            expiresUtc=claims.expiresUtc,
            riskScore=claims.riskScore,
            servicePrincipal=claims.servicePrincipal,
            sealedRuntimeKey=claims.sealedRuntimeKey,
            serverTime=judged.now,
        )

    def denial(
        self,
        denial: Denial,
        *,
        digest: str,
        node_id: str | None,
        request_id: str | None,
        judged: Judged,
    ) -> CapsuleReply:
        """Return the reply that refuses. Of checks 1 and 2 it says nothing that would tell one failure from another.

        Raises:
            KeyRingError: no signing key is valid now.
            SignedWrongError: the denial does not verify.
        """
        proven = is_authenticated(denial.reason)
        signing_key = self._ring.signing_key(judged.now)
        issued = judged.now // _MILLIS
        claims = DenialClaims(
            denied=True,
            requestId=request_id,
            nodeId=node_id,
            reason=denial.reason,
            riskScore=denial.risk_score if proven else None,
            iss=self._trust.issuer,
            aud=self._audience,
            iat=issued,
            exp=signing_key.last_exp(issued + DENIAL_LIFETIME_SECONDS),
            requestDigest=digest,
            cnf=_confirmation(judged.jkt) if proven else None,
            riskRevision=judged.risk_revision if proven else None,
            policyVersion=judged.policy_version,
        )
        envelope = self._sign(DENIAL_TYP, claims, signing_key)
        self._check(verify_denial, envelope, claims, judged.now)
        return CapsuleReply(
            denied=True,
            envelope=envelope,
            requestId=claims.requestId,
            nodeId=claims.nodeId,
            reason=claims.reason,
            riskScore=claims.riskScore,
            retryAfterSeconds=RETRY_AFTER_SECONDS if claims.reason is DenialReason.RISK_STATE_STALE else None,
            serverTime=judged.now,
        )

    def _sign(self, typ: str, claims: CapsuleClaims | DenialClaims, key: SigningKey) -> str:
        return sign(encode(claims), {"typ": typ, "kid": key.kid}, key.private_key).decode("ascii")

    def _check(
        self,
        verify: Callable[[str, Trust, Expected], CapsuleClaims | DenialClaims],
        envelope: str,
        claims: CapsuleClaims | DenialClaims,
        now: Timestamp,
    ) -> None:
        expected = Expected(self._audience, now, claims.requestDigest, claims.nodeId, skew_seconds=0)
        try:
            verified = verify(envelope, self._trust, expected)
        except EnvelopeError as error:
            raise SignedWrongError(f"a node would refuse what was signed: {error}") from error
        if verified != claims:
            raise SignedWrongError("a node would read other claims than were signed")


def is_authenticated(reason: DenialReason) -> bool:
    """Whether a denial of this reason speaks of a node that proved itself: only then there is a decision record."""
    return reason not in {DenialReason.MALFORMED_REQUEST, DenialReason.AUTHENTICATION_FAILED}


def _confirmation(jkt: str | None) -> Confirmation | None:
    return None if jkt is None else Confirmation(jkt)
