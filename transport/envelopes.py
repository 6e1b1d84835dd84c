"""Believing an answer: what a node and a verifier check of an envelope before they act on it (design.md section 6).

An envelope is a compact JWS by the issuer. :func:`verify_capsule` and :func:`verify_denial` each accept exactly one
``typ``. Only their results are to be acted on; the reply around the envelope is for people.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from schemas.capsules import CAPSULE_TYP, DENIAL_TYP, CapsuleClaims, CapsuleReply, DenialClaims
from schemas.codec import DecodeError, decode
from schemas.risk import RiskRow
from schemas.trust import KeyState, Role
from transport.compact_jws import (
    ED25519_ALGORITHMS,
    MalformedJwsError,
    detach,
    parse,
    sign,
    strict_json_object,
    thumbprint,
    verifies,
)
from transport.sealing import SealBrokenError, capsule_info, open_seal
from transport.trust import Trust

LONGEST_LIFETIME_SECONDS: Final = 86_400
DENIAL_LIFETIME_SECONDS: Final = 300
POSSESSION_TYP: Final = "kordon-possession+jws"
SHORTEST_CHALLENGE_BYTES: Final = 16

_SKEW_SECONDS: Final = 300
_MILLIS: Final = 1000

_Claims = TypeVar("_Claims", CapsuleClaims, DenialClaims)


class EnvelopeFault(StrEnum):
    """Why an envelope is not to be believed."""

    MALFORMED = "MALFORMED"
    UNKNOWN_SIGNER = "UNKNOWN_SIGNER"
    NOT_AN_ISSUER = "NOT_AN_ISSUER"
    SIGNER_REVOKED = "SIGNER_REVOKED"
    SIGNER_NOT_VALID_THEN = "SIGNER_NOT_VALID_THEN"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    MALFORMED_CLAIMS = "MALFORMED_CLAIMS"
    OTHER_ISSUER = "OTHER_ISSUER"
    OTHER_AUDIENCE = "OTHER_AUDIENCE"
    ISSUED_IN_THE_FUTURE = "ISSUED_IN_THE_FUTURE"
    EXPIRED = "EXPIRED"
    LIFETIME = "LIFETIME"
    OTHER_REQUEST = "OTHER_REQUEST"
    OTHER_NODE = "OTHER_NODE"
    OTHER_HOLDER = "OTHER_HOLDER"
    KEY_NOT_CONFIRMED = "KEY_NOT_CONFIRMED"


FAULT_TEXTS: Final = {
    EnvelopeFault.MALFORMED: "it is no envelope of the expected kind",
    EnvelopeFault.UNKNOWN_SIGNER: "trust.json has no key of its kid",
    EnvelopeFault.NOT_AN_ISSUER: "its signing key may not issue",
    EnvelopeFault.SIGNER_REVOKED: "its signing key is revoked",
    EnvelopeFault.SIGNER_NOT_VALID_THEN: "its signing key is not valid for that time",
    EnvelopeFault.BAD_SIGNATURE: "its signature does not verify",
    EnvelopeFault.MALFORMED_CLAIMS: "its claims are not of the expected form",
    EnvelopeFault.OTHER_ISSUER: "another issuer",
    EnvelopeFault.OTHER_AUDIENCE: "it is for another cluster or prefix",
    EnvelopeFault.ISSUED_IN_THE_FUTURE: "it was issued in the future: check this machine's clock",
    EnvelopeFault.EXPIRED: "it has expired: check this machine's clock",
    EnvelopeFault.LIFETIME: "its lifetime is longer than allowed, or its two expiries differ",
    EnvelopeFault.OTHER_REQUEST: "it answers another request",
    EnvelopeFault.OTHER_NODE: "it is for another node",
    EnvelopeFault.OTHER_HOLDER: "it is bound to another key",
    EnvelopeFault.KEY_NOT_CONFIRMED: "its runtime key does not open or is not the confirmed one",
}
"""For people; programs use the fault."""


class EnvelopeError(Exception):
    """An envelope that must not be acted on."""

    def __init__(self, fault: EnvelopeFault) -> None:
        super().__init__(FAULT_TEXTS[fault])
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Expected:
    """What an envelope is held against.

    ``audience`` is ``clusterId/prefix``; ``at`` the reader's clock, ms since the epoch. ``request_digest`` and
    ``node_id`` are the asker's own and ``None`` for a verifier that did not ask. ``skew_seconds`` (inclusive) is how
    far the issuer's clock may be ahead, and for denials behind; a capsule's ``exp`` allows none.
    """

    audience: str
    at: int
    request_digest: str | None = None
    node_id: str | None = None
    skew_seconds: int = _SKEW_SECONDS


def verify_capsule(envelope: str, trust: Trust, expected: Expected) -> CapsuleClaims:
    """Return the claims of a capsule that is genuine, unexpired and for this audience.

    A verifier goes on with :func:`verify_possession` and :func:`is_void`, the node that asked with
    :func:`open_capsule`.

    Raises:
        EnvelopeError: it is not; ``fault`` says why.
    """
    claims = _verify(envelope, CAPSULE_TYP, CapsuleClaims, trust, expected)
    if utc_second(claims.exp) != claims.expiresUtc:
        raise EnvelopeError(EnvelopeFault.LIFETIME)
    # `exp` counts from the request's `iat`, which the issuer accepts from a clock that far ahead.
    if claims.exp - claims.iat > LONGEST_LIFETIME_SECONDS + _SKEW_SECONDS:
        raise EnvelopeError(EnvelopeFault.LIFETIME)
    if expected.at >= claims.exp * _MILLIS:
        raise EnvelopeError(EnvelopeFault.EXPIRED)
    return claims


def verify_denial(envelope: str, trust: Trust, expected: Expected) -> DenialClaims:
    """Return the claims of a denial that is genuine, recent and for this audience.

    Raises:
        EnvelopeError: it is not; ``fault`` says why.
    """
    claims = _verify(envelope, DENIAL_TYP, DenialClaims, trust, expected)
    if claims.exp - claims.iat > DENIAL_LIFETIME_SECONDS:
        raise EnvelopeError(EnvelopeFault.LIFETIME)
    if expected.at >= (claims.exp + expected.skew_seconds) * _MILLIS:
        raise EnvelopeError(EnvelopeFault.EXPIRED)
    return claims


def verify_reply(value: bytes | None, trust: Trust, expected: Expected) -> CapsuleClaims | DenialClaims:
    """Return the claims of the envelope in a reply's value; the reply's other fields count for nothing.

    ``denied`` outside says only which ``typ`` is expected, so a lie there is a malformed envelope.

    Raises:
        EnvelopeError: it is no reply, or its envelope must not be acted on.
    """
    try:
        reply = decode(CapsuleReply, value, "capsule reply")
    except DecodeError:
        raise EnvelopeError(EnvelopeFault.MALFORMED) from None
    return (verify_denial if reply.denied else verify_capsule)(reply.envelope, trust, expected)


def _verify(envelope: str, typ: str, claims_type: type[_Claims], trust: Trust, expected: Expected) -> _Claims:
    try:
        token = parse(envelope.encode("utf-8", "replace"), typ=typ, algorithms=ED25519_ALGORITHMS)
    except MalformedJwsError:
        raise EnvelopeError(EnvelopeFault.MALFORMED) from None
    signer = trust.signer(token.kid)
    if signer is None:
        raise EnvelopeError(EnvelopeFault.UNKNOWN_SIGNER)
    if not signer.has_role(Role.ISSUE):
        raise EnvelopeError(EnvelopeFault.NOT_AN_ISSUER)
    if signer.key.state is KeyState.REVOKED:
        raise EnvelopeError(EnvelopeFault.SIGNER_REVOKED)
    if not verifies(token, signer.public_key):
        raise EnvelopeError(EnvelopeFault.BAD_SIGNATURE)
    try:
        strict_json_object(token.payload)
        claims = decode(claims_type, token.payload, "envelope")
    except (DecodeError, MalformedJwsError):
        raise EnvelopeError(EnvelopeFault.MALFORMED_CLAIMS) from None
    # The last instant at which the envelope counts is before `exp`, so a key that ends exactly then covers it.
    if not signer.key.valid_at(claims.iat * _MILLIS) or not signer.key.valid_at(claims.exp * _MILLIS - 1):
        raise EnvelopeError(EnvelopeFault.SIGNER_NOT_VALID_THEN)
    _check_common(claims, trust, expected)
    return claims


def _check_common(claims: CapsuleClaims | DenialClaims, trust: Trust, expected: Expected) -> None:
    if claims.iss != trust.issuer:
        raise EnvelopeError(EnvelopeFault.OTHER_ISSUER)
    if claims.aud != expected.audience:
        raise EnvelopeError(EnvelopeFault.OTHER_AUDIENCE)
    if claims.iat * _MILLIS > expected.at + expected.skew_seconds * _MILLIS:
        raise EnvelopeError(EnvelopeFault.ISSUED_IN_THE_FUTURE)
    if expected.request_digest is not None and claims.requestDigest != expected.request_digest:
        raise EnvelopeError(EnvelopeFault.OTHER_REQUEST)
    if expected.node_id is not None and claims.nodeId != expected.node_id:
        raise EnvelopeError(EnvelopeFault.OTHER_NODE)


def open_capsule(
    claims: CapsuleClaims, seal_key: X25519PrivateKey, credential: Ed25519PublicKey | None = None
) -> bytes:
    """Return the 32 bytes of the runtime key. ``credential`` is the asker's ed25519 key, ``None`` for hmac.

    Raises:
        EnvelopeError: the capsule is bound to another key, its seal does not open, or the key is not the confirmed one.
    """
    if credential is None:
        if claims.cnf is not None:
            raise EnvelopeError(EnvelopeFault.OTHER_HOLDER)
    elif not is_bound_to(claims, credential):
        raise EnvelopeError(EnvelopeFault.OTHER_HOLDER)
    info = capsule_info(claims.iss, claims.nodeId, claims.capsuleId, claims.expiresUtc, claims.requestDigest)
    try:
        runtime_key = open_seal(seal_key, claims.sealedRuntimeKey, info)
    except SealBrokenError:
        raise EnvelopeError(EnvelopeFault.KEY_NOT_CONFIRMED) from None
    confirmation = key_confirmation(runtime_key, claims.capsuleId, claims.nodeId, claims.expiresUtc)
    if not hmac.compare_digest(confirmation, claims.keyConfirmation):
        raise EnvelopeError(EnvelopeFault.KEY_NOT_CONFIRMED)
    return runtime_key


def utc_second(seconds: int) -> str:
    """Return seconds since the epoch, at most to the year 9999, as ``expiresUtc`` writes them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def key_confirmation(runtime_key: bytes, capsule_id: str, node_id: str, expires_utc: str) -> str:
    """Return the lower-case hex HMAC-SHA256 that proves knowledge of a capsule's runtime key."""
    return hmac.new(runtime_key, f"{capsule_id}:{node_id}:{expires_utc}".encode(), "sha256").hexdigest()


