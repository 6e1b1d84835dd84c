"""Sealing a secret to one reader: HPKE base mode, RFC 9180, X25519 / HKDF-SHA256 / AES-256-GCM.

The wire form is ``enc || ct``: 32 bytes of encapsulated key, then ciphertext with its 16-byte tag; empty aad. The
``info`` binds a seal to its purpose, so that no seal can be passed off as another (design.md section 6).
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from transport.compact_jws import decode_base64url, encode_base64url

SECRET_BYTES: Final = 32
"""Runtime keys and hmac verifiers have this many bytes."""

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SealBrokenError(Exception):
    """A seal that this key and this info do not open. It is never said why."""

    def __init__(self) -> None:
        super().__init__("the seal does not open with this key for this purpose")


def seal(recipient: X25519PublicKey, secret: bytes, info: bytes) -> str:
    """Return the sealed secret in base64url.

    Raises:
        ValueError: the recipient is a point of low order.
    """
    return encode_base64url(_SUITE.encrypt(secret, recipient, info))


def open_seal(private_key: X25519PrivateKey, sealed: str, info: bytes) -> bytes:
    """Return the 32 bytes that were sealed.

    Raises:
        SealBrokenError: in every other case.
    """
    try:
        secret = _SUITE.decrypt(decode_base64url(sealed.encode("ascii")), private_key, info)
    except (InvalidTag, ValueError):
        raise SealBrokenError from None
    if len(secret) != SECRET_BYTES:
        raise SealBrokenError
    return secret


def capsule_info(issuer: str, node_id: str, capsule_id: str, expires_utc: str, request_digest: str) -> bytes:
    """Return the info of a capsule's runtime key."""
    return _info("kordon.capsule-seal.v1", issuer, node_id, capsule_id, expires_utc, request_digest)


def verifier_info(cluster_id: str, node_id: str, kid: str) -> bytes:
    """Return the info of an hmac credential's verifier."""
    return _info("kordon.hmac-verifier.v1", cluster_id, node_id, kid)


def _info(*parts: str) -> bytes:
    # Only the last part may hold a bar (a kid may): names of issuers, clusters and nodes cannot.
    return "|".join(parts).encode("utf-8")


def verifier_of(token: bytes) -> bytes:
    """Return the verifier of a node's bearer token: SHA-256, which is the HS256 key and as good as the token."""
    return sha256(token).digest()


def seal_verifier(recipient: X25519PublicKey, token: bytes, *, cluster_id: str, node_id: str, kid: str) -> str:
    """Return a credential's ``sealedVerifier``. ``recipient`` is the issuer's sealing key; the token is not kept."""
    return seal(recipient, verifier_of(token), verifier_info(cluster_id, node_id, kid))


def open_verifier(
    private_keys: Iterable[X25519PrivateKey], sealed: str, *, cluster_id: str, node_id: str, kid: str
) -> bytes:
    """Return the 32 bytes of a verifier, trying each of the issuer's sealing keys.

    Raises:
        SealBrokenError: none of them opens it for this cluster, node and kid.
    """
    info = verifier_info(cluster_id, node_id, kid)
    for private_key in private_keys:
        try:
            return open_seal(private_key, sealed, info)
        except SealBrokenError:
            continue
    raise SealBrokenError
