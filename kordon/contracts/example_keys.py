"""The keys of the examples. Everybody can read them here: they prove nothing and protect nothing."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from issuer.key_ring import KeyRing, SealingKeyPair, Secret, SigningKey
from kordon.client import Ed25519Credential
from schemas.trust import KeyState, Role, TrustedKey
from transport.compact_jws import encode_base64url
from transport.trust import Trust

CLUSTER_ID: Final = "prod"
CLUSTER_PREFIX: Final = "kordon."
ISSUER: Final = "kordon-prod"
OPERATOR_KID: Final = "ops-2026"


def _secret(number: int) -> bytes:
    return bytes(range(number, number + 32))


OPERATOR: Final = Ed25519PrivateKey.from_private_bytes(_secret(9))
NODE_CREDENTIAL: Final = Ed25519Credential("1", Ed25519PrivateKey.from_private_bytes(_secret(0)))
SEAL_KEY: Final = X25519PrivateKey.from_private_bytes(_secret(3))
RING: Final = KeyRing(
    (SigningKey("issuer-1", KeyState.ACTIVE, Ed25519PrivateKey.from_private_bytes(_secret(1))),),
    (Secret("master-1", KeyState.ACTIVE, _secret(4)),),
    (Secret("capsule-id-1", KeyState.ACTIVE, _secret(5)),),
    (SealingKeyPair("sealing-1", KeyState.ACTIVE, X25519PrivateKey.from_private_bytes(_secret(2))),),
)
_OPERATORS: Final = (
    TrustedKey(
        OPERATOR_KID,
        encode_base64url(OPERATOR.public_key().public_bytes_raw()),
        (Role.ENROL, Role.REVOKE, Role.QUARANTINE, Role.RELEASE),
        KeyState.ACTIVE,
        owner="ops@example.org",
    ),
)
TRUST: Final = Trust(RING.trust_document(CLUSTER_ID, ISSUER, _OPERATORS))
