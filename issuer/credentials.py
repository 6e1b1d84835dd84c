"""Check 2: who asks, by the node's own credentials (design.md section 6).

The algorithm is the registry's. A request names a credential by ``kid``; where there is none of that name and kind,
a key that nobody has is verified against instead, so an unknown node, an unknown kid and a wrong signature cost the
same work and get the same answer.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from issuer.key_ring import KeyRing
from schemas.registry import Credential, CredentialType, RegistryRecord
from transport.compact_jws import HMAC_ALGORITHMS, CompactJws, VerificationKey, thumbprint, verifies
from transport.public_keys import InvalidPublicKeyError, ed25519_public_key
from transport.sealing import SealBrokenError, open_verifier

Credentials = Mapping[str, VerificationKey]
"""A node's verification keys by kid."""

_log: Final = structlog.get_logger("kordon.issuer")

_NOBODYS_PUBLIC_KEY: Final = Ed25519PrivateKey.generate().public_key()
_NOBODYS_VERIFIER: Final = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a request's signature is its node's; ``jkt`` is the thumbprint of the ed25519 credential used."""

    verified: bool
    jkt: str | None = None


def read_credentials(record: RegistryRecord, ring: KeyRing, cluster_id: str) -> Credentials:
    """Return a node's usable credentials. One that is unfit is left out and logged: it verifies nothing."""
    keys: dict[str, VerificationKey] = {}
    for credential in record.credentials:
        try:
            keys[credential.kid] = _read(record.nodeId, credential, ring, cluster_id)
        except (InvalidPublicKeyError, SealBrokenError) as error:
            _log.warning("credential.unfit", node=record.nodeId, kid=credential.kid, reason=str(error))
    return keys


def _read(node_id: str, credential: Credential, ring: KeyRing, cluster_id: str) -> VerificationKey:
    if credential.credential_type is CredentialType.ED25519:
        return ed25519_public_key(credential.publicKey or "")
    sealed = credential.sealedVerifier or ""
    return open_verifier(ring.opening_keys, sealed, cluster_id=cluster_id, node_id=node_id, kid=credential.kid)


def verify_proof(token: CompactJws, credentials: Credentials | None) -> Proof:
    """Verify a request under its node's credentials, ``None`` for a node that is not known."""
    key = None if credentials is None else credentials.get(token.kid)
    symmetric = token.algorithm in HMAC_ALGORITHMS
    known = key is not None and isinstance(key, bytes) == symmetric
    nobodys: VerificationKey = _NOBODYS_VERIFIER if symmetric else _NOBODYS_PUBLIC_KEY
    judge = key if key is not None and known else nobodys
    verified = verifies(token, judge) and known
    if verified and isinstance(judge, Ed25519PublicKey):
        return Proof(verified=True, jkt=thumbprint(judge))
    return Proof(verified)