def is_bound_to(claims: CapsuleClaims | DenialClaims, credential: Ed25519PublicKey) -> bool:
    """Whether ``cnf`` names this key. A capsule of an hmac node is bound to none."""
    return claims.cnf is not None and hmac.compare_digest(claims.cnf.jkt, thumbprint(credential))


def is_void(claims: CapsuleClaims, row: RiskRow | None) -> bool:
    """Whether a quarantine after the capsule's judgement took it back; ``row`` is the node's, ``None`` without one."""
    return row is not None and row.capsulesValidFrom is not None and claims.riskRevision < row.capsulesValidFrom


def prove_possession(private_key: Ed25519PrivateKey, capsule_id: str, challenge: bytes) -> bytes:
    """Return a holder's answer to a verifier's challenge: a compact JWS with detached payload, ``kid`` the capsuleId.

    Its ``typ`` is its own, so that a challenge can never be made into a request or a record.

    Raises:
        ValueError: a challenge of less than 16 bytes.
    """
    _check_challenge(challenge)
    return detach(sign(challenge, {"typ": POSSESSION_TYP, "kid": capsule_id}, private_key))


def verify_possession(claims: CapsuleClaims, credential: Ed25519PublicKey, challenge: bytes, proof: bytes) -> bool:
    """Whether whoever answered holds the key that the capsule is bound to.

    ``challenge`` is what this verifier drew at random for this one question, at least 16 bytes.

    Raises:
        ValueError: a challenge of less than 16 bytes.
    """
    _check_challenge(challenge)
    try:
        token = parse(proof, typ=POSSESSION_TYP, algorithms=ED25519_ALGORITHMS, detached_payload=challenge)
    except MalformedJwsError:
        return False
    return is_bound_to(claims, credential) and token.kid == claims.capsuleId and verifies(token, credential)


def _check_challenge(challenge: bytes) -> None:
    if len(challenge) < SHORTEST_CHALLENGE_BYTES:
        raise ValueError(f"a challenge has at least {SHORTEST_CHALLENGE_BYTES} random bytes")
