"""How a node proves who it is, from the node's side: its own key, or the bearer token of its fleet."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from schemas.capsules import REQUEST_TYP
from transport.compact_jws import encode_base64url, sign

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class Ed25519Credential:
    """A node's own key, enrolled as ``kid``. The registry has the public half, so nobody else can ask for the node."""

    kid: str
    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def public_key(self) -> str:
        """The public half as the registry spells it: 32 bytes in base64url."""
        return encode_base64url(self.private_key.public_key().public_bytes_raw())

    def sign(self, claims: bytes) -> bytes:
        """Return a compact JWS with these claims."""
        return sign(claims, {"typ": REQUEST_TYP, "kid": self.kid}, self.private_key)


@dataclass(frozen=True)
class HmacCredential:
    """The token of a fleet that has bearer tokens, enrolled as ``kid``. Its SHA-256 is the HS256 key."""

    kid: str
    token: bytes = field(repr=False)

    def sign(self, claims: bytes) -> bytes:
        """Return a compact JWS with these claims."""
        return sign(claims, {"typ": REQUEST_TYP, "kid": self.kid}, sha256(self.token).digest())


NodeCredential = Ed25519Credential | HmacCredential
"""What a node signs its requests with."""
