"""Building and signing a capsule request (design.md section 6)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from schemas.capsules import RequestClaims
from schemas.codec import decode, encode
from schemas.topics import REQUESTS
from transport.compact_jws import digest_of, encode_base64url

if TYPE_CHECKING:
    from kordon.client.credentials import NodeCredential
    from schemas.network import Network


@dataclass(frozen=True)
class SignedRequest:
    """A request as it is sent. ``seal_key`` opens the capsule that answers it, so it stays with the asking process.

    The same request may be sent again: it gets the same answer, as far as the node's standing is the same.
    """

    claims: RequestClaims
    value: bytes = field(repr=False)
    seal_key: X25519PrivateKey = field(repr=False)

    @property
    def digest(self) -> str:
        """Lower-case hex SHA-256 of the value's bytes, which every answer repeats."""
        return digest_of(self.value)


def new_request_id() -> str:
    """Return a fresh request id: 32 characters of base64url, 192 random bits."""
    return secrets.token_urlsafe(24)


def sign_request(
    credential: NodeCredential,
    *,
    node_id: str,
    audience: str,
    fingerprint: str,
    runtime_version: str,
    issued_at: int,
    network: Network | None = None,
    request_id: str | None = None,
) -> SignedRequest:
    """Return a new request with a sealing key of its own. ``issued_at`` is in whole seconds since the epoch.

    ``audience`` is ``clusterId/prefix``; ``request_id`` is drawn when it is not given.

    Raises:
        DecodeError: an argument is none that a request may hold; it names the field.
    """
    seal_key = X25519PrivateKey.generate()
    claims = RequestClaims(
        requestId=new_request_id() if request_id is None else request_id,
        nodeId=node_id,
        iat=issued_at,
        aud=audience,
        fingerprint=fingerprint,
        runtimeVersion=runtime_version,
        sealTo=encode_base64url(seal_key.public_key().public_bytes_raw()),
        network=network,
    )
    payload = encode(claims)
    decode(RequestClaims, payload, REQUESTS)
    return SignedRequest(claims, credential.sign(payload), seal_key)
