"""Capsules and denials as an issuer signs them, with any claim changed, and a trust.json that believes it."""

from __future__ import annotations

from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from schemas.capsules import CAPSULE_TYP, DENIAL_TYP, CapsuleClaims, Confirmation, DenialClaims
from schemas.codec import encode
from schemas.decisions import DenialReason
from schemas.timestamp import Timestamp
from schemas.trust import KeyState, Role, SealingKey, TrustDocument, TrustedKey
from transport.compact_jws import encode_base64url, sign, thumbprint
from transport.envelopes import Expected, key_confirmation, utc_second
from transport.sealing import capsule_info, seal
from transport.trust import Trust

ISSUER = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
OPERATOR = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
NODE = Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32)
SEAL_KEY = X25519PrivateKey.from_private_bytes(bytes([4]) * 32)
RUNTIME_KEY = bytes(range(32))
NOW = 1_800_000_000
EXPIRES = NOW + 86_400
DIGEST = "d" * 64
CAPSULE_ID = "c" * 32


def trust_with(
    state: KeyState = KeyState.ACTIVE, role: Role = Role.ISSUE, before: int | None = None, after: int | None = None
) -> Trust:
    def key(kid: str, private: Ed25519PrivateKey, role: Role, **more: Any) -> TrustedKey:
        return TrustedKey(kid, encode_base64url(private.public_key().public_bytes_raw()), (role,), state, **more)

    validity = {
        "notBefore": None if before is None else Timestamp(before * 1000),
        "notAfter": None if after is None else Timestamp(after * 1000),
    }
    sealing = encode_base64url(SEAL_KEY.public_key().public_bytes_raw())
    keys = (key("issuer", ISSUER, role, **validity), key("operator", OPERATOR, Role.ENROL))
    return Trust(TrustDocument(1, "c", "iss", keys, SealingKey("s", sealing)))


TRUST = trust_with()
EXPECTED = Expected("c/kordon.", NOW * 1000, DIGEST, "node-1")


def capsule_claims(**changes: Any) -> CapsuleClaims:
    expires_utc = utc_second(EXPIRES)
    info = capsule_info("iss", "node-1", CAPSULE_ID, expires_utc, DIGEST)
    claims = CapsuleClaims(
        denied=False,
        requestId="r" * 16,
        nodeId="node-1",
        capsuleId=CAPSULE_ID,
        expiresUtc=expires_utc,
        riskScore=0,
        sealedRuntimeKey=seal(SEAL_KEY.public_key(), RUNTIME_KEY, info),
        iss="iss",
        aud="c/kordon.",
        iat=NOW,
        exp=EXPIRES,
        requestDigest=DIGEST,
        riskRevision=5,
        policyVersion=1,
        masterId="m",
        runtimeVersion="1.0",
        keyConfirmation=key_confirmation(RUNTIME_KEY, CAPSULE_ID, "node-1", expires_utc),
        cnf=Confirmation(thumbprint(NODE.public_key())),
    )
    return msgspec.structs.replace(claims, **changes)


def denial_claims(**changes: Any) -> DenialClaims:
    claims = DenialClaims(
        denied=True,
        reason=DenialReason.NODE_REVOKED,
        iss="iss",
        aud="c/kordon.",
        iat=NOW,
        exp=NOW + 300,
        requestDigest=DIGEST,
        policyVersion=1,
        nodeId="node-1",
    )
    return msgspec.structs.replace(claims, **changes)


def signed(
    claims: CapsuleClaims | DenialClaims | bytes,
    *,
    typ: str | None = None,
    kid: str = "issuer",
    key: Ed25519PrivateKey | bytes = ISSUER,
) -> str:
    payload = claims if isinstance(claims, bytes) else encode(claims)
    typ = typ or (DENIAL_TYP if isinstance(claims, DenialClaims) else CAPSULE_TYP)
    return sign(payload, {"typ": typ, "kid": kid}, key).decode()
