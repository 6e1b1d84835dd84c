"""How a node proves who it is, from the node's side: its own key, or the bearer token of its fleet."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from kordon.client.possession import OtherServiceError, Possession, is_challenge_of
from schemas.capsules import REQUEST_TYP
from transport.compact_jws import encode_base64url, sign
from transport.envelopes import prove_possession
from transport.key_files import load_signing_key

if TYPE_CHECKING:
    from pathlib import Path

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

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the key file that ``kordon keys node`` wrote, of mode 0600.

        Raises:
            PrivateFileError: there is no such file, or others may use it.
            KeyFileError: it holds no single Ed25519 key.
        """
        key = load_signing_key(path)
        return cls(key.kid, key.private_key)

    def prove_possession(self, capsule_id: str, challenge: bytes, *, service: str) -> Possession:
        """Answer the challenge of a service that was shown this capsule (:mod:`kordon.client.possession`).

        ``service`` is the name of the service that this node means to speak to, not one taken from the challenge.

        Raises:
            OtherServiceError: the challenge is of another service; nothing is signed.
        """
        if not is_challenge_of(service, challenge):
            raise OtherServiceError("the challenge is not of this service")
        return Possession(self.public_key, prove_possession(self.private_key, capsule_id, challenge).decode("ascii"))


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
